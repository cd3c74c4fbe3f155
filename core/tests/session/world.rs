//! A session and a gateway with a wire between them, on a clock that only the test moves.

use std::collections::BTreeMap;
use std::time::Duration;

use outpour_core::peer::PeerConfig;
use outpour_core::session::{
    Credentials, CredentialsId, Endpoint, Event, Input, Lost, Publication, PublicationChange, PublishTicket, Request,
    Session, SessionConfig, Signal, SubscribeOptions, TransportId, Update, UpdateKind,
};
use outpour_core::wire::Condition;
use outpour_core::{ErrorCode, Path, PublisherId, Selector, SubscriptionId, Timestamp, Value, Version};

use crate::gateway::Gateway;

/// How many messages may go back and forth at one moment before it counts as going round in circles.
const MAX_STEPS: usize = 100_000;

pub(crate) type Tamper = Box<dyn FnMut(&mut Vec<u8>)>;

pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) gateway: Gateway,
    pub(crate) now: Timestamp,
    /// Whether a gateway can be reached.
    pub(crate) reachable: bool,
    /// Endpoints where none can be reached.
    pub(crate) down: Vec<Endpoint>,
    /// Whether opening takes until `open` is called.
    pub(crate) holds: bool,
    pub(crate) held: Option<TransportId>,
    /// What the provider of credentials gives out; `None` as long as it takes its time.
    pub(crate) provided: Option<Result<Vec<u8>, String>>,
    /// The questions to it, and whether they said that the last ones had expired.
    pub(crate) asked: Vec<(CredentialsId, bool)>,
    /// Whether messages get through; the ends do not learn of it if not.
    pub(crate) silent: bool,
    /// Whether nothing that the session says gets there, although it hears the gateway.
    pub(crate) unheard: bool,
    /// Whether the session may send.
    pub(crate) blocked: bool,
    /// Whether the gateway may not send.
    pub(crate) stalled: bool,
    /// About how long the gateway makes its messages.
    pub(crate) batch: usize,
    /// Changes a message of the gateway on its way.
    pub(crate) tamper: Option<Tamper>,
    pub(crate) wire: Option<TransportId>,
    pub(crate) events: Vec<Event>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) closes: Vec<u16>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(SessionConfig::default(), PeerConfig::default(), 7)
    }

    pub(crate) fn with(config: SessionConfig, peers: PeerConfig, seed: u64) -> Self {
        config.validate().unwrap();
        let now = Timestamp::from_micros(1_000_000);
        Self {
            session: Session::new(config, PublisherId([9; 16]), seed, now),
            gateway: Gateway::new(peers),
            now,
            reachable: true,
            down: Vec::new(),
            holds: false,
            held: None,
            provided: None,
            asked: Vec::new(),
            silent: false,
            unheard: false,
            blocked: false,
            stalled: false,
            batch: 16 << 10,
            tamper: None,
            wire: None,
            events: Vec::new(),
            endpoints: Vec::new(),
            closes: Vec::new(),
        }
    }

    /// A world whose session is connected.
    pub(crate) fn connected() -> Self {
        let mut world = Self::new();
        world.connect();
        world
    }

    pub(crate) fn connect(&mut self) {
        self.session.connect(self.now);
        self.settle();
        assert!(self.session.is_live());
        self.events.clear();
    }

    /// Connects, which may take some attempts.
    pub(crate) fn connect_in(&mut self, time: Duration) {
        self.session.connect(self.now);
        self.advance(time);
        assert!(self.session.is_live());
        self.events.clear();
    }

    pub(crate) fn subscribe(&mut self, selector: &str) -> SubscriptionId {
        self.subscribe_with(selector, &SubscribeOptions::default())
    }

    pub(crate) fn subscribe_with(&mut self, selector: &str, options: &SubscribeOptions) -> SubscriptionId {
        let id = self.session.subscribe(&Selector::new(selector).unwrap(), options, self.now).unwrap();
        self.settle();
        id
    }

    pub(crate) fn publish(&mut self, path: &str, change: PublicationChange) -> PublishTicket {
        self.publish_if(path, change, Condition::Always)
    }

    pub(crate) fn publish_if(&mut self, path: &str, change: PublicationChange, condition: Condition) -> PublishTicket {
        let publication = Publication { change, condition };
        let ticket = self.session.publish(&Path::new(path).unwrap(), publication, self.now).unwrap();
        self.settle();
        ticket
    }

    pub(crate) fn updates(&mut self, id: SubscriptionId) -> Vec<Update> {
        std::iter::from_fn(|| self.session.take_update(id)).collect()
    }

    /// What a subscription was told, in short: `path=value`, `path!event#sequence`, `path?first-last`, `path-`.
    pub(crate) fn told(&mut self, id: SubscriptionId) -> Vec<String> {
        self.updates(id).iter().map(brief).collect()
    }

    /// The connection breaks.
    pub(crate) fn cut(&mut self) {
        if let Some(id) = self.wire.take() {
            self.gateway.drop_connection(id);
            let lost = Lost { code: ErrorCode::ConnectionLost, detail: String::new() };
            self.session.handle_input(Input::Lost(id, lost), self.now);
        }
    }

    /// Hands a message to the session as if the gateway had sent it.
    pub(crate) fn inject(&mut self, message: &[u8]) {
        let id = self.wire.unwrap();
        self.session.handle_input(Input::Message(id, message), self.now);
        self.settle();
    }

    /// Lets everything happen that happens at this moment.
    pub(crate) fn settle(&mut self) {
        for _ in 0..MAX_STEPS {
            let mut busy = self.serve_requests();
            busy |= self.carry_up();
            busy |= self.carry_down();
            while let Some(event) = self.session.poll_event() {
                self.events.push(event);
            }
            if !busy {
                return;
            }
        }
        panic!("session and gateway go round in circles");
    }

    fn serve_requests(&mut self) -> bool {
        let mut busy = false;
        while let Some(request) = self.session.poll_request() {
            busy = true;
            match request {
                Request::Open { transport, endpoint, .. } => {
                    let is_down = !self.reachable || self.down.contains(&endpoint);
                    self.endpoints.push(endpoint);
                    assert_eq!(self.held, None, "one transport is opened at a time");
                    if self.holds {
                        self.held = Some(transport);
                    } else if is_down {
                        self.refuse(transport);
                    } else {
                        self.open(transport);
                    }
                }
                Request::Credentials { id, expired } => {
                    self.asked.push((id, expired));
                    if let Some(provided) = self.provided.clone() {
                        self.session.handle_input(Input::Credentials(id, provided.map(Credentials::new)), self.now);
                    }
                }
                Request::Close { transport, code } => {
                    self.closes.push(code);
                    self.gateway.drop_connection(transport);
                    self.wire = self.wire.filter(|wire| *wire != transport);
                    self.held = self.held.filter(|held| *held != transport);
                }
                other => panic!("a request that no driver knows: {other:?}"),
            }
        }
        busy
    }

    fn open(&mut self, transport: TransportId) {
        self.wire = Some(transport);
        self.gateway.accept(transport, self.now);
        assert!(self.gateway.connections() <= 2, "one transport beside the one that is left");
        self.session.handle_input(Input::Opened { transport, early_taken: false }, self.now);
    }

    fn refuse(&mut self, transport: TransportId) {
        let lost = Lost { code: ErrorCode::ConnectFailed, detail: "unreachable".into() };
        self.session.handle_input(Input::Lost(transport, lost), self.now);
    }

    /// The transport that takes its time is open at last, or can't be opened.
    pub(crate) fn release(&mut self, is_open: bool) {
        let transport = self.held.take().expect("a transport is being opened");
        if is_open {
            self.open(transport);
        } else {
            self.refuse(transport);
        }
        self.settle();
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.session.handle_input(Input::Signal(signal), self.now);
        self.settle();
    }

    fn carry_up(&mut self) -> bool {
        if self.wire.is_none() || self.blocked {
            return false;
        }
        let mut message = Vec::new();
        let Some(id) = self.session.poll_transmit(&mut message, self.now) else {
            assert!(message.is_empty());
            return false;
        };
        if !self.silent && !self.unheard {
            self.gateway.handle_message(id, &message, self.now);
        }
        true
    }

    fn carry_down(&mut self) -> bool {
        let Some(id) = self.wire.filter(|_| !self.silent && !self.stalled) else { return false };
        if let Some(mut message) = self.gateway.transmit(id, self.batch, self.now) {
            if let Some(tamper) = &mut self.tamper {
                tamper(&mut message);
            }
            self.session.handle_input(Input::Message(id, &message), self.now);
            return true;
        }
        if self.gateway.close_code(id).is_some() {
            self.cut();
            return true;
        }
        false
    }

    /// Lets time pass, stopping at every deadline.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let session = self.session.poll_timeout().map(|(deadline, _)| deadline);
            let next = session.into_iter().chain(self.gateway.poll_timeout()).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            self.gateway.handle_timeout(self.now);
            self.session.handle_input(Input::Tick, self.now);
        }
        self.now = end;
        self.settle();
    }

    /// The verdict on a publish, which has to be there.
    #[track_caller]
    pub(crate) fn verdict(&self, wanted: PublishTicket) -> Result<Version, (ErrorCode, Version)> {
        let mut verdicts = self.events.iter().filter_map(|event| match event {
            Event::PublishSettled { ticket, verdict } if *ticket == wanted => Some(*verdict),
            _ => None,
        });
        let verdict = verdicts.next().expect("the publish is settled");
        assert!(verdicts.next().is_none(), "a publish is settled once");
        verdict.map_err(|refusal| (refusal.code, refusal.version))
    }

    pub(crate) fn is_settled(&self, wanted: PublishTicket) -> bool {
        self.events.iter().any(|event| matches!(event, Event::PublishSettled { ticket, .. } if *ticket == wanted))
    }

    /// The value of a topic at the gateway, as text.
    pub(crate) fn value(&self, path: &str) -> Option<String> {
        let value = self.gateway.topic(path)?.value()?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Every replica of the session is what the gateway has, and it has all that `selectors` select.
    #[track_caller]
    pub(crate) fn assert_replicas(&self, selectors: &[&str]) {
        let selectors: Vec<Selector> = selectors.iter().map(|text| Selector::new(text).unwrap()).collect();
        let selected = |path: &str| selectors.iter().any(|selector| selector.matches(path));
        let all = Selector::new("**").unwrap();
        let held: BTreeMap<String, _> = self
            .session
            .replicas(&all)
            .filter(|replica| replica.value.as_str().is_none_or(|text| !text.starts_with("event")))
            .map(|replica| (replica.path.to_string(), (replica.value.bytes().clone(), replica.version, replica.stale)))
            .collect();
        let wanted: BTreeMap<String, _> = self
            .gateway
            .topics()
            .filter(|topic| selected(topic.path().as_str()))
            .filter_map(|topic| Some((topic.path().to_string(), (topic.value()?.clone(), topic.version(), false))))
            .collect();
        assert_eq!(held, wanted);
    }
}

pub(crate) fn text(text: &str) -> Value {
    Value::text(text)
}

/// A text of some length, so that a delta is worth it.
pub(crate) fn long(number: u64) -> Value {
    Value::text(format!("a value that is long enough for a delta of it to be smaller: {number}"))
}

pub(crate) fn brief(update: &Update) -> String {
    let path = &update.path;
    match &update.kind {
        UpdateKind::Value { value, .. } => format!("{path}={value}"),
        UpdateKind::Event { value, sequence, .. } => format!("{path}!{value}#{sequence}"),
        UpdateKind::Gap { first, last } => format!("{path}?{first}-{last}"),
        UpdateKind::Removed => format!("{path}-"),
        other => panic!("an update that no application knows: {other:?}"),
    }
}
