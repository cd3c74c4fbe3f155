//! What stands between the client and the gateways: it counts, it cuts, and it lets through to where it is told.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
};

use super::conversation::Conversation;

/// A connection, shared between the relay that feeds it and the measurement that reads it.
#[derive(Debug)]
pub(super) struct Observed {
    conversation: Mutex<Conversation>,
    changed: Notify,
}

impl Observed {
    /// What has been seen so far.
    pub(super) fn now(&self) -> MutexGuard<'_, Conversation> {
        self.conversation.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gateway has said that all topics have been told.
    pub(super) async fn subscribed(&self) {
        while self.now().subscribed.is_none() {
            self.changed.notified().await;
        }
    }
}

/// A TCP relay on a port of the loopback. Its connections end when it is dropped.
#[derive(Debug)]
pub(super) struct Relay {
    address: SocketAddr,
    /// Where connections are let through to; while it is `None`, they wait.
    target: watch::Sender<Option<SocketAddr>>,
    /// The newest connection that was let through.
    newest: watch::Receiver<Option<Arc<Observed>>>,
    task: JoinHandle<()>,
}

impl Relay {
    /// Starts to listen. Clients wait until they are let through.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (target, targets) = watch::channel(None);
        let (observed, newest) = watch::channel(None);
        let task = tokio::spawn(accept(listener, targets, observed));
        Ok(Self { address, target, newest, task })
    }

    /// Where clients connect to.
    pub(super) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Ends all connections, and lets the next ones wait.
    pub(super) fn cut(&self) {
        self.target.send_replace(None);
    }

    /// Lets connections through to a gateway, those that wait too.
    pub(super) fn open_to(&mut self, gateway: SocketAddr) {
        self.newest.mark_unchanged();
        self.target.send_replace(Some(gateway));
    }

    /// The next connection that is let through.
    pub(super) async fn next(&mut self) -> io::Result<Arc<Observed>> {
        let newest = async {
            self.newest.changed().await.ok()?;
            self.newest.borrow_and_update().clone()
        };
        newest.await.ok_or_else(|| io::Error::other("the relay of the benchmark has ended"))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    mut targets: watch::Receiver<Option<SocketAddr>>,
    observed: watch::Sender<Option<Arc<Observed>>>,
) {
    let mut connections = JoinSet::new();
    loop {
        // Those that wait are in the listener's backlog.
        let Ok(Some(target)) = targets.wait_for(Option::is_some).await.map(|target| *target) else { return };
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let Ok(gateway) = TcpStream::connect(target).await else { continue };
                let _ = (client.set_nodelay(true), gateway.set_nodelay(true));
                let conversation = Mutex::new(Conversation::new());
                let newest = Arc::new(Observed { conversation, changed: Notify::new() });
                observed.send_replace(Some(Arc::clone(&newest)));
                connections.spawn(relay(client, gateway, newest));
            }
            () = closed(&mut targets) => connections.abort_all(),
        }
    }
}

/// Waits until connections are no longer let through.
async fn closed(targets: &mut watch::Receiver<Option<SocketAddr>>) {
    // An error means that the relay is being dropped, which ends this too.
    let _gone = targets.wait_for(Option::is_none).await.is_err();
}

/// Carries bytes both ways until either side ends.
async fn relay(client: TcpStream, gateway: TcpStream, observed: Arc<Observed>) {
    let (from_client, to_client) = client.into_split();
    let (from_gateway, to_gateway) = gateway.into_split();
    tokio::select! {
        _ = carry(from_client, to_gateway, |bytes| observed.now().went_up(bytes)) => {}
        _ = carry(from_gateway, to_client, |bytes| {
            observed.now().came_down(bytes);
            observed.changed.notify_one();
        }) => {}
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    see: impl Fn(&[u8]),
) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut buffer).await?;
        let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
        see(bytes);
        to.write_all(bytes).await?;
    }
}
