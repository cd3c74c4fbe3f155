//! Errors with stable codes, split by who is at fault.

use core::fmt;

/// Who has to act for an error to go away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody: an orderly end.
    Nobody,
    /// The application that made the call.
    Caller,
    /// The other side of the conversation broke the protocol.
    Peer,
    /// Something between the two.
    Network,
    /// The gateway, or a limit that its operator set.
    Gateway,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $fault:ident, $text:literal, $message:literal;)*) => {
        /// The stable code of an error: the same number and name in every language and release.
        ///
        /// The hundreds say who is at fault: 40xx nobody, 41xx the caller, 42xx the peer, 43xx the
        /// network, 44xx the gateway. Where an error ends a connection, its number is the
        /// WebSocket close code too. Each has an entry in `docs/errors.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorCode { $($(#[$doc])* #[doc = $message] $name = $code,)* }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Who is at fault.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)* }
            }

            /// The name that logs, errors and every SDK show.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// What happened and what to do, in a sentence.
            #[must_use]
            #[inline(never)]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    Closed = 4000, Nobody, "closed", "The session was closed in order.";

    BadPath = 4100, Caller, "bad-path", "The path is not valid: use 1 to 1,024 bytes of UTF-8 segments joined by '/', none of them empty.";
    BadSelector = 4101, Caller, "bad-selector", "The selector is not valid: use path segments, '*' for one segment and '**' for any number.";
    BadValue = 4102, Caller, "bad-value", "The value is not well formed for its type.";
    TypeMismatch = 4103, Caller, "type-mismatch", "The topic holds values of another type: publish that type, or remove the topic first.";
    KindMismatch = 4104, Caller, "kind-mismatch", "Value topics are set and event topics are appended to: this topic is of the other kind.";
    VersionMismatch = 4105, Caller, "version-mismatch", "The topic has changed since the version the condition names: read it and decide again.";
    AlreadyExists = 4106, Caller, "already-exists", "The topic exists already and the condition asks that it does not.";
    NoSuchTopic = 4107, Caller, "no-such-topic", "There is no topic with this path.";
    BadPatch = 4108, Caller, "bad-patch", "The patch is not well formed or does not fit the topic's value.";
    TooLarge = 4109, Caller, "too-large", "The value is larger than the gateway takes: split it, or raise limits.max_value.";
    TooManySubscriptions = 4110, Caller, "too-many-subscriptions", "The session has as many subscriptions as it may: end some, use wider selectors, or raise limits.max_subscriptions_per_session.";
    BaseMismatch = 4111, Caller, "base-mismatch", "The delta's base is not the topic's value: send the whole value.";
    QueueFull = 4112, Caller, "queue-full", "Too many publishes wait for the gateway: await their acknowledgements before sending more.";
    BadOptions = 4113, Caller, "bad-options", "An option is out of its range.";
    BadEndpoint = 4114, Caller, "bad-endpoint", "The address is not a ws:// or wss:// URL.";
    SessionTopics = 4115, Caller, "too-many-topics-selected", "The session selects more topics than it may: use narrower selectors, or raise limits.max_topics_per_session.";
    Unauthenticated = 4116, Caller, "unauthenticated", "The client's credentials are missing or unknown to the gateway: check the token.";
    CredentialsExpired = 4117, Caller, "credentials-expired", "The client's credentials have expired: get new ones and connect again.";
    CredentialsFailed = 4118, Caller, "credentials-failed", "The application could not provide credentials: see what its provider says; it is asked again.";
    ModuleFailed = 4119, Caller, "module-failed", "The WebAssembly module could not be loaded.";
    Forked = 4120, Caller, "forked", "A session belongs to the process that made it, and this is a fork of that: open another session here.";

    MalformedFrame = 4200, Peer, "malformed-frame", "A frame could not be decoded.";
    UnexpectedFrame = 4201, Peer, "unexpected-frame", "A frame came that is not allowed at this point of the conversation.";
    MessageTooLarge = 4202, Peer, "message-too-large", "A message was larger than the limit announced in the handshake.";
    TextMessage = 4203, Peer, "text-message", "A text message came where the protocol knows only binary ones.";
    UnsupportedVersion = 4204, Peer, "unsupported-version", "The two sides share no major version of the protocol: update the older one.";
    HandshakeTimeout = 4205, Peer, "handshake-timeout", "The handshake was not finished in time.";
    UnknownTopic = 4206, Peer, "unknown-topic", "A frame speaks of a topic number that was never announced.";
    RateExceeded = 4207, Peer, "rate-exceeded", "Messages came faster than the gateway allows: slow down.";
    TransportViolation = 4208, Peer, "transport-violation", "The peer broke the rules of WebSocket.";

    ConnectFailed = 4300, Network, "connect-failed", "The gateway could not be reached: check the address and that it runs.";
    ConnectionLost = 4301, Network, "connection-lost", "The connection broke.";
    Silence = 4302, Network, "silence", "Nothing was heard from the other side for longer than the heartbeat allows.";
    TlsFailed = 4303, Network, "tls-failed", "No secure connection could be made: check the certificate and the host name.";
    UpgradeRefused = 4304, Network, "upgrade-refused", "The server answered, but not as an Outpour gateway: check the address and what stands between.";

    ShuttingDown = 4400, Gateway, "shutting-down", "The gateway is shutting down: connect to another one, or again after the time it names.";
    TooManyConnections = 4401, Gateway, "too-many-connections", "The gateway has as many connections as it may: try later or elsewhere, or raise limits.max_connections.";
    TooManyTopics = 4402, Gateway, "too-many-topics", "The gateway has as many topics as it may: remove some, or raise limits.max_topics.";
    LogUnavailable = 4403, Gateway, "log-unavailable", "The log can't take records now: try again later.";
    SlowConsumer = 4405, Gateway, "slow-consumer", "The client reads too slowly for what it selects: select less, set a max rate, or raise limits.max_session_memory.";
    Lagging = 4406, Gateway, "lagging", "The gateway has not read as far in the log as the session was told elsewhere: connect to another gateway, or again later.";
    Internal = 4404, Gateway, "internal", "The gateway made a mistake: please report it with its log.";
}

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code with this number; `None` for one that a newer peer knows.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.number() == number)
    }

    /// Whether the same call can succeed later without anything being changed by the caller.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self.fault() {
            Fault::Network => true,
            Fault::Gateway => !matches!(self, Self::Internal | Self::TooManyTopics),
            Fault::Caller => matches!(self, Self::QueueFull | Self::CredentialsFailed),
            Fault::Nobody | Fault::Peer => false,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.message(), self.name(), self.number())
    }
}

impl core::error::Error for ErrorCode {}
