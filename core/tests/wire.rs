//! The codec: every frame comes back as it went in, and any bytes give frames or an error, never a panic.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic in what it calls, too")]

use outpour_core::wire::{
    Ack, Announce, ClientFrame, Condition, Fetched, Frames, GatewayFrame, Goodbye, Hello, HistoryStart, MAX_TEXT_BYTES,
    MAX_VARINT_BYTES, Move, Operation, Publish, PublishPath, RawFrame, Refused, RequestRef, Resume, Subscribe,
    TopicProperties, Welcome, WireError, read_varint, varint_len, write_varint,
};
use outpour_core::{
    Epoch, FetchId, Partition, Path, PublishNumber, PublisherId, ResumePoint, SubscriptionId, TopicKind, TopicNumber,
    ValueType, Version,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Numbers of every length on the wire.
fn number() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0..64_u32).prop_map(|(number, shift)| number >> shift)
}

fn small() -> impl Strategy<Value = u32> {
    (any::<u32>(), 0..32_u32).prop_map(|(number, shift)| number >> shift)
}

/// Frames borrow what they carry; what a test makes up lives until its end.
fn bytes() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..200).prop_map(|bytes| &*bytes.leak())
}

fn text() -> impl Strategy<Value = &'static str> {
    vec(any::<char>(), 0..MAX_TEXT_BYTES / 4).prop_map(|text| &*text.into_iter().collect::<String>().leak())
}

fn path() -> impl Strategy<Value = Path> {
    vec("[a-zäλ€*.]{4,9}", 1..8).prop_map(|segments| Path::new(&segments.join("/")).unwrap())
}

fn version() -> impl Strategy<Value = Version> {
    number().prop_map(Version)
}

fn publish_number() -> impl Strategy<Value = PublishNumber> {
    number().prop_map(PublishNumber)
}

fn kind() -> impl Strategy<Value = TopicKind> {
    select(vec![TopicKind::Value, TopicKind::Event])
}

fn value_type() -> impl Strategy<Value = ValueType> {
    select(ValueType::ALL.to_vec())
}

fn history_start() -> impl Strategy<Value = HistoryStart> {
    prop_oneof![
        Just(HistoryStart::Live),
        number().prop_map(HistoryStart::Last),
        Just(HistoryStart::All),
        version().prop_map(HistoryStart::After),
    ]
}

fn goodbye() -> impl Strategy<Value = Goodbye<'static>> {
    (any::<u16>(), text(), number(), text(), vec(number(), 0..=16)).prop_map(
        |(code, reason, retry_after_ms, redirect, speaks)| Goodbye { code, reason, retry_after_ms, redirect, speaks },
    )
}

fn operation() -> impl Strategy<Value = Operation<'static>> {
    let properties = (kind(), value_type(), any::<bool>(), any::<bool>(), number(), number()).prop_map(
        |(kind, value_type, retain, conflate, history, history_age_ms)| TopicProperties {
            kind,
            value_type,
            retain,
            conflate,
            history,
            history_age_ms,
        },
    );
    prop_oneof![
        (value_type(), bytes()).prop_map(|(value_type, value)| Operation::Set { value_type, value }),
        (value_type(), bytes()).prop_map(|(value_type, value)| Operation::Append { value_type, value }),
        (publish_number(), any::<u32>(), bytes()).prop_map(|(base, check, delta)| Operation::Delta {
            base,
            check,
            delta
        }),
        bytes().prop_map(|patch| Operation::JsonPatch { patch }),
        bytes().prop_map(|patch| Operation::MergePatch { patch }),
        Just(Operation::Remove),
        properties.prop_map(Operation::Create),
    ]
}

fn publish() -> impl Strategy<Value = Publish<'static>> {
    let path = prop_oneof![
        bytes().prop_map(PublishPath::Whole),
        (small(), bytes()).prop_map(|(alias, path)| PublishPath::Define(alias, path)),
        small().prop_map(PublishPath::Alias),
    ];
    let condition =
        prop_oneof![Just(Condition::Always), Just(Condition::IfAbsent), version().prop_map(Condition::IfVersion),];
    (publish_number(), path, condition, operation()).prop_map(|(number, path, condition, operation)| Publish {
        number,
        path,
        condition,
        operation,
    })
}

fn client_frame() -> impl Strategy<Value = ClientFrame<'static>> {
    let numbers = (number(), publish_number(), number());
    let hello = (numbers, any::<[u8; 16]>(), text(), option::of(resume_point()), bytes()).prop_map(
        |((minor, settled, max_message), publisher, agent, resume, credentials)| Hello {
            major: 1,
            minor,
            publisher: PublisherId(publisher),
            settled,
            max_message,
            agent,
            resume,
            credentials,
        },
    );
    let subscribe = (small(), bytes(), number(), history_start(), resume()).prop_map(
        |(id, selector, max_rate_millihertz, from, resume)| Subscribe {
            id: SubscriptionId(id),
            selector,
            max_rate_millihertz,
            from,
            resume,
        },
    );
    let fetch = (small(), bytes(), option::of(history_start()), number())
        .prop_map(|(id, selector, history, limit)| ClientFrame::Fetch { id: FetchId(id), selector, history, limit });
    prop_oneof![
        hello.prop_map(ClientFrame::Hello),
        subscribe.prop_map(ClientFrame::Subscribe),
        small().prop_map(|id| ClientFrame::Unsubscribe { id: SubscriptionId(id) }),
        publish().prop_map(ClientFrame::Publish),
        fetch,
        small().prop_map(|topic| ClientFrame::Repair { topic: TopicNumber(topic) }),
        number().prop_map(|token| ClientFrame::Pong { token }),
        goodbye().prop_map(ClientFrame::Goodbye),
        number().prop_map(|token| ClientFrame::Ping { token }),
    ]
}

fn topic() -> impl Strategy<Value = TopicNumber> {
    small().prop_map(TopicNumber)
}

fn resume() -> impl Strategy<Value = Resume> {
    prop_oneof![Just(Resume::No), Just(Resume::Partly), Just(Resume::Fully)]
}

fn resume_point() -> impl Strategy<Value = ResumePoint> {
    let marks = vec((small().prop_map(Partition), version()), 0..4);
    (any::<[u8; 16]>(), marks, btree_map(topic(), version(), 0..8)).prop_map(|(epoch, marks, exceptions)| ResumePoint {
        epoch: Epoch(epoch),
        marks,
        exceptions: exceptions.into_iter().collect(),
    })
}

fn welcome() -> impl Strategy<Value = Welcome<'static>> {
    let limits = (number(), number(), number(), number(), number());
    (number(), number(), any::<[u8; 16]>(), limits, publish_number()).prop_map(
        |(major, minor, epoch, (heartbeat_ms, max_message, max_value, max_in_flight, max_subscriptions), applied)| {
            Welcome {
                major,
                minor,
                epoch: Epoch(epoch),
                heartbeat_ms,
                max_message,
                max_value,
                max_in_flight,
                max_subscriptions,
                applied,
                resumed: major % 2 == 1,
                principal: "anna",
            }
        },
    )
}

fn announce() -> impl Strategy<Value = Announce> {
    (topic(), small(), kind(), value_type(), version(), number(), path()).prop_map(
        |(topic, partition, kind, value_type, version, sequence, path)| Announce {
            topic,
            partition: Partition(partition),
            kind,
            value_type,
            version,
            sequence,
            path,
        },
    )
}

fn fetched() -> impl Strategy<Value = Fetched<'static>> {
    (small(), path(), kind(), value_type(), version(), number(), bytes()).prop_map(
        |(id, path, kind, value_type, version, sequence, value)| Fetched {
            id: FetchId(id),
            path,
            kind,
            value_type,
            version,
            sequence,
            value,
        },
    )
}

fn refused() -> impl Strategy<Value = Refused<'static>> {
    (any::<bool>(), small(), any::<u16>(), text()).prop_map(|(subscription, id, code, reason)| {
        let request =
            if subscription { RequestRef::Subscription(SubscriptionId(id)) } else { RequestRef::Fetch(FetchId(id)) };
        Refused { request, code, reason }
    })
}

fn gateway_frame() -> impl Strategy<Value = GatewayFrame<'static>> {
    prop_oneof![
        (topic(), number(), any::<u16>(), bytes()).prop_map(|(topic, distance, check, delta)| GatewayFrame::Delta {
            topic,
            distance,
            check,
            delta
        }),
        (topic(), version(), any::<u32>(), bytes())
            .prop_map(|(topic, version, check, value)| { GatewayFrame::Snapshot { topic, version, check, value } }),
        (topic(), number(), bytes()).prop_map(|(topic, distance, value)| GatewayFrame::Event {
            topic,
            distance,
            value
        }),
        announce().prop_map(GatewayFrame::Announce),
        (topic(), version()).prop_map(|(topic, version)| GatewayFrame::Removed { topic, version }),
        (topic(), version(), number()).prop_map(|(topic, version, sequence)| GatewayFrame::Gap {
            topic,
            version,
            sequence
        }),
        (small(), version())
            .prop_map(|(partition, version)| GatewayFrame::Mark { partition: Partition(partition), version }),
        (publish_number(), any::<u16>(), version()).prop_map(|(number, code, version)| GatewayFrame::Ack(Ack {
            number,
            code,
            version
        })),
        number().prop_map(|token| GatewayFrame::Ping { token }),
        welcome().prop_map(GatewayFrame::Welcome),
        (small(), number()).prop_map(|(id, topics)| GatewayFrame::Subscribed { id: SubscriptionId(id), topics }),
        fetched().prop_map(GatewayFrame::Fetched),
        (small(), any::<bool>()).prop_map(|(id, more)| GatewayFrame::FetchEnd { id: FetchId(id), more }),
        refused().prop_map(GatewayFrame::Refused),
        goodbye().prop_map(GatewayFrame::Goodbye),
        (number(), text()).prop_map(|(within_ms, redirect)| GatewayFrame::Move(Move { within_ms, redirect })),
        number().prop_map(|token| GatewayFrame::Pong { token }),
        small().prop_map(|id| GatewayFrame::Unsubscribed { id: SubscriptionId(id) }),
    ]
}

fn decode_client(message: &[u8]) -> Result<Vec<ClientFrame<'_>>, WireError> {
    Frames::new(message).filter_map(|raw| raw.and_then(ClientFrame::decode).transpose()).collect()
}

fn decode_gateway(message: &[u8]) -> Result<Vec<GatewayFrame<'_>>, WireError> {
    Frames::new(message).filter_map(|raw| raw.and_then(GatewayFrame::decode).transpose()).collect()
}

fn encode_client(frames: &[ClientFrame<'_>]) -> Vec<u8> {
    let mut message = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut message));
    message
}

fn encode_gateway(frames: &[GatewayFrame<'_>]) -> Vec<u8> {
    let mut message = Vec::new();
    frames.iter().for_each(|frame| frame.encode(&mut message));
    message
}

/// A frame of a kind that no version has given a meaning yet.
fn unknown_frame(kind: u64, body: &[u8]) -> Vec<u8> {
    let mut extended = Vec::new();
    write_varint(&mut extended, kind);
    extended.extend_from_slice(body);
    let mut frame = Vec::new();
    write_varint(&mut frame, (extended.len() as u64) << 4 | 15);
    frame.extend_from_slice(&extended);
    frame
}

proptest! {
    #[test]
    fn client_frames_come_back(frames in vec(client_frame(), 0..8)) {
        let message = encode_client(&frames);
        prop_assert_eq!(decode_client(&message).unwrap(), frames);
    }

    #[test]
    fn gateway_frames_come_back(frames in vec(gateway_frame(), 0..8)) {
        let message = encode_gateway(&frames);
        prop_assert_eq!(decode_gateway(&message).unwrap(), frames);
    }

    #[test]
    fn unknown_kinds_are_skipped(
        client in client_frame(), gateway in gateway_frame(), kind in 17_u64.., body in vec(any::<u8>(), 0..50),
    ) {
        let unknown = unknown_frame(kind, &body);
        let message = [&unknown[..], &encode_client(core::slice::from_ref(&client)), &unknown].concat();
        prop_assert_eq!(decode_client(&message).unwrap(), [client]);
        let message = [&unknown[..], &encode_gateway(core::slice::from_ref(&gateway)), &unknown].concat();
        prop_assert_eq!(decode_gateway(&message).unwrap(), [gateway]);
    }

    #[test]
    fn a_frame_that_is_cut_off_is_an_error(
        client in client_frame(), gateway in gateway_frame(), at in any::<prop::sample::Index>(),
    ) {
        let message = encode_client(&[client]);
        let cut = at.index(message.len());
        prop_assert!(cut == 0 || decode_client(&message[..cut]).is_err());
        let message = encode_gateway(&[gateway]);
        let cut = at.index(message.len());
        prop_assert!(cut == 0 || decode_gateway(&message[..cut]).is_err());
    }

    /// Any bytes, and what decodes means the same when it is written again.
    #[test]
    fn any_bytes_are_frames_or_an_error(message in vec(any::<u8>(), 0..300)) {
        if let Ok(frames) = decode_client(&message) {
            let again = encode_client(&frames);
            prop_assert_eq!(decode_client(&again).unwrap(), frames);
        }
        if let Ok(frames) = decode_gateway(&message) {
            let again = encode_gateway(&frames);
            prop_assert_eq!(decode_gateway(&again).unwrap(), frames);
        }
    }

    /// Bodies reach further into the decoder than headers made of any bytes do.
    #[test]
    fn any_body_is_a_frame_or_an_error(kind in 0_u64..20, body in vec(any::<u8>(), 0..100)) {
        let raw = RawFrame { kind, body: &body };
        if let Ok(Some(frame)) = ClientFrame::decode(raw) {
            let message = encode_client(core::slice::from_ref(&frame));
            // A hello of another major version keeps only its versions.
            if !matches!(frame, ClientFrame::Hello(Hello { major: 2.., .. } | Hello { major: 0, .. })) {
                prop_assert_eq!(decode_client(&message).unwrap(), [frame]);
            }
        }
        if let Ok(Some(frame)) = GatewayFrame::decode(raw) {
            let message = encode_gateway(core::slice::from_ref(&frame));
            prop_assert_eq!(decode_gateway(&message).unwrap(), [frame]);
        }
    }

    #[test]
    fn a_changed_byte_is_a_frame_or_an_error(
        client in vec(client_frame(), 1..4), gateway in vec(gateway_frame(), 1..4),
        at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut message = encode_client(&client);
        let place = at.index(message.len());
        message[place] = byte;
        let _frames_or_error = decode_client(&message);
        let mut message = encode_gateway(&gateway);
        let place = at.index(message.len());
        message[place] = byte;
        let _frames_or_error = decode_gateway(&message);
    }

    #[test]
    fn varints_come_back(number in number(), rest in vec(any::<u8>(), 0..4)) {
        let mut written = Vec::new();
        write_varint(&mut written, number);
        prop_assert_eq!(written.len(), varint_len(number));
        prop_assert!(written.len() <= MAX_VARINT_BYTES);
        written.extend_from_slice(&rest);
        let mut input = &written[..];
        prop_assert_eq!(read_varint(&mut input), Ok(number));
        prop_assert_eq!(input, rest);
    }

    /// Each number has one spelling.
    #[test]
    fn what_is_read_as_a_varint_is_its_only_spelling(bytes in vec(any::<u8>(), 0..12)) {
        let mut input = &bytes[..];
        if let Ok(number) = read_varint(&mut input) {
            let mut written = Vec::new();
            write_varint(&mut written, number);
            prop_assert_eq!(&written[..], &bytes[..bytes.len() - input.len()]);
        }
    }
}
