//! Whatever is told when: the mark never passes a change that has not been told, no message is larger
//! than the client takes, and in the end the client holds what there is.

use alloc::collections::BTreeSet;
use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::check::check;

/// The largest message that the client takes: just enough for a value.
const MAX_MESSAGE: u64 = 1000 + FRAME_ROOM as u64;

#[derive(Clone, Debug)]
enum Step {
    /// A topic changes, or comes to be, with a value of this size.
    Change(u32, usize),
    Remove(u32),
    /// A new subscription finds the topics with paths below this, whether or not they were selected.
    Subscribe(u32),
    /// The session selects a topic no longer.
    Forget(u32),
    Repair(u32),
    /// A message is sent, of about this size.
    Send(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let topic = 0..30_u32;
    let size = prop_oneof![0..20_usize, Just(900)];
    let step = prop_oneof![
        12 => (topic.clone(), size).prop_map(|(topic, size)| Step::Change(topic, size)),
        1 => topic.clone().prop_map(Step::Remove),
        1 => topic.clone().prop_map(Step::Subscribe),
        1 => topic.clone().prop_map(Step::Forget),
        1 => topic.prop_map(Step::Repair),
        5 => prop_oneof![Just(1), 1..300_usize, Just(64 << 10)].prop_map(Step::Send),
        2 => (0..4_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 1..250)
}

/// Even paths have values, odd ones events.
fn kind(path: u32) -> TopicKind {
    if path.is_multiple_of(2) { TopicKind::Value } else { TopicKind::Event }
}

/// Every third one has a rate.
fn interval(path: u32) -> Duration {
    if path.is_multiple_of(3) { SECOND } else { Duration::ZERO }
}

/// The gateway's side: topics as a shard keeps them.
struct Gateway {
    peer: Peer,
    topics: Topicals,
    /// The number that a path goes by now.
    numbers: BTreeMap<u32, TopicNumber>,
    selected: BTreeSet<TopicNumber>,
    head: u64,
    next_number: u32,
    now: Timestamp,
    subscriptions: u32,
}

/// The client's side, by the protocol's rules alone.
#[derive(Default)]
struct Client {
    cursors: BTreeMap<TopicNumber, (u64, Vec<u8>)>,
    /// The newest version ever told of each topic: a repair may set the cursor back.
    told: BTreeMap<TopicNumber, u64>,
    mark: u64,
    subscribed: u32,
}

impl Gateway {
    fn new() -> Self {
        Self {
            peer: live(config(), MAX_MESSAGE),
            topics: Topicals::default(),
            numbers: BTreeMap::new(),
            selected: BTreeSet::new(),
            head: 0,
            next_number: 1,
            now: Timestamp::ZERO,
            subscriptions: 0,
        }
    }

    fn change(&mut self, path: u32, size: usize) {
        self.head += 1;
        let version = Version(self.head);
        let number = match self.numbers.get(&path) {
            Some(number) => *number,
            None => self.create(path, version),
        };
        let topic = self.topics.0.get_mut(&number).unwrap();
        let base = topic.version();
        let mut value = alloc::vec![path as u8; size];
        value.extend_from_slice(&version.0.to_le_bytes());
        let distance = version.distance_from(base).unwrap();
        let whole = kind(path) == TopicKind::Value;
        let frame = if whole {
            snapshot_frame(number, version, &value)
        } else {
            let mut frame = Vec::new();
            GatewayFrame::Event { topic: number, distance, value: &value }.encode(&mut frame);
            Bytes::from(frame)
        };
        let sequence = topic.sequence() + 1;
        let value = Bytes::from(value);
        topic.update(&Update { topic: number, base, version, sequence, at_ms: 0, frame, value, whole });
        if self.selected.contains(&number) {
            self.peer.note(number, base, version, interval(path));
        }
    }

    /// Once there is a subscription, new topics with low paths are selected.
    fn create(&mut self, path: u32, version: Version) -> TopicNumber {
        let number = TopicNumber(self.next_number);
        self.next_number += 1;
        let topic = Topic::new(TopicDescription {
            number,
            partition: Partition(0),
            path: Path::new(&path.to_string()).unwrap(),
            kind: kind(path),
            value_type: ValueType::Binary,
            retain: true,
            conflate: true,
            history: History { count: 8, age_ms: 0, bytes: u64::MAX },
        });
        self.topics.0.insert(number, topic);
        self.numbers.insert(path, number);
        if self.subscriptions > 0 && path < 20 {
            self.selected.insert(number);
            self.peer.note_matched(number, Version::NONE, Some(version), interval(path));
        }
        number
    }

    fn remove(&mut self, path: u32) {
        let Some(number) = self.numbers.remove(&path) else { return };
        self.head += 1;
        self.topics.0.remove(&number);
        if self.selected.remove(&number) {
            self.peer.note_removed(number, Version(self.head));
        }
    }

    fn subscribe(&mut self, below: u32) {
        self.subscriptions += 1;
        let found: Vec<(u32, TopicNumber)> =
            self.numbers.range(..below).map(|(path, number)| (*path, *number)).collect();
        for (path, number) in &found {
            if self.selected.insert(*number) {
                let topic = &self.topics.0[number];
                let from = if kind(*path) == TopicKind::Event { topic.before_last(3) } else { Version::NONE };
                self.peer.note_matched(*number, from, None, interval(*path));
            }
        }
        self.peer.note_subscribed(SubscriptionId(self.subscriptions), found.len() as u64, Version(self.head));
    }

    fn forget(&mut self, path: u32) -> Option<TopicNumber> {
        let number = self.numbers.get(&path).copied().filter(|number| self.selected.remove(number))?;
        let _unannounced = self.peer.forget(number);
        Some(number)
    }

    /// What a shard does when a client asks for a repair.
    fn repair(&mut self, path: u32) {
        let Some(number) = self.numbers.get(&path).filter(|number| self.selected.contains(number)) else { return };
        let topic = &self.topics.0[number];
        if kind(path) == TopicKind::Event {
            let from = topic.before_last(u64::MAX);
            self.peer.note_matched(*number, from, Some(topic.version()), interval(path));
        } else {
            self.peer.note(*number, Version::NONE, topic.version(), interval(path));
        }
    }

    fn send(&mut self, client: &mut Client, limit: usize) -> bool {
        let mut batch = Batch::default();
        let due = self.peer.poll_transmit(&self.topics, &mut batch, limit, self.now);
        if due {
            client.take(&batch.to_vec());
            assert_eq!(client.mark, self.peer.mark().0, "both sides have the same mark");
            self.check_mark(client);
        }
        due
    }

    /// Once all subscriptions are complete: of every topic that is selected, the client has been told
    /// all up to its mark.
    fn check_mark(&self, client: &Client) {
        if client.subscribed < self.subscriptions {
            return;
        }
        for number in &self.selected {
            let topic = &self.topics.0[number];
            let told = client.told.get(number).copied().unwrap_or_default();
            // Of what is kept, the newest change that the mark covers: it covers the older ones too.
            let covered = match topic.kind() {
                TopicKind::Value => Some(topic.version().0).filter(|version| *version <= client.mark),
                TopicKind::Event => {
                    let events = topic.events_after(Version::NONE).map(|event| event.version.0);
                    events.filter(|version| *version <= client.mark).last()
                }
            };
            let mark = client.mark;
            assert!(covered.is_none_or(|covered| told >= covered), "{} told up to {told}, mark {mark}", topic.path());
        }
    }
}

impl Client {
    fn held(&mut self, topic: TopicNumber) -> &mut (u64, Vec<u8>) {
        self.cursors.get_mut(&topic).expect("it was announced")
    }

    fn take(&mut self, message: &[u8]) {
        assert!(message.len() as u64 <= MAX_MESSAGE, "a message of {} bytes", message.len());
        let (mut newest, mut explicit) = (0, None);
        for raw in Frames::new(message) {
            match GatewayFrame::decode(raw.unwrap()).unwrap().unwrap() {
                GatewayFrame::Announce(announce) => {
                    self.cursors.insert(announce.topic, (announce.version.0, Vec::new()));
                }
                GatewayFrame::Snapshot { topic, version, check: sum, value } => {
                    assert_eq!(check(value, version), sum);
                    *self.held(topic) = (version.0, value.to_vec());
                    newest = newest.max(version.0);
                }
                GatewayFrame::Event { topic, distance, value } => {
                    let held = self.held(topic);
                    *held = (held.0 + distance, value.to_vec());
                    assert!(value.ends_with(&held.0.to_le_bytes()), "the event is that of its version");
                    newest = newest.max(held.0);
                }
                GatewayFrame::Gap { topic, version, .. } => {
                    let held = self.held(topic);
                    assert!(held.0 < version.0, "a gap of nothing");
                    held.0 = version.0;
                    newest = newest.max(version.0);
                }
                GatewayFrame::Removed { topic, version } => {
                    assert!(self.cursors.remove(&topic).is_some(), "it was announced");
                    newest = newest.max(version.0);
                }
                GatewayFrame::Mark { version, .. } => explicit = Some(version.0),
                GatewayFrame::Subscribed { id, .. } => self.subscribed = id.0,
                other => panic!("{other:?}"),
            }
        }
        for (topic, held) in &self.cursors {
            let told = self.told.entry(*topic).or_default();
            *told = (*told).max(held.0);
        }
        let mark = explicit.unwrap_or(newest.max(self.mark));
        assert!(mark >= self.mark, "a mark never goes down");
        self.mark = mark;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn no_mark_passes_what_has_not_been_told(steps in steps()) {
        let mut gateway = Gateway::new();
        let mut client = Client::default();
        for step in steps {
            match step {
                Step::Change(path, size) => gateway.change(path, size),
                Step::Remove(path) => gateway.remove(path),
                Step::Subscribe(below) => gateway.subscribe(below),
                Step::Forget(path) => {
                    if let Some(number) = gateway.forget(path) {
                        client.told.remove(&number);
                        client.cursors.remove(&number);
                    }
                }
                Step::Repair(path) => gateway.repair(path),
                Step::Send(limit) => drop(gateway.send(&mut client, limit)),
                Step::Pass(seconds) => {
                    gateway.now = gateway.now + Duration::from_secs(seconds);
                    gateway.peer.outbox.handle_timeout(gateway.now);
                }
            }
        }
        // When all rests are over and all is told, nothing is owed and the client holds what there is.
        for _ in 0..3 {
            while gateway.send(&mut client, 64 << 10) {}
            gateway.now = gateway.now + SECOND;
            gateway.peer.outbox.handle_timeout(gateway.now);
        }
        prop_assert_eq!(gateway.peer.owed(), 0);
        for number in &gateway.selected {
            let topic = &gateway.topics.0[number];
            let (version, value) = &client.cursors[number];
            prop_assert_eq!(*version, topic.version().0);
            if let Some(current) = topic.value() {
                prop_assert_eq!(value, current);
            }
        }
        let newest = gateway.selected.iter().map(|number| gateway.topics.0[number].version().0).max();
        prop_assert!(newest.is_none_or(|newest| client.mark >= newest), "{} < {:?}", client.mark, newest);
    }
}

#[test]
fn a_caught_up_session_is_told_shared_bytes_alone() {
    let mut gateway = Gateway::new();
    let mut client = Client::default();
    gateway.subscribe(0);
    gateway.change(2, 10);
    while gateway.send(&mut client, 64 << 10) {}
    let mut batch = Batch::default();
    for _ in 0..10 {
        gateway.change(2, 10);
        assert!(gateway.peer.poll_transmit(&gateway.topics, &mut batch, 64 << 10, gateway.now));
        assert_eq!(batch.own_bytes(), 0);
        assert_eq!(batch.slices().count(), 1);
        client.take(&batch.to_vec());
    }
    assert_eq!(client.mark, gateway.head);
}

#[test]
fn changes_behind_the_topics_of_a_new_subscription_hold_the_mark() {
    let mut gateway = Gateway::new();
    let mut client = Client::default();
    for path in [2, 4, 8] {
        gateway.change(path, 900);
    }
    // Only topic 2 is selected by a complete subscription.
    gateway.subscribe(3);
    while gateway.send(&mut client, 64 << 10) {}
    assert_eq!(client.mark, 3);
    // Now the others are found, and change; so does topic 2, behind them here but before them in the log.
    gateway.subscribe(9);
    gateway.change(2, 900);
    gateway.change(4, 900);
    assert!(gateway.send(&mut client, 1), "topic 4 in its newest version, 5");
    assert_eq!(client.mark, 3, "version 4, of topic 2, has not been told");
    while gateway.send(&mut client, 1) {}
    assert_eq!(client.mark, 5);
}
