//! Embedded stores that keep the state itself: their own journal is the log.

use std::collections::HashMap;
use std::error::Error;
use std::ops::Range;
use std::path::Path;

use fjall::{KeyspaceCreateOptions, PersistMode};
use redb::{Durability, ReadableDatabase, ReadableTable, TableDefinition};

use crate::Engine;
use crate::workload::{PUBLISHER, topic, value};

/// A topic as it is kept: position and value.
fn row(record: u64) -> Vec<u8> {
    let mut row = record.to_be_bytes().to_vec();
    row.extend(value(record));
    row
}

/// The last verdict of a publisher: number, code, position.
fn verdict(record: u64) -> [u8; 18] {
    let mut verdict = [0; 18];
    verdict[..8].copy_from_slice(&record.to_be_bytes());
    verdict[10..].copy_from_slice(&record.to_be_bytes());
    verdict
}

pub(crate) struct Fjall {
    database: fjall::Database,
    topics: fjall::Keyspace,
    publishers: fjall::Keyspace,
    head: fjall::Keyspace,
    sync: bool,
}

impl Engine for Fjall {
    const NAME: &str = "fjall";

    fn open(directory: &Path, sync: bool) -> Result<Self, Box<dyn Error>> {
        let database = fjall::Database::builder(directory).open()?;
        let keyspace = |name| database.keyspace(name, KeyspaceCreateOptions::default);
        let (topics, publishers, head) = (keyspace("topics")?, keyspace("publishers")?, keyspace("head")?);
        Ok(Self { database, topics, publishers, head, sync })
    }

    fn commit(&mut self, records: Range<u64>) -> Result<(), Box<dyn Error>> {
        let mode = if self.sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        for record in records.clone() {
            batch.insert(&self.topics, topic(record).to_be_bytes(), row(record));
        }
        batch.insert(&self.publishers, PUBLISHER, verdict(records.end));
        batch.insert(&self.head, "position", records.end.to_be_bytes());
        Ok(batch.commit()?)
    }

    fn start(directory: &Path) -> Result<usize, Box<dyn Error>> {
        let engine = Self::open(directory, false)?;
        let mut topics = HashMap::new();
        for entry in engine.topics.iter() {
            let (key, value) = entry.into_inner()?;
            topics.insert(key.to_vec(), value.to_vec());
        }
        Ok(topics.len())
    }
}

const TOPICS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("topics");
const PUBLISHERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("publishers");
const HEAD: TableDefinition<'_, &str, u64> = TableDefinition::new("head");

pub(crate) struct Redb {
    database: redb::Database,
    sync: bool,
}

impl Engine for Redb {
    const NAME: &str = "redb (without fsync, a commit is lost even if only the process dies)";

    fn open(directory: &Path, sync: bool) -> Result<Self, Box<dyn Error>> {
        Ok(Self { database: redb::Database::create(directory.join("store.redb"))?, sync })
    }

    fn commit(&mut self, records: Range<u64>) -> Result<(), Box<dyn Error>> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(if self.sync { Durability::Immediate } else { Durability::None })?;
        {
            let mut topics = transaction.open_table(TOPICS)?;
            for record in records.clone() {
                topics.insert(topic(record), row(record).as_slice())?;
            }
            transaction.open_table(PUBLISHERS)?.insert(PUBLISHER.as_slice(), verdict(records.end).as_slice())?;
            transaction.open_table(HEAD)?.insert("position", records.end)?;
        }
        Ok(transaction.commit()?)
    }

    fn start(directory: &Path) -> Result<usize, Box<dyn Error>> {
        let engine = Self::open(directory, false)?;
        let mut topics = HashMap::new();
        for entry in engine.database.begin_read()?.open_table(TOPICS)?.iter()? {
            let (key, value) = entry?;
            topics.insert(key.value(), value.value().to_vec());
        }
        Ok(topics.len())
    }
}
