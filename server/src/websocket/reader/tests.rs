use super::*;

/// A client's frame with the mask 1, 2, 3, 4.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend([1, 2, 3, 4]);
    let start = bytes.len();
    bytes.extend(payload);
    unmask(&mut bytes[start..], [1, 2, 3, 4]);
    bytes
}

fn text(payload: &str) -> Event<'static> {
    Event::Message { kind: MessageKind::Text, payload: Cow::Owned(payload.into()) }
}

fn binary(payload: &[u8]) -> Event<'static> {
    Event::Message { kind: MessageKind::Binary, payload: Cow::Owned(payload.into()) }
}

fn read_on(reader: &mut Reader, bytes: &[u8]) -> (Vec<Event<'static>>, Option<ReadError>) {
    let mut scratch = bytes.to_vec();
    let mut input = &mut scratch[..];
    let mut events = Vec::new();
    loop {
        match reader.next_event(&mut input) {
            Ok(Some(event)) => events.push(event.into_owned()),
            Ok(None) => break,
            Err(error) => return (events, Some(error)),
        }
    }
    assert!(input.is_empty());
    (events, None)
}

/// Reads `bytes` in one piece and again byte by byte, and gives the outcome, which must be the same.
fn read(limits: Limits, bytes: &[u8]) -> (Vec<Event<'static>>, Option<ReadError>) {
    let whole = read_on(&mut Reader::new(limits), bytes);
    let mut reader = Reader::new(limits);
    let mut pieces = (Vec::new(), None);
    for byte in bytes {
        let (events, error) = read_on(&mut reader, &[*byte]);
        pieces.0.extend(events);
        pieces.1 = pieces.1.or(error);
    }
    assert_eq!(whole, pieces);
    whole
}

fn error(bytes: &[u8]) -> Option<ReadError> {
    read(Limits { max_message: 1000, max_fragments: 4 }, bytes).1
}

#[test]
fn messages_and_control_frames() {
    let bytes = [
        frame(0x81, "grüß".as_bytes()),
        frame(0x82, &[0xff; 300]),
        frame(0x89, b"ping"),
        frame(0x8a, b""),
        frame(0x88, b"\x03\xe8bye"),
    ]
    .concat();
    let expected = vec![
        text("grüß"),
        binary(&[0xff; 300]),
        Event::Ping(Cow::Borrowed(b"ping")),
        Event::Pong(Cow::Borrowed(b"")),
        Event::Close { code: Some(1000), reason: Cow::Borrowed("bye") },
    ];
    assert_eq!(read(Limits::default(), &bytes), (expected, None));
}

#[test]
fn control_frames_come_between_fragments() {
    let bytes =
        [frame(0x01, b"gr\xc3"), frame(0x89, b"?"), frame(0x00, b"\xbc"), frame(0x00, b""), frame(0x80, b"n")].concat();
    assert_eq!(read(Limits::default(), &bytes), (vec![Event::Ping(Cow::Borrowed(b"?")), text("grün")], None));
}

#[test]
fn a_whole_frame_is_lent_from_the_input_without_holding_memory() {
    let mut reader = Reader::new(Limits::default());
    let mut scratch = frame(0x82, &[5; 4096]);
    let range = scratch.as_ptr_range();
    let mut input = &mut scratch[..];
    let Ok(Some(Event::Message { payload: Cow::Borrowed(payload), .. })) = reader.next_event(&mut input) else {
        panic!("the payload was copied");
    };
    assert!(range.contains(&payload.as_ptr()));
    assert_eq!(reader.buffered(), 0);
}

#[test]
fn an_idle_reader_is_small_and_memory_is_given_back() {
    assert!(size_of::<Reader>() <= 32);
    let mut reader = Reader::new(Limits::default());
    let bytes = frame(0x82, &[5; 100_000]);
    let (start, end) = bytes.split_at(60_000);
    assert_eq!(read_on(&mut reader, start), (vec![], None));
    assert!((59_986..62_000).contains(&reader.buffered()), "{}", reader.buffered());
    assert_eq!(read_on(&mut reader, end), (vec![binary(&[5; 100_000])], None));
    assert_eq!(reader.buffered(), 0);
}

#[test]
fn memory_is_taken_for_what_arrived_and_not_for_what_is_declared() {
    let mut reader = Reader::new(Limits::default());
    let bytes = frame(0x82, &[5; 1 << 20]);
    let mut fed = 0;
    for piece in bytes.chunks(1000).take(500) {
        read_on(&mut reader, piece);
        fed += piece.len();
        assert!(reader.buffered() <= 2 * fed + 256, "{} after {fed}", reader.buffered());
    }
}

#[test]
fn limits_hold_over_the_sum_of_fragments_and_before_memory_is_taken() {
    let too_big = |length| Some(ReadError::MessageTooBig { length, limit: 1000 });
    assert_eq!(error(&frame(0x82, &[0; 1000])), None);
    assert_eq!(error(&frame(0x82, &[0; 1001])), too_big(1001));
    assert_eq!(error(&[frame(0x02, &[0; 600]), frame(0x00, &[0; 401])].concat()), too_big(1001));
    let mut declared = vec![0x82, 0xff];
    declared.extend((u64::MAX >> 1).to_be_bytes());
    declared.extend([1, 2, 3, 4]);
    assert_eq!(error(&declared), too_big(u64::MAX >> 1));
    assert_eq!(ReadError::MessageTooBig { length: 1001, limit: 1000 }.close_code(), 1009);

    let fragments = |count: usize| [frame(0x02, b""), frame(0x00, b"").repeat(count - 2), frame(0x80, b"")].concat();
    assert_eq!(read(Limits { max_message: 0, max_fragments: 4 }, &fragments(4)), (vec![binary(b"")], None));
    assert_eq!(error(&fragments(5)), Some(ReadError::TooManyFragments { limit: 4 }));
    // Whole messages are one frame each, whatever their number.
    assert_eq!(error(&frame(0x82, b"").repeat(20)), None);
}

#[test]
fn fragments_must_be_in_order() {
    assert_eq!(error(&frame(0x80, b"")), Some(ReadError::UnexpectedContinuation));
    assert_eq!(error(&frame(0x00, b"")), Some(ReadError::UnexpectedContinuation));
    assert_eq!(error(&[frame(0x01, b""), frame(0x82, b"")].concat()), Some(ReadError::ExpectedContinuation));
    assert_eq!(error(&[frame(0x02, b""), frame(0x02, b"")].concat()), Some(ReadError::ExpectedContinuation));
}

#[test]
fn text_fails_at_the_first_byte_that_cannot_be_utf8() {
    let bad = Some(ReadError::TextNotUtf8);
    assert_eq!(error(&frame(0x81, b"a\xff")), bad);
    assert_eq!(error(&frame(0x81, b"a\xc3")), bad);
    assert_eq!(error(&[frame(0x01, b"a\xc3"), frame(0x80, b"")].concat()), bad);
    assert_eq!(error(&[frame(0x01, b"a\xc3"), frame(0x80, b"(")].concat()), bad);
    // UTF-16 surrogates, overlong forms and what lies beyond U+10FFFF.
    for bytes in [&b"\xed\xa0\x80"[..], b"\xc0\x80", b"\xe0\x80\x80", b"\xf4\x90\x80\x80"] {
        assert_eq!(error(&frame(0x81, bytes)), bad);
    }
    assert_eq!(ReadError::TextNotUtf8.close_code(), 1007);

    // The rest of the frame has not come, and need not: 0xf4 0x90 begins no character.
    let bytes = frame(0x81, b"\xce\xba\xf4\x90\x80\x80 and more");
    assert_eq!(read_on(&mut Reader::new(Limits::default()), &bytes[..10]), (vec![], bad));
    assert_eq!(read_on(&mut Reader::new(Limits::default()), &bytes[..9]), (vec![], None));
    // Binary is not looked at.
    assert_eq!(read(Limits::default(), &frame(0x82, b"\xff")), (vec![binary(b"\xff")], None));
}

#[test]
fn close_frames() {
    assert_eq!(error(&frame(0x88, b"\x03")), Some(ReadError::TruncatedCloseCode));
    assert_eq!(error(&frame(0x88, b"\x03\xe8\xff")), Some(ReadError::CloseReasonNotUtf8));
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        assert_eq!(error(&frame(0x88, &code.to_be_bytes())), Some(ReadError::InvalidCloseCode(code)));
    }
    for code in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4999] {
        assert_eq!(
            read(Limits::default(), &frame(0x88, &u16::to_be_bytes(code))),
            (vec![Event::Close { code: Some(code), reason: Cow::Borrowed("") }], None)
        );
    }
}

#[test]
fn nothing_is_read_after_close_or_an_error() {
    let (events, error) = read(Limits::default(), &[frame(0x88, b""), frame(0x82, b"x"), vec![0xff; 50]].concat());
    assert_eq!((events.len(), error), (1, None));

    let mut reader = Reader::new(Limits::default());
    assert_eq!(
        read_on(&mut reader, &[frame(0x01, b"x"), frame(0x83, b"")].concat()).1,
        Some(ReadError::ReservedOpcode(3))
    );
    assert!(reader.is_finished());
    assert_eq!(reader.buffered(), 0);
    assert_eq!(read_on(&mut reader, &frame(0x82, b"x")), (vec![], None));
}
