//! Any sequence of messages of a client and of changes to topics: a peer does not panic or spin, says only what a
//! client can read, and every delta and event that it tells follows from what it told before.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use outpour_core::check::{check, short_check};
use outpour_core::delta;
use outpour_core::peer::{
    Batch, History, Peer, PeerConfig, PeerRequest, Reception, Topic, TopicDescription, Topics, Update, snapshot_frame,
};
use outpour_core::wire::{Ack, ClientFrame, Frames, GatewayFrame, Hello, HistoryStart, Resume, Subscribe};
use outpour_core::{
    Epoch, ErrorCode, FetchId, Partition, Path, PublishNumber, PublisherId, SubscriptionId, Timestamp, TopicKind,
    TopicNumber, ValueType, Version,
};

const TOPICS: u32 = 4;

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Hello,
    Bytes(&'a [u8]),
    Subscribe { id: u8, max_rate: u16 },
    Unsubscribe { id: u8 },
    Fetch { id: u8 },
    Repair { topic: u8 },
    Pong,
    Text,
    Goodbye,
    Set { topic: u8, value: &'a [u8] },
    Acknowledge { number: u8 },
    Transmit { limit: u16 },
    Pass { millis: u16 },
    Close,
}

struct Store(BTreeMap<TopicNumber, Topic>);

impl Topics for Store {
    fn topic(&self, number: TopicNumber) -> Option<&Topic> {
        self.0.get(&number)
    }
}

/// What the client knows of a topic.
#[derive(Default)]
struct Held {
    cursor: Version,
    sequence: u64,
    value: Option<(Version, Vec<u8>)>,
}

fn topic(number: u32) -> Topic {
    // The last ones are event topics.
    let kind = if number * 2 > TOPICS { TopicKind::Event } else { TopicKind::Value };
    Topic::new(TopicDescription {
        number: TopicNumber(number),
        partition: Partition(0),
        path: Path::new(&format!("a/{number}")).unwrap(),
        kind,
        value_type: ValueType::Binary,
        retain: true,
        conflate: number % 2 == 0,
        history: History { count: 3, age_ms: 0, bytes: 100 },
    })
}

fn update(topic: &Topic, version: Version, value: &[u8]) -> Update {
    let (number, base) = (topic.number(), topic.version());
    let distance = version.distance_from(base).unwrap();
    let (mut frame, mut sequence, mut whole) = (Vec::new(), 0, false);
    match (topic.kind(), topic.value()) {
        (TopicKind::Event, _) => {
            sequence = topic.sequence() + 1;
            GatewayFrame::Event { topic: number, distance, value }.encode(&mut frame);
        }
        (_, Some(held)) => {
            let mut delta = Vec::new();
            delta::encode(held, value, &mut delta);
            let check = short_check(check(value, version));
            GatewayFrame::Delta { topic: number, distance, check, delta: &delta }.encode(&mut frame);
        }
        (_, None) => {
            whole = true;
            frame = snapshot_frame(number, version, value).to_vec();
        }
    }
    let (frame, value) = (frame.into(), value.to_vec().into());
    Update { topic: number, base, version, sequence, at_ms: 0, frame, value, whole }
}

/// What a client makes of a message.
fn hear(message: &[u8], held: &mut BTreeMap<TopicNumber, Held>) {
    for raw in Frames::new(message) {
        match GatewayFrame::decode(raw.unwrap()).unwrap().unwrap() {
            GatewayFrame::Announce(announce) => {
                let topic = held.entry(announce.topic).or_default();
                (topic.cursor, topic.sequence) = (announce.version, announce.sequence);
            }
            GatewayFrame::Snapshot { topic, version, check: sum, value } => {
                assert_eq!(sum, check(value, version));
                let topic = held.get_mut(&topic).unwrap();
                topic.cursor = version;
                topic.value = Some((version, value.to_vec()));
            }
            GatewayFrame::Delta { topic, distance, check: sum, delta } => {
                let topic = held.get_mut(&topic).unwrap();
                let base = topic.cursor;
                topic.cursor = base.advanced_by(distance).unwrap();
                assert!(topic.cursor > base);
                if let Some((version, bytes)) = &mut topic.value
                    && *version == base
                {
                    let mut value = Vec::new();
                    delta::apply(bytes, delta, 1 << 16, &mut value).unwrap();
                    assert_eq!(sum, short_check(check(&value, topic.cursor)));
                    (*version, *bytes) = (topic.cursor, value);
                }
            }
            GatewayFrame::Event { topic, distance, .. } => {
                let topic = held.get_mut(&topic).unwrap();
                assert!(distance > 0);
                topic.cursor = topic.cursor.advanced_by(distance).unwrap();
                topic.sequence += 1;
            }
            GatewayFrame::Gap { topic, version, sequence } => {
                let topic = held.get_mut(&topic).unwrap();
                assert!(version > topic.cursor && sequence > topic.sequence);
                (topic.cursor, topic.sequence) = (version, sequence);
            }
            _ => {}
        }
    }
}

fuzz_target!(|steps: Vec<Step<'_>>| {
    let config = PeerConfig { max_subscriptions: 3, max_fetches: 2, max_in_flight: 4, ..PeerConfig::default() };
    let mut now = Timestamp::ZERO;
    let mut peer = Peer::new(Arc::new(config), now);
    let mut store = Store((1..=TOPICS).map(|number| (TopicNumber(number), topic(number))).collect());
    let mut head = 0;
    let (mut subscriptions, mut held) = (BTreeMap::new(), BTreeMap::new());
    let mut batch = Batch::default();
    for step in &steps {
        let mut message = Vec::new();
        let mut say = |frame: ClientFrame<'_>| frame.encode(&mut message);
        match *step {
            Step::Hello => say(ClientFrame::Hello(Hello {
                major: 1,
                minor: 0,
                publisher: PublisherId([1; 16]),
                settled: PublishNumber(0),
                max_message: 8 << 20,
                agent: "fuzz",
                resume: None,
                credentials: &[],
            })),
            Step::Bytes(bytes) => message.extend_from_slice(bytes),
            Step::Subscribe { id, max_rate } => say(ClientFrame::Subscribe(Subscribe {
                id: SubscriptionId(u32::from(id) % 4),
                selector: b"a/*",
                max_rate_millihertz: max_rate.into(),
                from: if id < 128 { HistoryStart::Live } else { HistoryStart::All },
                resume: Resume::No,
            })),
            Step::Unsubscribe { id } => say(ClientFrame::Unsubscribe { id: SubscriptionId(u32::from(id) % 4) }),
            Step::Fetch { id } => {
                say(ClientFrame::Fetch { id: FetchId(id.into()), selector: b"a/*", history: None, limit: 1 });
            }
            Step::Repair { topic } => say(ClientFrame::Repair { topic: TopicNumber(u32::from(topic) % 6) }),
            Step::Pong => say(ClientFrame::Pong { token: 1 }),
            Step::Goodbye => say(ClientFrame::Goodbye(outpour_core::wire::Goodbye::default())),
            Step::Text => peer.handle_text(),
            Step::Set { topic, value } => {
                head += 1;
                let number = TopicNumber(u32::from(topic) % TOPICS + 1);
                let topic = store.0.get_mut(&number).unwrap();
                let update = update(topic, Version(head), value);
                topic.update(&update);
                if let Some(interval) = subscriptions.values().min() {
                    peer.note(number, update.base, update.version, *interval);
                }
            }
            Step::Acknowledge { number } => {
                peer.acknowledge(Ack { number: PublishNumber(number.into()), code: 0, version: Version(1) });
            }
            Step::Transmit { limit } => {
                if peer.poll_transmit(&store, &mut batch, limit.into(), now) {
                    let message = batch.to_vec();
                    assert_eq!(message.len(), batch.len());
                    hear(&message, &mut held);
                }
            }
            Step::Pass { millis } => {
                now = now + Duration::from_millis(millis.into());
                peer.handle_timeout(now);
            }
            Step::Close => peer.close(ErrorCode::ShuttingDown, "closing", Duration::from_secs(1), ""),
        }
        if !message.is_empty() {
            peer.handle_message(&message, now);
        }
        while let Some(request) = peer.poll_request() {
            match request {
                PeerRequest::Hello { .. } => peer.welcome(
                    &Reception { epoch: Epoch([1; 16]), applied: PublishNumber(0), resumed: false, principal: "" },
                    now,
                ),
                PeerRequest::Subscribe { id, interval, from, .. } => {
                    if subscriptions.contains_key(&id) {
                        peer.close(ErrorCode::UnexpectedFrame, "used twice", Duration::ZERO, "");
                        continue;
                    }
                    let is_first = subscriptions.is_empty();
                    subscriptions.insert(id, interval);
                    for (number, topic) in store.0.iter().filter(|_| is_first) {
                        let base = match (topic.kind(), from) {
                            (TopicKind::Value, _) => Version::NONE,
                            (_, HistoryStart::All) => topic.before_last(u64::MAX),
                            _ => topic.version(),
                        };
                        peer.note_matched(*number, base, None, interval);
                    }
                    peer.note_subscribed(id, TOPICS.into(), Version(head));
                }
                PeerRequest::Unsubscribe { id } => {
                    if subscriptions.remove(&id).is_some() {
                        peer.unsubscribed(id);
                    }
                    if subscriptions.is_empty() {
                        for number in store.0.keys() {
                            let _unannounced = peer.forget(*number);
                        }
                    }
                }
                PeerRequest::Repair { topic } if !subscriptions.is_empty() => {
                    if let Some(topic) = store.0.get(&topic).filter(|topic| topic.kind() == TopicKind::Value) {
                        peer.note(topic.number(), Version::NONE, topic.version(), Duration::ZERO);
                    }
                }
                PeerRequest::Fetch { id, .. } => peer.fetch_ended(id, false),
                PeerRequest::Publish { number, .. } => {
                    peer.acknowledge(Ack { number, code: 0, version: Version(1) });
                }
                _ => {}
            }
        }
        assert!(peer.owed() <= 2 * TOPICS as usize + 3 + steps.len());
    }
    // A client that reads again is told all that is current.
    now = now + Duration::from_secs(3600 * 2);
    let mut seen = BTreeSet::new();
    while peer.is_live() {
        if !peer.poll_transmit(&store, &mut batch, 1 << 16, now) {
            break;
        }
        hear(&batch.to_vec(), &mut held);
        assert!(seen.insert(batch.to_vec()) || seen.len() < 1000, "it goes on for ever");
    }
});
