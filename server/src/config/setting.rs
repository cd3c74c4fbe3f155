//! Every setting beside the topic rules: its name, its range, and where its value is kept.

use std::sync::Arc;
use std::time::Duration;

use outpour_core::peer::PeerConfig;
use outpour_core::wire::{MAX_MESSAGE_BYTES, MIN_MESSAGE_BYTES};

use super::quantity::{format_duration, format_size, parse_duration, parse_size};
use super::{Config, text};
use crate::broker::MAX_VERDICTS;

/// A setting of the gateway.
#[derive(Debug)]
pub struct Setting {
    name: &'static str,
    field: Field,
}

/// A value as it was written.
#[derive(Debug)]
pub(super) enum Written<'a> {
    Text(&'a str),
    /// `None` for one beyond 64 bits, or below zero.
    Integer(Option<u64>),
    Boolean(bool),
    List(Vec<&'a str>),
    /// From a place that has no types: the environment, the command line.
    Word(&'a str),
    /// Something that no setting is, by its name.
    Other(&'static str),
}

#[derive(Debug)]
enum Field {
    Count { range: (u64, u64), get: fn(&Config) -> u64, set: fn(&mut Config, u64) },
    Size { range: (u64, u64), get: fn(&Config) -> u64, set: fn(&mut Config, u64) },
    Time { range: (Duration, Duration), get: fn(&Config) -> Duration, set: fn(&mut Config, Duration) },
    Switch { get: fn(&Config) -> bool, set: fn(&mut Config, bool) },
    Text { form: &'static str, get: fn(&Config) -> String, set: fn(&mut Config, &str) -> bool },
    List { form: &'static str, get: fn(&Config) -> &[String], set: fn(&mut Config, Vec<String>) -> bool },
}

const fn count(name: &'static str, range: (u64, u64), get: fn(&Config) -> u64, set: fn(&mut Config, u64)) -> Setting {
    Setting { name, field: Field::Count { range, get, set } }
}

const fn size(name: &'static str, range: (u64, u64), get: fn(&Config) -> u64, set: fn(&mut Config, u64)) -> Setting {
    Setting { name, field: Field::Size { range, get, set } }
}

/// A length of time whose range is in milliseconds.
const fn time(
    name: &'static str,
    range: (u64, u64),
    get: fn(&Config) -> Duration,
    set: fn(&mut Config, Duration),
) -> Setting {
    let range = (Duration::from_millis(range.0), Duration::from_millis(range.1));
    Setting { name, field: Field::Time { range, get, set } }
}

/// Every setting, in the order of the documentation.
pub(super) static SETTINGS: &[Setting] = &[
    Setting {
        name: "listen",
        field: Field::Text { form: "an address and port such as 127.0.0.1:7400", get: listen, set: set_listen },
    },
    // The default is as many as there are CPUs, which 0 stands for.
    count("workers", (0, 1024), |_| 0, set_workers),
    Setting {
        name: "allow_anonymous",
        field: Field::Switch { get: |config| config.allow_anonymous, set: |config, on| config.allow_anonymous = on },
    },
    Setting {
        name: "allowed_origins",
        field: Field::List {
            form: "a list of origins such as https://example.com, or *",
            get: |config| &config.gateway.upgrade.allowed_origins,
            set: set_allowed_origins,
        },
    },
    Setting {
        name: "console",
        field: Field::Switch { get: |config| config.console, set: |config, on| config.console = on },
    },
    Setting {
        name: "log",
        field: Field::Text {
            form: "a level (off, error, warn, info, debug, trace), or TARGET=LEVEL, or several with commas",
            get: |config| config.log.clone(),
            set: |config, filter| text::is_filter(filter) && store(&mut config.log, filter.to_owned()),
        },
    },
    Setting {
        name: "log_format",
        field: Field::Text {
            form: "text or json",
            get: |config| config.log_format.name().into(),
            set: |config, name| text::format_named(name).is_some_and(|format| store(&mut config.log_format, format)),
        },
    },
    Setting {
        name: "data",
        field: Field::Text {
            form: "a directory, or nothing to keep no data",
            get: |config| config.data.as_ref().map_or_else(String::new, |path| path.display().to_string()),
            set: |config, path| store(&mut config.data, (!path.is_empty()).then(|| path.into())),
        },
    },
    Setting {
        name: "fsync",
        field: Field::Text {
            form: "always, interval or never",
            get: |config| config.fsync.name().into(),
            set: |config, name| text::fsync_named(name).is_some_and(|fsync| store(&mut config.fsync, fsync)),
        },
    },
    time("fsync_interval", (1, 3_600_000), |c| c.fsync_interval, |c, time| c.fsync_interval = time),
    size("checkpoint_after", (1 << 20, 1 << 40), |c| c.checkpoint_after, |c, bytes| c.checkpoint_after = bytes),
    time("shutdown_grace", (0, 600_000), |c| c.gateway.shutdown_grace, |c, time| c.gateway.shutdown_grace = time),
    time("retry_after", (0, 3_600_000), |c| c.gateway.retry_after, |c, time| c.gateway.retry_after = time),
    Setting {
        name: "auth.required",
        field: Field::Switch {
            get: |config| config.credentials.tokens.is_required(),
            set: |config, on| config.credentials.tokens.set_required(on),
        },
    },
    Setting {
        name: "auth.tokens_file",
        field: Field::Text {
            form: "the path of a TOML file, or \"\" for none",
            get: |config| config.credentials.tokens_file.as_ref().map_or(String::new(), |it| it.display().to_string()),
            set: |config, path| {
                store(&mut config.credentials.tokens_file, Some(path).filter(|path| !path.is_empty()).map(Into::into))
            },
        },
    },
    time(
        "auth.grace",
        (0, 3_600_000),
        |c| c.gateway.shard.credentials_grace,
        |c, time| c.gateway.shard.credentials_grace = time,
    ),
    Setting {
        name: "drain.redirect",
        field: Field::List {
            form: "a list of gateways such as wss://other.example.com",
            get: |config| &config.gateway.redirects,
            set: |config, redirects| {
                redirects.iter().all(|url| text::is_endpoint(url)) && store(&mut config.gateway.redirects, redirects)
            },
        },
    },
    size(
        "limits.max_message",
        (MIN_MESSAGE_BYTES as u64, MAX_MESSAGE_BYTES as u64),
        |c| c.peer().max_message as u64,
        |c, bytes| c.peer_mut().max_message = bytes as usize,
    ),
    size("limits.max_value", (1 << 10, 16 << 20), |c| c.peer().max_value as u64, set_max_value),
    count(
        "limits.max_topics",
        (1, 1_000_000_000),
        |c| c.gateway.broker.max_topics as u64,
        |c, n| c.gateway.broker.max_topics = n as usize,
    ),
    count(
        "limits.max_publishers",
        (1, 1_000_000_000),
        |c| c.gateway.broker.max_publishers as u64,
        |c, n| c.gateway.broker.max_publishers = n as usize,
    ),
    count(
        "limits.max_connections",
        (1, 10_000_000),
        |c| c.gateway.max_connections as u64,
        |c, n| c.gateway.max_connections = n as usize,
    ),
    count(
        "limits.admissions_per_second",
        (1, 1_000_000),
        |c| c.gateway.admissions_per_second.into(),
        |c, n| c.gateway.admissions_per_second = n as u32,
    ),
    time(
        "limits.handshake_timeout",
        (100, 300_000),
        |c| c.peer().handshake_timeout,
        |c, time| c.peer_mut().handshake_timeout = time,
    ),
    time("limits.heartbeat", (1_000, 600_000), |c| c.peer().heartbeat, |c, time| c.peer_mut().heartbeat = time),
    count(
        "limits.max_subscriptions_per_session",
        (1, 1_000_000),
        |c| c.peer().max_subscriptions as u64,
        |c, n| c.peer_mut().max_subscriptions = n as usize,
    ),
    count(
        "limits.max_topics_per_session",
        (1, 1_000_000_000),
        |c| c.gateway.shard.max_topics_per_session as u64,
        |c, n| c.gateway.shard.max_topics_per_session = n as usize,
    ),
    count(
        "limits.max_publishes_in_flight",
        (1, MAX_VERDICTS as u64),
        |c| c.peer().max_in_flight as u64,
        |c, n| c.peer_mut().max_in_flight = n as usize,
    ),
    count(
        "limits.max_fetches_in_flight",
        (1, 65_536),
        |c| c.peer().max_fetches as u64,
        |c, n| c.peer_mut().max_fetches = n as usize,
    ),
    size(
        "limits.max_session_memory",
        (1 << 20, 64 << 30),
        |c| c.peer().max_memory as u64,
        |c, bytes| c.peer_mut().max_memory = bytes as usize,
    ),
    count(
        "limits.messages_per_second",
        (1, 10_000_000),
        |c| c.peer().messages_per_second.into(),
        |c, n| c.peer_mut().messages_per_second = n as u32,
    ),
    size(
        "limits.max_upgrade_request",
        // An early message takes half of the least.
        (8 << 10, 64 << 10),
        |c| c.gateway.upgrade.max_head as u64,
        |c, bytes| c.gateway.upgrade.max_head = bytes as usize,
    ),
];

impl Setting {
    /// Its name in the file; the settings of a table have the table's name in front (`limits.max_value`).
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The environment variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("OUTPOUR_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// What may be given.
    #[must_use]
    pub fn range(&self) -> String {
        match &self.field {
            Field::Count { range: (least, most), .. } => format!("{least} to {most}"),
            Field::Size { range: (least, most), .. } => format!("{} to {}", format_size(*least), format_size(*most)),
            Field::Time { range: (least, most), .. } => {
                format!("{} to {}", format_duration(*least), format_duration(*most))
            }
            Field::Switch { .. } => "true or false".into(),
            Field::Text { form, .. } | Field::List { form, .. } => (*form).into(),
        }
    }

    /// The default, as it is written in the file.
    #[must_use]
    pub fn default_value(&self) -> String {
        let config = &Config::default();
        match &self.field {
            Field::Count { get, .. } => get(config).to_string(),
            Field::Size { get, .. } => format!("\"{}\"", format_size(get(config))),
            Field::Time { get, .. } => format!("\"{}\"", format_duration(get(config))),
            Field::Switch { get, .. } => get(config).to_string(),
            Field::Text { get, .. } => format!("\"{}\"", get(config)),
            Field::List { get, .. } => format!("{:?}", get(config)),
        }
    }

    /// Takes a value into a configuration; otherwise says what may be given.
    pub(super) fn apply(&self, config: &mut Config, written: &Written<'_>) -> Result<(), String> {
        let shown = shown(written);
        let taken = match &self.field {
            Field::Count { range, set, .. } => {
                within(written.count(), *range).map(|count| set(config, count)).is_some()
            }
            Field::Size { range, set, .. } => within(written.size(), *range).map(|size| set(config, size)).is_some(),
            Field::Time { range, set, .. } => within(written.time(), *range).map(|time| set(config, time)).is_some(),
            Field::Switch { set, .. } => written.switch().map(|on| set(config, on)).is_some(),
            Field::Text { set, .. } => written.text().is_some_and(|text| set(config, text)),
            Field::List { set, .. } => written.list().is_some_and(|list| set(config, list)),
        };
        if taken { Ok(()) } else { Err(format!("{} can't be {shown}: give {}", self.name, self.range())) }
    }
}

impl Written<'_> {
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Self::Integer(count) => *count,
            Self::Word(word) => word.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Integer(bytes) => *bytes,
            Self::Text(text) | Self::Word(text) => parse_size(text),
            _ => None,
        }
    }

    pub(super) fn time(&self) -> Option<Duration> {
        self.text().and_then(parse_duration)
    }

    pub(super) fn switch(&self) -> Option<bool> {
        match self {
            Self::Boolean(on) => Some(*on),
            Self::Word(word) => word.parse().ok(),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Word(text) => Some(text),
            _ => None,
        }
    }

    fn list(&self) -> Option<Vec<String>> {
        match self {
            Self::List(list) => Some(list.iter().map(ToString::to_string).collect()),
            Self::Word("") => Some(Vec::new()),
            Self::Word(word) => Some(word.split(',').map(|entry| entry.trim().to_owned()).collect()),
            _ => None,
        }
    }
}

/// A value for an error: as it was written, but not at any length.
pub(super) fn shown(written: &Written<'_>) -> String {
    const LONGEST: usize = 60;
    match written {
        Written::Text(text) | Written::Word(text) if text.chars().count() > LONGEST => {
            format!("{:?}", text.chars().take(LONGEST).chain(['…']).collect::<String>())
        }
        Written::Text(text) | Written::Word(text) => format!("{text:?}"),
        Written::Integer(Some(integer)) => integer.to_string(),
        Written::Integer(None) => "this number".into(),
        Written::Boolean(on) => on.to_string(),
        Written::List(_) => "this list".into(),
        Written::Other(what) => (*what).into(),
    }
}

fn within<T: PartialOrd>(value: Option<T>, (least, most): (T, T)) -> Option<T> {
    value.filter(|value| *value >= least && *value <= most)
}

fn store<T>(place: &mut T, value: T) -> bool {
    *place = value;
    true
}

fn listen(config: &Config) -> String {
    config.gateway.listen.to_string()
}

fn set_listen(config: &mut Config, address: &str) -> bool {
    address.parse().is_ok_and(|address| store(&mut config.gateway.listen, address))
}

fn set_workers(config: &mut Config, workers: u64) {
    config.gateway.workers =
        if workers == 0 { crate::gateway::GatewayConfig::default().workers } else { workers as usize };
}

fn set_allowed_origins(config: &mut Config, origins: Vec<String>) -> bool {
    origins.iter().all(|origin| text::is_origin(origin)) && store(&mut config.gateway.upgrade.allowed_origins, origins)
}

/// The broker keeps values to it, too: a patch can make one larger than any message.
fn set_max_value(config: &mut Config, bytes: u64) {
    config.peer_mut().max_value = bytes as usize;
    config.gateway.broker.max_value = bytes as usize;
}

impl Config {
    fn peer(&self) -> &PeerConfig {
        &self.gateway.shard.peer
    }

    fn peer_mut(&mut self) -> &mut PeerConfig {
        Arc::make_mut(&mut self.gateway.shard.peer)
    }
}
