//! A crash at every step of what is written.

use outpour_core::wire::Ack;
use outpour_server::log::{Fsync, Log, Record};

use crate::workload::{
    Picture, broker, disk_log_with, in_memory, is_unavailable, many_topics, picture, pictures, publish, random, records,
};
use outpour_simulation::disk::SimulatedDisk;

const RECORDS: usize = 120;
const BATCH: usize = 7;

/// Publishes until the disk is dead. Returns how many records were acknowledged.
fn run(disk: &SimulatedDisk, all: &[Record], fsync: Fsync) -> usize {
    let Ok(mut live) = broker(disk, fsync) else { return 0 };
    let mut acknowledged = live.head().0 as usize;
    for batch in all[acknowledged..].chunks(BATCH) {
        let acks: Vec<Ack> = publish(&mut live, batch);
        if acks.iter().any(is_unavailable) {
            assert!(acks.iter().all(is_unavailable), "a batch is taken as a whole or not at all");
            return acknowledged;
        }
        acknowledged += batch.len();
    }
    acknowledged
}

fn steps(all: &[Record], fsync: Fsync) -> u64 {
    let disk = SimulatedDisk::default();
    assert_eq!(run(&disk, all, fsync), RECORDS);
    assert!(disk.names().iter().any(|name| name.ends_with("checkpoint")));
    disk.steps()
}

fn check(disk: &SimulatedDisk, fsync: Fsync, pictures: &[Picture], at_least: usize, what: &str) -> usize {
    let mut live = broker(disk, fsync).unwrap_or_else(|error| panic!("{what}: {error}"));
    let head = live.head().0 as usize;
    assert!(head >= at_least, "{what}: {at_least} were acknowledged, and {head} are left");
    assert_eq!(picture(&mut live), pictures[head], "{what}");
    head
}

#[test]
fn the_process_dies_at_any_step() {
    let all = records(3, RECORDS);
    let pictures = pictures(&all);
    for fsync in [Fsync::Always, Fsync::Never] {
        for step in 0..steps(&all, fsync) {
            let what = format!("{fsync:?}, step {step}");
            let disk = SimulatedDisk::default();
            disk.die_at(Some(step));
            let acknowledged = run(&disk, &all, fsync);
            disk.restart_process();
            check(&disk, fsync, &pictures, acknowledged, &what);
            assert_eq!(run(&disk, &all, fsync), RECORDS, "{what}");
            check(&disk, fsync, &pictures, RECORDS, &what);
        }
    }
}

#[test]
fn the_machine_crashes_at_any_step() {
    let all = records(4, RECORDS);
    let pictures = pictures(&all);
    for fsync in [Fsync::Always, Fsync::Never] {
        for step in 0..steps(&all, fsync) {
            for seed in 0..4 {
                let what = format!("{fsync:?}, step {step}, seed {seed}");
                let mut random = random(step * 4 + seed);
                let disk = SimulatedDisk::default();
                disk.die_at(Some(step));
                let acknowledged = run(&disk, &all, fsync);
                disk.restart_machine(&mut random);
                let durable = if fsync == Fsync::Always { acknowledged } else { 0 };
                let head = check(&disk, fsync, &pictures, durable, &what);
                // And again, a few steps into the next life.
                disk.die_at(Some(disk.steps() + random(30) as u64));
                let acknowledged = run(&disk, &all, fsync).max(head);
                disk.restart_machine(&mut random);
                let durable = if fsync == Fsync::Always { acknowledged } else { 0 };
                check(&disk, fsync, &pictures, durable, &what);
            }
        }
    }
}

/// While the state of many topics is copied for a checkpoint, which takes several commits.
#[test]
fn the_machine_crashes_between_the_beginning_and_the_end_of_a_checkpoint() {
    const FIRST: usize = 1_500;
    let all = many_topics(5, FIRST, FIRST + 30);
    let prepared = SimulatedDisk::default();
    let mut reference = in_memory();
    for batch in all[..FIRST].chunks(100) {
        publish(&mut reference, batch);
    }
    let mut pictures = vec![picture(&mut reference)];
    for record in &all[FIRST..] {
        publish(&mut reference, std::slice::from_ref(record));
        pictures.push(picture(&mut reference));
    }
    // No checkpoint has been tried: it is begun with the first commit.
    let mut log = disk_log_with(&prepared, Fsync::Always, u64::MAX).unwrap();
    for record in &all[..FIRST] {
        log.append(record.clone()).unwrap();
    }
    log.commit().unwrap();
    drop(log);
    for step in 0..40 {
        for seed in 0..2 {
            let disk = prepared.copy();
            disk.die_at(Some(step));
            let Ok(mut live) = broker(&disk, Fsync::Always) else { continue };
            let mut acknowledged = FIRST;
            for batch in all[FIRST..].chunks(3) {
                if publish(&mut live, batch).iter().any(is_unavailable) {
                    break;
                }
                acknowledged += batch.len();
            }
            drop(live);
            disk.restart_machine(&mut random(step * 2 + seed));
            let mut live = broker(&disk, Fsync::Always).unwrap_or_else(|error| panic!("step {step}: {error}"));
            let head = live.head().0 as usize;
            assert!(head >= acknowledged, "step {step}: {acknowledged} were acknowledged, and {head} are left");
            assert_eq!(picture(&mut live), pictures[head - FIRST], "step {step}");
        }
    }
}
