//! Publishes: queued, sent, sent again, applied once and settled once.

use std::time::Duration;

use bytes::Bytes;
use outpour_core::peer::{Change, PeerConfig};
use outpour_core::session::{Event, Publication, PublicationChange, QueueFull, SessionConfig, StreamId};
use outpour_core::wire::Condition;
use outpour_core::{ErrorCode, Path, Version};

use crate::world::{World, long, text};

fn set(value: &str) -> PublicationChange {
    PublicationChange::Set(text(value))
}

fn publication(change: PublicationChange) -> Publication {
    Publication { change, condition: Condition::Always }
}

#[test]
fn each_is_settled_with_the_version_that_it_made() {
    let mut world = World::connected();
    let first = world.publish("a", set("1"));
    let second = world.publish("a", set("2"));
    let event = world.publish("e", PublicationChange::Append(text("event")));
    let removal = world.publish("a", PublicationChange::Remove);
    assert_eq!(world.verdict(first), Ok(Version(1)));
    assert_eq!(world.verdict(second), Ok(Version(2)));
    assert_eq!(world.verdict(event), Ok(Version(3)));
    assert_eq!(world.verdict(removal), Ok(Version(4)));
    let refused = world.publish("a", PublicationChange::MergePatch(Bytes::from_static(b"{}")));
    assert_eq!(world.verdict(refused).unwrap_err().0, ErrorCode::BadPatch);
}

#[test]
fn conditions_that_fail_say_what_version_there_is() {
    let mut world = World::connected();
    world.publish("a", set("1"));
    let absent = world.publish_if("a", set("2"), Condition::IfAbsent);
    assert_eq!(world.verdict(absent), Err((ErrorCode::AlreadyExists, Version(1))));
    let old = world.publish_if("a", set("2"), Condition::IfVersion(Version(9)));
    assert_eq!(world.verdict(old), Err((ErrorCode::VersionMismatch, Version(1))));
    let right = world.publish_if("a", set("2"), Condition::IfVersion(Version(1)));
    assert!(world.verdict(right).is_ok());
}

#[test]
fn what_is_published_before_there_is_a_connection_waits_for_it() {
    let mut world = World::new();
    let ticket = world.publish("a", set("1"));
    assert!(!world.is_settled(ticket));
    world.session.connect(world.now);
    world.settle();
    assert!(world.verdict(ticket).is_ok());
}

#[test]
fn the_queue_has_a_bound_of_count_and_of_bytes() {
    let config = SessionConfig { queue_count: 3, queue_bytes: 100, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig::default(), 1);
    let path = Path::new("a").unwrap();
    let big = "x".repeat(60);
    let publish = |world: &mut World, value: &str| world.session.publish(&path, publication(set(value)), world.now);
    publish(&mut world, &big).unwrap();
    assert_eq!(publish(&mut world, &big), Err(ErrorCode::QueueFull));
    publish(&mut world, "1").unwrap();
    publish(&mut world, "2").unwrap();
    assert_eq!(publish(&mut world, "3"), Err(ErrorCode::QueueFull));
    world.connect();
    publish(&mut world, "3").unwrap();
    publish(&mut world, "4").unwrap();
    publish(&mut world, "5").unwrap();
    // Verdicts that nobody hears take up room as well.
    let mut message = Vec::new();
    let id = world.session.poll_transmit(&mut message, world.now).unwrap();
    world.gateway.handle_message(id, &message, world.now);
    let answer = world.gateway.transmit(id, 1 << 16, world.now).unwrap();
    world.session.handle_input(outpour_core::session::Input::Message(id, &answer), world.now);
    assert_eq!(publish(&mut world, "6"), Err(ErrorCode::QueueFull));
    assert!(matches!(world.session.poll_event(), Some(Event::PublishSettled { .. })));
    publish(&mut world, "6").unwrap();
}

#[test]
fn the_oldest_make_room_if_that_is_wanted() {
    let queue_full = QueueFull::DropOldest;
    let config = SessionConfig { queue_count: 3, queue_bytes: 100, queue_full, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig::default(), 1);
    let tickets: Vec<_> = (1..=5).map(|number| world.publish(&format!("t/{number}"), set("value"))).collect();
    let dropped = Err((ErrorCode::QueueFull, Version::NONE));
    assert_eq!([world.verdict(tickets[0]), world.verdict(tickets[1])], [dropped, dropped]);
    // A long one takes the place of as many as need be.
    let long = world.publish("long", set(&"x".repeat(94)));
    assert_eq!([world.verdict(tickets[2]), world.verdict(tickets[3])], [dropped, dropped]);
    let longest = world.publish("longest", set(&"x".repeat(1000)));
    assert_eq!([world.verdict(tickets[4]), world.verdict(long)], [dropped, dropped]);
    world.session.connect(world.now);
    world.settle();
    assert!(world.verdict(longest).is_ok());
    assert_eq!(world.gateway.applied.len(), 1);
}

#[test]
fn what_was_sent_makes_no_room() {
    let queue_full = QueueFull::DropOldest;
    let config = SessionConfig { queue_count: 3, queue_full, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig { max_in_flight: 2, ..PeerConfig::default() }, 1);
    world.connect();
    world.gateway.deaf = true;
    let sent = [world.publish("a", set("1")), world.publish("a", set("2"))];
    let waiting = world.publish("a", set("3"));
    let last = world.publish("a", set("4"));
    assert_eq!(world.verdict(waiting), Err((ErrorCode::QueueFull, Version::NONE)));
    world.cut();
    world.gateway.deaf = false;
    world.advance(Duration::from_secs(1));
    assert!(sent.iter().chain([&last]).all(|ticket| world.verdict(*ticket).is_ok()));

    // If all were sent there is none to drop, and who hears no verdicts can't publish without end.
    let config = SessionConfig { queue_count: 2, queue_full, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig::default(), 1);
    world.connect();
    world.gateway.deaf = true;
    world.publish("a", set("1"));
    world.publish("a", set("2"));
    let path = Path::new("a").unwrap();
    assert_eq!(world.session.publish(&path, publication(set("3")), world.now), Err(ErrorCode::QueueFull));
    let config = SessionConfig { queue_count: 2, queue_full, ..SessionConfig::default() };
    let mut world = World::with(config, PeerConfig::default(), 1);
    let taken = (0..10).filter(|_| world.session.publish(&path, publication(set("x")), world.now).is_ok()).count();
    assert_eq!(taken, 4, "two that wait, and two verdicts that nobody has heard");
}

#[test]
fn values_that_the_gateway_does_not_take_are_refused_here() {
    let peers = PeerConfig { max_value: 5000, max_message: 5000, ..PeerConfig::default() };
    let mut world = World::with(SessionConfig::default(), peers, 1);
    let queued = world.publish("a", set(&"x".repeat(6000)));
    let fits_no_message = world.publish("a", set(&"x".repeat(4990)));
    let fits = world.publish("a", set(&"x".repeat(4900)));
    world.session.connect(world.now);
    world.settle();
    assert_eq!(world.verdict(queued), Err((ErrorCode::TooLarge, Version::NONE)));
    assert_eq!(world.verdict(fits_no_message), Err((ErrorCode::TooLarge, Version::NONE)));
    assert!(world.verdict(fits).is_ok());
    let path = Path::new("a").unwrap();
    let refused = world.session.publish(&path, publication(set(&"x".repeat(6000))), world.now);
    assert_eq!(refused, Err(ErrorCode::TooLarge));
}

#[test]
fn no_more_are_in_flight_than_the_gateway_allows() {
    let peers = PeerConfig { max_in_flight: 4, ..PeerConfig::default() };
    let mut world = World::with(SessionConfig::default(), peers, 1);
    world.connect();
    let tickets: Vec<_> = (0..100)
        .map(|number| {
            let change = set(&format!("{number}"));
            world.session.publish(&Path::new("a").unwrap(), publication(change), world.now).unwrap()
        })
        .collect();
    world.settle();
    assert!(world.session.is_live(), "the gateway ends a session that sends more");
    for ticket in tickets {
        assert!(world.verdict(ticket).is_ok());
    }
    assert_eq!(world.value("a").unwrap(), "99");
}

#[test]
fn a_smaller_window_on_the_next_gateway_is_kept_to() {
    let mut world = World::connected();
    world.gateway.deaf = true;
    let tickets: Vec<_> = (0..50).map(|number| world.publish("a", set(&format!("{number}")))).collect();
    world.cut();
    world.gateway = crate::gateway::Gateway::new(PeerConfig { max_in_flight: 2, ..PeerConfig::default() });
    world.advance(Duration::from_secs(1));
    assert_eq!(world.session.statistics().connections, 2);
    for ticket in tickets {
        assert!(world.verdict(ticket).is_ok());
    }
}

#[test]
fn what_was_not_acknowledged_is_sent_again_and_applied_once() {
    let mut world = World::connected();
    let before = world.publish("e", PublicationChange::Append(text("event 0")));
    world.gateway.deaf = true;
    let tickets: Vec<_> =
        (1..=3).map(|number| world.publish("e", PublicationChange::Append(text(&format!("event {number}"))))).collect();
    world.cut();
    world.gateway.deaf = false;
    let late = world.publish("e", PublicationChange::Append(text("event 4")));
    world.advance(Duration::from_millis(100));
    // Applied, but the acknowledgement is lost.
    world.silent = false;
    let path = Path::new("e").unwrap();
    let lost = publication(PublicationChange::Append(text("event 5")));
    let lost = world.session.publish(&path, lost, world.now).unwrap();
    let mut message = Vec::new();
    let id = world.session.poll_transmit(&mut message, world.now).unwrap();
    world.gateway.handle_message(id, &message, world.now);
    world.cut();
    assert!(!world.is_settled(lost));
    world.advance(Duration::from_secs(2));
    for ticket in tickets.into_iter().chain([before, late, lost]) {
        assert!(world.verdict(ticket).is_ok());
    }
    let events: Vec<_> = world
        .gateway
        .topic("e")
        .unwrap()
        .events_after(Version::NONE)
        .map(|event| String::from_utf8_lossy(event.value).into_owned())
        .collect();
    assert_eq!(events, ["event 0", "event 1", "event 2", "event 3", "event 4", "event 5"]);
}

#[test]
fn a_path_published_often_is_spelled_twice() {
    let mut world = World::connected();
    let path = format!("a/{}", "long".repeat(100));
    world.publish(&path, set("1"));
    world.publish(&path, set("2"));
    let before = world.session.statistics().bytes_out;
    world.publish(&path, set("3"));
    assert!(world.session.statistics().bytes_out - before < 20);
    assert_eq!(world.value(&path).unwrap(), "3");
    world.cut();
    world.publish(&path, set("4"));
    world.advance(Duration::from_secs(1));
    assert_eq!(world.value(&path).unwrap(), "4", "aliases end with the connection");
}

#[test]
fn a_long_queue_goes_out_in_messages_of_bounded_size() {
    let mut world = World::new();
    for number in 0..200 {
        let change = set(&format!("{number:>1000}"));
        world.session.publish(&Path::new("a").unwrap(), publication(change), world.now).unwrap();
    }
    world.session.connect(world.now);
    world.settle();
    assert_eq!(world.value("a").unwrap(), format!("{:>1000}", 199));
    let mut messages = 0;
    for number in 0..200 {
        let change = set(&format!("{number:>1000}"));
        world.session.publish(&Path::new("a").unwrap(), publication(change), world.now).unwrap();
    }
    let mut message = Vec::new();
    while let Some(id) = world.session.poll_transmit(&mut message, world.now) {
        assert!(message.len() <= 64 << 10);
        world.gateway.handle_message(id, &message, world.now);
        message.clear();
        messages += 1;
    }
    assert!((4..8).contains(&messages), "{messages}");
}

fn stream(id: StreamId, number: u64) -> PublicationChange {
    PublicationChange::Stream(id, long(number))
}

fn deltas(world: &World) -> usize {
    world.gateway.applied.iter().filter(|(_, change)| matches!(change, Change::Delta { .. })).count()
}

#[test]
fn a_stream_sends_what_changed() {
    let mut world = World::connected();
    let id = world.session.open_stream();
    let tickets: Vec<_> = (0..10).map(|number| world.publish("a", stream(id, number))).collect();
    assert!(tickets.iter().all(|ticket| world.verdict(*ticket).is_ok()));
    assert_eq!(deltas(&world), 9);
    assert_eq!(world.value("a").unwrap(), long(9).to_string());
    // Several in flight build on each other.
    for number in 10..20 {
        world.session.publish(&Path::new("a").unwrap(), publication(stream(id, number)), world.now).unwrap();
    }
    world.settle();
    assert_eq!(deltas(&world), 19);
    world.session.close_stream(id);
    let refused = world.session.publish(&Path::new("a").unwrap(), publication(stream(id, 1)), world.now);
    assert_eq!(refused, Err(ErrorCode::BadOptions));
}

#[test]
fn a_stream_goes_on_where_somebody_else_has_set_the_topic() {
    let mut world = World::connected();
    let id = world.session.open_stream();
    world.publish("a", stream(id, 0));
    world.gateway.set("a", &text("from somebody else"));
    let path = Path::new("a").unwrap();
    let tickets: Vec<_> = (1..=5)
        .map(|number| world.session.publish(&path, publication(stream(id, number)), world.now).unwrap())
        .collect();
    world.settle();
    let versions: Vec<_> = tickets.iter().map(|ticket| world.verdict(*ticket).unwrap()).collect();
    assert!(versions.is_sorted(), "in the order in which they were published: {versions:?}");
    assert_eq!(world.value("a").unwrap(), long(5).to_string());
    let ticket = world.publish("a", stream(id, 6));
    assert!(world.verdict(ticket).is_ok());
    assert!(matches!(world.gateway.applied.last().unwrap().1, Change::Delta { .. }), "back to deltas");
}

#[test]
fn a_value_of_a_stream_never_comes_back_over_a_later_one() {
    // A large change after a small one: the second would be sent whole, if it were not for the first.
    let mut world = World::connected();
    let id = world.session.open_stream();
    world.publish("a", stream(id, 0));
    world.gateway.set("a", &text("from somebody else"));
    let path = Path::new("a").unwrap();
    world.session.publish(&path, publication(stream(id, 1)), world.now).unwrap();
    let other = PublicationChange::Stream(id, text("something quite different"));
    world.session.publish(&path, publication(other), world.now).unwrap();
    world.settle();
    assert_eq!(world.value("a").unwrap(), "something quite different");
    // Something else published to the topic in between is not undone either.
    world.publish("a", stream(id, 0));
    world.gateway.set("a", &text("from somebody else"));
    let stale = world.session.publish(&path, publication(stream(id, 1)), world.now).unwrap();
    let newer = world.session.publish(&path, publication(set("newer")), world.now).unwrap();
    world.settle();
    assert_eq!(world.verdict(stale).unwrap_err().0, ErrorCode::BaseMismatch);
    assert!(world.verdict(newer).is_ok());
    assert_eq!(world.value("a").unwrap(), "newer");
}

#[test]
fn a_stream_survives_a_lost_connection_and_a_lost_log() {
    let mut world = World::connected();
    let id = world.session.open_stream();
    world.publish("a", stream(id, 0));
    world.gateway.deaf = true;
    let tickets: Vec<_> = (1..=3).map(|number| world.publish("a", stream(id, number))).collect();
    world.cut();
    world.gateway.restart();
    world.advance(Duration::from_secs(1));
    for ticket in tickets {
        assert!(world.verdict(ticket).is_ok());
    }
    assert_eq!(world.value("a").unwrap(), long(3).to_string());
}

#[test]
fn closing_waits_for_what_is_on_its_way() {
    let mut world = World::connected();
    let path = Path::new("a").unwrap();
    let ticket = world.session.publish(&path, publication(set("1")), world.now).unwrap();
    world.session.close(Duration::from_secs(5), world.now);
    assert_eq!(world.session.publish(&path, publication(set("2")), world.now), Err(ErrorCode::Closed));
    world.settle();
    assert!(world.verdict(ticket).is_ok());
    assert!(matches!(world.events.last(), Some(Event::Closed { code: ErrorCode::Closed, .. })));
    assert_eq!(world.closes, [1000]);
    assert_eq!(world.session.poll_timeout(), None);
}

#[test]
fn closing_waits_over_a_lost_connection_and_not_for_ever() {
    let mut world = World::connected();
    world.gateway.deaf = true;
    let ticket = world.publish("a", set("1"));
    world.session.close(Duration::from_secs(5), world.now);
    world.cut();
    world.gateway.deaf = false;
    world.advance(Duration::from_secs(1));
    assert!(world.verdict(ticket).is_ok());
    assert!(matches!(world.events.last(), Some(Event::Closed { code: ErrorCode::Closed, .. })));

    let mut world = World::connected();
    world.reachable = false;
    world.cut();
    let ticket = world.publish("a", set("1"));
    world.session.close(Duration::from_secs(5), world.now);
    world.advance(Duration::from_secs(4));
    assert!(!world.is_settled(ticket));
    world.advance(Duration::from_secs(1));
    assert_eq!(world.verdict(ticket).unwrap_err().0, ErrorCode::Closed);
    assert!(matches!(world.events.last(), Some(Event::Closed { code: ErrorCode::Closed, .. })));
}
