//! Properties of the WebSocket code, and its agreement with tungstenite, which others wrote.

use std::io::{self, Cursor, Read, Write};

use outpour_server::websocket::{
    Event, Limits, MessageKind, Opcode, ReadError, Reader, Upgrade, UpgradePolicy, UpgradeStatus, close_frame, header,
    ping, pong,
};
use proptest::{collection::vec, option::weighted, prelude::*, sample::Index};
use tungstenite::{
    Error, Message, WebSocket,
    error::ProtocolError,
    protocol::{Role, WebSocketConfig, frame::coding::CloseCode},
};

const LIMITS: Limits = Limits { max_message: 1000, max_fragments: 1_000_000 };

/// One frame of a client, right or wrong.
#[derive(Debug, Clone)]
struct Frame {
    first: u8,
    mask: Option<[u8; 4]>,
    payload: Vec<u8>,
    /// The length is written in a longer form than it needs.
    padded: bool,
}

impl Frame {
    fn new(first: u8, payload: &[u8]) -> Self {
        let mask = Some([0x1b, 0xad, 0xca, 0xfe]);
        Self { first, mask, payload: payload.to_vec(), padded: false }
    }

    fn encode(&self) -> Vec<u8> {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match (self.payload.len(), self.padded) {
            (length @ 0..=125, false) => bytes.push(masked | length as u8),
            (length @ 126..=0xffff, false) | (length @ 0..=125, true) => {
                bytes.push(masked | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            (length, _) => {
                bytes.push(masked | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(self.mask.into_iter().flatten());
        let keys = self.mask.unwrap_or_default().into_iter().cycle();
        bytes.extend(self.payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
        bytes
    }
}

/// Bytes that are text, nearly text, or anything.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-zäß€😀]{0,60}".prop_map(String::into_bytes),
        1 => ("[a-zäß€😀]{1,60}", any::<Index>())
            .prop_map(|(text, cut)| text.as_bytes()[..cut.index(text.len())].to_vec()),
        1 => vec(any::<u8>(), 0..200),
        1 => vec(any::<u8>(), 120..130),
        1 => vec(any::<u8>(), 0..1100),
    ]
}

fn control() -> impl Strategy<Value = Frame> {
    let payload = prop_oneof![9 => vec(any::<u8>(), 0..20), 1 => vec(any::<u8>(), 120..130)];
    let first = prop_oneof![Just(0x89), Just(0x8a)];
    (first, payload).prop_map(|(first, payload)| Frame::new(first, &payload))
}

fn close() -> impl Strategy<Value = Vec<Frame>> {
    let code = prop_oneof![3 => 990..1020u16, 1 => Just(3000), 1 => Just(4999), 1 => any::<u16>()];
    let payload = prop_oneof![
        1 => Just(vec![]),
        1 => Just(vec![3]),
        4 => (code, payload()).prop_map(|(code, reason)| {
            code.to_be_bytes().into_iter().chain(reason.into_iter().take(123)).collect()
        }),
    ];
    payload.prop_map(|payload| vec![Frame::new(0x88, &payload)])
}

/// A message cut into fragments, with control frames between them.
fn message() -> impl Strategy<Value = Vec<Frame>> {
    let between = weighted(0.2, control());
    let cuts = vec((any::<Index>(), between), 0..4);
    (1..=2u8, payload(), cuts).prop_map(|(opcode, payload, mut cuts)| {
        let place = |cut: &Index| cut.index(payload.len() + 1);
        cuts.sort_by_key(|(cut, _)| place(cut));
        let (mut frames, mut start) = (Vec::new(), 0);
        let mut opcode = Some(opcode);
        for (cut, between) in &cuts {
            let end = place(cut);
            frames.push(Frame::new(opcode.take().unwrap_or(0), &payload[start..end]));
            frames.extend(between.clone());
            start = end;
        }
        frames.push(Frame::new(0x80 | opcode.unwrap_or(0), &payload[start..]));
        frames
    })
}

/// A conversation in which a few frames, or a few bytes, may be wrong.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let control = control().prop_map(|frame| vec![frame]);
    let frames = vec(prop_oneof![10 => message(), 3 => control, 1 => close()], 1..8);
    let faults = weighted(0.5, vec((any::<Index>(), 0..6u8, any::<u8>()), 1..3));
    let flips = weighted(0.25, vec((any::<Index>(), any::<u8>()), 1..4));
    let cut = weighted(0.2, any::<Index>());
    (frames, faults, flips, cut).prop_map(|(frames, faults, flips, cut)| {
        let mut frames = frames.concat();
        for (at, kind, value) in faults.into_iter().flatten() {
            if frames.is_empty() {
                break;
            }
            let at = at.index(frames.len());
            let frame = &mut frames[at];
            match kind {
                0 => frame.first ^= value & 0x7f,
                1 => frame.first ^= 0x80,
                2 => frame.mask = None,
                3 => frame.padded = true,
                4 => frame.mask = Some([value; 4]),
                _ => drop(frames.remove(at)),
            }
        }
        let mut bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        for (at, value) in flips.into_iter().flatten() {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    })
}

/// How a conversation went: its events and how it ended.
#[derive(Debug, Default, Clone, PartialEq)]
struct Outcome {
    events: Vec<Event<'static>>,
    error: Option<ReadError>,
}

impl Outcome {
    fn feed(&mut self, reader: &mut Reader, bytes: &[u8]) {
        let mut scratch = bytes.to_vec();
        let mut input = &mut scratch[..];
        loop {
            match reader.next_event(&mut input) {
                Ok(Some(event)) => self.events.push(event.into_owned()),
                Ok(None) => break,
                Err(error) => self.error = Some(error),
            }
        }
    }
}

fn ours(bytes: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.feed(&mut Reader::new(LIMITS), bytes);
    outcome
}

/// Reads from a slice and forgets what is written.
struct Pipe<'a>(Cursor<&'a [u8]>);

impl Read for Pipe<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// All bytes were taken; more could come.
    Open,
    Closed,
    /// With this close code.
    Failed(u16),
}

/// What tungstenite makes of the same bytes.
fn theirs(bytes: &[u8], role: Role) -> (Vec<Event<'static>>, End) {
    let config =
        WebSocketConfig::default().max_message_size(Some(LIMITS.max_message)).max_frame_size(Some(LIMITS.max_message));
    let mut socket = WebSocket::from_raw_socket(Pipe(Cursor::new(bytes)), role, Some(config));
    let mut events = Vec::new();
    let message = |kind, payload: &[u8]| Event::Message { kind, payload: payload.to_vec().into() };
    let end = loop {
        events.push(match socket.read() {
            Ok(Message::Text(text)) => message(MessageKind::Text, text.as_bytes()),
            Ok(Message::Binary(bytes)) => message(MessageKind::Binary, &bytes),
            Ok(Message::Ping(bytes)) => Event::Ping(bytes.to_vec().into()),
            Ok(Message::Pong(bytes)) => Event::Pong(bytes.to_vec().into()),
            // Its way to say that the code must not be sent.
            Ok(Message::Close(Some(frame)))
                if frame.code == CloseCode::Protocol && frame.reason == "Protocol violation" =>
            {
                break End::Failed(1002);
            }
            Ok(Message::Close(frame)) => {
                events.push(match frame {
                    Some(frame) => {
                        Event::Close { code: Some(frame.code.into()), reason: frame.reason.to_string().into() }
                    }
                    None => Event::Close { code: None, reason: "".into() },
                });
                break End::Closed;
            }
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => break End::Open,
            Err(Error::Protocol(_)) => break End::Failed(1002),
            Err(Error::Utf8(_)) => break End::Failed(1007),
            Err(Error::Capacity(_)) => break End::Failed(1009),
            other => panic!("{other:?}"),
        });
    };
    (events, end)
}

/// A valid request of `policy`'s client, for tests to spoil.
const REQUEST: &str = "GET /live?x HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: outpour.v1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_split_gives_the_same_events(bytes in stream(), cuts in vec(any::<Index>(), 0..12)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut outcome = Outcome::default();
        let mut reader = Reader::new(LIMITS);
        for pair in cuts.windows(2) {
            outcome.feed(&mut reader, &bytes[pair[0]..pair[1]]);
        }
        prop_assert_eq!(outcome, ours(&bytes));
    }

    #[test]
    fn memory_is_bounded_on_any_bytes(
        pieces in vec(prop_oneof![vec(any::<u8>(), 0..50), stream()], 0..8),
    ) {
        let mut reader = Reader::new(LIMITS);
        let mut outcome = Outcome::default();
        let mut fed = 0;
        for piece in pieces {
            outcome.feed(&mut reader, &piece);
            fed += piece.len();
            let held = reader.buffered();
            prop_assert!(held <= LIMITS.max_message.min(2 * fed) + 350, "{held} of {fed}");
            prop_assert!(held == 0 || !reader.is_finished());
        }
    }

    #[test]
    fn tungstenite_reads_the_same(bytes in stream()) {
        let Outcome { events, error } = ours(&bytes);
        let (their_events, their_end) = theirs(&bytes, Role::Server);
        // It doesn't know 1014 (Bad Gateway), which the IANA registry added.
        if let [before @ .., Event::Close { code: Some(1014), .. }] = &events[..] {
            prop_assert_eq!(before, their_events);
            return Ok(());
        }
        let Some(error) = error else {
            prop_assert_eq!(&events, &their_events);
            let closed = matches!(events.last(), Some(Event::Close { .. }));
            prop_assert_eq!(their_end, if closed { End::Closed } else { End::Open });
            return Ok(());
        };
        // It takes lengths that are longer than they need be, against RFC 6455 §5.2; those of
        // control frames too, where the first byte of such a length breaks the limit already.
        if matches!(error, ReadError::NonMinimalLength | ReadError::ControlTooLong) {
            prop_assert!(their_events.starts_with(&events));
            return Ok(());
        }
        prop_assert_eq!(&events, &their_events);
        // It judges a frame when all of it has come, so let it come.
        let their_end = match their_end {
            End::Open => theirs(&[bytes, vec![0; 2 * LIMITS.max_message]].concat(), Role::Server).1,
            end => end,
        };
        let End::Failed(code) = their_end else {
            return Err(TestCaseError::fail(format!("{error:?}, but {their_end:?}")));
        };
        // In a frame that is wrong in two ways ours sees the breach of protocol first.
        let agrees = code == error.close_code() || error.close_code() == 1002;
        prop_assert!(agrees, "{error:?}, but {code}");
    }

    #[test]
    fn tungstenite_reads_what_is_written(
        payload in vec(any::<u8>(), 0..1000),
        short in vec(any::<u8>(), 0..126),
        reason in ".{0,80}",
    ) {
        let head = header(Opcode::Binary, payload.len());
        let close = close_frame(Some(1013), &reason);
        let bytes = [&*head, &payload, &*ping(&short), &*pong(&short), &close].concat();
        let (events, end) = theirs(&bytes, Role::Client);
        prop_assert_eq!(end, End::Closed);
        let kept = (0..=reason.len().min(123)).rev().find(|&end| reason.is_char_boundary(end));
        let expected = [
            Event::Message { kind: MessageKind::Binary, payload: payload.into() },
            Event::Ping(short.clone().into()),
            Event::Pong(short.into()),
            Event::Close { code: Some(1013), reason: reason[..kept.unwrap_or(0)].into() },
        ];
        prop_assert_eq!(&events[..], &expected[..]);
    }

    #[test]
    fn the_verdict_on_a_request_does_not_depend_on_its_pieces(
        flips in vec(
            (any::<Index>(), prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b' ')]),
            0..4,
        ),
        max_head in 200..400usize,
    ) {
        let mut bytes = REQUEST.as_bytes().to_vec();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let policy = UpgradePolicy { max_head, ..UpgradePolicy::default() };
        let whole = Upgrade::parse(&bytes, &policy);
        for end in 0..bytes.len() {
            let part = Upgrade::parse(&bytes[..end], &policy);
            let same = part == UpgradeStatus::NeedMore || part == whole;
            prop_assert!(same, "after {end}: {part:?}, whole: {whole:?}");
        }
    }

    #[test]
    fn random_bytes_are_never_accepted(bytes in vec(any::<u8>(), 0..300)) {
        let verdict = Upgrade::parse(&bytes, &UpgradePolicy::default());
        let refused = matches!(verdict, UpgradeStatus::NeedMore | UpgradeStatus::Rejected { .. });
        prop_assert!(refused, "{verdict:?}");
    }
}
