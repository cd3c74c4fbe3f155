use alloc::vec::Vec;
use proptest::prelude::*;

use super::*;

/// The same, with one list that is looked through for everything.
#[derive(Debug, Default)]
struct Naive {
    queue: Vec<Item>,
    resting: Vec<(TopicNumber, Timestamp, Option<Dirty>)>,
}

impl Naive {
    fn stop_resting(&mut self, topic: TopicNumber) -> Option<Dirty> {
        let at = self.resting.iter().position(|resting| resting.0 == topic)?;
        self.resting.remove(at).2
    }

    fn find(&mut self, topic: TopicNumber) -> Option<&mut Dirty> {
        self.queue.iter_mut().find_map(|item| match item {
            Item::Topic(dirty) if dirty.topic == topic => Some(dirty),
            _ => None,
        })
    }

    fn note(&mut self, mut dirty: Dirty) {
        let waits = dirty.what == Owed::Changes && dirty.base != Version::NONE;
        if let Some((_, _, owed)) = self.resting.iter_mut().find(|resting| resting.0 == dirty.topic && waits) {
            owed.get_or_insert(dirty);
            return;
        }
        if let Some(owed) = self.stop_resting(dirty.topic) {
            dirty.since = owed.since;
        }
        match self.find(dirty.topic) {
            Some(owed) => *owed = owed.with(dirty),
            None => self.queue.push(Item::Topic(dirty)),
        }
    }

    fn note_first(&mut self, mut dirty: Dirty) {
        if let Some(owed) = self.stop_resting(dirty.topic) {
            dirty.since = owed.since;
        }
        let place = self.queue.iter().position(|item| matches!(item, Item::Topic(owed) if owed.topic == dirty.topic));
        if let Some(place) = place
            && let Item::Topic(owed) = core::mem::replace(&mut self.queue[place], Item::Withdrawn)
        {
            dirty = owed.with(dirty);
        }
        self.queue.insert(0, Item::Topic(dirty));
    }

    fn withdraw_subscribed(&mut self, subscription: SubscriptionId) -> bool {
        let place =
            self.queue.iter().position(|item| matches!(item, Item::Subscribed { id, .. } if *id == subscription));
        place.map(|place| self.queue[place] = Item::Withdrawn).is_some()
    }

    fn drop_topic(&mut self, topic: TopicNumber) -> bool {
        self.stop_resting(topic);
        let Some(owed) = self.find(topic) else { return false };
        let before = core::mem::replace(&mut owed.what, Owed::Nothing);
        before == Owed::Announcement
    }

    fn handle_timeout(&mut self, now: Timestamp) {
        self.resting.sort_by_key(|resting| (resting.1, resting.0));
        let due = self.resting.partition_point(|resting| resting.1 <= now);
        let woken = self.resting.drain(..due).filter_map(|resting| resting.2).map(Item::Topic);
        self.queue.extend(woken);
    }

    fn oldest(&self) -> Option<Version> {
        let queued = self.queue.iter().filter_map(|item| match item {
            Item::Topic(dirty) if dirty.what != Owed::Nothing => dirty.since,
            _ => None,
        });
        queued.chain(self.resting.iter().filter_map(|resting| resting.2?.since)).min()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Change(u32),
    Matched(u32, bool),
    Repaired(u32),
    Removed(u32),
    Dropped(u32),
    HandedOver(u32),
    Subscribed(u32),
    Withdrawn(u32),
    /// Told, and then perhaps put back in part or laid to rest for some time.
    Told(u8, Option<u64>),
    Passed(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // More topics than are looked for without an index.
    let topic = 0..40_u32;
    let step = prop_oneof![
        10 => topic.clone().prop_map(Step::Change),
        4 => (topic.clone(), any::<bool>()).prop_map(|(topic, bound)| Step::Matched(topic, bound)),
        1 => topic.clone().prop_map(Step::Repaired),
        1 => topic.clone().prop_map(Step::Removed),
        1 => topic.clone().prop_map(Step::Dropped),
        1 => topic.prop_map(Step::HandedOver),
        1 => (0..4_u32).prop_map(Step::Subscribed),
        1 => (0..4_u32).prop_map(Step::Withdrawn),
        6 => (0..4_u8, prop::option::of(1..20_u64)).prop_map(|(put_back, rest)| Step::Told(put_back, rest)),
        2 => (0..10_u64).prop_map(Step::Passed),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn is_like_one_list(steps in steps()) {
        let (mut outbox, mut naive) = (Outbox::default(), Naive::default());
        let mut now = Timestamp::ZERO;
        for (version, step) in (10..).zip(steps) {
            let since = Version(version);
            let dirty = |topic: u32, base, since, what| {
                Dirty { topic: TopicNumber(topic), base: Version(base), since, interval: Duration::ZERO, what }
            };
            let mut note = |dirty| {
                outbox.note(dirty);
                naive.note(dirty);
            };
            match step {
                Step::Change(topic) => note(dirty(topic, version - 1, Some(since), Owed::Changes)),
                Step::Matched(topic, bound) => note(dirty(topic, 0, bound.then_some(since), Owed::Announcement)),
                Step::Repaired(topic) => note(dirty(topic, 0, Some(since), Owed::Changes)),
                Step::Removed(topic) => note(dirty(topic, version, Some(since), Owed::Removal(since))),
                Step::Dropped(topic) => {
                    prop_assert_eq!(outbox.drop_topic(TopicNumber(topic)), naive.drop_topic(TopicNumber(topic)));
                }
                Step::HandedOver(topic) => {
                    let dirty = dirty(topic, 5, None, Owed::Announcement);
                    outbox.note_first(dirty);
                    naive.note_first(dirty);
                }
                Step::Subscribed(id) => {
                    outbox.note_subscribed(SubscriptionId(id), version, since);
                    naive.queue.push(Item::Subscribed { id: SubscriptionId(id), topics: version, head: since });
                }
                Step::Withdrawn(id) => {
                    let id = SubscriptionId(id);
                    prop_assert_eq!(outbox.withdraw_subscribed(id), naive.withdraw_subscribed(id));
                }
                Step::Told(put_back, rest) => {
                    let told = outbox.pop();
                    let expected = (!naive.queue.is_empty()).then(|| naive.queue.remove(0));
                    prop_assert_eq!(&told, &expected);
                    let Some(Item::Topic(told)) = told else { continue };
                    if put_back == 0 {
                        let rest = Dirty { since: told.since.map(|_| since), what: Owed::Changes, ..told };
                        outbox.put_back(Item::Topic(rest));
                        naive.queue.insert(0, Item::Topic(rest));
                    } else if let Some(rest) = rest {
                        let until = now + Duration::from_secs(rest);
                        outbox.rest(told.topic, until);
                        naive.stop_resting(told.topic);
                        naive.resting.push((told.topic, until, None));
                    }
                }
                Step::Passed(seconds) => {
                    now = now + Duration::from_secs(seconds);
                    outbox.handle_timeout(now);
                    naive.handle_timeout(now);
                }
            }
            prop_assert_eq!(outbox.oldest(), naive.oldest());
            prop_assert_eq!(outbox.due(), naive.queue.len());
            prop_assert_eq!(outbox.len(), naive.queue.len() + naive.resting.len());
            prop_assert_eq!(outbox.poll_timeout(), naive.resting.iter().map(|resting| resting.1).min());
        }
        while let Some(item) = outbox.pop() {
            prop_assert_eq!(item, naive.queue.remove(0));
        }
        prop_assert!(naive.queue.is_empty());
    }
}

fn dirty(what: Owed) -> Dirty {
    Dirty { topic: TopicNumber(1), base: Version(5), since: Some(Version(6)), interval: Duration::ZERO, what }
}

#[test]
fn what_is_owed_twice_is_owed_from_where_it_was() {
    let later = Dirty { base: Version(8), since: Some(Version(9)), ..dirty(Owed::Changes) };
    for owed in [dirty(Owed::Changes), dirty(Owed::Announcement)] {
        assert_eq!(owed.with(later), owed);
    }
    assert_eq!(dirty(Owed::Nothing).with(later), later);
}

#[test]
fn a_removal_takes_the_place_of_what_was_owed() {
    let removal = Dirty { since: Some(Version(9)), ..dirty(Owed::Removal(Version(9))) };
    assert_eq!(dirty(Owed::Changes).with(removal), dirty(Owed::Removal(Version(9))));
    // Who never learned of the topic need not learn of its end.
    assert_eq!(dirty(Owed::Announcement).with(removal).what, Owed::Nothing);
}

#[test]
fn a_repair_starts_from_nothing_and_hides_no_change_from_the_mark() {
    let repair = Dirty { base: Version::NONE, since: Some(Version(9)), ..dirty(Owed::Changes) };
    assert_eq!(dirty(Owed::Changes).with(repair), Dirty { base: Version::NONE, ..dirty(Owed::Changes) });
    let anew = Dirty { base: Version(2), since: Some(Version(9)), ..dirty(Owed::Announcement) };
    assert_eq!(dirty(Owed::Changes).with(anew), Dirty { since: Some(Version(6)), ..anew });
    let mut outbox = Outbox::default();
    outbox.rest(TopicNumber(1), Timestamp::MAX);
    outbox.note(dirty(Owed::Changes));
    assert_eq!((outbox.due(), outbox.oldest()), (0, Some(Version(6))));
    outbox.note(repair);
    assert_eq!(outbox.oldest(), Some(Version(6)));
    assert_eq!(outbox.pop(), Some(Item::Topic(Dirty { since: Some(Version(6)), ..repair })));
    assert_eq!(outbox.oldest(), None);
}

#[test]
fn an_empty_outbox_keeps_no_memory_of_a_long_queue() {
    let mut outbox = Outbox::default();
    for topic in 0..10_000 {
        outbox.note(Dirty { topic: TopicNumber(topic), ..dirty(Owed::Changes) });
    }
    while outbox.pop().is_some() {}
    assert!(outbox.index.is_none());
    assert!(outbox.queue.capacity() <= 4 * SCAN_LIMIT);
}

#[test]
fn an_entry_takes_no_more_memory_than_is_counted_for_it() {
    // A queue that has just grown has room for as many again, and so has each node of the index.
    let queued = 2 * size_of::<Item>();
    let indexed = 2 * (size_of::<(TopicNumber, u64)>() + size_of::<(Version, TopicNumber)>());
    assert!(queued + indexed <= super::super::OWED_BYTES, "{queued} + {indexed}");
}
