//! A client that says what a test tells it to.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use outpour_core::wire::{
    Ack, ClientFrame, Frames, GatewayFrame, Hello, PROTOCOL_MAJOR, PROTOCOL_MINOR, SUBPROTOCOL, Welcome,
};
use outpour_core::{ErrorCode, PublishNumber, PublisherId};
use socket2::{Domain, Protocol, Socket, Type};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

use crate::replica::Replicas;
use crate::told::{Goodbye, Told};

/// The longest wait for anything: only a gateway that never answers reaches it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How a client presents itself.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Who publishes.
    pub publisher: PublisherId,
    /// What it knows to be settled.
    pub settled: u64,
    /// The largest message it takes.
    pub max_message: u64,
    /// The receive buffer of its socket, in bytes; 0 for the system's own.
    pub receive_buffer: usize,
}

impl Setup {
    /// A publisher by name.
    #[must_use]
    pub fn publisher(name: &str) -> Self {
        let mut id = [0; 16];
        id.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
        Self { publisher: PublisherId(id), settled: 0, max_message: 4 << 20, receive_buffer: 0 }
    }
}

/// A client on a real socket.
#[derive(Debug)]
pub struct Client {
    socket: WebSocket<TcpStream>,
    replicas: Replicas,
    told: VecDeque<Told>,
    max_message: u64,
    /// How many messages have come.
    pub messages: usize,
    /// How many frames and bytes these had.
    pub frames: usize,
    /// How many pings have come; each has been answered.
    pub pings: usize,
}

impl Client {
    /// Opens a WebSocket, and says nothing.
    #[must_use]
    pub fn open(address: SocketAddr, setup: &Setup) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).expect("a socket");
        if setup.receive_buffer > 0 {
            socket.set_recv_buffer_size(setup.receive_buffer).expect("a small buffer");
        }
        socket.set_tcp_nodelay(true).expect("no delay");
        socket.connect(&address.into()).expect("the gateway listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout");
        let mut request = format!("ws://{address}/").into_client_request().expect("a URL");
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUBPROTOCOL));
        let config = WebSocketConfig::default()
            .read_buffer_size(4 << 10)
            .write_buffer_size(0)
            .max_message_size(None)
            .max_frame_size(None);
        let (socket, _response) = tungstenite::client::client_with_config(request, socket.into(), Some(config))
            .unwrap_or_else(|error| panic!("the gateway refuses the upgrade: {error}"));
        Self {
            socket,
            replicas: Replicas::default(),
            told: VecDeque::new(),
            max_message: setup.max_message,
            messages: 0,
            frames: 0,
            pings: 0,
        }
    }

    /// Connects and says hello.
    #[must_use]
    pub fn connect(address: SocketAddr, setup: &Setup) -> (Self, Welcome<'static>) {
        let mut client = Self::open(address, setup);
        client.say(&[hello(setup)]);
        match client.hear() {
            Told::Welcome(welcome) => (client, welcome),
            other => panic!("not welcomed: {other:?}"),
        }
    }

    /// Sends one message of these frames.
    pub fn say(&mut self, frames: &[ClientFrame<'_>]) {
        self.send(crate::message(frames));
    }

    /// Sends one message of any bytes.
    pub fn send(&mut self, message: Vec<u8>) {
        self.send_raw(Message::binary(message));
    }

    /// Sends any WebSocket message.
    pub fn send_raw(&mut self, message: Message) {
        self.socket.send(message).expect("the gateway takes the message");
    }

    /// Sends a message which the gateway may no longer be there to take.
    pub fn try_send(&mut self, message: Vec<u8>) -> bool {
        self.socket.send(Message::binary(message)).is_ok()
    }

    /// Closes the WebSocket in order.
    pub fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
        self.socket.close(Some(frame)).expect("the gateway takes a close frame");
    }

    /// The socket below, for those who mean harm.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }

    /// The position up to which the client has been told everything.
    #[must_use]
    pub const fn mark(&self) -> u64 {
        self.replicas.mark
    }

    /// Reads the next message.
    fn read(&mut self) {
        match self.socket.read() {
            Ok(Message::Binary(message)) => {
                self.messages += 1;
                assert!(message.len() as u64 <= self.max_message, "a message of {} bytes", message.len());
                let frames: Vec<GatewayFrame<'_>> = Frames::new(&message)
                    .map(|raw| raw.and_then(GatewayFrame::decode).expect("a frame").expect("a known frame"))
                    .collect();
                self.frames += frames.len();
                self.told.extend(self.replicas.take(&frames));
                let pings: Vec<ClientFrame<'_>> = frames
                    .iter()
                    .filter_map(|frame| match frame {
                        GatewayFrame::Ping { token } => Some(ClientFrame::Pong { token: *token }),
                        _ => None,
                    })
                    .collect();
                if !pings.is_empty() {
                    self.pings += pings.len();
                    self.say(&pings);
                }
            }
            Ok(Message::Close(frame)) => {
                let (code, reason) = frame.map_or((None, String::new()), |frame| {
                    (Some(u16::from(frame.code)), frame.reason.as_str().to_owned())
                });
                self.told.push_back(Told::Closed(code, reason));
            }
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("nothing came for {PATIENCE:?}");
            }
            Err(_) => self.told.push_back(Told::Gone),
        }
    }

    /// The next thing told.
    pub fn hear(&mut self) -> Told {
        loop {
            if let Some(told) = self.told.pop_front() {
                return told;
            }
            self.read();
        }
    }

    /// What else was told by the messages that have been read.
    pub fn rest(&mut self) -> Vec<Told> {
        self.told.drain(..).collect()
    }

    /// Waits until so many pings have come.
    pub fn wait_for_pings(&mut self, count: usize) {
        while self.pings < count {
            self.read();
            assert!(!self.told.contains(&Told::Gone), "the conversation ended after {} pings", self.pings);
        }
    }

    /// The next thing told that fits; what comes before it is dropped. Panics if the conversation ends first.
    pub fn until<T>(&mut self, mut fits: impl FnMut(&Told) -> Option<T>) -> T {
        loop {
            let told = self.hear();
            if let Some(fit) = fits(&told) {
                return fit;
            }
            assert!(
                !matches!(told, Told::Closed(..) | Told::Gone | Told::Goodbye(_)),
                "the conversation ended: {told:?}"
            );
        }
    }

    /// All that is told up to and with what fits.
    pub fn all_until(&mut self, fits: impl Fn(&Told) -> bool) -> Vec<Told> {
        let mut all = Vec::new();
        loop {
            let told = self.hear();
            assert!(!matches!(told, Told::Gone), "the socket is gone after {all:?}");
            let last = fits(&told);
            all.push(told);
            if last {
                return all;
            }
        }
    }

    /// Subscribes, and returns what is told until the subscription is complete.
    pub fn follow(&mut self, id: u32, selector: &str) -> Vec<Told> {
        self.say(&[crate::subscribe(id, selector)]);
        self.all_until(|told| matches!(told, Told::Subscribed { id: other, .. } if *other == id))
    }

    /// The verdict on a publish.
    pub fn ack(&mut self, number: u64) -> Ack {
        self.until(|told| match told {
            Told::Ack(ack) if ack.number == PublishNumber(number) => Some(*ack),
            _ => None,
        })
    }

    /// Publishes, and returns the version if it is applied.
    pub fn publish(&mut self, number: u64, frame: &ClientFrame<'_>) -> Result<u64, ErrorCode> {
        self.say(std::slice::from_ref(frame));
        let ack = self.ack(number);
        match ack.code {
            0 => Ok(ack.version.0),
            code => Err(ErrorCode::from_number(code).expect("a known code")),
        }
    }

    /// The next value of a topic.
    pub fn value(&mut self, wanted: &str) -> String {
        self.until(|told| match told {
            Told::Value { path, value, .. } if path == wanted => Some(value.clone()),
            _ => None,
        })
    }

    /// The goodbye that ends the conversation. The WebSocket must close with its code next.
    pub fn goodbye(&mut self) -> Goodbye {
        let goodbye = loop {
            match self.hear() {
                Told::Goodbye(goodbye) => break goodbye,
                end @ (Told::Closed(..) | Told::Gone) => panic!("no goodbye, but {end:?}"),
                _ => {}
            }
        };
        assert!(goodbye.reason.len() > 8, "a goodbye must say why: {goodbye:?}");
        assert_eq!(self.closed(), Some(goodbye.code), "the close code is that of the goodbye");
        goodbye
    }

    /// Expects the conversation to end with this code, and returns the sentence that says why.
    pub fn expect_goodbye(&mut self, code: ErrorCode) -> String {
        let goodbye = self.goodbye();
        assert_eq!(goodbye.code, code.number(), "{code} was expected, but {goodbye:?} came");
        goodbye.reason
    }

    /// The code with which the WebSocket closes, when whatever comes before has been dropped.
    pub fn closed(&mut self) -> Option<u16> {
        self.closed_with_reason().0
    }

    /// The same, and the reason.
    pub fn closed_with_reason(&mut self) -> (Option<u16>, String) {
        loop {
            match self.hear() {
                Told::Closed(code, reason) => return (code, reason),
                Told::Gone => panic!("the socket is gone without a close frame"),
                _ => {}
            }
        }
    }

    /// Answers a close frame and waits for the gateway to end the connection.
    pub fn wait_gone(&mut self) {
        while self.hear() != Told::Gone {}
    }
}

/// The hello of a client.
#[must_use]
pub const fn hello(setup: &Setup) -> ClientFrame<'static> {
    ClientFrame::Hello(Hello {
        major: PROTOCOL_MAJOR,
        minor: PROTOCOL_MINOR,
        publisher: setup.publisher,
        settled: PublishNumber(setup.settled),
        max_message: setup.max_message,
        agent: "outpour-gateway-tests",
        resume: None,
        credentials: &[],
    })
}
