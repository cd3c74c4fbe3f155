//! Disks that are full, or fail.

use outpour_core::Selector;
use outpour_server::log::Fsync;

use crate::workload::{broker, is_unavailable, picture, pictures, publish, random, records};
use outpour_simulation::disk::SimulatedDisk;

#[test]
fn a_full_disk_refuses_publishes_and_takes_them_again_when_there_is_room() {
    for seed in 0..30 {
        let disk = SimulatedDisk::default();
        let mut random = random(seed);
        let all = records(seed, 200);
        let pictures = pictures(&all);
        let mut live = broker(&disk, Fsync::Always).unwrap();
        let (mut published, mut refused) = (0, 0);
        while published < all.len() {
            if random(4) == 0 {
                disk.limit_room((random(3) > 0).then(|| disk.size() + random(1_500)));
            }
            let batch = &all[published..all.len().min(published + 1 + random(8))];
            let acks = publish(&mut live, batch);
            if acks.iter().any(is_unavailable) {
                assert!(acks.iter().all(is_unavailable) && acks.len() == batch.len());
                refused += 1;
                disk.limit_room(None);
            } else {
                published += batch.len();
            }
            // Whatever the disk does, what there is can be read.
            assert_eq!(picture(&mut live), pictures[published]);
            let mut found = Vec::new();
            live.matching(&Selector::new("v/*").unwrap(), None, 100, &mut found);
        }
        assert!(refused > 0);
        disk.limit_room(None);
        disk.die();
        drop(live);
        disk.restart_process();
        assert_eq!(picture(&mut broker(&disk, Fsync::Always).unwrap()), pictures[all.len()]);
    }
}

/// After a sync that failed nobody knows what is on the disk.
#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_a_restart() {
    let disk = SimulatedDisk::default();
    let all = records(2, 30);
    let pictures = pictures(&all);
    let mut live = broker(&disk, Fsync::Always).unwrap();
    publish(&mut live, &all[..10]);
    disk.fail_syncs(true);
    assert!(publish(&mut live, &all[10..15]).iter().all(is_unavailable));
    disk.fail_syncs(false);
    assert!(publish(&mut live, &all[10..15]).iter().all(is_unavailable));
    assert_eq!(picture(&mut live), pictures[10]);
    drop(live);
    let mut live = broker(&disk, Fsync::Always).unwrap();
    assert_eq!(picture(&mut live), pictures[10], "what was refused is not applied later");
    publish(&mut live, &all[10..]);
    assert_eq!(picture(&mut live), pictures[30]);
}
