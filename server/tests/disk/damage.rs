//! Files that are not what was written.

use outpour_server::log::{Fsync, LogError};
use proptest::prelude::*;

use crate::workload::{Picture, broker, picture, pictures, publish, random, records};
use outpour_simulation::disk::SimulatedDisk;

const RECORDS: usize = 60;

/// A disk with a checkpoint and some records behind it, and what its broker held at each position.
fn written(closed: bool) -> (SimulatedDisk, Vec<Picture>) {
    let disk = SimulatedDisk::default();
    let all = records(11, RECORDS);
    let mut live = broker(&disk, Fsync::Always).unwrap();
    for batch in all.chunks(5) {
        publish(&mut live, batch);
    }
    if !closed {
        disk.die();
    }
    drop(live);
    disk.restart_process();
    assert!(disk.names().iter().any(|name| name.ends_with("checkpoint")));
    (disk, pictures(&all))
}

fn newest_segment(disk: &SimulatedDisk) -> String {
    disk.names().into_iter().rfind(|name| name.ends_with("records")).unwrap()
}

/// Where the last record of a segment starts.
fn last_record(segment: &[u8]) -> usize {
    let mut start = 40;
    loop {
        let length = u32::from_le_bytes(segment[start + 4..start + 8].try_into().unwrap()) as usize;
        if start + 16 + length == segment.len() {
            return start;
        }
        start += 16 + length;
    }
}

#[test]
fn an_end_that_was_cut_anywhere_costs_the_last_record_and_no_more() {
    let (disk, pictures) = written(false);
    let name = newest_segment(&disk);
    let mut segment = Vec::new();
    disk.tamper(&name, |bytes| segment = bytes.clone());
    for length in last_record(&segment)..segment.len() {
        let torn = disk.copy();
        torn.tamper(&name, |bytes| bytes.truncate(length));
        let mut live = broker(&torn, Fsync::Always).unwrap_or_else(|error| panic!("{length}: {error}"));
        assert_eq!(picture(&mut live), pictures[RECORDS - 1]);
        // It goes on from there.
        let acks = publish(&mut live, &records(11, RECORDS)[RECORDS - 1..]);
        assert_eq!(acks.len(), 1);
        assert_eq!(picture(&mut live), pictures[RECORDS]);
        drop(live);
        assert_eq!(picture(&mut broker(&torn, Fsync::Always).unwrap()), pictures[RECORDS]);
    }
}

#[test]
fn a_crash_of_the_machine_may_leave_anything_behind_what_was_synced() {
    let (disk, pictures) = written(false);
    let name = newest_segment(&disk);
    let mut random = random(5);
    for _ in 0..200 {
        let torn = disk.copy();
        torn.tamper(&name, |bytes| {
            let start = last_record(bytes);
            for byte in &mut bytes[start..] {
                *byte = if random(3) == 0 { *byte } else { random(256) as u8 };
            }
            bytes.resize(bytes.len() + random(500), 0);
        });
        torn.restart_machine(&mut random);
        let mut live = broker(&torn, Fsync::Always).unwrap();
        let head = live.head().0 as usize;
        assert!((RECORDS - 1..=RECORDS).contains(&head));
        assert_eq!(picture(&mut live), pictures[head]);
    }
}

/// One way or the other: it is refused, or it is as it was at some time.
fn open(disk: &SimulatedDisk, pictures: &[Picture]) -> Result<usize, LogError> {
    let mut live = broker(disk, Fsync::Always)?;
    let head = live.head().0 as usize;
    assert_eq!(picture(&mut live), pictures[head]);
    Ok(head)
}

#[test]
fn a_byte_that_changed_after_an_orderly_end_is_noticed_wherever_it_is() {
    let (disk, pictures) = written(true);
    assert_eq!(open(&disk.copy(), &pictures).unwrap(), RECORDS);
    for name in disk.names() {
        let mut length = 0;
        disk.tamper(&name, |bytes| length = bytes.len());
        for place in 0..length {
            let damaged = disk.copy();
            damaged.tamper(&name, |bytes| bytes[place] ^= 1 << (place % 8));
            let opened = open(&damaged, &pictures);
            let error = opened.expect_err(&format!("{name} at {place}")).to_string();
            assert!(error.contains("damaged") && error.contains("backup"), "{error}");
        }
    }
}

#[test]
fn a_record_that_was_durable_is_never_taken_for_an_unfinished_end() {
    let (disk, pictures) = written(false);
    let name = newest_segment(&disk);
    let mut end = 0;
    disk.tamper(&name, |bytes| end = last_record(bytes));
    // Records of the last batch vouch for those before it.
    for place in 40..end {
        let damaged = disk.copy();
        damaged.tamper(&name, |bytes| bytes[place] ^= 0x10);
        damaged.restart_machine(&mut random(place as u64));
        if let Ok(head) = open(&damaged, &pictures) {
            assert!(head >= RECORDS - 5, "the change at {place} cost records up from {head}");
        }
    }
}

#[test]
fn files_that_are_missing_are_missed() {
    let (disk, pictures) = written(true);
    for name in disk.names() {
        let robbed = disk.copy();
        outpour_server::log::Storage::remove(&robbed, &name).unwrap();
        let error = open(&robbed, &pictures).expect_err(&name).to_string();
        assert!(error.contains("missing") || error.contains("closed"), "{name}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damage_of_any_kind_never_gives_wrong_data(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..4, any::<u8>()), 1..5),
        closed: bool,
        rebooted: bool,
    ) {
        let (disk, pictures) = written(closed);
        for (file, place, kind, byte) in changes {
            let names = disk.names();
            disk.tamper(&names[file.index(names.len())], |bytes| {
                let place = place.index(bytes.len() + 1);
                match kind {
                    0 => bytes.truncate(place),
                    1 => bytes.insert(place, byte),
                    2 if place < bytes.len() => drop(bytes.remove(place)),
                    _ => bytes.iter_mut().skip(place).take(1).for_each(|old| *old = byte),
                }
            });
        }
        if rebooted {
            disk.restart_machine(&mut random(1));
        }
        let _refused_or_right = open(&disk, &pictures);
    }
}
