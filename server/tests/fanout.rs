//! A shard and the broker, which may be ahead of what the shard has heard of.

use outpour_core::peer::{Batch, Change};
use outpour_core::wire::{
    ClientFrame, Condition, Frames, GatewayFrame, Hello, HistoryStart, PROTOCOL_MAJOR, PROTOCOL_MINOR, Resume,
    Subscribe,
};
use outpour_core::{Partition, Path, PublishNumber, PublisherId, ResumePoint, SubscriptionId, Timestamp, ValueType};
use outpour_server::broker::{Broker, BrokerConfig, Outcome, SessionId};
use outpour_server::fanout::{Shard, ShardConfig};
use outpour_server::log::{MemoryLog, Record};

const NOW: Timestamp = Timestamp::from_micros(1_000_000);
/// Nobody of the shard: a publisher somewhere else.
const ELSEWHERE: SessionId = SessionId { shard: 9, key: 0, generation: 0 };

fn append(broker: &mut Broker, number: u64) {
    let record = Record {
        path: Path::new("events").expect("a path"),
        author: PublisherId([9; 16]),
        number: PublishNumber(number),
        condition: Condition::Always,
        change: Change::Append(ValueType::Text, format!("event {number}").into()),
        at_ms: 0,
    };
    broker.publish(ELSEWHERE, record);
    broker.commit();
}

/// Lets a client say hello and subscribe to everything, from a resume point if there is one.
fn begin(shard: &mut Shard, broker: &mut Broker, resume: Option<ResumePoint>) -> u32 {
    let key = shard.open(NOW);
    let mut message = Vec::new();
    let how = if resume.is_some() { Resume::Fully } else { Resume::No };
    ClientFrame::Hello(Hello {
        major: PROTOCOL_MAJOR,
        minor: PROTOCOL_MINOR,
        publisher: PublisherId([key as u8; 16]),
        settled: PublishNumber(0),
        max_message: 4 << 20,
        agent: "test",
        resume,
        credentials: &[],
    })
    .encode(&mut message);
    ClientFrame::Subscribe(Subscribe {
        id: SubscriptionId(1),
        selector: b"**",
        max_rate_millihertz: 0,
        from: HistoryStart::Live,
        resume: how,
    })
    .encode(&mut message);
    shard.handle_message(key, &message, NOW);
    shard.serve(broker, 0, NOW);
    key
}

/// What a session is told now, by the names of the frames; marks go without saying.
fn told(shard: &mut Shard, key: u32) -> Vec<String> {
    let mut batch = Batch::default();
    let mut names = Vec::new();
    while shard.poll_transmit(key, &mut batch, 1 << 20, NOW) {
        let message = batch.to_vec();
        for raw in Frames::new(&message) {
            let frame = raw.and_then(GatewayFrame::decode).expect("a frame").expect("a known one");
            let name: String = format!("{frame:?}").chars().take_while(char::is_ascii_alphanumeric).collect();
            names.extend(Some(name).filter(|name| name != "Mark"));
        }
        batch.clear();
    }
    names
}

#[test]
fn who_was_told_it_elsewhere_is_not_told_again_what_the_shard_has_yet_to_hear_of() {
    let mut broker =
        Broker::new(BrokerConfig::default(), Box::new(MemoryLog::fresh().expect("random"))).expect("a log");
    let mut shard = Shard::new(0, ShardConfig::default());
    append(&mut broker, 1);
    broker.take_outcomes().for_each(drop);
    let follower = begin(&mut shard, &mut broker, None);
    assert_eq!(told(&mut shard, follower), ["Welcome", "Announce", "Subscribed"]);

    // The broker goes on, and the shard has not heard of it when a client comes that has.
    append(&mut broker, 2);
    append(&mut broker, 3);
    let marks = vec![(Partition(0), broker.head())];
    let point = ResumePoint { epoch: broker.epoch(), marks, exceptions: Vec::new() };
    let back = begin(&mut shard, &mut broker, Some(point));
    let outcomes: Vec<Outcome> = broker.take_outcomes().collect();
    outcomes.iter().for_each(|outcome| shard.handle_outcome(outcome));
    assert_eq!(told(&mut shard, follower), ["Event", "Event"], "who was there hears of both");
    assert_eq!(told(&mut shard, back), ["Welcome", "Subscribed"], "who has been told both does not");

    append(&mut broker, 4);
    broker.take_outcomes().for_each(|outcome| shard.handle_outcome(&outcome));
    assert_eq!((told(&mut shard, follower), told(&mut shard, back)), (vec!["Event".into()], vec!["Event".into()]));
}
