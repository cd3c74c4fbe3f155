//! A client and its application, which checks whatever it is told.

use std::collections::{BTreeMap, BTreeSet};

use outpour_core::session::{
    Event, MissedEvents, Publication, PublicationChange, PublishTicket, ResumeOutcome, Session, SessionConfig,
    StreamId, SubscribeOptions, Update, UpdateKind,
};
use outpour_core::wire::{Condition, HistoryStart};
use outpour_core::{Epoch, ErrorCode, Path, PublisherId, Selector, SubscriptionId, Timestamp, Value, Version};

use crate::fetching::Fetching;
use crate::model::Ever;
use crate::transition::{EVENTS, VALUES};

/// How many updates wait for a slow application, beside what is left of each topic that there was no room for.
const MAILBOX: usize = 8;
/// How many topics there may be at the same time, and what is left of one: its removal, and the newest of it since.
const OVERFLOW: usize = 2 * (VALUES.len() + EVENTS.len());

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
    /// What it asks for once.
    pub fetching: Fetching,
    /// How many publishes may wait for their verdict.
    queue_count: usize,
    epoch: Option<Epoch>,
    /// The lives of the log that it has heard of.
    epochs: Vec<Epoch>,
    /// Whether the log has begun anew since it last resumed.
    is_anew: bool,
    /// What it was refused.
    pub refusals: BTreeSet<ErrorCode>,
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
    /// Where the telling of events began.
    first: Option<u64>,
    /// The events that are missing, from the first to the last.
    gaps: Vec<(u64, u64)>,
    /// Those of which the session said so when it had come back.
    declared: Vec<(u64, u64)>,
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
    pub fn new(number: usize, life: u64, seed: u64, config: &SessionConfig, now: Timestamp) -> Self {
        let mut publisher = [number as u8; 16];
        publisher[..8].copy_from_slice(&life.to_le_bytes());
        let session = Session::new(config.clone(), PublisherId(publisher), seed, now);
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
            fetching: Fetching::default(),
            queue_count: config.queue_count,
            epoch: None,
            epochs: Vec::new(),
            is_anew: false,
            refusals: BTreeSet::new(),
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
            self.epochs.extend(self.epoch);
        }
        for following in before.following.values() {
            self.subscribe(following.selector.clone(), None, HistoryStart::All, now);
        }
    }

    /// Follows a selector.
    pub fn subscribe(&mut self, selector: Selector, max_rate: Option<f64>, from: HistoryStart, now: Timestamp) {
        let options = SubscribeOptions { max_rate, from, mailbox_count: MAILBOX, ..SubscribeOptions::default() };
        match self.session.subscribe(&selector, &options, now) {
            Ok(id) => drop(self.following.insert(id, Following { selector, told: BTreeMap::new() })),
            Err(code) => drop(self.refusals.insert(code)),
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
                // As many verdicts may wait to be heard.
                assert!(self.unsettled.len() <= 2 * self.queue_count, "{} publishes wait", self.unsettled.len());
            }
            Err(code) => {
                self.refusals.insert(code);
                let is_expected = matches!(code, ErrorCode::QueueFull | ErrorCode::Closed | ErrorCode::TooLarge);
                assert!(is_expected, "{code}");
            }
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
                    self.epochs.push(epoch);
                }
                Event::Resumed { outcome, .. } => {
                    // Another life of the log has nothing to go on from.
                    let is_anew = std::mem::take(&mut self.is_anew);
                    if is_anew != (outcome == ResumeOutcome::Afresh) {
                        return Err(format!("it resumed with {outcome:?}, in another life of the log: {is_anew}"));
                    }
                    if let ResumeOutcome::Gaps { missed, .. } = outcome {
                        self.following.values_mut().for_each(|following| following.expect_gaps(&missed));
                    }
                }
                Event::Disconnected { code, detail, .. } | Event::Closed { code, detail } => {
                    self.last_error = format!("{code}: {detail}");
                }
                Event::SubscriptionRefused { id, code } => {
                    self.refusals.insert(code);
                    // The application may have ended it by now.
                    self.following.remove(&id);
                }
                Event::FetchEnded { id, items, .. } => self.fetching.take(id, items, &self.epochs, ever)?,
                Event::FetchFailed { id, .. } => self.fetching.fail(id),
                Event::PublishSettled { ticket, verdict } => {
                    let value = self.unsettled.remove(&ticket).ok_or("a publish was settled twice")?;
                    self.refusals.extend(verdict.as_ref().err().map(|refusal| refusal.code));
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
            for waited in 0..count {
                let Some(update) = self.session.take_update(*id) else { break };
                if waited > MAILBOX + OVERFLOW {
                    return Err(format!("more than {waited} updates of {} waited", following.selector));
                }
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
            *told = Told { epoch: update.epoch, value: std::mem::take(&mut told.value), ..Told::default() };
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
                told.first.get_or_insert(*sequence);
                told.value = value.bytes().to_vec();
            }
            UpdateKind::Gap { first, last } => {
                if let Some(before) = told.sequence
                    && *first != before + 1
                {
                    return Err(format!("a gap of {path} begins at {first} after event {before}"));
                }
                told.sequence = Some(*last);
                told.first.get_or_insert(*first);
                told.gaps.push((*first, *last));
            }
            UpdateKind::Removed => {
                self.told.remove(path);
            }
            _ => {}
        }
        Ok(())
    }

    /// The session says that events are missing: the application is told where, sooner or later, unless it began to follow
    /// behind them.
    fn expect_gaps(&mut self, missed: &[MissedEvents]) {
        for MissedEvents { path, first, last } in missed {
            let told = self.told.get_mut(path.as_str());
            if let Some(told) = told.filter(|told| told.first.is_some_and(|begun| begun <= *first)) {
                told.declared.push((*first, *last));
            }
        }
    }

    /// An event that the session said was missing, and of which the application was told no such thing.
    pub fn undeclared(&self) -> Option<String> {
        self.told.iter().find_map(|(path, told)| {
            let is_told = |event| told.gaps.iter().any(|(first, last)| (*first..=*last).contains(&event));
            let event = told.declared.iter().flat_map(|(first, last)| *first..=*last).find(|event| !is_told(*event))?;
            Some(format!("event {event} of {path} was said to be missing when the session came back, and only then"))
        })
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
