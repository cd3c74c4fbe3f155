//! What follows from a record: what every shard has to know, and the verdict for who asked.

use std::sync::Arc;

use outpour_core::peer::{TopicDescription, Update};
use outpour_core::wire::Ack;
use outpour_core::{TopicNumber, Version};

/// Names a session among those of all shards, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionId {
    /// The shard that has it.
    pub shard: u32,
    /// Its place there.
    pub key: u32,
    /// Tells apart the sessions that have had this place.
    pub generation: u32,
}

/// What followed from applying a record. Cloning shares the content.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// There is a new topic, with nothing in it yet.
    Created {
        /// The topic.
        topic: Arc<TopicDescription>,
        /// The position of the record.
        version: Version,
    },
    /// A topic has a new value or event.
    Updated(Arc<Update>),
    /// A topic is no more.
    Removed {
        /// The topic.
        topic: TopicNumber,
        /// The position of the record.
        version: Version,
    },
    /// A session's publish was judged.
    Acknowledged {
        /// The session.
        session: SessionId,
        /// The verdict.
        ack: Ack,
    },
}
