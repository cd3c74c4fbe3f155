//! Following value topics: what comes first, deltas, repairs, overlapping selectors, rates, removals.

use outpour_core::wire::{ClientFrame, Condition, HistoryStart, Operation, Resume, Subscribe, TopicProperties};
use outpour_core::{SubscriptionId, TopicKind, TopicNumber, ValueType};
use outpour_gateway_tests::{Told, gateway, gateway_with, publish, remove, set, subscribe};

fn create<'a>(number: u64, path: &'a str, configure: impl FnOnce(&mut TopicProperties)) -> ClientFrame<'a> {
    let mut properties = TopicProperties {
        kind: TopicKind::Value,
        value_type: ValueType::Text,
        retain: true,
        conflate: true,
        history: 10,
        history_age_ms: 0,
    };
    configure(&mut properties);
    publish(number, path, Condition::Always, Operation::Create(properties))
}

fn long(text: &str) -> String {
    format!("{}: {text}", "a long value of which little changes from one version to the next".repeat(3))
}

#[test]
fn a_snapshot_first_then_deltas() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &set(1, "t", &long("1"))).expect("applied");
    let mut client = gateway.client("subscriber");
    let told = client.follow(1, "t");
    assert!(
        matches!(
            &told[..],
            [Told::Announced { .. }, Told::Value { whole: true, .. }, Told::Subscribed { topics: 1, .. }]
        ),
        "{told:?}"
    );
    for number in 2..50 {
        publisher.say(&[set(number, "t", &long(&number.to_string()))]);
        let told = client.hear();
        assert!(
            matches!(&told, Told::Value { value, whole: false, .. } if *value == long(&number.to_string())),
            "{told:?}"
        );
    }
    assert_eq!(client.mark(), 49);
    // A value that has nothing in common with the one before is sent whole.
    publisher.say(&[set(50, "t", "short")]);
    assert!(matches!(client.hear(), Told::Value { whole: true, .. }));
}

#[test]
fn a_topic_that_comes_later_is_announced_to_those_who_select_it() {
    let gateway = gateway();
    let mut client = gateway.client("early");
    assert_eq!(client.follow(1, "a/**").len(), 1);
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &set(1, "a/b", "x")).expect("applied");
    publisher.publish(2, &set(2, "b/a", "x")).expect("applied");
    publisher.publish(3, &create(3, "a/c", |_| {})).expect("applied");
    publisher.publish(4, &set(4, "a", "y")).expect("applied");
    let told = client.all_until(|told| matches!(told, Told::Value { path, .. } if path == "a"));
    let paths: Vec<_> = told.iter().filter_map(Told::path).collect();
    assert_eq!(paths, ["a/b", "a/b", "a/c", "a", "a"]);
}

#[test]
fn overlapping_selectors_tell_a_topic_once() {
    let gateway = gateway();
    let mut client = gateway.client("subscriber");
    client.say(&[set(1, "a/b", "1"), subscribe(1, "a/*"), subscribe(2, "**"), subscribe(3, "a/b")]);
    let told = client.all_until(|told| matches!(told, Told::Subscribed { id: 3, .. }));
    assert_eq!(told.iter().filter(|told| matches!(told, Told::Value { .. })).count(), 1, "{told:?}");
    let unsubscribe = |id| ClientFrame::Unsubscribe { id: SubscriptionId(id) };
    client.say(&[set(2, "a/b", "2"), unsubscribe(2), set(3, "a/b", "3")]);
    client.until(|told| matches!(told, Told::Value { value, .. } if value == "3").then_some(()));
    client.say(&[unsubscribe(1)]);
    client.say(&[set(4, "a/b", "4"), set(5, "a/c", "unheard")]);
    client.until(|told| matches!(told, Told::Value { value, .. } if value == "4").then_some(()));
    // The last one ends: nothing more is told, and what comes later is as new.
    client.say(&[unsubscribe(3)]);
    client.say(&[set(6, "a/b", "unheard")]);
    client.ack(6);
    client.say(&[subscribe(4, "a/**")]);
    let told = client.all_until(|told| matches!(told, Told::Subscribed { id: 4, .. }));
    let values: Vec<_> = told.iter().filter(|told| matches!(told, Told::Value { whole: true, .. })).collect();
    assert_eq!(values.len(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|told| matches!(told, Told::Announced { .. })).count(), 2, "{told:?}");
}

#[test]
fn subscribing_and_unsubscribing_in_one_message_tells_nothing_stale() {
    let gateway = gateway();
    let mut client = gateway.client("nervous");
    client.publish(1, &set(1, "a/b", "1")).expect("applied");
    let mut id = 0;
    for round in 0..100 {
        let frames: Vec<ClientFrame<'_>> = (0..3)
            .flat_map(|_| {
                id += 1;
                [subscribe(id, "a/*"), ClientFrame::Unsubscribe { id: SubscriptionId(id) }]
            })
            .collect();
        client.say(&frames);
        id += 1;
        client.say(&[subscribe(id, "a/*")]);
        let last = id;
        let told = client.all_until(|told| matches!(told, Told::Subscribed { id, .. } if *id == last));
        assert!(told.iter().any(|told| matches!(told, Told::Value { value, .. } if value == "1")), "{round}: {told:?}");
        assert!(!told.iter().any(|told| matches!(told, Told::Unusable { .. })), "{round}: {told:?}");
        client.say(&[ClientFrame::Unsubscribe { id: SubscriptionId(id) }]);
    }
}

#[test]
fn topics_that_are_removed_and_made_again_in_quick_succession() {
    let gateway = gateway();
    let mut client = gateway.client("subscriber");
    client.follow(1, "a/**");
    let mut publisher = gateway.client("publisher");
    let mut number = 0;
    let mut held = std::collections::HashMap::new();
    for round in 0..50 {
        let value = round.to_string();
        let mut frames = Vec::new();
        for path in ["a/1", "a/2"] {
            frames.push(set(number + 1, path, &value));
            frames.push(set(number + 2, path, "in between"));
            frames.push(remove(number + 3, path));
            frames.push(set(number + 4, path, &value));
            if round % 2 == 0 {
                frames.push(remove(number + 5, path));
            }
            number += 5;
        }
        publisher.say(&frames);
        if round % 20 == 0 {
            publisher.ack(number);
        }
    }
    publisher.say(&[set(number + 1, "a/end", "x")]);
    loop {
        match client.hear() {
            Told::Announced { path, .. } => assert!(held.insert(path.clone(), None).is_none(), "{path} was there"),
            Told::Value { path, value, .. } => {
                let known = held.get_mut(&path).unwrap_or_else(|| panic!("{path} was not announced"));
                *known = Some(value);
                if path == "a/end" {
                    break;
                }
            }
            Told::Removed { path } => assert!(held.remove(&path).is_some(), "{path} was not there"),
            other => panic!("{other:?}"),
        }
    }
    let last = Some("49".to_owned());
    assert_eq!((held.get("a/1"), held.get("a/2"), held.len()), (Some(&last), Some(&last), 3));
}

#[test]
fn a_value_that_is_not_retained_is_not_told_to_those_who_come_later() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &create(1, "t", |properties| properties.retain = false)).expect("created");
    publisher.publish(2, &set(2, "t", &long("before"))).expect("applied");
    let mut client = gateway.client("late");
    let told = client.follow(1, "t");
    assert!(matches!(&told[..], [Told::Announced { .. }, Told::Subscribed { topics: 1, .. }]), "{told:?}");
    client.say(&[ClientFrame::Fetch { id: outpour_core::FetchId(1), selector: b"**", history: None, limit: 9 }]);
    assert_eq!(client.hear(), Told::FetchEnd { id: 1, more: false });
    // What comes next is told whole, as there is nothing for a delta to start from.
    publisher.say(&[set(3, "t", &long("after"))]);
    assert!(matches!(client.hear(), Told::Value { whole: true, value, .. } if value == long("after")));
    publisher.say(&[set(4, "t", &long("again"))]);
    assert!(matches!(client.hear(), Told::Value { whole: false, value, .. } if value == long("again")));
    // Also if it comes along with the announcement.
    for round in 0..50 {
        let mut client = gateway.client("at the same time");
        let number = 2 * round + 5;
        client.say(&[subscribe(1, "t")]);
        publisher.say(&[set(number, "t", &long("during"))]);
        let mut told = client.all_until(|told| matches!(told, Told::Subscribed { .. }));
        publisher.say(&[set(number + 1, "t", &long("end"))]);
        told.extend(client.all_until(|told| matches!(told, Told::Value { value, .. } if *value == long("end"))));
        assert!(!told.iter().any(|told| matches!(told, Told::Unusable { .. })), "a delta from nothing: {told:?}");
    }
}

#[test]
fn a_repair_is_answered_with_the_whole_value() {
    let gateway = gateway();
    let mut client = gateway.client("broken");
    client.publish(1, &set(1, "t", &long("1"))).expect("applied");
    client.follow(1, "t");
    for round in 0..20 {
        client.say(&[ClientFrame::Repair { topic: TopicNumber(1) }, set(round + 2, "t", &long(&round.to_string()))]);
        let told =
            client.all_until(|told| matches!(told, Told::Value { value, .. } if *value == long(&round.to_string())));
        assert!(told.iter().any(|told| matches!(told, Told::Value { whole: true, .. })), "{told:?}");
    }
    // Not if the session does not select the topic.
    let mut other = gateway.client("stranger");
    other.say(&[ClientFrame::Repair { topic: TopicNumber(1) }, subscribe(1, "nothing")]);
    assert_eq!(other.hear(), Told::Subscribed { id: 1, topics: 0 });
}

#[test]
fn a_repair_of_a_topic_that_waits_out_its_rate_is_answered_too() {
    let gateway = gateway();
    let mut client = gateway.client("slow");
    client.publish(1, &set(1, "t", "1")).expect("applied");
    client.say(&[rated(1, "t", 1)]);
    client.all_until(|told| matches!(told, Told::Subscribed { .. }));
    // One update waits for the end of a rest of 1,000 seconds; the repair does not.
    client.publish(2, &set(2, "t", "2")).expect("applied");
    client.say(&[ClientFrame::Repair { topic: TopicNumber(1) }]);
    assert_eq!(client.value("t"), "2");
}

fn rated(id: u32, selector: &str, max_rate_millihertz: u64) -> ClientFrame<'_> {
    let selector = selector.as_bytes();
    ClientFrame::Subscribe(Subscribe {
        id: SubscriptionId(id),
        selector,
        max_rate_millihertz,
        from: HistoryStart::Live,
        resume: Resume::No,
    })
}

#[test]
fn a_rate_is_kept_and_the_newest_value_comes_in_the_end() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &set(1, "t", "1")).expect("applied");
    publisher.publish(2, &set(2, "free", "1")).expect("applied");
    let mut client = gateway.client("slow");
    client.say(&[rated(1, "t", 10_000), subscribe(2, "free")]);
    client.all_until(|told| matches!(told, Told::Subscribed { id: 2, .. }));
    let start = std::time::Instant::now();
    let mut number = 3;
    while start.elapsed() < std::time::Duration::from_millis(500) {
        publisher.publish(number, &set(number, "t", &number.to_string())).expect("applied");
        publisher.publish(number + 1, &set(number + 1, "free", &number.to_string())).expect("applied");
        number += 2;
    }
    publisher.publish(number, &set(number, "t", "last")).expect("applied");
    let mut told_t = 0;
    let mut told_free = 0;
    loop {
        match client.hear() {
            Told::Value { path, value, .. } if path == "t" => {
                told_t += 1;
                if value == "last" {
                    break;
                }
            }
            Told::Value { .. } => told_free += 1,
            other => panic!("{other:?}"),
        }
    }
    // At most one in 100 ms, over the time that passed.
    let most = start.elapsed().as_millis() as usize / 100 + 1;
    assert!(told_t <= most, "{told_t} updates, where {most} may be");
    assert!(told_free > 0 && number > 10);
    // The mark went no further than the topic that waited, and is at the end now.
    assert!(client.mark() <= number, "{} beyond {number}", client.mark());
}

#[test]
fn a_rate_holds_nobody_else_and_no_mark_passes_what_it_holds_back() {
    let gateway = gateway();
    let mut client = gateway.client("slow");
    client.publish(1, &set(1, "held", "1")).expect("applied");
    client.publish(2, &set(2, "free", "1")).expect("applied");
    client.say(&[rated(1, "held", 1), subscribe(2, "free")]);
    client.all_until(|told| matches!(told, Told::Subscribed { id: 2, .. }));
    assert_eq!(client.mark(), 2);
    client.publish(3, &set(3, "held", "2")).expect("applied");
    client.say(&[set(4, "free", "2")]);
    assert_eq!(client.value("free"), "2");
    assert_eq!(client.mark(), 2, "version 3 has not been told");
    // Another subscription without a rate: the topic is told at once from now on.
    client.follow(3, "held");
    client.say(&[ClientFrame::Unsubscribe { id: SubscriptionId(1) }]);
    let mut other = gateway.client("other");
    other.follow(1, "held");
}

#[test]
fn a_slow_rate_on_many_topics_does_not_hold_up_the_subscription() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    let paths: Vec<String> = (0..10_000).map(|number| format!("many/{number}")).collect();
    for (chunk, first) in paths.chunks(200).zip((1..).step_by(200)) {
        let frames: Vec<ClientFrame<'_>> = (first..).zip(chunk).map(|(number, path)| set(number, path, "x")).collect();
        publisher.say(&frames);
        publisher.ack(first + chunk.len() as u64 - 1);
    }
    let mut client = gateway.client("slow");
    client.say(&[rated(1, "many/*", 1)]);
    let told = client.all_until(|told| matches!(told, Told::Subscribed { .. }));
    assert_eq!(told.iter().filter(|told| matches!(told, Told::Value { .. })).count(), 10_000);
}

#[test]
fn every_update_of_a_topic_that_is_not_conflated_is_told() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    let conflate_not = |properties: &mut TopicProperties| {
        properties.conflate = false;
        properties.history = 1000;
    };
    publisher.publish(1, &create(1, "t", conflate_not)).expect("created");
    publisher.publish(2, &set(2, "t", &long("2"))).expect("applied");
    let mut client = gateway.client("subscriber");
    client.follow(1, "t");
    // All at once, so that they would be merged if they might be.
    let values: Vec<String> = (3..200).map(|number| long(&number.to_string())).collect();
    let frames: Vec<ClientFrame<'_>> = (3..).zip(&values).map(|(number, value)| set(number, "t", value)).collect();
    publisher.say(&frames);
    let told: Vec<String> = values.iter().map(|_| client.value("t")).collect();
    assert_eq!(told, values);
    // And those of one that is conflated are merged: 200 updates in one message are one for the reader.
    publisher.publish(200, &set(200, "c", &long("x"))).expect("applied");
    client.follow(2, "c");
    let frames: Vec<ClientFrame<'_>> = (201..).zip(&values).map(|(number, value)| set(number, "c", value)).collect();
    publisher.say(&frames);
    let last = values.last().expect("some");
    let told = client.all_until(|told| matches!(told, Told::Value { value, .. } if value == last));
    assert!(told.len() < values.len(), "{} updates", told.len());
}

#[test]
fn past_its_history_a_topic_that_is_not_conflated_is_told_whole() {
    let gateway = gateway_with(|config, _| config.workers = 1);
    let mut publisher = gateway.client("publisher");
    let few = |properties: &mut TopicProperties| {
        properties.conflate = false;
        properties.history = 5;
    };
    publisher.publish(1, &create(1, "t", few)).expect("created");
    publisher.publish(2, &set(2, "t", &long("2"))).expect("applied");
    let mut client = gateway.client("subscriber");
    client.follow(1, "t");
    let values: Vec<String> = (3..103).map(|number| long(&number.to_string())).collect();
    let frames: Vec<ClientFrame<'_>> = (3..).zip(&values).map(|(number, value)| set(number, "t", value)).collect();
    publisher.say(&frames);
    let last = values.last().expect("some");
    let told = client.all_until(|told| matches!(told, Told::Value { value, .. } if value == last));
    assert!(told.iter().all(|told| matches!(told, Told::Value { .. })), "no gap, no delta from nowhere: {told:?}");
}

#[test]
fn rules_decide_what_new_topics_are_like() {
    use outpour_core::Selector;
    use outpour_server::broker::TopicRule;
    let rule = |selector: &str| TopicRule {
        selector: Selector::new(selector).expect("a selector"),
        kind: None,
        value_type: None,
        history: None,
        history_age_ms: None,
        history_bytes: None,
        retain: None,
        conflate: None,
    };
    let gateway = gateway_with(|config, _| {
        config.broker.rules = vec![
            TopicRule { retain: Some(false), ..rule("secret/**") },
            TopicRule { kind: Some(TopicKind::Event), ..rule("log/*") },
            TopicRule { value_type: Some(ValueType::Json), ..rule("doc/**") },
            TopicRule { value_type: Some(ValueType::Text), ..rule("doc/readme") },
        ];
    });
    use outpour_core::ErrorCode::{KindMismatch, TypeMismatch};
    let mut client = gateway.client("publisher");
    assert_eq!(client.publish(1, &set(1, "log/a", "x")), Err(KindMismatch));
    client.publish(2, &outpour_gateway_tests::append(2, "log/a", "x")).expect("as the rule wants");
    assert_eq!(client.publish(3, &set(3, "doc/a", "x")), Err(TypeMismatch));
    client.publish(4, &outpour_gateway_tests::set_json(4, "doc/a", "1")).expect("as the rule wants");
    assert_eq!(client.publish(5, &set(5, "doc/readme", "x")), Err(TypeMismatch), "the first rule holds");
    assert_eq!(client.publish(6, &create(6, "doc/b", |_| {})), Err(TypeMismatch), "also for who creates");
    client.publish(7, &set(7, "secret/a", "x")).expect("applied");
    client.publish(8, &set(8, "open/a", "x")).expect("applied");
    let told = client.follow(1, "*/a");
    let values: Vec<_> = told.iter().filter(|told| matches!(told, Told::Value { .. })).filter_map(Told::path).collect();
    assert_eq!(values, ["doc/a", "open/a"]);
}

#[test]
fn int64_and_double_travel_as_they_are() {
    let gateway = gateway();
    let mut client = gateway.client("numbers");
    client.follow(1, "**");
    for (value_type, path, number) in
        [(ValueType::Int64, "i", 1), (ValueType::Double, "d", 3), (ValueType::Binary, "b", 5)]
    {
        for offset in 0..2 {
            let value = [b'1' + offset, 0, 0, 0, 0, 0, 0, 0x40];
            let operation = Operation::Set { value_type, value: &value };
            let number = number + u64::from(offset);
            client.say(&[publish(number, path, Condition::Always, operation)]);
            assert_eq!(client.value(path).as_bytes(), value);
        }
    }
}
