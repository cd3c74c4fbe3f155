//! Opening many connections: each is brought through its protocol's greeting, many at a time.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::{
    event::epoll::{self, CreateFlags, Event, EventData, EventFlags},
    time::Timespec,
};

use super::{
    BenchError,
    protocol::{Progress, Protocol, Role},
};

/// Connections on their way at one moment: enough to keep a server busy, few enough for any backlog of listeners.
const AT_ONCE: usize = 64;
/// A server that makes no progress for this long does not work.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection that is not ready yet.
struct Opening {
    stream: TcpStream,
    role: Role,
    step: u32,
    received: Vec<u8>,
}

/// Opens a connection for each of `roles` and returns them, ready and non-blocking, in the same order.
pub(super) fn open(
    address: SocketAddr,
    protocol: &mut dyn Protocol,
    roles: impl ExactSizeIterator<Item = Role>,
) -> Result<Vec<TcpStream>, BenchError> {
    let wanted = roles.len();
    let failed = |error: io::Error| BenchError::Connect { address, error };
    let epoll = epoll::create(CreateFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    let mut ready: Vec<Option<TcpStream>> = (0..wanted).map(|_| None).collect();
    let mut opening: BTreeMap<u64, Opening> = BTreeMap::new();
    let mut roles = (0u64..).zip(roles);
    let mut events: Vec<Event> = Vec::with_capacity(AT_ONCE);
    let mut buffer = vec![0; 64 << 10];
    let mut progress = Instant::now();
    loop {
        while opening.len() < AT_ONCE
            && let Some((id, role)) = roles.next()
        {
            let stream = TcpStream::connect(address).map_err(failed)?;
            stream.set_nonblocking(true).map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            epoll::add(&epoll, &stream, EventData::new_u64(id), EventFlags::IN)
                .map_err(|error| failed(error.into()))?;
            let mut one = Opening { stream, role, step: 0, received: Vec::new() };
            let mut greeting = Vec::new();
            protocol.open(role, &mut greeting);
            one.stream.write_all(&greeting).map_err(failed)?;
            opening.insert(id, one);
        }
        if opening.is_empty() {
            break;
        }
        let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        match epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), Some(&moment)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(failed(error.into())),
        }
        if events.is_empty() && progress.elapsed() > TIMEOUT {
            return Err(BenchError::Opening { ready: ready.iter().flatten().count(), wanted });
        }
        for event in events.drain(..) {
            progress = Instant::now();
            let id = event.data.u64();
            let Some(one) = opening.get_mut(&id) else {
                continue;
            };
            if one.advance(protocol, &mut buffer).map_err(|what| BenchError::Refused { what })?
                && let Some(one) = opening.remove(&id)
            {
                epoll::delete(&epoll, &one.stream).map_err(|error| failed(error.into()))?;
                ready[id as usize] = Some(one.stream);
            }
        }
    }
    Ok(ready.into_iter().flatten().collect())
}

impl Opening {
    /// Reads once and answers as the protocol wants. Returns whether the connection is ready.
    fn advance(&mut self, protocol: &mut dyn Protocol, buffer: &mut [u8]) -> Result<bool, String> {
        let read = match self.stream.read(buffer) {
            Ok(0) => {
                return Err(format!("it closed the connection after {:?}", String::from_utf8_lossy(&self.received)));
            }
            Ok(read) => &buffer[..read],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(format!("the connection broke: {error}")),
        };
        self.received.extend_from_slice(read);
        let mut answer = Vec::new();
        let ready = loop {
            match protocol.advance(self.role, self.step, &self.received, &mut answer)? {
                Progress::Waiting => break false,
                Progress::Ready(_) => break true,
                Progress::Step(length) => {
                    self.received.drain(..length);
                    self.step += 1;
                }
            }
        };
        self.stream.write_all(&answer).map_err(|error| format!("the connection broke: {error}"))?;
        Ok(ready)
    }
}
