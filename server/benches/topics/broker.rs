//! A broker with every topic set, and a shard whose sessions subscribe to some.

use bytes::Bytes;
use outpour_core::peer::{Batch, Change};
use outpour_core::wire::{ClientFrame, Condition, Hello, HistoryStart, PROTOCOL_MAJOR, Resume, Subscribe};
use outpour_core::{Epoch, PublishNumber, PublisherId, SubscriptionId, Timestamp, ValueType};
use outpour_server::broker::{Broker, BrokerConfig, SessionId};
use outpour_server::fanout::{Shard, ShardConfig};
use outpour_server::log::{MemoryLog, Record};

use crate::Scale;
use crate::memory::{Growth, Memory};
use crate::report::{growth, mean, scattered, time, title};

const VALUE_BYTES: usize = 100;
/// As many as `outpour serve` keeps.
const LOG_RECORDS: usize = 1024;
const PUBLISHER: PublisherId = PublisherId([7; 16]);
const SESSION: SessionId = SessionId { shard: 0, key: 0, generation: 0 };

pub(crate) fn run(scale: Scale) {
    title(&format!("A broker with {} topics of {VALUE_BYTES} bytes of JSON", scale.topics));
    let before = Memory::now();
    let log = MemoryLog::new(Epoch([1; 16]), LOG_RECORDS);
    let mut broker = Broker::new(BrokerConfig::default(), Box::new(log)).expect("an empty log can be read");
    time("publish the first value", publish_all(&mut broker, scale, 1));
    assert_eq!(broker.topics(), scale.topics as usize);
    growth("memory for each topic beyond the value", beyond_value(before, scale));
    let paths: Vec<_> = (0..100_000).map(|number| scale.path(scattered(number, scale.topics))).collect();
    time("get by path", mean(100_000, |number| assert!(broker.topic_at(&paths[number as usize]).is_some())));
    subscriptions(&mut broker, scale);
    for round in 2..=4 {
        time(&format!("publish value {round}, which differs in 8 digits"), publish_all(&mut broker, scale, round));
        growth("memory for each topic beyond the value", beyond_value(before, scale));
    }
}

fn beyond_value(before: Memory, scale: Scale) -> Growth {
    let growth = Memory::now().growth_since(before, scale.topics);
    let value = VALUE_BYTES as f64;
    Growth { taken: growth.taken - value, resident: growth.resident.map(|resident| resident - value), ..growth }
}

fn value(number: u32, round: u32) -> String {
    let changing = u64::from(scattered(number, 99_999_989)) * u64::from(round) % 100_000_000;
    format!(
        r#"{{"isin":"DE{number:010}","bid":1.{changing:08},"ask":101.25,"venue":"XETR","state":"open","currency":"EUR"}}"#
    )
}

fn publish_all(broker: &mut Broker, scale: Scale, round: u32) -> std::time::Duration {
    mean(scale.topics, |number| {
        let value = value(number, round);
        assert_eq!(value.len(), VALUE_BYTES);
        let count = u64::from(round - 1) * u64::from(scale.topics) + u64::from(number) + 1;
        broker.publish(
            SESSION,
            Record {
                path: scale.path(number),
                author: PUBLISHER,
                number: PublishNumber(count),
                condition: Condition::Always,
                change: Change::Set(ValueType::Json, Bytes::copy_from_slice(value.as_bytes())),
                at_ms: 0,
            },
        );
        broker.commit();
        broker.greet(PUBLISHER, PublishNumber(count));
        broker.take_outcomes().for_each(drop);
    })
}

fn subscriptions(broker: &mut Broker, scale: Scale) {
    const TIMES: u32 = 1_000;
    let mut shard = Shard::new(0, ShardConfig::default());
    // A session is told of a topic once, so that each kind of subscription has a session of its own.
    let mut client = Client::open(&mut shard, broker);
    let exact = mean(TIMES, |number| {
        let path = scale.path(scale.topics / TIMES * number);
        client.subscribe(&mut shard, broker, path.as_str(), 1);
    });
    time("a new subscription to one topic, answered", exact);
    let mut client = Client::open(&mut shard, broker);
    let small = mean(100, |number| {
        let folder = Scale::small_folder(scale.small_folders() / 100 * number);
        client.subscribe(&mut shard, broker, &format!("{folder}/*"), Scale::SMALL_FOLDER as usize);
    });
    time("a new subscription to a/b/* with 10 matches, answered", small);
    let large = mean(5, |number| {
        let folder = Scale::large_folder(number);
        client.subscribe(&mut shard, broker, &format!("{folder}/*"), Scale::LARGE_FOLDER as usize);
    });
    time("a new subscription to a/b/* with 1,000 matches, answered", large);
    let mut client = Client::open(&mut shard, broker);
    let before = Memory::now();
    let all = mean(1, |_| client.subscribe(&mut shard, broker, "books/**", scale.topics as usize / 2));
    time(&format!("a new subscription to {} topics, answered", scale.topics / 2), all);
    growth("memory of shard and session for each", Memory::now().growth_since(before, scale.topics / 2));
}

struct Client {
    key: u32,
    subscriptions: u32,
    batch: Batch,
}

impl Client {
    fn open(shard: &mut Shard, broker: &mut Broker) -> Self {
        let mut client = Self { key: shard.open(Timestamp::ZERO), subscriptions: 0, batch: Batch::default() };
        let mut hello = Vec::new();
        ClientFrame::Hello(Hello {
            major: PROTOCOL_MAJOR,
            minor: 0,
            publisher: PublisherId([9; 16]),
            settled: PublishNumber(0),
            max_message: 16 << 20,
            agent: "bench",
            resume: None,
            credentials: &[],
        })
        .encode(&mut hello);
        client.exchange(shard, broker, &hello);
        client
    }

    /// Subscribes and takes in what the gateway answers: at least the values.
    fn subscribe(&mut self, shard: &mut Shard, broker: &mut Broker, selector: &str, matches: usize) {
        let mut message = Vec::new();
        self.subscriptions += 1;
        ClientFrame::Subscribe(Subscribe {
            id: SubscriptionId(self.subscriptions),
            selector: selector.as_bytes(),
            max_rate_millihertz: 0,
            from: HistoryStart::Live,
            resume: Resume::No,
        })
        .encode(&mut message);
        let answer = self.exchange(shard, broker, &message);
        assert!(answer >= matches * VALUE_BYTES / 2, "{selector}: {answer} bytes are less than {matches} values");
    }

    /// Sends a message, and counts the bytes of the answer.
    fn exchange(&mut self, shard: &mut Shard, broker: &mut Broker, message: &[u8]) -> usize {
        shard.handle_message(self.key, message, Timestamp::ZERO);
        let mut answer = 0;
        while shard.wants_broker() || shard.has_ready() {
            if shard.wants_broker() {
                shard.serve(broker, 0, Timestamp::ZERO);
            }
            while let Some(key) = shard.poll_ready() {
                while shard.poll_transmit(key, &mut self.batch, 1 << 16, Timestamp::ZERO) {
                    answer += self.batch.slices().map(<[u8]>::len).sum::<usize>();
                }
                assert_eq!(shard.poll_close(key), None);
            }
        }
        answer
    }
}
