use alloc::string::String;
use alloc::vec;
use proptest::prelude::*;

use super::*;
use crate::delta::{Encoder, apply};
use crate::wire::Frames;

const NUMBER: TopicNumber = TopicNumber(3);
const KEEP_ALL: History = History { count: u64::MAX, age_ms: 0, bytes: u64::MAX };

fn topic(kind: TopicKind, conflate: bool, history: History) -> Topic {
    Topic::new(TopicDescription {
        number: NUMBER,
        partition: Partition(0),
        path: Path::new("a/b").unwrap(),
        kind,
        value_type: ValueType::Binary,
        retain: true,
        conflate,
        history,
    })
}

/// The next update, as a broker makes it.
fn next(topic: &Topic, version: Version, value: &[u8], at_ms: u64) -> Update {
    let base = topic.version();
    let distance = version.distance_from(base).unwrap();
    let mut frame = Vec::new();
    let mut whole = false;
    match topic.kind() {
        TopicKind::Event => GatewayFrame::Event { topic: NUMBER, distance, value }.encode(&mut frame),
        TopicKind::Value => {
            let mut delta = Vec::new();
            let worth = topic.value().is_some_and(|old| {
                Encoder::new().encode(old, value, &mut delta);
                delta.len() < value.len()
            });
            if worth {
                let check = crate::check::short_check(check(value, version));
                GatewayFrame::Delta { topic: NUMBER, distance, check, delta: &delta }.encode(&mut frame);
            } else {
                whole = true;
                frame = snapshot_frame(NUMBER, version, value).to_vec();
            }
        }
    }
    let sequence = if topic.kind() == TopicKind::Event { topic.sequence() + 1 } else { 0 };
    let value = Bytes::copy_from_slice(value);
    Update { topic: NUMBER, base, version, sequence, at_ms, frame: Bytes::from(frame), value, whole }
}

/// A topic with events of one byte at these versions.
fn events(versions: &[u64], history: History) -> Topic {
    let mut topic = topic(TopicKind::Event, true, history);
    for version in versions {
        let update = next(&topic, Version(*version), &[*version as u8], 0);
        topic.update(&update);
    }
    topic
}

/// What a client makes of a way: the version it has got to, the value, and the events and gaps.
#[derive(Debug, Default, PartialEq, Eq)]
struct Reader {
    version: u64,
    sequence: u64,
    value: Vec<u8>,
    heard: Vec<u64>,
    missed: Vec<(u64, u64)>,
}

impl Reader {
    fn follow(&mut self, topic: &Topic) {
        let way = topic.way_from(Version(self.version));
        let count = match way {
            Way::Current => return,
            Way::Snapshot(frame) => return self.take(frame),
            Way::Merged(frame) => return self.take(&frame),
            Way::Chain(count) => count,
            Way::Gap { version, sequence, left } => {
                self.missed.push((self.sequence + 1, sequence));
                (self.version, self.sequence) = (version.0, sequence);
                left
            }
        };
        for (version, frame) in topic.chain(count) {
            self.take(frame);
            assert_eq!(self.version, version.0);
        }
    }

    fn take(&mut self, frame: &[u8]) {
        let raw = Frames::new(frame).next().unwrap().unwrap();
        match GatewayFrame::decode(raw).unwrap().unwrap() {
            GatewayFrame::Snapshot { version, check: sum, value, .. } => {
                assert_eq!(check(value, version), sum);
                self.version = version.0;
                self.value = value.to_vec();
            }
            GatewayFrame::Delta { distance, check: sum, delta, .. } => {
                assert_ne!(self.version, 0, "a delta from nothing");
                self.version += distance;
                let mut value = Vec::new();
                apply(&self.value, delta, 1 << 20, &mut value).unwrap();
                assert_eq!(crate::check::short_check(check(&value, Version(self.version))), sum);
                self.value = value;
            }
            GatewayFrame::Event { distance, value, .. } => {
                self.version += distance;
                self.sequence += 1;
                assert_eq!(value, [self.version as u8], "the event is that of its version");
                self.heard.push(self.sequence);
            }
            other => panic!("{other:?}"),
        }
    }
}

fn announced(topic: &Topic, from: Version) -> (Version, u64) {
    let mut bytes = Vec::new();
    topic.announce(from, &mut bytes);
    let raw = Frames::new(&bytes).next().unwrap().unwrap();
    match GatewayFrame::decode(raw).unwrap().unwrap() {
        GatewayFrame::Announce(announce) => (announce.version, announce.sequence),
        other => panic!("{other:?}"),
    }
}

proptest! {
    /// However seldom a reader looks, it comes to the current value; and who looks each time is
    /// told each version.
    #[test]
    fn every_way_leads_to_the_value(
        values in prop::collection::vec(
            (prop::collection::vec(0..4_u8, 0..60), 1..5_u64, prop::bool::weighted(0.2)),
            1..120,
        ),
        conflate: bool,
        count in 0..20_u64,
    ) {
        let mut topic = topic(TopicKind::Value, conflate, History { count, ..KEEP_ALL });
        let (mut seldom, mut always) = (Reader::default(), Reader::default());
        let mut version = 0;
        for (value, distance, look) in values {
            version += distance;
            let update = next(&topic, Version(version), &value, 0);
            topic.update(&update);
            always.follow(&topic);
            prop_assert_eq!((&always.value, always.version), (&value, version));
            if look {
                seldom.follow(&topic);
                prop_assert_eq!((&seldom.value, seldom.version), (&value, version));
            }
            prop_assert_eq!(topic.snapshot_len(), topic.snapshot().unwrap().len());
            // What is kept is bounded by what a snapshot costs, or by the history.
            if conflate {
                prop_assert!(topic.recent.len() <= MAX_CHAIN);
                prop_assert!(topic.recent_bytes <= value.len() as u64 + 16 || topic.recent.len() == 1);
            } else {
                prop_assert!(topic.recent.len() as u64 <= count.max(1));
            }
            let sum = topic.recent.iter().map(|recent| recent.frame.len() as u64).sum::<u64>();
            prop_assert_eq!(topic.recent_bytes, sum);
        }
        seldom.follow(&topic);
        prop_assert_eq!(seldom.value, always.value);
    }

    /// A reader of events hears each once and in order, or which it missed, exactly.
    #[test]
    fn events_are_heard_or_missed_exactly(
        looks in prop::collection::vec((1..4_u64, prop::bool::weighted(0.15)), 1..80),
        count in 0..12_u64,
        bytes in prop_oneof![Just(u64::MAX), 1..60_u64],
    ) {
        let mut topic = topic(TopicKind::Event, true, History { count, age_ms: 0, bytes });
        let mut reader = Reader::default();
        let mut version = 0;
        for (distance, look) in looks {
            version += distance;
            let update = next(&topic, Version(version), &[version as u8], 0);
            topic.update(&update);
            if look {
                reader.follow(&topic);
            }
        }
        reader.follow(&topic);
        prop_assert_eq!((reader.version, reader.sequence), (topic.version().0, topic.sequence()));
        prop_assert!(reader.missed.iter().all(|(first, last)| first <= last), "no empty gap");
        let missed = reader.missed.iter().flat_map(|(first, last)| *first..=*last);
        let mut all: Vec<u64> = missed.chain(reader.heard).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (1..=topic.sequence()).collect::<Vec<_>>());
    }

    /// Whoever was told all up to any position of the log is told exactly what came later.
    #[test]
    fn from_after_any_position_follow_all_later_events(
        distances in prop::collection::vec(1..4_u64, 0..30),
        count in 1..40_u64,
        position in 0..100_u64,
    ) {
        let versions: Vec<u64> = distances
            .iter()
            .scan(0, |sum, distance| {
                *sum += distance;
                Some(*sum)
            })
            .collect();
        let topic = events(&versions, History { count, ..KEEP_ALL });
        let from = topic.from_after(Version(position));
        let (base, sequence) = announced(&topic, from);
        prop_assert_eq!(base, from);
        let mut reader = Reader { version: base.0, sequence, ..Reader::default() };
        reader.follow(&topic);
        let later = versions.iter().filter(|version| **version > position).count() as u64;
        let total = versions.len() as u64;
        let kept = total.min(count);
        if later <= kept {
            prop_assert_eq!(&reader.missed, &vec![]);
            prop_assert_eq!(reader.heard, (total - later + 1..=total).collect::<Vec<_>>());
        } else {
            // The sequence number of the first one missing is not known any more, that of the last is.
            prop_assert_eq!(&reader.missed, &vec![(1, total - kept)]);
            prop_assert_eq!(reader.heard, (total - kept + 1..=total).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_newest_update_is_told_as_it_is_however_large() {
    let mut topic = topic(TopicKind::Value, true, KEEP_ALL);
    for (version, value) in [(1, "a"), (2, "completely different"), (3, "b")] {
        let update = next(&topic, Version(version), value.as_bytes(), 0);
        topic.update(&update);
        let expected = if version == 1 { Way::Snapshot(&update.frame) } else { Way::Chain(1) };
        assert_eq!(topic.way_from(update.base), expected);
        let told: Vec<&Bytes> = topic.chain(1).map(|step| step.1).collect();
        assert!(version == 1 || told == [&update.frame], "the very bytes that all others are told");
    }
}

/// A value with forty fields, of which one counts on.
fn record(tick: u64) -> Vec<u8> {
    let text: String = (0..40).map(|field| alloc::format!("\"field{field}\":{},", field * 7)).collect();
    alloc::format!("{{{text}\"tick\":{tick}}}").into_bytes()
}

/// A topic whose record has counted up to `last`, one a version.
fn counted(last: u64, conflate: bool) -> Topic {
    let mut topic = topic(TopicKind::Value, conflate, KEEP_ALL);
    for version in 1..=last {
        let update = next(&topic, Version(version), &record(version), 0);
        topic.update(&update);
    }
    topic
}

fn chain_len(topic: &Topic, count: usize) -> usize {
    topic.chain(count).map(|step| step.1.len()).sum()
}

#[test]
fn who_is_behind_gets_all_changes_as_one_if_that_is_shorter() {
    let topic = counted(40, true);
    for behind in 2..=30 {
        let way = topic.way_from(Version(40 - behind));
        let Way::Merged(frame) = &way else { panic!("{way:?}") };
        assert!(frame.len() <= chain_len(&topic, 1) + 1, "{} bytes for {behind} versions", frame.len());
        assert_eq!(topic.first_step(&way), frame.len());
    }
    assert_eq!(topic.way_from(Version(40)), Way::Current);
    assert_eq!(topic.way_from(Version(99)), Way::Current);
    assert!(matches!(topic.way_from(Version::NONE), Way::Snapshot(_)));
}

#[test]
fn a_merged_frame_is_made_once_for_all_peers_and_gone_with_the_next_change() {
    let mut topic = counted(9, true);
    let frame = |topic: &Topic, base: u64| match topic.way_from(Version(base)) {
        Way::Merged(frame) => frame,
        other => panic!("{other:?}"),
    };
    let first = frame(&topic, 3);
    // Others that are as many bases as are kept do not push it out.
    let others = [4, 5, 6].map(|base| frame(&topic, base));
    assert_eq!(frame(&topic, 3).as_ptr(), first.as_ptr(), "the very bytes");
    assert_eq!(frame(&topic, 6).as_ptr(), others[2].as_ptr());
    let _fifth = frame(&topic, 2);
    assert_ne!(frame(&topic, 3).as_ptr(), first.as_ptr(), "bounded");
    assert!(!topic.clone().merged.is_used(), "a copy has other peers");
    let update = next(&topic, Version(10), &record(10), 0);
    topic.update(&update);
    assert!(!topic.merged.is_used());
    assert_ne!(frame(&topic, 3), first);
}

#[test]
fn peers_that_are_one_behind_or_are_told_every_value_cause_no_merging() {
    let mut topic = counted(9, true);
    for version in 10..20 {
        let update = next(&topic, Version(version), &record(version), 0);
        topic.update(&update);
        assert_eq!(topic.way_from(Version(version - 1)), Way::Chain(1));
        assert_eq!(topic.chain(1).next().unwrap().1.as_ptr(), update.frame.as_ptr(), "the very bytes");
        assert!(!topic.merged.is_used() && topic.snapshot.get().is_none(), "no work for nobody");
    }
    let every = counted(9, false);
    for behind in 1..=8 {
        assert_eq!(every.way_from(Version(9 - behind as u64)), Way::Chain(behind));
    }
    assert!(!every.merged.is_used());
}

#[test]
fn who_is_behind_gets_the_chain_or_the_snapshot_where_merging_gains_nothing() {
    let mut topic = topic(TopicKind::Value, true, KEEP_ALL);
    let value = "abcdefgh";
    for (version, value) in [(1, "of another kind"), (2, value), (3, &value.repeat(9)), (4, &value.repeat(8))] {
        let update = next(&topic, Version(version), value.as_bytes(), 0);
        assert_eq!(update.whole, version < 3);
        topic.update(&update);
    }
    assert_eq!(topic.way_from(Version(1)), Way::Chain(3), "a snapshot among them is not merged");
    // From a version that was not this topic's there is no chain.
    let other = next(&topic, Version(9), value.repeat(7).as_bytes(), 0);
    topic.update(&other);
    assert!(matches!(topic.way_from(Version(6)), Way::Snapshot(_)));
}

#[test]
fn an_update_that_is_held_already_is_ignored() {
    let mut topic = events(&[1, 2, 3], KEEP_ALL);
    let again = Update { base: Version(1), version: Version(2), ..next(&topic, Version(4), b"x", 0) };
    topic.update(&again);
    assert_eq!((topic.version(), topic.sequence(), topic.recent.len()), (Version(3), 3, 3));
}

#[test]
fn old_events_go_when_others_come_or_when_somebody_looks() {
    let mut topic = topic(TopicKind::Event, true, History { age_ms: 100, ..KEEP_ALL });
    for (version, at_ms) in [(1, 0), (2, 50), (3, 120)] {
        let update = next(&topic, Version(version), &[version as u8], at_ms);
        topic.update(&update);
    }
    let kept = |topic: &Topic| {
        topic.events_after(Version::NONE).map(|event| (event.version.0, event.sequence)).collect::<Vec<_>>()
    };
    assert_eq!(kept(&topic), [(2, 2), (3, 3)]);
    topic.forget(500);
    assert_eq!(kept(&topic), []);
    assert_eq!(topic.way_from(Version(1)), Way::Gap { version: Version(3), sequence: 3, left: 0 });
    assert_eq!(topic.way_from(Version(3)), Way::Current);
    assert_eq!(topic.before_last(9), Version(3));
    let update = next(&topic, Version(4), &[4], 510);
    topic.update(&update);
    assert_eq!(kept(&topic), [(4, 4)]);
    assert_eq!(topic.way_from(Version(3)), Way::Chain(1));
    assert_eq!(announced(&topic, Version(3)), (Version(3), 3));
    assert_eq!(announced(&topic, Version(2)), (Version(2), 0), "no longer known");
}

#[test]
fn a_telling_that_starts_between_two_events_starts_at_the_first_of_them() {
    let topic = events(&[2, 5, 9], KEEP_ALL);
    let aligned = |base| topic.aligned(Version(base)).0;
    assert_eq!([0, 1, 2, 3, 4, 5, 8, 9, 20].map(aligned), [0, 0, 2, 2, 2, 5, 5, 9, 20]);
}

#[test]
fn a_topic_without_history_shows_none_but_tells_those_who_follow() {
    let topic = events(&[1, 2, 3], History { count: 0, ..KEEP_ALL });
    assert_eq!(topic.events_after(Version::NONE).count(), 0);
    assert_eq!(topic.before_last(5), Version(3));
    assert_eq!(topic.way_from(Version(2)), Way::Chain(1));
}

#[test]
fn events_are_found_at_the_end_of_their_frames() {
    let topic = events(&[7], KEEP_ALL);
    let event = topic.events_after(Version::NONE).next().unwrap();
    assert_eq!((event.version, event.sequence, event.value), (Version(7), 1, &[7][..]));
}
