//! What survives a restart.

use outpour_server::broker::{Broker, BrokerConfig};
use outpour_server::log::Fsync;

use crate::workload::{broker, disk_log, in_memory, many_topics, picture, pictures, publish, random, records};
use outpour_simulation::disk::SimulatedDisk;

/// Everything does: epoch, versions, numbers, values, the way to them, verdicts.
#[test]
fn a_broker_that_was_closed_or_killed_goes_on_as_if_it_had_not_been() {
    for seed in 0..20 {
        let disk = SimulatedDisk::default();
        let all = records(seed, 300);
        let pictures = pictures(&all);
        let mut random = random(seed);
        let mut reference = in_memory();
        let mut live = broker(&disk, Fsync::Never).unwrap();
        let epoch = live.epoch();
        let (mut published, mut checkpoints) = (0, 0);
        while published < all.len() {
            let batch = &all[published..all.len().min(published + 1 + random(20))];
            assert_eq!(publish(&mut live, batch), publish(&mut reference, batch), "seed {seed} at {published}");
            published += batch.len();
            if random(6) == 0 {
                match random(3) {
                    0 => disk.die(),
                    1 => live.settle(),
                    _ => {}
                }
                drop(live);
                disk.restart_process();
                live = broker(&disk, Fsync::Never).unwrap();
                assert_eq!(live.epoch(), epoch);
                // What was sent again after the restart was applied before.
                let again = publish(&mut live, batch);
                assert_eq!(again, publish(&mut reference, batch));
            }
            assert_eq!(picture(&mut live), pictures[published], "seed {seed} at {published}");
            checkpoints += disk.names().iter().filter(|name| name.ends_with("checkpoint")).count();
        }
        assert!(checkpoints > 0);
        assert!(disk.names().len() <= 4, "what is not needed any more is removed: {:?}", disk.names());
    }
}

/// The log does not grow with the number of records, but with what they add up to.
#[test]
fn a_checkpoint_takes_the_place_of_the_records_before_it() {
    let disk = SimulatedDisk::default();
    let mut live = broker(&disk, Fsync::Never).unwrap();
    let mut largest = 0;
    for batch in records(7, 5_000).chunks(10) {
        publish(&mut live, batch);
        largest = largest.max(disk.size());
    }
    let before = picture(&mut live);
    drop(live);
    assert!(largest < 400_000, "the disk had {largest} bytes");
    assert_eq!(picture(&mut broker(&disk, Fsync::Never).unwrap()), before);
}

#[test]
fn what_was_not_synced_when_the_machine_stopped_starts_another_epoch() {
    for (fsync, goes_on) in [(Fsync::Always, true), (Fsync::Never, false)] {
        let disk = SimulatedDisk::default();
        let mut live = broker(&disk, fsync).unwrap();
        let epoch = live.epoch();
        publish(&mut live, &records(1, 10));
        disk.die();
        drop(live);
        disk.restart_machine(&mut random(1));
        let mut again = broker(&disk, fsync).unwrap();
        assert_eq!(again.epoch() == epoch, goes_on, "{fsync:?}");
        assert!(!goes_on || again.head().0 == 10);
        // From here on all is well.
        let epoch = again.epoch();
        publish(&mut again, &records(1, 20)[10..]);
        let before = picture(&mut again);
        drop(again);
        disk.restart_machine(&mut random(2));
        let mut again = broker(&disk, fsync).unwrap();
        assert_eq!((again.epoch(), picture(&mut again)), (epoch, before), "it was closed in order");
    }
}

/// The state is copied a little at a time, while it goes on changing.
#[test]
fn a_checkpoint_of_many_topics_is_that_of_one_moment() {
    let disk = SimulatedDisk::default();
    let all = many_topics(3, 3_000, 16_000);
    let mut reference = in_memory();
    let mut live = broker(&disk, Fsync::Never).unwrap();
    let mut random = random(3);
    let (mut published, mut checkpoints) = (0, std::collections::BTreeSet::new());
    while published < all.len() {
        let count = if published < 3_000 { 1_000 } else { 1 + random(5) };
        let batch = &all[published..all.len().min(published + count)];
        publish(&mut live, batch);
        publish(&mut reference, batch);
        published += batch.len();
        let checkpoint = disk.names().into_iter().rfind(|name| name.ends_with("checkpoint"));
        if checkpoint.is_some_and(|name| checkpoints.insert(name)) {
            disk.die();
            drop(live);
            disk.restart_process();
            live = broker(&disk, Fsync::Never).unwrap();
            assert_eq!(picture(&mut live), picture(&mut reference), "after {published}");
        }
    }
    assert!(checkpoints.len() > 2, "{checkpoints:?}");
    drop(live);
    assert_eq!(picture(&mut broker(&disk, Fsync::Never).unwrap()), picture(&mut reference));
}

/// So a change of the rules does not change what was judged before.
#[test]
fn after_an_orderly_end_no_record_is_judged_again() {
    let disk = SimulatedDisk::default();
    let mut live = broker(&disk, Fsync::Never).unwrap();
    publish(&mut live, &records(8, 50));
    live.settle();
    let before = picture(&mut live);
    drop(live);
    let config = BrokerConfig { max_topics: 1, ..BrokerConfig::default() };
    let mut again = Broker::new(config, Box::new(disk_log(&disk, Fsync::Never).unwrap())).unwrap();
    assert_eq!(picture(&mut again), before);
    // What there is to keep was kept: nothing is written again.
    let steps = disk.steps();
    again.settle();
    assert_eq!(disk.steps(), steps);
}
