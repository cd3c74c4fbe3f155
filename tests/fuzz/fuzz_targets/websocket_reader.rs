//! Any bytes of a client, cut anywhere: no panic, bounded memory, and the same events as in one piece.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpour_server::websocket::{Event, Limits, MessageKind, ReadError, Reader, close_frame, pong};

const LIMITS: Limits = Limits { max_message: 4096, max_fragments: 64 };

type Outcome = (Vec<Event<'static>>, Option<ReadError>);

fn feed(reader: &mut Reader, piece: &[u8], outcome: &mut Outcome) {
    let mut scratch = piece.to_vec();
    let mut input = &mut scratch[..];
    loop {
        match reader.next_event(&mut input) {
            Ok(Some(event)) => outcome.0.push(event.into_owned()),
            Ok(None) => break,
            Err(error) => {
                assert!(reader.is_finished());
                let frame = close_frame(Some(error.close_code()), &error.to_string());
                assert_eq!(&frame[4..], error.to_string().as_bytes(), "the sentence fits");
                outcome.1 = Some(error);
            }
        }
    }
}

fuzz_target!(|input: (&[u8], &[u8])| {
    let (cuts, bytes) = input;
    let mut whole = Outcome::default();
    feed(&mut Reader::new(LIMITS), bytes, &mut whole);

    let mut pieces = Outcome::default();
    let mut reader = Reader::new(LIMITS);
    let mut rest = bytes;
    let mut fed = 0;
    for cut in cuts.iter().map(|cut| usize::from(*cut)).chain([usize::MAX]) {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        feed(&mut reader, piece, &mut pieces);
        rest = after;
        fed += piece.len();
        assert!(reader.buffered() <= LIMITS.max_message.min(2 * fed) + 350);
    }
    assert_eq!(whole, pieces);

    for event in &whole.0 {
        match event {
            Event::Message { kind, payload } => {
                assert!(payload.len() <= LIMITS.max_message);
                assert!(*kind == MessageKind::Binary || std::str::from_utf8(payload).is_ok());
            }
            Event::Ping(payload) | Event::Pong(payload) => assert_eq!(&pong(payload)[2..], &payload[..]),
            Event::Close { code, reason } => assert_eq!(
                close_frame(*code, reason).len(),
                match code {
                    Some(_) => 4 + reason.len(),
                    None => 2,
                }
            ),
        }
    }
});
