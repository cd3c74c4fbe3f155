//! A broker that sees its log late, as one does that others write to as well.

use outpour_core::peer::Change;
use outpour_core::wire::Condition;
use outpour_core::{Path, PublishNumber, PublisherId, ValueType, Version};
use outpour_server::broker::{Broker, BrokerConfig, Outcome, SessionId};
use outpour_server::log::Record;
use outpour_simulation::log::{Horizon, SharedLog};

#[test]
fn every_sending_of_a_publish_gets_the_verdict() {
    let horizon = Horizon::default();
    let log = SharedLog::new(1);
    let mut broker = Broker::new(BrokerConfig::default(), Box::new(log.reader(horizon.clone()))).unwrap();
    horizon.set_limit(Version(0));
    let record = || Record {
        path: Path::new("v").unwrap(),
        author: PublisherId([1; 16]),
        number: PublishNumber(1),
        condition: Condition::Always,
        change: Change::Set(ValueType::Text, "1".into()),
        at_ms: 0,
    };
    // Over one connection, and over the next.
    let session = |key| SessionId { shard: 0, key, generation: 0 };
    broker.publish(session(7), record());
    broker.publish(session(8), record());
    broker.commit();
    assert_eq!(broker.take_outcomes().count(), 0, "it is not there yet");
    horizon.set_limit(Version(u64::MAX));
    broker.advance().unwrap();
    let verdicts: Vec<_> = broker
        .take_outcomes()
        .filter_map(|outcome| match outcome {
            Outcome::Acknowledged { session, ack } => Some((session, ack.code, ack.version)),
            _ => None,
        })
        .collect();
    assert_eq!(verdicts, [(session(7), 0, Version(1)), (session(8), 0, Version(1))]);
}
