//! The disk log of Outpour.

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use outpour_core::peer::Change;
use outpour_core::wire::Condition;
use outpour_core::{Partition, PublishNumber, PublisherId, ValueType, Version};
use outpour_server::broker::{Broker, BrokerConfig, SessionId};
use outpour_server::log::{DiskLog, DiskOptions, Fsync, Log, Record};
use rustix::time::{ClockId, clock_gettime};

use crate::Engine;
use crate::workload::{PUBLISHER, topic, value};

const SESSION: SessionId = SessionId { shard: 0, key: 0, generation: 0 };

/// The engine alone: no checkpoints are written, so a start reads every record.
pub(crate) struct Alone(DiskLog, Version);

/// With the broker, whose state checkpoints keep.
pub(crate) struct WithBroker {
    broker: Box<Broker>,
    /// What the longest commit took of the processor's time: whatever else the machine does.
    longest: Duration,
}

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
        Ok(Self { broker: broker(directory, options(sync))?, longest: Duration::ZERO })
    }

    fn commit(&mut self, records: Range<u64>) -> Result<(), Box<dyn Error>> {
        let begin = processor_time();
        for number in records {
            self.broker.publish(SESSION, record(number));
        }
        self.broker.commit();
        self.broker.take_outcomes().for_each(drop);
        self.longest = self.longest.max(processor_time() - begin);
        Ok(())
    }

    fn start(directory: &Path) -> Result<usize, Box<dyn Error>> {
        Ok(broker(directory, options(false))?.topics())
    }
}

impl Drop for WithBroker {
    fn drop(&mut self) {
        println!("    the longest commit took {:.1} ms of the processor", self.longest.as_secs_f64() * 1e3);
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
