//! Subscriptions that are ended while news of their topics are on the way.

use std::time::Duration;

use outpour_core::session::{SessionConfig, SubscribeOptions};
use outpour_core::wire::{GatewayFrame, PROTOCOL_MAJOR, Refused, RequestRef, Welcome};
use outpour_core::{ErrorCode, PublishNumber, Selector, SubscriptionId};

use crate::world::{World, text};

fn subscribe(world: &mut World, selector: &str) -> Result<SubscriptionId, ErrorCode> {
    world.session.subscribe(&Selector::new(selector).unwrap(), &SubscribeOptions::default(), world.now)
}

/// What the session says reaches the gateway, which does not answer yet.
fn carry_up(world: &mut World) {
    let (wire, now, mut message) = (world.wire.unwrap(), world.now, Vec::new());
    while world.session.poll_transmit(&mut message, now).is_some() {
        world.gateway.handle_message(wire, &message, now);
        message.clear();
    }
}

/// A subscription ends while the announcement of `a/b` is on its way down, which is given back.
fn ended() -> (World, Vec<u8>) {
    let mut world = World::connected();
    let ended = world.subscribe("a/*");
    world.gateway.set("a/b", &text("1"));
    let on_its_way = world.gateway.transmit(world.wire.unwrap(), usize::MAX, world.now).unwrap();
    world.session.unsubscribe(ended, world.now);
    (world, on_its_way)
}

#[test]
fn a_topic_removed_after_both_requests_is_not_held_for_ever() {
    let (mut world, on_its_way) = ended();
    let id = subscribe(&mut world, "**").unwrap();
    carry_up(&mut world);
    world.gateway.remove("a/b");
    world.inject(&on_its_way);
    assert_eq!(world.told(id), ["a/b=1", "a/b-"]);
    assert_eq!(world.session.replica("a/b"), None);
}

#[test]
fn a_topic_removed_between_the_requests_is_not_held_for_ever() {
    let (mut world, on_its_way) = ended();
    carry_up(&mut world);
    world.gateway.remove("a/b");
    let id = subscribe(&mut world, "**").unwrap();
    carry_up(&mut world);
    world.inject(&on_its_way);
    assert_eq!(world.told(id), ["a/b=1", "a/b-"]);
    assert_eq!(world.session.replica("a/b"), None);
}

#[test]
fn a_topic_that_is_still_there_goes_on() {
    let (mut world, on_its_way) = ended();
    let id = subscribe(&mut world, "**").unwrap();
    carry_up(&mut world);
    world.inject(&on_its_way);
    assert_eq!(world.told(id), ["a/b=1"]);
    assert!(!world.session.replica("a/b").unwrap().stale);
    world.gateway.set("a/b", &text("2"));
    world.settle();
    assert_eq!(world.told(id), ["a/b=2"]);
}

#[test]
fn what_another_subscription_selected_all_along_is_not_touched() {
    let mut world = World::connected();
    let (narrow, wide) = (world.subscribe("a/*"), world.subscribe("**"));
    world.gateway.set("a/b", &text("1"));
    world.settle();
    world.session.unsubscribe(narrow, world.now);
    world.settle();
    let late = world.subscribe("a/b");
    assert_eq!((world.told(wide), world.told(late)), (vec!["a/b=1".to_owned()], vec!["a/b=1".to_owned()]));
    assert!(!world.session.replica("a/b").unwrap().stale);
}

#[test]
fn a_topic_that_is_handed_from_one_subscription_to_the_next_is_not_touched() {
    let mut world = World::connected();
    world.gateway.set("a/b", &text("1"));
    let (first, second) = (world.subscribe("a/*"), world.subscribe("a/b"));
    world.session.unsubscribe(first, world.now);
    let third = subscribe(&mut world, "**").unwrap();
    world.session.unsubscribe(second, world.now);
    world.settle();
    assert_eq!(world.told(third), ["a/b=1"]);
    assert!(!world.session.replica("a/b").unwrap().stale);
}

#[test]
fn an_answer_that_nothing_was_asked_for_is_skipped() {
    let mut world = World::connected();
    world.gateway.set("a", &text("1"));
    let id = world.subscribe("**");
    let mut message = Vec::new();
    for id in [id, SubscriptionId(77)] {
        GatewayFrame::Unsubscribed { id }.encode(&mut message);
    }
    world.inject(&message);
    assert_eq!((world.told(id), world.session.is_live()), (vec!["a=1".to_owned()], true));
}

#[test]
fn ends_that_a_gateway_never_answers_do_not_pile_up() {
    let mut world = World::with(SessionConfig::default(), outpour_core::peer::PeerConfig::default(), 7);
    world.connect();
    let made = (0..100_000).take_while(|_| {
        let made = subscribe(&mut world, "a");
        if let Ok(id) = made {
            while world.session.poll_transmit(&mut Vec::new(), world.now).is_some() {}
            world.session.unsubscribe(id, world.now);
        }
        made.is_ok()
    });
    let made = made.count();
    assert!((1_000..10_000).contains(&made), "{made} ended subscriptions wait for an answer");
    // On another connection nothing waits.
    world.cut();
    subscribe(&mut world, "a").unwrap();
}

/// A session that comes back with `**/b`, of which `a/b` is carried over, and `a/*`, which is new. The gateway has not
/// answered.
fn carried() -> (World, SubscriptionId, SubscriptionId) {
    let mut world = World::connected();
    world.gateway.set("a/b", &text("1"));
    let narrow = world.subscribe("**/b");
    world.told(narrow);
    world.cut();
    let wide = subscribe(&mut world, "a/*").unwrap();
    assert_eq!(world.told(wide), ["a/b=1"]);
    world.stalled = true;
    world.advance(Duration::from_secs(1));
    (world, narrow, wide)
}

/// What a gateway says that goes on from where the last one was, and then this.
fn answers(world: &World, rest: &[GatewayFrame<'_>]) -> Vec<u8> {
    let welcome = GatewayFrame::Welcome(Welcome {
        major: PROTOCOL_MAJOR,
        minor: 0,
        epoch: world.gateway.epoch,
        heartbeat_ms: 10_000,
        max_message: 1 << 20,
        max_value: 1 << 18,
        max_in_flight: 16,
        max_subscriptions: 1,
        applied: PublishNumber(0),
        resumed: true,
        principal: "",
    });
    let mut message = Vec::new();
    [welcome].iter().chain(rest).for_each(|frame| frame.encode(&mut message));
    message
}

fn refused(id: SubscriptionId) -> GatewayFrame<'static> {
    let code = ErrorCode::TooManySubscriptions.number();
    GatewayFrame::Refused(Refused { request: RequestRef::Subscription(id), code, reason: "no" })
}

#[test]
fn what_a_refused_subscription_carried_over_is_gone_unless_it_is_announced() {
    let (mut world, narrow, wide) = carried();
    let complete = GatewayFrame::Subscribed { id: wide, topics: 0 };
    world.inject(&answers(&world, &[complete.clone(), refused(narrow)]));
    assert_eq!(world.told(wide), ["a/b-"]);

    let (mut world, narrow, wide) = carried();
    world.inject(&answers(&world, &[refused(narrow), complete]));
    assert_eq!(world.told(wide), ["a/b-"]);
}

#[test]
fn what_an_ended_subscription_carried_over_is_gone_unless_it_was_up_to_date() {
    for is_up_to_date in [false, true] {
        let (mut world, narrow, wide) = carried();
        world.session.unsubscribe(narrow, world.now);
        let mut rest = Vec::new();
        if is_up_to_date {
            rest.push(GatewayFrame::Subscribed { id: narrow, topics: 1 });
        }
        rest.push(GatewayFrame::Subscribed { id: wide, topics: 1 });
        rest.push(GatewayFrame::Unsubscribed { id: narrow });
        world.inject(&answers(&world, &rest));
        assert_eq!(world.told(wide), if is_up_to_date { vec![] } else { vec!["a/b-".to_owned()] });
        assert_eq!(world.session.replica("a/b").is_some(), is_up_to_date);
    }
}
