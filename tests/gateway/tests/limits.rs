//! More than there may be: of topics, subscriptions, connections, requests. Who asks for it is told
//! so, and nobody else notices.

use outpour_core::wire::{ClientFrame, Condition, HistoryStart, Operation, RequestRef, TopicProperties};
use outpour_core::{ErrorCode, FetchId, SubscriptionId, TopicKind, ValueType};
use outpour_gateway_tests::{
    Client, Raw, Setup, Told, gateway, gateway_with, message, publish, remove, set, subscribe, upgrade_request,
};

fn refusals(client: &mut Client, count: usize) -> Vec<(RequestRef, u16)> {
    let refused = |told: &Told| match told {
        Told::Refused { request, code, reason } if reason.len() > 8 => Some((*request, *code)),
        _ => None,
    };
    (0..count).map(|_| client.until(refused)).collect()
}

const fn unsubscribe(id: u32) -> ClientFrame<'static> {
    ClientFrame::Unsubscribe { id: SubscriptionId(id) }
}

#[test]
fn more_topics_than_the_gateway_may_have() {
    let gateway = gateway_with(|config, _| config.broker.max_topics = 3);
    let mut bystander = gateway.bystander();
    bystander.assert_untouched();
    let mut client = gateway.client("greedy");
    client.publish(1, &set(1, "a", "x")).expect("the second topic");
    client.publish(2, &set(2, "b", "x")).expect("the third");
    assert_eq!(client.publish(3, &set(3, "c", "x")), Err(ErrorCode::TooManyTopics));
    client.publish(4, &set(4, "a", "y")).expect("those that exist go on");
    client.publish(5, &remove(5, "b")).expect("applied");
    client.publish(6, &set(6, "c", "x")).expect("there is room again");
    bystander.assert_untouched();
}

#[test]
fn more_subscriptions_than_a_session_may_have() {
    let gateway = gateway_with(|_, peer| peer.max_subscriptions = 3);
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("greedy");
    client.say(&[1, 2, 3, 4, 5].map(|id| subscribe(id, "a/b")));
    let too_many = ErrorCode::TooManySubscriptions.number();
    let expected = [4, 5].map(|id| (RequestRef::Subscription(SubscriptionId(id)), too_many));
    assert_eq!(refusals(&mut client, 2), expected);
    // The others hold, and one that ends makes room.
    client.say(&[unsubscribe(2), unsubscribe(5)]);
    client.follow(6, "a/b");
    client.say(&[subscribe(7, "a/b"), set(1, "a/b", "still told")]);
    assert_eq!(refusals(&mut client, 1)[0].1, too_many);
    assert_eq!(client.value("a/b"), "still told");
    bystander.assert_untouched();
}

#[test]
fn d3_17_more_topics_than_a_session_may_select() {
    let gateway = gateway_with(|config, _| config.shard.max_topics_per_session = 100);
    let mut bystander = gateway.bystander();
    let mut publisher = gateway.client("publisher");
    for number in 1..=150 {
        publisher.say(&[set(number, &format!("many/{number}"), "x")]);
    }
    publisher.ack(150);
    let mut client = gateway.client("greedy");
    client.publish(1, &set(1, "few/1", "x")).expect("applied");
    client.follow(1, "few/*");
    client.say(&[subscribe(2, "many/*")]);
    let too_many = ErrorCode::SessionTopics.number();
    let told = client.all_until(|told| matches!(told, Told::Refused { .. }));
    assert!(
        matches!(told.last(), Some(Told::Refused { request: RequestRef::Subscription(SubscriptionId(2)), code, .. }) if *code == too_many)
    );
    // The other subscription holds, and is not held to the limit that the refused one hit.
    client.follow(3, "few/*");
    client.say(&[set(2, "few/2", "new")]);
    assert_eq!(client.value("few/2"), "new");
    // Nothing of the refused one is told any more, and it made room.
    publisher.publish(151, &set(151, "many/7", "unheard")).expect("applied");
    client.say(&[set(3, "few/1", "heard")]);
    let told = client.all_until(|told| matches!(told, Told::Value { value, .. } if value == "heard"));
    assert!(told.iter().all(|told| told.path().is_none_or(|path| path.starts_with("few/"))), "{told:?}");
    bystander.assert_untouched();
}

#[test]
fn a_subscription_that_new_topics_take_past_the_limit_is_refused_then() {
    let gateway = gateway_with(|config, _| config.shard.max_topics_per_session = 2);
    let mut bystander = gateway.bystander();
    let mut publisher = gateway.client("publisher");
    let mut client = gateway.client("greedy");
    client.follow(1, "a");
    client.follow(2, "**/x");
    for (path, number) in ["1/x", "2/x", "3/x"].into_iter().zip(1..) {
        publisher.publish(number, &set(number, path, "v")).expect("applied");
    }
    assert_eq!(
        refusals(&mut client, 1),
        [(RequestRef::Subscription(SubscriptionId(2)), ErrorCode::SessionTopics.number())]
    );
    publisher.publish(4, &set(4, "a", "v")).expect("applied");
    assert_eq!(client.value("a"), "v");
    bystander.assert_untouched();
}

#[test]
fn more_connections_than_the_gateway_may_have() {
    let gateway = gateway_with(|config, _| config.max_connections = 3);
    let mut bystander = gateway.bystander();
    let first = gateway.client("first");
    let _second = gateway.client("second");
    for _ in 0..20 {
        let mut raw = Raw::open(gateway.address());
        raw.try_write(upgrade_request("").as_bytes());
        let answer = String::from_utf8(raw.rest()).expect("text");
        assert!(answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer:?}");
        assert!(answer.contains("as many connections as it may"), "{answer:?}");
    }
    bystander.assert_untouched();
    drop(first);
    gateway.wait_for(|statistics| statistics.connections == 2);
    let _third = gateway.client("third");
    bystander.assert_untouched();
}

#[test]
fn more_publishes_in_flight_than_agreed() {
    let gateway = gateway_with(|_, peer| peer.max_in_flight = 4);
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("hasty");
    let at_once =
        |from: u64, count: u64| message(&(from..from + count).map(|number| set(number, "a", "x")).collect::<Vec<_>>());
    client.send(at_once(1, 4));
    client.ack(4);
    client.send(at_once(5, 5));
    assert!(client.expect_goodbye(ErrorCode::RateExceeded).contains("more than 4 publishes wait"));
    bystander.assert_untouched();
}

#[test]
fn more_fetches_than_may_wait() {
    let gateway = gateway_with(|_, peer| peer.max_fetches = 2);
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("greedy");
    let fetch = |id| ClientFrame::Fetch { id: FetchId(id), selector: b"**", history: None, limit: 10 };
    client.say(&[1, 2, 3].map(fetch));
    assert_eq!(refusals(&mut client, 1), [(RequestRef::Fetch(FetchId(3)), ErrorCode::QueueFull.number())]);
    client.all_until(|told| matches!(told, Told::FetchEnd { id: 2, .. }));
    client.say(&[fetch(4)]);
    client.all_until(|told| matches!(told, Told::FetchEnd { id: 4, .. }));
    bystander.assert_untouched();
}

#[test]
fn d3_19_subscribe_unsubscribe_churn() {
    let gateway = gateway_with(|_, peer| peer.messages_per_second = 500);
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("churn");
    // Many small messages, or few large ones: it makes no difference.
    let churn: Vec<ClientFrame<'_>> = (0..50).flat_map(|id| [subscribe(id, "a/**"), unsubscribe(id)]).collect();
    while client.try_send(message(&churn)) {}
    client.expect_goodbye(ErrorCode::RateExceeded);
    bystander.assert_untouched();
}

#[test]
fn a_flood_of_tiny_messages() {
    let gateway = gateway_with(|_, peer| peer.messages_per_second = 500);
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("flood");
    while client.try_send(Vec::new()) {}
    assert!(client.expect_goodbye(ErrorCode::RateExceeded).contains("500 messages a second"));
    bystander.assert_untouched();
}

#[test]
fn a_message_of_a_hundred_thousand_requests() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    for frame in [
        unsubscribe(1),
        subscribe(1, "//"),
        ClientFrame::Fetch { id: FetchId(1), selector: b"", history: None, limit: 1 },
    ] {
        let mut client = gateway.client("bulk");
        client.try_send(message(&vec![frame; 100_000]));
        client.expect_goodbye(ErrorCode::RateExceeded);
        // What it was told by then is no more than a few times what it said.
        assert!(client.frames < 30_000, "{} frames", client.frames);
    }
    bystander.assert_untouched();
}

#[test]
fn repairs_by_the_thousand_make_one_snapshot() {
    let gateway = gateway();
    let mut client = gateway.client("broken");
    client.publish(1, &set(1, "a", "the value")).expect("applied");
    let told = client.follow(1, "a");
    assert!(matches!(told[0], Told::Announced { .. }));
    let number = outpour_core::TopicNumber(1);
    client.say(&vec![ClientFrame::Repair { topic: number }; 10_000]);
    client.all_until(|told| matches!(told, Told::Value { whole: true, .. }));
    let told = client.follow(2, "end");
    let more = told.iter().filter(|told| matches!(told, Told::Value { .. })).count();
    assert!(more < 10, "{more} more snapshots");
}

#[test]
fn a_value_larger_than_the_gateway_takes() {
    let gateway = gateway_with(|_, peer| {
        peer.max_value = 1000;
        peer.max_message = 100_000;
    });
    let mut bystander = gateway.bystander();
    let mut client = gateway.client("large");
    let (fits, large) = ("x".repeat(1000), "x".repeat(1001));
    client.publish(1, &set(1, "a", &fits)).expect("as large as may be");
    assert_eq!(client.publish(2, &set(2, "a", &large)), Err(ErrorCode::TooLarge));
    let patch = format!("{{\"a\":\"{}\"}}", "y".repeat(900));
    client.publish(3, &outpour_gateway_tests::set_json(3, "j", "{\"b\":\"01234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890\"}")).expect("applied");
    let merge = publish(4, "j", Condition::Always, Operation::MergePatch { patch: patch.as_bytes() });
    assert_eq!(client.publish(4, &merge), Err(ErrorCode::TooLarge));
    bystander.assert_untouched();
}

#[test]
fn the_largest_value_travels_whole_in_both_directions() {
    let gateway = gateway();
    let setup = Setup { max_message: (1 << 20) + 2048, ..Setup::publisher("large") };
    let (mut client, welcome) = Client::connect(gateway.address(), &setup);
    let path = "p".repeat(1024);
    let value = "v".repeat(welcome.max_value as usize);
    client.publish(1, &set(1, &path, &value)).expect("the largest value fits into the largest message");
    client.publish(2, &set(2, "small", "v")).expect("applied");
    // No message is larger than the client takes: it checks.
    client.follow(1, "small");
    let told = client.follow(2, "**");
    assert!(told.iter().any(|told| matches!(told, Told::Value { value: told, .. } if *told == value)));
    let other = "w".repeat(welcome.max_value as usize);
    client.say(&[set(3, &path, &other), set(4, "small", "w")]);
    client.until(|told| matches!(told, Told::Value { value, .. } if *value == other).then_some(()));
    client.say(&[1, 2, 3].map(|id| ClientFrame::Fetch { id: FetchId(id), selector: b"**", history: None, limit: 9 }));
    for _ in 0..3 {
        client.until(|told| matches!(told, Told::Fetched { value, .. } if *value == other).then_some(()));
    }
}

#[test]
fn options_out_of_range() {
    let gateway = gateway();
    let mut client = gateway.client("odd");
    let properties = TopicProperties {
        kind: TopicKind::Event,
        value_type: ValueType::Text,
        retain: true,
        conflate: true,
        history: u64::MAX,
        history_age_ms: 0,
    };
    let create = publish(1, "a", Condition::Always, Operation::Create(properties));
    assert_eq!(client.publish(1, &create), Err(ErrorCode::BadOptions));
    // As many as there are is not out of range.
    client.say(&[outpour_gateway_tests::subscribe_from(1, "**", HistoryStart::Last(u64::MAX))]);
    assert_eq!(client.hear(), Told::Subscribed { id: 1, topics: 0 });
}

#[test]
fn settings_that_contradict_each_other_keep_a_gateway_from_starting() {
    use outpour_server::gateway::{Gateway, GatewayConfig};
    use outpour_server::log::MemoryLog;
    use std::sync::Arc;
    let start = |configure: fn(&mut outpour_core::peer::PeerConfig)| {
        let mut peer = outpour_core::peer::PeerConfig::default();
        configure(&mut peer);
        let mut config = GatewayConfig { listen: ([127, 0, 0, 1], 0).into(), ..GatewayConfig::default() };
        config.shard.peer = Arc::new(peer);
        Gateway::start(config, Box::new(MemoryLog::new(outpour_core::Epoch([1; 16]), 16)))
            .expect_err("a contradiction")
            .to_string()
    };
    assert!(start(|peer| peer.max_message = peer.max_value).contains("no room for a value"));
    assert!(start(|peer| peer.max_value /= 2).contains("the broker takes"));
    assert!(start(|peer| peer.max_in_flight = 5000).contains("only 1024 verdicts"));
}

#[test]
fn a_gateway_with_defaults_serves() {
    gateway().bystander().assert_untouched();
}
