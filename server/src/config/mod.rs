//! Configuration: what a gateway is told by a file, the environment and the command line.
//!
//! A flag goes before an environment variable, that before the file, and that before the default.
//! The defaults are those of [`GatewayConfig`]; `docs/configuration.md` lists every setting.
//!
//! ```
//! use outpour_server::config::{Config, Overlay};
//!
//! let file = r#"
//!     listen = "127.0.0.1:0"
//!     [limits]
//!     max_value = "64KiB"
//! "#;
//! let config = Config::read("outpour.toml", file, [], &Overlay::default())?;
//! assert_eq!(config.gateway.broker.max_value, 65_536);
//!
//! let error = Config::read("outpour.toml", "[limits]\nmax_value = 5", [], &Overlay::default()).unwrap_err();
//! assert_eq!(error.to_string(), "outpour.toml:2:13: limits.max_value can't be 5: give 1KiB to 16MiB");
//! # Ok::<(), outpour_server::config::ConfigError>(())
//! ```

mod credentials;
mod error;
mod file;
mod loader;
mod quantity;
mod rule;
mod setting;
mod text;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::gateway::GatewayConfig;
use crate::log::{DiskOptions, Fsync};
use credentials::Credentials;
pub use error::{ConfigError, Origin};
use loader::Loader;
pub use quantity::parse_duration;
pub use setting::Setting;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;
const DEFAULT_FSYNC_INTERVAL: Duration = Duration::from_secs(1);

/// What a gateway program is set up with. Every value is in its range.
#[derive(Debug)]
pub struct Config {
    /// What the gateway is started with.
    pub gateway: GatewayConfig,
    /// Whether clients that don't say who they are may reach the gateway from other machines.
    pub allow_anonymous: bool,
    /// Whether browsers are shown the console.
    pub console: bool,
    /// What to log: a level, or `TARGET=LEVEL`, or several with commas.
    pub log: String,
    /// How to write the log.
    pub log_format: LogFormat,
    credentials: Credentials,
    /// The directory that the data is kept in; `None` to keep it in memory only.
    pub data: Option<PathBuf>,
    /// When what is kept in the directory is made durable.
    pub fsync: FsyncPolicy,
    /// How long after it was written, with [`FsyncPolicy::Interval`].
    pub fsync_interval: Duration,
    /// How many bytes of records are kept, at the least, before a checkpoint takes their place.
    pub checkpoint_after: u64,
}

/// When what is written is made durable against a crash of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FsyncPolicy {
    /// Before it is told or acknowledged.
    Always,
    /// A while later.
    #[default]
    Interval,
    /// When the operating system does.
    Never,
}

/// How to write the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object on each line.
    Json,
}

/// What the command line says; `None` leaves a setting to the environment, the file and the default.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// `--workers`
    pub workers: Option<u64>,
    /// `--allow-anonymous`
    pub allow_anonymous: Option<bool>,
    /// `--allowed-origin`, each time it is given
    pub allowed_origins: Option<Vec<String>>,
    /// `--no-console`, turned round
    pub console: Option<bool>,
    /// `--redirect`, each time it is given
    pub redirects: Option<Vec<String>>,
    /// `--log`
    pub log: Option<String>,
    /// `--log-format`
    pub log_format: Option<LogFormat>,
    /// `--data`
    pub data: Option<PathBuf>,
    /// `--fsync`
    pub fsync: Option<FsyncPolicy>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            gateway: GatewayConfig::default(),
            allow_anonymous: false,
            console: true,
            log: "info".into(),
            log_format: LogFormat::default(),
            credentials: Credentials::default(),
            data: None,
            fsync: FsyncPolicy::default(),
            fsync_interval: DEFAULT_FSYNC_INTERVAL,
            checkpoint_after: DiskOptions::default().checkpoint_after,
        }
    }
}

impl Config {
    /// The configuration that a file (if any), environment variables and the command line add up to.
    ///
    /// # Errors
    /// The first setting that can't be taken, and where it was made.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        overlay: &Overlay,
    ) -> Result<Self, ConfigError> {
        let (name, text) = match file {
            Some(path) => (path.display().to_string(), file::read(path)?),
            None => Default::default(),
        };
        Self::read(&name, &text, environment, overlay)
    }

    /// Like [`load`](Self::load), with the text of the file, and the name to call it by in errors.
    ///
    /// # Errors
    /// The first setting that can't be taken, and where it was made.
    pub fn read(
        name: &str,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        overlay: &Overlay,
    ) -> Result<Self, ConfigError> {
        let mut loader = Loader::default();
        file::apply(&mut loader, name, text)?;
        loader.apply_environment(environment)?;
        loader.apply_overlay(overlay)?;
        loader.finish()
    }

    /// How the data in the directory is kept.
    #[must_use]
    pub fn disk_options(&self) -> DiskOptions {
        let fsync = match self.fsync {
            FsyncPolicy::Always => Fsync::Always,
            FsyncPolicy::Interval => Fsync::Interval(self.fsync_interval),
            FsyncPolicy::Never => Fsync::Never,
        };
        DiskOptions { fsync, checkpoint_after: self.checkpoint_after, ..DiskOptions::default() }
    }

    /// Every setting beside the topic rules, in the order of the documentation.
    #[must_use]
    pub fn settings() -> &'static [Setting] {
        setting::SETTINGS
    }

    /// The keys of an `[[auth.token]]`, and what each may be.
    #[must_use]
    pub fn token_keys() -> &'static [(&'static str, &'static str)] {
        &credentials::KEYS
    }

    /// The keys of a `[[topic]]` rule, and what each may be.
    #[must_use]
    pub fn rule_keys() -> &'static [(&'static str, &'static str)] {
        &rule::KEYS
    }
}

impl FsyncPolicy {
    /// The name used in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Interval => "interval",
            Self::Never => "never",
        }
    }
}

impl LogFormat {
    /// The name used in configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}
