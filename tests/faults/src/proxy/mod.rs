//! A TCP proxy that does what bad networks do.

mod link;
mod pump;
mod rule;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use link::{Direction, Ending, Flow};
pub use rule::{Fault, Rule, Which};

use link::Link;
use rule::Script;

/// A proxy before one gateway, which may be replaced by another at any time.
///
/// Every connection runs through it byte for byte until a fault is ordered for it: by
/// [`rules`](Self::set_rules) that are laid down before it is made, or from outside while it lives.
/// Dropping the proxy resets what is left.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// What one connection through the proxy has seen. Connections are counted from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Bytes that were passed on to the gateway.
    pub up: u64,
    /// Bytes that were passed on to the client.
    pub down: u64,
    /// Bytes that were read from the client, passed on or not.
    pub sent_up: u64,
    /// How many faults have befallen it by rules.
    pub faults: usize,
    /// Whether the client's side has ended, however.
    pub client_left: bool,
    /// Whether the gateway's side has ended, however.
    pub gateway_left: bool,
    /// Whether it is over on both sides.
    pub is_over: bool,
}

#[derive(Debug)]
pub(crate) struct Shared {
    connections: watch::Sender<Vec<Connection>>,
    control: Mutex<Control>,
}

#[derive(Debug)]
struct Control {
    upstream: SocketAddr,
    script: Script,
    links: Vec<Arc<Link>>,
    tasks: Vec<JoinHandle<()>>,
    /// New connections are reset at once.
    is_refusing: bool,
}

impl Shared {
    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, connection: usize, change: impl FnOnce(&mut Connection)) {
        self.connections.send_modify(|connections| {
            if let Some(connection) = connections.get_mut(connection) {
                change(connection);
            }
        });
    }
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and passes everything on to `upstream`.
    pub async fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let control =
            Control { upstream, script: Script::default(), links: Vec::new(), tasks: Vec::new(), is_refusing: false };
        let shared = Arc::new(Shared { connections: watch::Sender::new(Vec::new()), control: Mutex::new(control) });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { shared, address, accepting }
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Passes connections to come on to another gateway.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.control().upstream = upstream;
    }

    /// Lays down what befalls connections to come.
    pub fn set_rules(&self, rules: impl IntoIterator<Item = Rule>) {
        self.shared.control().script = Script::rules(rules);
    }

    /// Has chance order what befalls connections to come; the same seed gives the nth connection the same.
    pub fn set_random(&self, seed: u64) {
        self.shared.control().script = Script::random(seed);
    }

    /// Has connections to come be reset when neither side has said anything for so long, as middleboxes do.
    pub fn set_idle_limit(&self, limit: std::time::Duration) {
        self.shared.control().script.idle = Some(limit);
    }

    /// Whether new connections are reset as soon as they are made.
    pub fn refuse(&self, is_refusing: bool) {
        self.shared.control().is_refusing = is_refusing;
    }

    /// How bytes flow in one direction of every connection there is, and of those to come.
    pub fn set_flow(&self, direction: Direction, flow: Flow) {
        let mut control = self.shared.control();
        control.script.set_flow(direction, flow);
        for link in &control.links {
            link.set_flow(direction, flow);
        }
    }

    /// How bytes flow in one direction of one connection.
    pub fn set_flow_of(&self, connection: usize, direction: Direction, flow: Flow) {
        self.shared.control().links[connection].set_flow(direction, flow);
    }

    /// Ends every connection there is.
    pub fn cut(&self, ending: Ending) {
        for link in &self.shared.control().links {
            link.cut(ending);
        }
    }

    /// Ends one connection.
    pub fn cut_one(&self, connection: usize, ending: Ending) {
        self.shared.control().links[connection].cut(ending);
    }

    /// What the connections so far have seen.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.shared.connections.borrow().clone()
    }

    /// Waits until the connections so far are as wished.
    pub async fn until(&self, what: &str, mut wished: impl FnMut(&[Connection]) -> bool) -> Vec<Connection> {
        let mut connections = self.shared.connections.subscribe();
        crate::soon(what, async move { connections.wait_for(|all| wished(all)).await.unwrap().clone() }).await
    }

    /// Waits until the connection with this number has passed bytes both ways and lives.
    pub async fn until_up(&self, connection: usize) {
        let up = |all: &[Connection]| all.get(connection).is_some_and(|one| one.down > 0 && !one.is_over);
        self.until("the next connection through the proxy", up).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        for task in &self.shared.control().tasks {
            task.abort();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let index = shared.connections.borrow().len();
        shared.connections.send_modify(|connections| connections.push(Connection::default()));
        let mut control = shared.control();
        control.tasks.retain(|task| !task.is_finished());
        let link = Arc::new(Link::new(index, control.script.orders(index)));
        for older in &control.links {
            older.note_newer();
        }
        control.links.push(Arc::clone(&link));
        if control.is_refusing {
            link.cut(Ending::Reset);
        }
        let task = tokio::spawn(run(client, control.upstream, link, Arc::clone(&shared)));
        control.tasks.push(task);
    }
}

async fn run(client: TcpStream, upstream: SocketAddr, link: Arc<Link>, shared: Arc<Shared>) {
    let index = link.index();
    match TcpStream::connect(upstream).await {
        Ok(gateway) => pump::run(client, gateway, &link, &shared).await,
        // Nobody listens there: the client is to see that.
        Err(_) => pump::reset(&client),
    }
    shared.note(index, |connection| {
        connection.client_left = true;
        connection.gateway_left = true;
        connection.is_over = true;
    });
}
