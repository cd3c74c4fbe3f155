//! Warm start: what a session held is there at once when the program starts anew, and only what changed is told.

use std::time::Duration;

use outpour_core::session::{Event, ResumeOutcome, Session, SessionConfig, StoreError, SubscribeOptions};
use outpour_core::{Partition, PublisherId, Selector, Timestamp, Version};
use proptest::prelude::*;

use crate::world::{World, long, text};

/// How large stores may be here.
const ROOM: usize = 1 << 20;

impl World {
    /// The program is killed, and starts anew with this store.
    fn start_anew(&mut self, store: &[u8]) {
        self.cut();
        self.session = Session::new(SessionConfig::default(), PublisherId([8; 16]), 8, self.now);
        self.session.import(store, self.now).unwrap();
        self.events.clear();
    }
}

/// A world that follows `**`: 20 values, and a topic with two events.
fn following() -> World {
    let mut world = World::connected();
    for topic in 0..20 {
        world.gateway.set(&format!("v/{topic}"), &long(topic));
    }
    world.gateway.append("e", &text("event 1"));
    world.gateway.append("e", &text("event 2"));
    let id = world.subscribe("**");
    assert_eq!(world.told(id).len(), 20, "the events were before");
    world
}

#[test]
fn what_was_held_is_there_at_once_and_only_changes_are_told() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.gateway.set("v/3", &long(33));
    world.gateway.remove("v/4");
    world.gateway.set("v/new", &long(5));
    world.gateway.append("e", &text("event 3"));

    world.start_anew(&store);
    let held = world.session.replica("v/3").unwrap();
    assert_eq!((held.value, held.stale), (long(3), true));
    let id = world.subscribe("**");
    let shown = world.updates(id);
    assert!(shown.len() == 20 && shown.iter().all(|update| update.stale && update.wire_bytes == 0));
    world.session.connect(world.now);
    world.settle();
    let told = world.told(id);
    assert_eq!(
        told,
        ["v/4-".to_owned(), format!("v/3={}", long(33)), "e!event 3#3".into(), format!("v/new={}", long(5))]
    );
    world.assert_replicas(&["**"]);
    let counted = world.session.statistics();
    assert_eq!((counted.snapshots, counted.deltas, counted.repairs), (1, 1, 0));
    assert!(counted.bytes_in < 300, "{} bytes", counted.bytes_in);
    assert!(world.events.iter().any(|event| matches!(event, Event::Resumed { outcome: ResumeOutcome::Complete, .. })));
}

#[test]
fn a_subscription_made_after_the_session_is_connected_goes_on_as_well() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.gateway.set("v/3", &long(33));
    world.start_anew(&store);
    world.session.connect(world.now);
    world.settle();
    world.gateway.set("v/5", &long(55));
    let id = world.subscribe("**");
    let told = world.told(id);
    assert!(
        told.len() == 22 && told.ends_with(&[format!("v/3={}", long(33)), format!("v/5={}", long(55))]),
        "{told:?}"
    );
    assert_eq!(world.session.statistics().snapshots, 0);
    world.assert_replicas(&["**"]);
}

#[test]
fn a_subscription_that_is_ended_before_it_is_asked_for_takes_nothing_from_one_that_goes_on() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.start_anew(&store);
    world.session.connect(world.now);
    world.settle();
    let selector = |text| Selector::new(text).unwrap();
    let short = world.session.subscribe(&selector("v/3"), &SubscribeOptions::default(), world.now).unwrap();
    let id = world.session.subscribe(&selector("**"), &SubscribeOptions::default(), world.now).unwrap();
    world.session.unsubscribe(short, world.now);
    world.settle();
    let told = world.told(id);
    assert!(told.len() == 20 && told.contains(&format!("v/3={}", long(3))), "{told:?}");
    world.assert_replicas(&["**"]);
}

#[test]
fn a_subscription_that_is_ended_and_made_again_is_told_from_the_beginning() {
    for is_connected in [false, true] {
        let mut world = following();
        let store = world.session.export(ROOM);
        world.start_anew(&store);
        let id = world.subscribe("**");
        if is_connected {
            world.session.connect(world.now);
            world.settle();
        }
        world.session.unsubscribe(id, world.now);
        let id = world.subscribe("**");
        world.session.connect(world.now);
        world.settle();
        assert_eq!(world.told(id).len(), 20, "connected: {is_connected}");
        world.assert_replicas(&["**"]);
    }
}

#[test]
fn what_no_subscription_claims_is_forgotten_with_the_connection() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.start_anew(&store);
    world.session.connect(world.now);
    world.settle();
    assert!(world.session.export(ROOM).len() < 60, "nothing that the gateway told of since is held");
    assert!(world.session.replica("v/1").is_some());
    world.cut();
    assert!(world.session.replica("v/1").is_none());
    world.advance(Duration::from_secs(1));
    let id = world.subscribe("**");
    assert_eq!(world.told(id).len(), 20);
    world.assert_replicas(&["**"]);
}

#[test]
fn another_selector_is_told_from_the_beginning() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.gateway.remove("v/4");
    world.start_anew(&store);
    let id = world.subscribe("v/*");
    assert_eq!(world.told(id).len(), 20, "what is held is shown all the same");
    world.session.connect(world.now);
    world.settle();
    assert_eq!(world.told(id), ["v/4-"]);
    world.assert_replicas(&["v/*"]);
}

#[test]
fn what_was_not_told_anew_yet_is_stored_again() {
    let mut world = World::connected();
    world.gateway.set("v/1", &long(1));
    world.gateway.set("v/2", &long(2));
    world.subscribe("v/*");
    let store = world.session.export(ROOM);
    world.start_anew(&store);
    world.subscribe("**");
    let again = world.session.export(ROOM);
    assert_eq!(again, store);
    world.start_anew(&again);
    let id = world.subscribe("v/*");
    world.session.connect(world.now);
    world.settle();
    assert_eq!(world.told(id).len(), 2);
}

#[test]
fn a_topic_that_nobody_claimed_and_that_is_gone_is_not_shown_for_good() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.start_anew(&store);
    world.session.connect(world.now);
    world.settle();
    world.gateway.remove("v/3");
    let id = world.subscribe("v/3/**");
    assert!(world.session.replica("v/3").is_none());
    assert_eq!(world.told(id), [format!("v/3={}", long(3)), "v/3-".into()]);
}

#[test]
fn a_hello_that_is_written_twice_counts_as_it_was_said_last() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.gateway.remove("v/3");
    world.start_anew(&store);
    let first = world.subscribe("**");
    world.subscribe("*/**");
    world.session.connect(world.now);
    world.session.unsubscribe(first, world.now);
    world.settle();
    assert!(world.session.replica("v/3").is_none());
}

#[test]
fn a_value_that_had_no_room_is_told_to_whoever_subscribes_while_connecting() {
    let mut world = World::connected();
    world.gateway.set("v", &long(1));
    world.subscribe("**");
    let whole = world.session.export(ROOM);
    let store = world.session.export(whole.len());
    assert!(store.len() < whole.len(), "the value has no room beside what is set aside for names");
    world.start_anew(&store);
    world.session.connect(world.now);
    let id = world.subscribe("**");
    world.settle();
    assert_eq!(world.told(id), [format!("v={}", long(1))]);
}

#[test]
fn a_store_of_another_life_of_the_log_is_told_from_the_beginning() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.cut();
    world.gateway.restart();
    world.gateway.set("v/1", &long(1));
    world.start_anew(&store);
    let id = world.subscribe("**");
    assert_eq!(world.told(id).len(), 20);
    world.session.connect(world.now);
    world.settle();
    assert!(world.told(id).contains(&"v/2-".to_owned()));
    world.assert_replicas(&["**"]);
    assert!(world.events.iter().any(|event| matches!(event, Event::Resumed { outcome: ResumeOutcome::Afresh, .. })));
}

#[test]
fn a_store_of_somebody_else_is_not_shown_as_current() {
    let mut world = following();
    let store = world.session.export(ROOM);
    world.gateway.principal = "bert".into();
    world.start_anew(&store);
    let id = world.subscribe("**");
    assert_eq!(world.told(id).len(), 20);
    world.session.connect(world.now);
    world.advance(Duration::from_secs(2));
    let told = world.told(id);
    assert!(told.iter().take(21).all(|update| update.ends_with('-')), "{told:?}");
    assert_eq!(told.len(), 41);
    assert_eq!(world.session.principal(), "bert");
    assert_eq!(world.session.statistics().deltas, 0);
    world.assert_replicas(&["**"]);
}

#[test]
fn where_there_is_no_room_for_all_values_the_others_are_told_whole() {
    let mut world = following();
    let store = world.session.export(2200);
    assert!(store.len() <= 2200);
    world.gateway.set("v/1", &long(11));
    world.start_anew(&store);
    let held = (0..20).filter(|topic| world.session.replica(&format!("v/{topic}")).is_some()).count();
    assert!((1..20).contains(&held), "{held} fit");
    let id = world.subscribe("**");
    assert_eq!(world.told(id).len(), held);
    world.session.connect(world.now);
    world.settle();
    world.assert_replicas(&["**"]);
    // There is not even room for the names.
    let store = world.session.export(400);
    assert!(!store.is_empty() && store.len() <= 400);
    world.start_anew(&store);
    let id = world.subscribe("**");
    assert!(!world.told(id).is_empty());
    world.session.connect(world.now);
    world.settle();
    world.assert_replicas(&["**"]);
    assert!(world.session.export(30).is_empty());
}

#[test]
fn a_mark_that_the_gateway_was_not_told_does_not_count() {
    let world = following();
    let store = world.session.export(400);
    let mut world = World::new();
    for topic in 0..3 {
        world.gateway.set(&format!("v/{topic}"), &long(topic));
    }
    world.start_anew(&store);
    world.subscribe("**");
    world.session.connect(world.now);
    world.settle();
    let held = world.session.replicas(&Selector::new("**").unwrap()).count();
    assert!(held >= 3, "{held} topics");
    assert_eq!(world.session.mark(Partition(0)), Version(3), "this gateway is behind the one before");
}

#[test]
fn a_replica_that_was_being_repaired_is_told_whole() {
    let mut world = following();
    world.tamper = Some(Box::new(|message| {
        if let Some(last) = message.last_mut() {
            *last ^= 1;
        }
    }));
    world.blocked = true;
    world.gateway.set("v/1", &long(77));
    world.settle();
    world.tamper = None;
    assert_eq!(world.session.statistics().repairs, 1);
    let store = world.session.export(ROOM);
    world.blocked = false;
    world.start_anew(&store);
    world.subscribe("**");
    world.session.connect(world.now);
    world.settle();
    world.assert_replicas(&["**"]);
    assert_eq!(world.session.statistics().repairs, 0);
}

#[test]
fn only_a_session_that_has_not_begun_takes_a_store() {
    let mut world = following();
    let store = world.session.export(ROOM);
    assert_eq!(world.session.import(&store, world.now), Err(StoreError::NotFresh));
    let config = SessionConfig { max_topics: 5, ..SessionConfig::default() };
    let mut session = Session::new(config, PublisherId([8; 16]), 8, Timestamp::ZERO);
    assert_eq!(session.import(&store, Timestamp::ZERO), Err(StoreError::TooLarge));
    assert!(session.replica("v/1").is_none());
    assert_eq!(session.import(b"", Timestamp::ZERO), Err(StoreError::Foreign));
    assert_eq!(session.import(b"something else", Timestamp::ZERO), Err(StoreError::Foreign));
}

proptest! {
    /// However it is changed or cut off, it is not taken; and nothing else is lost.
    #[test]
    fn a_damaged_store_is_not_taken(at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<bool>()) {
        let world = following();
        let mut store = world.session.export(ROOM);
        let at = at.index(store.len());
        if cut { store.truncate(at) } else { store[at] ^= 1 << bit }
        let mut session = Session::new(SessionConfig::default(), PublisherId([8; 16]), 8, Timestamp::ZERO);
        prop_assert!(session.import(&store, Timestamp::ZERO).is_err());
        prop_assert!(session.replica("v/1").is_none() && session.epoch().is_none());
    }

    #[test]
    fn any_bytes_with_the_right_check_are_taken_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut store = b"OPst\x01".to_vec();
        store.extend(body);
        store.extend(outpour_core::check::plain_check(&store).to_le_bytes());
        let mut session = Session::new(SessionConfig::default(), PublisherId([8; 16]), 8, Timestamp::ZERO);
        let _taken = session.import(&store, Timestamp::ZERO);
    }
}
