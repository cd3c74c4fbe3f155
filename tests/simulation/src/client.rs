//! A client and its application, which checks whatever it is told.

use std::collections::BTreeMap;

use outpour_core::session::{
    Event, Publication, PublicationChange, PublishTicket, ResumeOutcome, Session, SessionConfig, StreamId,
    SubscribeOptions, Update, UpdateKind,
};
use outpour_core::wire::{Condition, HistoryStart};
use outpour_core::{Epoch, ErrorCode, Path, PublisherId, Selector, SubscriptionId, Timestamp, Value, Version};

use crate::model::Ever;

/// How many updates wait for a slow application.
const MAILBOX: usize = 8;

/// A client.
#[derive(Debug)]
pub struct Client {
    /// The real thing.
    pub session: Session,
    /// Its transport, if it has one: the number the session gave it.
    pub transport: Option<u64>,
    /// A transport on its way.
    pub opening: Option<Opening>,
    /// Whether the application takes updates.
    pub is_slow: bool,
    /// What it follows.
    pub following: BTreeMap<SubscriptionId, Following>,
    /// Update streams by path.
    pub streams: BTreeMap<String, StreamId>,
    /// Publishes without a verdict, and the value of each.
    pub unsettled: BTreeMap<PublishTicket, Vec<u8>>,
    /// Values whose publish was acknowledged, and whether it was applied.
    pub settled: Vec<Settled>,
    /// A deliberate defect: the application loses every thirtieth update or so.
    pub loses_every: Option<u64>,
    taken: u64,
    epoch: Option<Epoch>,
    /// Whether the log has begun anew since it last resumed.
    is_anew: bool,
    /// Why the session was last without a connection.
    pub last_error: String,
}

/// A transport on its way.
#[derive(Debug)]
pub struct Opening {
    /// The number the session gave it.
    pub transport: u64,
    /// Which gateway it leads to.
    pub gateway: usize,
    /// When the gateway gets the request for an upgrade; then `None`.
    pub arrives_at: Option<u64>,
    /// When the client gets the answer.
    pub opens_at: u64,
    /// The message that came along.
    pub early: Option<Vec<u8>>,
}

/// A subscription as the application sees it.
#[derive(Debug)]
pub struct Following {
    /// What is followed.
    pub selector: Selector,
    told: BTreeMap<String, Told>,
}

#[derive(Debug, Default)]
struct Told {
    epoch: Epoch,
    version: Version,
    value: Vec<u8>,
    sequence: Option<u64>,
}

/// What became of a publish.
#[derive(Debug)]
pub struct Settled {
    /// What was published; empty for a removal.
    pub value: Vec<u8>,
    /// The life of the log that said so, which may be over by the time that it is heard.
    pub epoch: Option<Epoch>,
    /// Whether it was applied.
    pub is_applied: bool,
}

impl Client {
    /// A client that has yet to connect.
    #[must_use]
    pub fn new(number: usize, life: u64, seed: u64, gateways: usize, now: Timestamp) -> Self {
        let mut publisher = [number as u8; 16];
        publisher[..8].copy_from_slice(&life.to_le_bytes());
        let endpoints = (0..gateways).map(|gateway| format!("ws://gateway-{gateway}")).collect();
        let config = SessionConfig { queue_count: 64, endpoints, ..SessionConfig::default() };
        let session = Session::new(config, PublisherId(publisher), seed, now);
        Self {
            session,
            transport: None,
            opening: None,
            is_slow: false,
            following: BTreeMap::new(),
            streams: BTreeMap::new(),
            unsettled: BTreeMap::new(),
            settled: Vec::new(),
            loses_every: None,
            taken: 0,
            epoch: None,
            is_anew: false,
            last_error: String::new(),
        }
    }

    /// Takes up a store, and follows what the client before followed.
    ///
    /// # Panics
    /// If a store that was written whole is not taken.
    pub fn start_warm(&mut self, store: &[u8], before: &Self, now: Timestamp) {
        if !store.is_empty() {
            self.session.import(store, now).expect("a store that was written whole");
            self.epoch = self.session.epoch();
        }
        for following in before.following.values() {
            self.subscribe(following.selector.clone(), None, HistoryStart::All, now);
        }
    }

    /// Follows a selector.
    pub fn subscribe(&mut self, selector: Selector, max_rate: Option<f64>, from: HistoryStart, now: Timestamp) {
        let options = SubscribeOptions { max_rate, from, mailbox_count: MAILBOX, ..SubscribeOptions::default() };
        if let Ok(id) = self.session.subscribe(&selector, &options, now) {
            self.following.insert(id, Following { selector, told: BTreeMap::new() });
        }
    }

    /// Publishes a value that nobody else publishes.
    pub fn publish(
        &mut self,
        path: &Path,
        change: PublicationChange,
        condition: Condition,
        value: Vec<u8>,
        now: Timestamp,
    ) {
        match self.session.publish(path, Publication { change, condition }, now) {
            Ok(ticket) => {
                self.unsettled.insert(ticket, value);
            }
            Err(code) => assert!(matches!(code, ErrorCode::QueueFull | ErrorCode::Closed), "{code}"),
        }
    }

    /// Sets a value over an update stream.
    pub fn stream(&mut self, path: &Path, value: Value, now: Timestamp) {
        let session = &mut self.session;
        let stream = *self.streams.entry(path.as_str().to_owned()).or_insert_with(|| session.open_stream());
        let bytes = value.bytes().to_vec();
        self.publish(path, PublicationChange::Stream(stream, value), Condition::Always, bytes, now);
    }

    /// Takes in what the session has to say.
    ///
    /// # Errors
    /// If it breaks a promise.
    pub fn listen(&mut self, ever: &Ever) -> Result<(), String> {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Connected { epoch } if self.epoch != Some(epoch) => {
                    self.is_anew = self.epoch.is_some();
                    self.epoch = Some(epoch);
                }
                Event::Resumed { outcome, .. } => {
                    // Another life of the log has nothing to go on from.
                    let is_anew = std::mem::take(&mut self.is_anew);
                    if is_anew != (outcome == ResumeOutcome::Afresh) {
                        return Err(format!("it resumed with {outcome:?}, in another life of the log: {is_anew}"));
                    }
                }
                Event::Disconnected { code, detail, .. } | Event::Closed { code, detail } => {
                    self.last_error = format!("{code}: {detail}");
                }
                Event::PublishSettled { ticket, verdict } => {
                    let value = self.unsettled.remove(&ticket).ok_or("a publish was settled twice")?;
                    match verdict {
                        Ok(_) => self.settle(value, true),
                        Err(refusal) if refusal.code.fault() == outpour_core::Fault::Caller => {
                            self.settle(value, false);
                        }
                        // Closed: nobody knows.
                        Err(_) => {}
                    }
                }
                _ => {}
            }
        }
        while self.session.poll_readable().is_some() {}
        if self.is_slow { Ok(()) } else { self.read(usize::MAX, ever) }
    }

    fn settle(&mut self, value: Vec<u8>, is_applied: bool) {
        self.settled.push(Settled { value, epoch: self.session.epoch(), is_applied });
    }

    /// Has the application take up to `count` updates of each subscription.
    ///
    /// # Errors
    /// If an update breaks a promise.
    pub fn read(&mut self, count: usize, ever: &Ever) -> Result<(), String> {
        for (id, following) in &mut self.following {
            for _ in 0..count {
                let Some(update) = self.session.take_update(*id) else { break };
                self.taken += 1;
                if self.loses_every.is_none_or(|every| !self.taken.is_multiple_of(every)) {
                    following.take(&update, ever)?;
                }
            }
        }
        Ok(())
    }
}

impl Following {
    fn take(&mut self, update: &Update, ever: &Ever) -> Result<(), String> {
        let path = update.path.as_str();
        if !self.selector.matches(path) {
            return Err(format!("{path} was told to a subscriber of {}", self.selector));
        }
        let told = self.told.entry(path.to_owned()).or_default();
        if told.epoch != update.epoch {
            // Versions and sequence numbers begin anew.
            (told.epoch, told.version, told.sequence) = (update.epoch, Version::NONE, None);
        }
        match &update.kind {
            UpdateKind::Value { value, version } => {
                if *version < told.version {
                    return Err(format!("{path} went back from {} to {version}", told.version));
                }
                ever.check((update.epoch, *version), path, value.bytes(), None)?;
                told.version = *version;
                told.value = value.bytes().to_vec();
            }
            UpdateKind::Event { value, version, sequence } => {
                if *version <= told.version {
                    return Err(format!("event {version} of {path} came after {}", told.version));
                }
                if let Some(last) = told.sequence
                    && *sequence != last + 1
                {
                    return Err(format!("event {sequence} of {path} came after event {last} without a gap"));
                }
                ever.check((update.epoch, *version), path, value.bytes(), Some(*sequence))?;
                told.version = *version;
                told.sequence = Some(*sequence);
                told.value = value.bytes().to_vec();
            }
            UpdateKind::Gap { first, last } => {
                if let Some(before) = told.sequence
                    && *first != before + 1
                {
                    return Err(format!("a gap of {path} begins at {first} after event {before}"));
                }
                told.sequence = Some(*last);
            }
            UpdateKind::Removed => {
                self.told.remove(path);
            }
            _ => {}
        }
        Ok(())
    }

    /// What the application holds, by path.
    pub fn held(&self) -> impl Iterator<Item = (&str, Version, &[u8])> {
        self.told.iter().map(|(path, told)| (path.as_str(), told.version, told.value.as_slice()))
    }

    /// The sequence number of the newest event, or of the newest one missing, that was told.
    #[must_use]
    pub fn sequence(&self, path: &str, epoch: Option<Epoch>) -> Option<u64> {
        self.told.get(path).filter(|told| Some(told.epoch) == epoch)?.sequence
    }
}
