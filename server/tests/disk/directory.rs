//! A real directory, with the threads that sync and write checkpoints.

use std::time::Duration;

use outpour_server::broker::{Broker, BrokerConfig};
use outpour_server::log::{DiskLog, DiskOptions, Fsync, Log};

use crate::workload::{picture, pictures, publish, records};

fn open(directory: &std::path::Path, fsync: Fsync) -> Broker {
    let options = DiskOptions { fsync, checkpoint_after: 20_000, ..DiskOptions::default() };
    Broker::new(BrokerConfig::default(), Box::new(DiskLog::open(directory, options).unwrap())).unwrap()
}

#[test]
fn checkpoints_are_written_while_publishing_goes_on() {
    for fsync in [Fsync::Always, Fsync::Interval(Duration::from_millis(1)), Fsync::Never] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let all = records(9, 2_000);
        let pictures = pictures(&all);
        let mut published = 0;
        for part in all.chunks(500) {
            let mut live = open(&data, fsync);
            assert_eq!(picture(&mut live), pictures[published], "{fsync:?}");
            for batch in part.chunks(10) {
                publish(&mut live, batch);
            }
            published += part.len();
            assert_eq!(picture(&mut live), pictures[published], "{fsync:?}");
        }
        let mut live = open(&data, fsync);
        assert_eq!(picture(&mut live), pictures[all.len()], "{fsync:?}");
        let names: Vec<_> = std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().any(|name| name.to_string_lossy().ends_with(".checkpoint")), "{names:?}");
    }
}

#[test]
fn a_directory_has_one_writer() {
    let directory = tempfile::tempdir().unwrap();
    let first = DiskLog::open(directory.path(), DiskOptions::default()).unwrap();
    let error = DiskLog::open(directory.path(), DiskOptions::default()).unwrap_err().to_string();
    let name = directory.path().display();
    let id = std::process::id();
    assert!(error.starts_with(&format!("{name}: the process {id} is using this directory")), "{error}");
    let epoch = first.epoch();
    drop(first);
    assert_eq!(DiskLog::open(directory.path(), DiskOptions::default()).unwrap().epoch(), epoch);
}

#[test]
fn a_directory_that_cannot_be_is_said_in_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = DiskLog::open(file.join("data"), DiskOptions::default()).unwrap_err().to_string();
    assert!(error.contains("the directory can't be made") && error.lines().count() == 1, "{error}");

    let data = directory.path().join("data");
    drop(DiskLog::open(&data, DiskOptions::default()).unwrap());
    std::fs::write(data.join("life"), "something else").unwrap();
    let error = DiskLog::open(&data, DiskOptions::default()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}/life is damaged", data.display())), "{error}");
}
