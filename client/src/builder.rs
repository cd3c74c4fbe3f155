//! Setting up a session.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use outpour_core::session::{Credentials, QueueFull, Session as Core, SessionConfig};
use outpour_core::{ErrorCode, PublisherId};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::credentials::Provider;
use crate::driver::Driver;
use crate::endpoint::Endpoint;
use crate::state::Shared;
use crate::store::{self, Store};
use crate::{Error, Session, transport};

/// What becomes of a publish for which the queue has no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueuePolicy {
    /// It waits until there is.
    #[default]
    Wait,
    /// The oldest publish that has not been sent gives way, and fails with
    /// [`ErrorCode::QueueFull`].
    DropOldest,
    /// It fails with [`ErrorCode::QueueFull`].
    Error,
}

/// The most bytes of a store, unless told otherwise.
const STORE_BYTES: usize = 64 << 20;

/// Options of a session.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
/// # let url = gateway.url();
/// use std::time::Duration;
///
/// let session = outpour::SessionBuilder::new(&url)
///     .agent("my-dashboard/1.2")
///     .connect_timeout(Duration::from_secs(3))
///     .connect()
///     .await?;
/// # session.close().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a session is made by connect() or start()"]
pub struct SessionBuilder {
    endpoints: Vec<String>,
    roots: Vec<Vec<u8>>,
    provider: Option<Provider>,
    store: Option<PathBuf>,
    store_bytes: usize,
    when_full: QueuePolicy,
    config: SessionConfig,
}

impl SessionBuilder {
    /// A session with the gateway at a `ws://` or `wss://` address.
    pub fn new(url: &str) -> Self {
        Self {
            endpoints: vec![url.to_owned()],
            roots: Vec::new(),
            provider: None,
            store: None,
            store_bytes: STORE_BYTES,
            when_full: QueuePolicy::default(),
            config: SessionConfig::default(),
        }
    }

    /// Another gateway of the same data, taken in turn when one can't be reached.
    pub fn or_at(mut self, url: &str) -> Self {
        self.endpoints.push(url.to_owned());
        self
    }

    /// Shows gateways who the client is: with a token, in a form that their operator chose, at the most 16 KiB. If
    /// they may expire, give a way to get new ones instead: [`credentials_from`](Self::credentials_from).
    pub fn credentials(self, credentials: impl Into<Vec<u8>>) -> Self {
        let credentials = Credentials::new(credentials.into());
        self.provided_by(Provider::new(move |_| Box::pin(std::future::ready(Ok(credentials.clone())))))
    }

    /// Asks `provider` for credentials: before the first attempt to connect, and when a gateway that took them does not
    /// any more; not for each attempt. It is told whether the last ones had expired, so that a cache must not give
    /// them out again. While it does not answer the session waits, for 30 seconds at the most; if it fails it is asked
    /// again after a while.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// # async fn fetch_token() -> Result<Vec<u8>, std::io::Error> { Ok(b"a token".to_vec()) }
    /// let session = outpour::SessionBuilder::new(&url)
    ///     .credentials_from(|_expired| async { fetch_token().await })
    ///     .connect()
    ///     .await?;
    /// # session.close().await;
    /// # Ok(()) }
    /// ```
    pub fn credentials_from<P, A, E>(self, provider: P) -> Self
    where
        P: Fn(bool) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Vec<u8>, E>> + Send + 'static,
        E: Display,
    {
        self.provided_by(Provider::new(move |expired| {
            let answer = provider(expired);
            Box::pin(async move { answer.await.map(Credentials::new).map_err(|error| error.to_string()) })
        }))
    }

    fn provided_by(mut self, provider: Provider) -> Self {
        self.config.ask_credentials = true;
        self.provider = Some(provider);
        self
    }

    /// What the client is, for the gateway's logs; at the most 1,024 bytes.
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.config.agent = agent.into();
        self
    }

    /// Whether to connect again after a lost connection. It does unless told otherwise.
    pub const fn reconnect(mut self, reconnect: bool) -> Self {
        self.config.reconnect = reconnect;
        self
    }

    /// How long one attempt may take, the gateway's welcome included. 10 seconds unless told otherwise.
    pub const fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = timeout;
        self
    }

    /// Waits between attempts are drawn from zero up to `base`, which doubles up to `cap`.
    /// 250 milliseconds and 20 seconds unless told otherwise.
    pub const fn backoff(mut self, base: Duration, cap: Duration) -> Self {
        self.config.backoff_base = base;
        self.config.backoff_cap = cap;
        self
    }

    /// The largest message taken, in bytes: 4 KiB to 64 MiB. 32 MiB unless told otherwise.
    pub const fn max_message(mut self, bytes: usize) -> Self {
        self.config.max_message = bytes;
        self
    }

    /// How many publishes, and how many bytes of their values, may wait for their verdict. 10,000
    /// and 16 MiB unless told otherwise.
    pub const fn queue(mut self, count: usize, bytes: usize) -> Self {
        self.config.queue_count = count;
        self.config.queue_bytes = bytes;
        self
    }

    /// What becomes of a publish for which the queue has no room. It waits unless told otherwise.
    pub const fn when_full(mut self, policy: QueuePolicy) -> Self {
        self.when_full = policy;
        self
    }

    /// Whether gateways may send the session to hosts that are not among its addresses. They may not unless told
    /// otherwise; and never from `wss://` to `ws://`.
    pub const fn follow_redirects(mut self, follow: bool) -> Self {
        self.config.follow_redirects = follow;
        self
    }

    /// Keeps what the session holds in a file, for a **warm start**: the next session with this store has the last
    /// values at once, marked stale, and is then told only what has changed. Subscribe with the same selectors, and
    /// use [`start`](Self::start) to have the values without waiting for a gateway.
    ///
    /// The file is written about once a second while there is news, and when the session is closed; each time as a
    /// whole, so that it is never half a one. One session at a time may use it. A file that is damaged or of another
    /// version is renamed to `*.damaged`, and the session begins without. It is as secret as the values in it, and is
    /// emptied when gateways know the session under another principal.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let gateway = outpour_server::gateway::Gateway::ephemeral()?;
    /// # let url = gateway.url();
    /// # let directory = std::env::temp_dir().join(format!("outpour-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// # let path = directory.join("prices.store");
    /// let session = outpour::SessionBuilder::new(&url).with_store(&path).connect().await?;
    /// session.set("prices/eurusd", "1.0841").await?;
    /// let mut prices = session.subscribe("prices/*")?;
    /// prices.next().await;
    /// session.close().await;
    ///
    /// // The program starts anew, and there is no network.
    /// let session = outpour::SessionBuilder::new("ws://127.0.0.1:9").with_store(&path).start()?;
    /// let price = session.replica("prices/eurusd").unwrap();
    /// assert!(price.stale && price.value.as_str() == Some("1.0841"));
    /// # drop(session);
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok(()) }
    /// ```
    pub fn with_store(mut self, path: impl Into<PathBuf>) -> Self {
        self.store = Some(path.into());
        self
    }

    /// The most bytes that the store may take: 64 MiB unless told otherwise. Where that is not enough for all values,
    /// those that do not fit are sent whole at the next start.
    pub const fn store_bytes(mut self, bytes: usize) -> Self {
        self.store_bytes = bytes;
        self
    }

    /// Trusts another certificate authority for `wss://`: a certificate in DER form.
    pub fn root_certificate(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.roots.push(der.into());
        self
    }

    /// Connects. From then on the session stays connected as well as it can.
    ///
    /// # Errors
    /// If an option is out of its range, or the first attempt fails.
    pub async fn connect(self) -> Result<Session, Error> {
        let session = self.start()?;
        session.connected().await?;
        Ok(session)
    }

    /// Makes a session without waiting for a gateway: it connects when there is one. To be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// If an option is out of its range.
    pub fn start(mut self) -> Result<Session, Error> {
        let endpoints = self.endpoints.iter().map(|url| Endpoint::parse(url)).collect::<Result<Vec<_>, _>>()?;
        self.config.endpoints = self.endpoints;
        self.config.validate()?;
        let tls = transport::tls_config(&self.roots)?;
        let mut random = [0; 24];
        getrandom::fill(&mut random)
            .map_err(|error| Error::with_detail(ErrorCode::Internal, format!("no randomness: {error}")))?;
        let mut publisher = PublisherId::default();
        let mut seed = [0; 8];
        publisher.0.copy_from_slice(&random[..16]);
        seed.copy_from_slice(&random[16..]);
        let mut clock = Clock::new();
        let now = clock.now();
        let max_message = self.config.max_message;
        self.config.queue_full = match self.when_full {
            QueuePolicy::DropOldest => QueueFull::DropOldest,
            QueuePolicy::Wait | QueuePolicy::Error => QueueFull::Error,
        };
        let waits = self.when_full == QueuePolicy::Wait;
        let mut core = Core::new(self.config, publisher, u64::from_le_bytes(seed), now);
        let store = self.store.map(|path| Store::open(&path, self.store_bytes)).transpose()?;
        if let Some(store) = &store {
            store.load(&mut core, now);
        }
        core.connect(now);
        let (written, stored) = watch::channel(store.is_none());
        let shared = Arc::new(Shared::new(core, clock, waits, stored));
        if let Some(store) = store {
            tokio::spawn(store::keep(store, Arc::clone(&shared), written));
        }
        tokio::spawn(Driver::new(Arc::clone(&shared), endpoints, self.provider, tls, max_message));
        Ok(Session::new(shared))
    }
}
