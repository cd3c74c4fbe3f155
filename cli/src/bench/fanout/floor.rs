//! The floor: the least a server can do to fan a message out. One thread, one `epoll`, frames encoded before they are
//! needed, one `write` per socket. What another server costs above it is that server's own doing; what the floor costs
//! is the kernel's.
//!
//! A subscriber connects to `/TOPIC` (a number). A connection to `/publish` sends binary messages, a topic of four
//! bytes before the payload of each, and gets nothing back.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    fd::OwnedFd,
};

const LISTENER: u64 = u64::MAX;
/// A subscriber that owes more than this many bytes of reading is dropped.
const MOST_PENDING: usize = 16 << 20;
const LONGEST_REQUEST: usize = 8 << 10;

/// Serves until accepting fails. With `coalesce`, all messages that one read brought for a topic leave in one `write`
/// per socket; without, every message has its own.
pub(super) fn serve(listener: TcpListener, coalesce: bool) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut floor = Floor {
        listener,
        epoll,
        coalesce,
        connections: BTreeMap::new(),
        next_connection: 0,
        topics: BTreeMap::new(),
        batch: BTreeMap::new(),
        buffer: vec![0; 256 << 10],
    };
    let mut events: Vec<Event> = Vec::with_capacity(1024);
    loop {
        match epoll::wait(&floor.epoll, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let (id, flags) = (event.data.u64(), event.flags);
            if id == LISTENER {
                floor.accept()?;
                continue;
            }
            if flags.contains(EventFlags::OUT) {
                floor.flush(id);
            }
            if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                floor.read(id);
            }
        }
    }
}

struct Floor {
    listener: TcpListener,
    epoll: OwnedFd,
    coalesce: bool,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    topics: BTreeMap<u32, Vec<Subscriber>>,
    /// Frames by topic that the current read of the publisher brought.
    batch: BTreeMap<u32, Vec<u8>>,
    buffer: Vec<u8>,
}

/// A connection that is not a subscriber, or the way to one.
enum Connection {
    Opening(TcpStream, Vec<u8>),
    Publisher(TcpStream, Vec<u8>),
    Subscriber(u32),
}

struct Subscriber {
    id: u64,
    stream: TcpStream,
    /// What the socket did not take yet.
    pending: Vec<u8>,
}

impl Floor {
    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let id = self.next_connection;
            self.next_connection += 1;
            epoll::add(&self.epoll, &stream, EventData::new_u64(id), EventFlags::IN)?;
            self.connections.insert(id, Connection::Opening(stream, Vec::new()));
        }
    }

    fn read(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let read = match connection {
            Connection::Opening(stream, _) | Connection::Publisher(stream, _) => stream.read(&mut self.buffer),
            Connection::Subscriber(topic) => match find(&mut self.topics, *topic, id) {
                Some(subscriber) => subscriber.stream.read(&mut self.buffer),
                None => return,
            },
        };
        let read = match read {
            Ok(0) => return self.close(id),
            Ok(read) => &self.buffer[..read],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => return self.close(id),
        };
        match connection {
            // Whatever a subscriber says (a close frame) is answered by its end of the stream.
            Connection::Subscriber(_) => {}
            Connection::Opening(_, request) => {
                request.extend_from_slice(read);
                self.open(id);
            }
            Connection::Publisher(_, received) => {
                received.extend_from_slice(read);
                self.publish(id);
            }
        }
    }

    fn open(&mut self, id: u64) {
        let Some(Connection::Opening(mut stream, request)) = self.connections.remove(&id) else {
            return;
        };
        if memchr::memmem::find(&request, b"\r\n\r\n").is_none() {
            if request.len() < LONGEST_REQUEST {
                self.connections.insert(id, Connection::Opening(stream, request));
            }
            return;
        }
        let request = String::from_utf8_lossy(&request);
        let (Some(path), Some(key)) = (path_of(&request), key_of(&request)) else {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            return;
        };
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            tungstenite::handshake::derive_accept_key(key.as_bytes())
        );
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
        let connection = if let Ok(topic) = path.parse() {
            self.topics.entry(topic).or_default().push(Subscriber { id, stream, pending: Vec::new() });
            Connection::Subscriber(topic)
        } else {
            Connection::Publisher(stream, Vec::new())
        };
        self.connections.insert(id, connection);
    }

    /// Fans out every whole message that the publisher sent.
    fn publish(&mut self, id: u64) {
        let Some(Connection::Publisher(_, received)) = self.connections.get_mut(&id) else {
            return;
        };
        let mut done = 0;
        let mut broken = Vec::new();
        while let Some((topic, payload, end)) = next_message(&mut received[done..]) {
            done += end;
            let frames = self.batch.entry(topic).or_default();
            frame(payload, frames);
            if !self.coalesce {
                send(&self.epoll, self.topics.get_mut(&topic), frames, &mut broken);
                frames.clear();
            }
        }
        received.drain(..done);
        if self.coalesce {
            for (topic, frames) in &mut self.batch {
                if !frames.is_empty() {
                    send(&self.epoll, self.topics.get_mut(topic), frames, &mut broken);
                    frames.clear();
                }
            }
        }
        for id in broken {
            self.close(id);
        }
    }

    fn flush(&mut self, id: u64) {
        let Some(Connection::Subscriber(topic)) = self.connections.get(&id) else {
            return;
        };
        let Some(subscriber) = find(&mut self.topics, *topic, id) else {
            return;
        };
        match subscriber.stream.write(&subscriber.pending) {
            Ok(written) => {
                subscriber.pending.drain(..written);
                if subscriber.pending.is_empty() {
                    subscriber.pending = Vec::new();
                    let _ = epoll::modify(&self.epoll, &subscriber.stream, EventData::new_u64(id), EventFlags::IN);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.close(id),
        }
    }

    fn close(&mut self, id: u64) {
        if let Some(Connection::Subscriber(topic)) = self.connections.remove(&id)
            && let Some(subscribers) = self.topics.get_mut(&topic)
        {
            subscribers.retain(|subscriber| subscriber.id != id);
        }
    }
}

/// Subscribers lie in the order of their ids.
fn find(topics: &mut BTreeMap<u32, Vec<Subscriber>>, topic: u32, id: u64) -> Option<&mut Subscriber> {
    let subscribers = topics.get_mut(&topic)?;
    let place = subscribers.binary_search_by_key(&id, |subscriber| subscriber.id).ok()?;
    subscribers.get_mut(place)
}

/// One `write` per socket. The ids of connections that failed are added to `broken`.
fn send(epoll: &OwnedFd, subscribers: Option<&mut Vec<Subscriber>>, frames: &[u8], broken: &mut Vec<u64>) {
    for subscriber in subscribers.into_iter().flatten() {
        if !subscriber.pending.is_empty() {
            subscriber.pending.extend_from_slice(frames);
            if subscriber.pending.len() > MOST_PENDING {
                broken.push(subscriber.id);
            }
            continue;
        }
        let written = match subscriber.stream.write(frames) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => {
                broken.push(subscriber.id);
                continue;
            }
        };
        if written < frames.len() {
            subscriber.pending.extend_from_slice(&frames[written..]);
            let data = EventData::new_u64(subscriber.id);
            if epoll::modify(epoll, &subscriber.stream, data, EventFlags::IN | EventFlags::OUT).is_err() {
                broken.push(subscriber.id);
            }
        }
    }
}

/// The topic and the payload (unmasked in place) of the first whole message, and where it ends.
fn next_message(received: &mut [u8]) -> Option<(u32, &[u8], usize)> {
    let (header, length) = match received.get(1)? & 127 {
        126 => (4, u64::from(u16::from_be_bytes(received.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(received.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    let start = header + 4;
    let end = usize::try_from(length).ok()?.checked_add(start)?;
    let key: [u8; 4] = received.get(header..start)?.try_into().ok()?;
    let message = received.get_mut(start..end)?;
    if key != [0; 4] {
        for (byte, key) in message.iter_mut().zip(key.iter().cycle()) {
            *byte ^= key;
        }
    }
    let (topic, payload) = message.split_first_chunk().unwrap_or((&[0; 4], &[]));
    Some((u32::from_be_bytes(*topic), payload, end))
}

fn frame(payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x82);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

fn path_of(request: &str) -> Option<&str> {
    request.split_once(" HTTP/1.1\r\n")?.0.strip_prefix("GET /")
}

fn key_of(request: &str) -> Option<&str> {
    request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then_some(value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::{super::websocket, *};

    #[test]
    fn messages_of_the_generator_come_out_as_they_went_in() {
        let mut stream = Vec::new();
        for length in [0, 100, 200, 70_000] {
            websocket::binary_message(&[&7u32.to_be_bytes(), &vec![b'x'; length]], &mut stream);
        }
        stream.extend_from_slice(&[0x82, 0xff, 0, 0]);
        let (mut done, mut lengths) = (0, Vec::new());
        while let Some((topic, payload, end)) = next_message(&mut stream[done..]) {
            assert_eq!(topic, 7);
            lengths.push(payload.len());
            done += end;
        }
        assert_eq!(lengths, [0, 100, 200, 70_000]);
        assert_eq!(stream.len() - done, 4);
    }

    #[test]
    fn a_request_is_understood_whatever_the_case_of_its_headers() {
        let request = "GET /12 HTTP/1.1\r\nhost: x\r\nsec-websocket-KEY:  abc= \r\n\r\n";
        assert_eq!(path_of(request), Some("12"));
        assert_eq!(key_of(request), Some("abc="));
        assert_eq!(key_of("GET / HTTP/1.1\r\n\r\n"), None);
    }
}
