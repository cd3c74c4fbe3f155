//! The disk log of Outpour.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use outpour_core::peer::Change;
use outpour_core::wire::Condition;
use outpour_core::{Partition, PublishNumber, PublisherId, ValueType, Version};
use outpour_server::broker::{Broker, BrokerConfig, SessionId};
use outpour_server::log::{DiskLog, DiskOptions, Fsync, Log, Record};

use crate::Engine;
use crate::workload::{PUBLISHER, topic, value};

const SESSION: SessionId = SessionId { shard: 0, key: 0, generation: 0 };

/// The engine alone: no checkpoints are written, so a start reads every record.
pub(crate) struct Alone(DiskLog, Version);

/// With the broker, whose state checkpoints keep.
pub(crate) struct WithBroker(Box<Broker>);

fn record(number: u64) -> Record {
    Record {
        path: outpour_core::Path::new(&format!("prices/{:06}", topic(number))).expect("a path"),
        author: PublisherId(PUBLISHER),
        number: PublishNumber(number + 1),
        condition: Condition::Always,
        change: Change::Set(ValueType::Text, Bytes::from(value(number))),
        at_ms: 1_700_000_000_000 + number,
    }
}

fn options(sync: bool) -> DiskOptions {
    DiskOptions { fsync: if sync { Fsync::Always } else { Fsync::Never }, ..DiskOptions::default() }
}

fn broker(directory: &Path, options: DiskOptions) -> Result<Box<Broker>, Box<dyn Error>> {
    Ok(Box::new(Broker::new(BrokerConfig::default(), Box::new(DiskLog::open(directory, options)?))?))
}

impl Engine for Alone {
    const NAME: &str = "disk log, the engine alone: no checkpoints, a start reads all records";

    fn open(directory: &Path, sync: bool) -> Result<Self, Box<dyn Error>> {
        Ok(Self(DiskLog::open(directory, options(sync))?, Version::NONE))
    }

    fn commit(&mut self, records: Range<u64>) -> Result<(), Box<dyn Error>> {
        let Self(log, read) = self;
        for number in records {
            log.append(record(number))?;
        }
        log.commit()?;
        *read = log.read(Partition(0), *read, usize::MAX, &mut |_, _| {})?;
        Ok(())
    }

    fn start(directory: &Path) -> Result<usize, Box<dyn Error>> {
        Ok(broker(directory, options(false))?.topics())
    }
}

impl Engine for WithBroker {
    const NAME: &str = "disk log with the broker and its checkpoints";

    fn open(directory: &Path, sync: bool) -> Result<Self, Box<dyn Error>> {
        Ok(Self(broker(directory, options(sync))?))
    }

    fn commit(&mut self, records: Range<u64>) -> Result<(), Box<dyn Error>> {
        let begin = Instant::now();
        for number in records {
            self.0.publish(SESSION, record(number));
        }
        self.0.commit();
        self.0.take_outcomes().for_each(drop);
        let taken = begin.elapsed();
        if taken > Duration::from_millis(20) {
            println!("    a commit took {} ms", taken.as_millis());
        }
        Ok(())
    }

    fn start(directory: &Path) -> Result<usize, Box<dyn Error>> {
        Ok(broker(directory, options(false))?.topics())
    }
}
