//! A gateway in miniature: the real half of the conversation over a handful of topics in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outpour_core::check::{check, plain_check, short_check};
use outpour_core::peer::{
    Batch, Change, History, Peer, PeerConfig, PeerRequest, Reception, Topic, TopicDescription, Topics, Update,
    snapshot_frame,
};
use outpour_core::session::TransportId;
use outpour_core::wire::{Ack, Condition, Fetched, GatewayFrame, HistoryStart, Resume};
use outpour_core::{
    Epoch, ErrorCode, Partition, Path, PublishNumber, PublisherId, ResumePoint, Selector, SubscriptionId, Timestamp,
    TopicKind, TopicNumber, Value, ValueType, Version, delta,
};

pub(crate) struct Gateway {
    config: Arc<PeerConfig>,
    pub(crate) epoch: Epoch,
    /// Who clients are to it.
    pub(crate) principal: String,
    head: u64,
    last_number: u32,
    topics: BTreeMap<TopicNumber, Topic>,
    created: BTreeMap<TopicNumber, Version>,
    removed: Vec<(Path, TopicNumber, Version)>,
    /// Whether clients go on silently from where they were, or are told which topics there are.
    pub(crate) remembers_removals: bool,
    numbers: BTreeMap<Path, TopicNumber>,
    /// Who set the value of a topic.
    authors: BTreeMap<TopicNumber, (PublisherId, PublishNumber)>,
    verdicts: BTreeMap<PublisherId, BTreeMap<PublishNumber, Ack>>,
    connections: BTreeMap<TransportId, Connection>,
    /// How many past events are kept.
    pub(crate) kept_events: u64,
    /// Credentials that are not taken, and why.
    pub(crate) refused: Vec<(&'static [u8], ErrorCode)>,
    /// The credentials of every hello.
    pub(crate) shown: Vec<Vec<u8>>,
    /// Verdicts are held back while this is set.
    pub(crate) deaf: bool,
    pub(crate) applied: Vec<(Path, Change)>,
}

struct Connection {
    peer: Peer,
    resume: Option<ResumePoint>,
    subscriptions: BTreeMap<SubscriptionId, Subscribed>,
    selected: BTreeSet<TopicNumber>,
}

struct Subscribed {
    selector: Selector,
    interval: Duration,
}

struct ByNumber<'a>(&'a BTreeMap<TopicNumber, Topic>);

impl Topics for ByNumber<'_> {
    fn topic(&self, number: TopicNumber) -> Option<&Topic> {
        self.0.get(&number)
    }
}

impl Gateway {
    pub(crate) fn new(config: PeerConfig) -> Self {
        Self {
            config: Arc::new(config),
            epoch: Epoch([1; 16]),
            principal: String::new(),
            head: 0,
            last_number: 0,
            topics: BTreeMap::new(),
            created: BTreeMap::new(),
            removed: Vec::new(),
            remembers_removals: true,
            numbers: BTreeMap::new(),
            authors: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            connections: BTreeMap::new(),
            kept_events: 100,
            deaf: false,
            refused: Vec::new(),
            shown: Vec::new(),
            applied: Vec::new(),
        }
    }

    /// Begins a new life with nothing in it.
    pub(crate) fn restart(&mut self) {
        let (mut epoch, config, kept_events) = (self.epoch, (*self.config).clone(), self.kept_events);
        epoch.0[0] = epoch.0[0].wrapping_add(1);
        *self = Self { epoch, kept_events, ..Self::new(config) };
    }

    pub(crate) fn accept(&mut self, id: TransportId, now: Timestamp) {
        let peer = Peer::new(Arc::clone(&self.config), now);
        self.connections
            .insert(id, Connection { peer, resume: None, subscriptions: BTreeMap::new(), selected: BTreeSet::new() });
    }

    pub(crate) fn drop_connection(&mut self, id: TransportId) {
        self.connections.remove(&id);
    }

    pub(crate) fn handle_message(&mut self, id: TransportId, message: &[u8], now: Timestamp) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.peer.handle_message(message, now);
        while let Some(request) = self.connections.get_mut(&id).and_then(|connection| connection.peer.poll_request()) {
            self.serve(id, request, now);
        }
    }

    /// The next message for a client, of about `limit` bytes.
    pub(crate) fn transmit(&mut self, id: TransportId, limit: usize, now: Timestamp) -> Option<Vec<u8>> {
        let connection = self.connections.get_mut(&id)?;
        let mut batch = Batch::default();
        connection.peer.poll_transmit(&ByNumber(&self.topics), &mut batch, limit, now).then(|| batch.to_vec())
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Asks everybody to go on elsewhere.
    pub(crate) fn move_away(&mut self, within: Duration, redirect: &str) {
        for connection in self.connections.values_mut() {
            connection.peer.move_away(within, redirect);
        }
    }

    /// Says goodbye to everybody.
    pub(crate) fn send_away(&mut self, code: ErrorCode, retry_after: Duration, redirect: &str) {
        for connection in self.connections.values_mut() {
            connection.peer.close(code, code.message(), retry_after, redirect);
        }
    }

    pub(crate) fn close_code(&self, id: TransportId) -> Option<u16> {
        self.connections.get(&id)?.peer.poll_close()
    }

    /// Says goodbye to everybody.
    pub(crate) fn close(&mut self, code: ErrorCode, retry_after: Duration) {
        self.send_away(code, retry_after, "");
    }

    pub(crate) fn poll_timeout(&self) -> Option<Timestamp> {
        self.connections.values().filter_map(|connection| connection.peer.poll_timeout()).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        for connection in self.connections.values_mut() {
            connection.peer.handle_timeout(now);
        }
    }

    /// Every topic with its value or newest event, its version, and the number of its events.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.values()
    }

    pub(crate) fn topic(&self, path: &str) -> Option<&Topic> {
        self.topics.get(self.numbers.get(path)?)
    }

    pub(crate) fn set(&mut self, path: &str, value: &Value) -> Version {
        let author = (PublisherId([0xee; 16]), PublishNumber(0));
        self.change(&Path::new(path).unwrap(), Change::Set(value.value_type(), value.bytes().clone()), author).unwrap()
    }

    pub(crate) fn append(&mut self, path: &str, value: &Value) -> Version {
        let author = (PublisherId([0xee; 16]), PublishNumber(0));
        let change = Change::Append(value.value_type(), value.bytes().clone());
        self.change(&Path::new(path).unwrap(), change, author).unwrap()
    }

    pub(crate) fn remove(&mut self, path: &str) -> bool {
        let author = (PublisherId([0xee; 16]), PublishNumber(0));
        self.change(&Path::new(path).unwrap(), Change::Remove, author).is_ok()
    }

    fn serve(&mut self, id: TransportId, request: PeerRequest, now: Timestamp) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        match request {
            PeerRequest::Hello { publisher, settled, resume, credentials } => {
                self.shown.push(credentials.to_vec());
                if let Some((_, code)) = self.refused.iter().find(|(refused, _)| *refused == credentials) {
                    return connection.peer.close(*code, code.message(), Duration::ZERO, "");
                }
                connection.resume = resume.filter(|point| point.epoch == self.epoch);
                let verdicts = self.verdicts.entry(publisher).or_default();
                verdicts.retain(|number, _| *number > settled);
                let applied = verdicts.keys().next_back().copied().unwrap_or(settled);
                let resumed = connection.resume.is_some() && self.remembers_removals;
                let reception = Reception { epoch: self.epoch, applied, resumed, principal: &self.principal };
                connection.peer.welcome(&reception, now);
            }
            PeerRequest::Subscribe { id: subscription, selector, interval, from, resume } => {
                connection.subscriptions.insert(subscription, Subscribed { selector: selector.clone(), interval });
                let mut matched = 0;
                let point = connection.resume.as_ref().filter(|_| resume == Resume::Fully);
                let told = connection.resume.as_ref().filter(|_| resume == Resume::Partly);
                let mark = point.map_or(Version::NONE, |point| point.mark(Partition(0)));
                let continued = point.is_some() && self.remembers_removals;
                for (path, number, version) in self.removed.iter().filter(|_| continued) {
                    if *version > mark && selector.matches(path.as_str()) {
                        connection.peer.note_removed(*number, *version);
                    }
                }
                for (number, topic) in &self.topics {
                    if !selector.matches(topic.path().as_str()) {
                        continue;
                    }
                    matched += 1;
                    if !connection.selected.insert(*number) {
                        continue;
                    }
                    let held = point.and_then(|point| {
                        let known = (self.created[number] <= mark).then(|| topic.held_at(mark));
                        point.exception(*number).or(known)
                    });
                    match held {
                        Some(held) if !continued => connection.peer.note_matched(*number, held, None, interval),
                        Some(held) if held < topic.version() => connection.peer.note_resumed(*number, held, interval),
                        Some(_) => {}
                        None if told.is_some_and(|point| point.exception(*number) > Some(Version::NONE)) => {
                            let held = told.and_then(|point| point.exception(*number)).unwrap();
                            connection.peer.note_matched(*number, held, None, interval);
                        }
                        None => {
                            let from = if point.is_some() { HistoryStart::After(mark) } else { from };
                            connection.peer.note_matched(*number, start(topic, from), None, interval);
                        }
                    }
                }
                connection.peer.note_subscribed(subscription, matched, Version(self.head));
            }
            PeerRequest::Unsubscribe { id: subscription } => {
                if connection.subscriptions.remove(&subscription).is_none() {
                    return;
                }
                connection.peer.unsubscribed(subscription);
                let Connection { peer, subscriptions, selected, .. } = connection;
                selected.retain(|number| {
                    let path = self.topics[number].path().as_str();
                    let still = subscriptions.values().any(|other| other.selector.matches(path));
                    if !still {
                        peer.forget(*number);
                    }
                    still
                });
            }
            PeerRequest::Publish { number, path, condition, change } => {
                if self.deaf {
                    return;
                }
                let publisher = connection.peer.publisher();
                let settled = self.verdicts.entry(publisher).or_default().get(&number).copied();
                let ack = settled.unwrap_or_else(|| self.judge(publisher, number, &path, condition, change));
                self.verdicts.entry(publisher).or_default().insert(number, ack);
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.peer.acknowledge(ack);
                }
            }
            PeerRequest::Fetch { id: fetch, selector, history, limit } => {
                let mut left = limit;
                let mut more = false;
                for topic in self.topics.values().filter(|topic| selector.matches(topic.path().as_str())) {
                    let items: Vec<(Version, u64, &[u8])> = match (history, topic.value()) {
                        (None, Some(value)) => vec![(topic.version(), 0, value.as_ref())],
                        (None, None) => Vec::new(),
                        (Some(from), _) => {
                            let events = topic.events_after(start(topic, from));
                            events.map(|event| (event.version, event.sequence, event.value)).collect()
                        }
                    };
                    for (version, sequence, value) in items {
                        if left == 0 {
                            more = true;
                            break;
                        }
                        left -= 1;
                        connection.peer.fetched(Fetched {
                            id: fetch,
                            path: topic.path().clone(),
                            kind: topic.kind(),
                            value_type: topic.value_type(),
                            version,
                            sequence,
                            value,
                        });
                    }
                }
                connection.peer.fetch_ended(fetch, more);
            }
            PeerRequest::Repair { topic } => {
                if connection.selected.contains(&topic) {
                    connection.peer.note(topic, Version::NONE, self.topics[&topic].version(), Duration::ZERO);
                }
            }
            other => panic!("a request that this gateway does not know: {other:?}"),
        }
    }

    fn judge(
        &mut self,
        publisher: PublisherId,
        number: PublishNumber,
        path: &Path,
        condition: Condition,
        change: Change,
    ) -> Ack {
        let now = self.topic(path.as_str()).map(Topic::version);
        let verdict = match condition {
            Condition::IfAbsent if now.is_some() => Err(ErrorCode::AlreadyExists),
            Condition::IfVersion(wanted) if now != Some(wanted) => Err(ErrorCode::VersionMismatch),
            _ => self.change(path, change, (publisher, number)),
        };
        match verdict {
            Ok(version) => Ack { number, code: 0, version },
            Err(code) => Ack { number, code: code.number(), version: now.unwrap_or_default() },
        }
    }

    fn change(
        &mut self,
        path: &Path,
        change: Change,
        author: (PublisherId, PublishNumber),
    ) -> Result<Version, ErrorCode> {
        self.applied.push((path.clone(), change.clone()));
        self.head += 1;
        let version = Version(self.head);
        match change {
            Change::Set(value_type, value) => {
                let number = self.find_or_create(path, TopicKind::Value, value_type, true)?;
                self.update_value(number, version, value, author);
            }
            Change::Append(value_type, value) => {
                let number = self.find_or_create(path, TopicKind::Event, value_type, true)?;
                self.update_events(number, version, &value);
            }
            Change::Delta { base, check, delta } => {
                let number = *self.numbers.get(path).ok_or(ErrorCode::BaseMismatch)?;
                if self.authors.get(&number) != Some(&(author.0, base)) {
                    return Err(ErrorCode::BaseMismatch);
                }
                let held = self.topics[&number].value().cloned().unwrap_or_default();
                let mut value = Vec::new();
                delta::apply(&held, &delta, 1 << 20, &mut value).map_err(|_| ErrorCode::BaseMismatch)?;
                if plain_check(&value) != check {
                    return Err(ErrorCode::BaseMismatch);
                }
                self.update_value(number, version, value.into(), author);
            }
            Change::Remove => {
                let number = self.numbers.remove(path).ok_or(ErrorCode::NoSuchTopic)?;
                self.topics.remove(&number);
                self.removed.push((path.clone(), number, version));
                self.authors.remove(&number);
                for connection in self.connections.values_mut() {
                    if connection.selected.remove(&number) {
                        connection.peer.note_removed(number, version);
                    }
                }
            }
            Change::Create(properties) => {
                if self.numbers.contains_key(path) {
                    return Err(ErrorCode::AlreadyExists);
                }
                self.find_or_create(path, properties.kind, properties.value_type, properties.retain)?;
            }
            _ => return Err(ErrorCode::BadPatch),
        }
        Ok(version)
    }

    fn find_or_create(
        &mut self,
        path: &Path,
        kind: TopicKind,
        value_type: ValueType,
        retain: bool,
    ) -> Result<TopicNumber, ErrorCode> {
        if let Some(number) = self.numbers.get(path) {
            let topic = &self.topics[number];
            return match (topic.kind() == kind, topic.value_type() == value_type) {
                (false, _) => Err(ErrorCode::KindMismatch),
                (_, false) => Err(ErrorCode::TypeMismatch),
                _ => Ok(*number),
            };
        }
        self.last_number += 1;
        let number = TopicNumber(self.last_number);
        let topic = Topic::new(TopicDescription {
            number,
            partition: Partition(0),
            path: path.clone(),
            kind,
            value_type,
            retain,
            conflate: true,
            history: History { count: self.kept_events, age_ms: 0, bytes: 1 << 20 },
        });
        self.topics.insert(number, topic);
        self.numbers.insert(path.clone(), number);
        let version = Version(self.head);
        self.created.insert(number, version);
        for connection in self.connections.values_mut() {
            let interval = connection
                .subscriptions
                .values()
                .filter(|other| other.selector.matches(path.as_str()))
                .map(|other| other.interval)
                .min();
            if let Some(interval) = interval {
                connection.selected.insert(number);
                connection.peer.note_matched(number, Version::NONE, Some(version), interval);
            }
        }
        Ok(number)
    }

    fn update_value(
        &mut self,
        number: TopicNumber,
        version: Version,
        value: Bytes,
        author: (PublisherId, PublishNumber),
    ) {
        let topic = &self.topics[&number];
        let base = topic.version();
        let whole = snapshot_frame(number, version, &value);
        let mut frame = Vec::new();
        if let Some(held) = topic.value() {
            let mut delta = Vec::new();
            delta::encode(held, &value, &mut delta);
            let distance = version.distance_from(base).unwrap();
            let check = short_check(check(&value, version));
            GatewayFrame::Delta { topic: number, distance, check, delta: &delta }.encode(&mut frame);
        }
        let is_whole = frame.is_empty() || frame.len() > whole.len();
        let frame = if is_whole { whole } else { frame.into() };
        self.authors.insert(number, author);
        self.update(&Update { topic: number, base, version, sequence: 0, at_ms: 0, frame, value, whole: is_whole });
    }

    fn update_events(&mut self, number: TopicNumber, version: Version, value: &Bytes) {
        let topic = &self.topics[&number];
        let (base, sequence) = (topic.version(), topic.sequence() + 1);
        let mut frame = Vec::new();
        let distance = version.distance_from(base).unwrap();
        GatewayFrame::Event { topic: number, distance, value }.encode(&mut frame);
        let (frame, value) = (frame.into(), value.clone());
        self.update(&Update { topic: number, base, version, sequence, at_ms: 0, frame, value, whole: false });
    }

    fn update(&mut self, update: &Update) {
        let topic = self.topics.get_mut(&update.topic).unwrap();
        topic.update(update);
        let path = topic.path().as_str();
        for connection in self.connections.values_mut() {
            if connection.selected.contains(&update.topic) {
                let matching = connection.subscriptions.values().filter(|other| other.selector.matches(path));
                let interval = matching.map(|other| other.interval).min().unwrap_or_default();
                connection.peer.note(update.topic, update.base, update.version, interval);
            }
        }
    }
}

fn start(topic: &Topic, from: HistoryStart) -> Version {
    match (topic.kind(), from) {
        (TopicKind::Event, HistoryStart::Last(count)) => topic.before_last(count),
        (TopicKind::Event, HistoryStart::All) => topic.before_last(u64::MAX),
        (TopicKind::Event, HistoryStart::After(version)) => topic.from_after(version),
        (TopicKind::Value, _) if topic.retain() => Version::NONE,
        _ => topic.version(),
    }
}
