//! Event topics: every event once and in order, history by count, bytes and age, gaps.

use std::time::Duration;

use outpour_core::wire::{ClientFrame, Condition, HistoryStart, Operation, TopicProperties};
use outpour_core::{FetchId, SubscriptionId, TopicKind, ValueType, Version};
use outpour_gateway_tests::{Client, TestGateway, Told, append, gateway, gateway_with, publish, subscribe_from};
use outpour_server::broker::TopicRule;

fn create(number: u64, path: &str, history: u64, history_age_ms: u64) -> ClientFrame<'_> {
    let properties = TopicProperties {
        kind: TopicKind::Event,
        value_type: ValueType::Text,
        retain: true,
        conflate: true,
        history,
        history_age_ms,
    };
    publish(number, path, Condition::Always, Operation::Create(properties))
}

/// Appends `e1`, `e2` … under the numbers from `first` on.
fn append_many(client: &mut Client, path: &str, first: u64, count: u64) {
    let texts: Vec<String> = (1..=count).map(|event| format!("e{event}")).collect();
    for (chunk, number) in texts.chunks(100).zip((first..).step_by(100)) {
        client.say(&(number..).zip(chunk).map(|(number, text)| append(number, path, text)).collect::<Vec<_>>());
        client.ack(number + chunk.len() as u64 - 1);
    }
}

/// The events, and gaps as `first-last`, that a new subscription is told until it is complete.
fn history(gateway: &TestGateway, path: &str, from: HistoryStart) -> Vec<String> {
    let mut client = gateway.client("reader");
    client.say(&[subscribe_from(1, path, from)]);
    events(&client.all_until(|told| matches!(told, Told::Subscribed { .. })))
}

fn events(told: &[Told]) -> Vec<String> {
    let name = |told: &Told| match told {
        Told::Event { sequence, value, .. } => {
            assert_eq!(*value, format!("e{sequence}"), "the sequence number is that of the event");
            Some(value.clone())
        }
        Told::Gap { first, last, .. } => Some(format!("{first}-{last}")),
        _ => None,
    };
    told.iter().filter_map(name).collect()
}

#[test]
fn every_event_comes_once_and_in_order() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    append_many(&mut publisher, "log", 1, 3);
    let mut client = gateway.client("subscriber");
    assert_eq!(events(&client.follow(1, "log")), [""; 0], "only what is yet to come");
    let texts: Vec<String> = (4..=500).map(|event| format!("e{event}")).collect();
    for (number, chunk) in (4..).step_by(50).zip(texts.chunks(50)) {
        publisher.say(&(number..).zip(chunk).map(|(number, text)| append(number, "log", text)).collect::<Vec<_>>());
        publisher.ack(number + chunk.len() as u64 - 1);
    }
    let told = client.all_until(|told| matches!(told, Told::Event { sequence: 500, .. }));
    assert_eq!(events(&told), texts);
    assert_eq!(client.mark(), 500);
}

#[test]
fn history_starts_where_it_is_asked_to() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    append_many(&mut publisher, "log", 1, 5);
    assert_eq!(history(&gateway, "log", HistoryStart::Live), [""; 0]);
    assert_eq!(history(&gateway, "log", HistoryStart::Last(0)), [""; 0]);
    assert_eq!(history(&gateway, "log", HistoryStart::Last(2)), ["e4", "e5"]);
    assert_eq!(history(&gateway, "log", HistoryStart::Last(9)), ["e1", "e2", "e3", "e4", "e5"]);
    assert_eq!(history(&gateway, "log", HistoryStart::All), ["e1", "e2", "e3", "e4", "e5"]);
    assert_eq!(history(&gateway, "log", HistoryStart::After(Version(3))), ["e4", "e5"]);
    assert_eq!(history(&gateway, "log", HistoryStart::After(Version(99))), [""; 0]);
}

#[test]
fn after_any_position_follows_all_that_came_later() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    // The events of `log` have the versions 2, 4, 6 …: positions between them are a client's mark.
    let texts: Vec<String> = (1..=5).map(|event| format!("e{event}")).collect();
    for (number, text) in (1..).step_by(2).zip(&texts) {
        publisher.publish(number, &append(number, "other", text)).expect("applied");
        publisher.publish(number + 1, &append(number + 1, "log", text)).expect("applied");
    }
    for position in 0..=11 {
        let expected = texts.get(position / 2..).expect("within");
        assert_eq!(
            history(&gateway, "log", HistoryStart::After(Version(position as u64))),
            expected,
            "after {position}"
        );
    }
}

#[test]
fn history_by_count() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &create(1, "log", 3, 0)).expect("created");
    append_many(&mut publisher, "log", 2, 10);
    assert_eq!(history(&gateway, "log", HistoryStart::All), ["e8", "e9", "e10"]);
    assert_eq!(history(&gateway, "log", HistoryStart::Last(2)), ["e9", "e10"]);
    // What is asked for and no longer kept is named: the first events were versions 2 to 8.
    assert_eq!(history(&gateway, "log", HistoryStart::After(Version(4))), ["1-7", "e8", "e9", "e10"]);
    assert_eq!(history(&gateway, "log", HistoryStart::After(Version(8))), ["e8", "e9", "e10"]);
    assert_eq!(history(&gateway, "log", HistoryStart::After(Version(10))), ["e10"]);
}

#[test]
fn no_history_shows_nothing_to_those_who_come_later() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &create(1, "log", 0, 0)).expect("created");
    let mut client = gateway.client("early");
    client.follow(1, "log");
    append_many(&mut publisher, "log", 2, 3);
    assert_eq!(history(&gateway, "log", HistoryStart::All), [""; 0]);
    assert_eq!(history(&gateway, "log", HistoryStart::Last(1)), [""; 0]);
    assert_eq!(fetched(&gateway, HistoryStart::All, 9), (vec![], false));
    let told = client.all_until(|told| matches!(told, Told::Event { sequence: 3, .. } | Told::Gap { last: 3, .. }));
    assert!(!events(&told).is_empty());
}

#[test]
fn history_by_bytes() {
    let rule = TopicRule {
        selector: outpour_core::Selector::new("**").expect("a selector"),
        kind: None,
        value_type: None,
        history: None,
        history_age_ms: None,
        history_bytes: Some(100),
        retain: None,
        conflate: None,
    };
    let gateway = gateway_with(|config, _| config.broker.rules = vec![rule]);
    let mut publisher = gateway.client("publisher");
    append_many(&mut publisher, "log", 1, 99);
    let kept = history(&gateway, "log", HistoryStart::All);
    assert!((10..40).contains(&kept.len()), "{kept:?}");
    assert_eq!(kept.last().map(String::as_str), Some("e99"));
    // One that is too large by itself is kept until the next comes: it is the newest.
    publisher.publish(100, &append(100, "log", &"x".repeat(1000))).expect("applied");
    let mut client = gateway.client("reader");
    client.say(&[subscribe_from(1, "log", HistoryStart::All)]);
    let told = client.all_until(|told| matches!(told, Told::Subscribed { .. }));
    assert_eq!(told.iter().filter(|told| matches!(told, Told::Event { .. })).count(), 1);
}

#[test]
fn history_by_age() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &create(1, "short", 100, 1)).expect("created");
    publisher.publish(2, &create(2, "long", 100, 3_600_000)).expect("created");
    append_many(&mut publisher, "short", 3, 3);
    append_many(&mut publisher, "long", 6, 3);
    // The figure is the age, and time passes by itself.
    std::thread::sleep(Duration::from_millis(20));
    assert_eq!(history(&gateway, "short", HistoryStart::All), [""; 0], "too old, although nothing came since");
    assert_eq!(history(&gateway, "short", HistoryStart::After(Version(3))), ["1-3"]);
    assert_eq!(history(&gateway, "long", HistoryStart::All), ["e1", "e2", "e3"]);
    // And events go on with the right numbers.
    let mut client = gateway.client("reader");
    client.follow(1, "short");
    publisher.say(&[append(9, "short", "e4")]);
    assert_eq!(events(&client.all_until(|told| matches!(told, Told::Event { .. }))), ["e4"]);
}

fn fetched(gateway: &TestGateway, from: HistoryStart, limit: u64) -> (Vec<String>, bool) {
    let mut client = gateway.client("fetcher");
    client.say(&[ClientFrame::Fetch { id: FetchId(1), selector: b"**", history: Some(from), limit }]);
    let told = client.all_until(|told| matches!(told, Told::FetchEnd { .. }));
    let items = told.iter().filter_map(|told| match told {
        Told::Fetched { sequence, value, .. } => {
            assert_eq!(*value, format!("e{sequence}"));
            Some(value.clone())
        }
        _ => None,
    });
    (items.collect(), matches!(told.last(), Some(Told::FetchEnd { more: true, .. })))
}

#[test]
fn past_events_can_be_fetched() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    append_many(&mut publisher, "log", 1, 5);
    let all = ["e1", "e2", "e3", "e4", "e5"].map(String::from).to_vec();
    assert_eq!(fetched(&gateway, HistoryStart::All, 9), (all.clone(), false));
    assert_eq!(fetched(&gateway, HistoryStart::All, 5), (all.clone(), false));
    assert_eq!(fetched(&gateway, HistoryStart::All, 4), (all[..4].to_vec(), true));
    assert_eq!(fetched(&gateway, HistoryStart::All, 0), (vec![], true));
    assert_eq!(fetched(&gateway, HistoryStart::Last(2), 9), (all[3..].to_vec(), false));
    assert_eq!(fetched(&gateway, HistoryStart::After(Version(2)), 9), (all[2..].to_vec(), false));
    assert_eq!(fetched(&gateway, HistoryStart::Live, 9), (vec![], false));
}

#[test]
fn a_long_history_travels_in_many_messages_and_others_get_their_turn() {
    let gateway = gateway_with(|config, _| {
        config.workers = 1;
        config.broker.rules = vec![TopicRule {
            selector: outpour_core::Selector::new("**").expect("a selector"),
            kind: None,
            value_type: None,
            history: Some(1_000_000),
            history_age_ms: None,
            history_bytes: Some(1 << 30),
            retain: None,
            conflate: None,
        }];
    });
    let mut bystander = gateway.bystander();
    let mut publisher = gateway.client("publisher");
    append_many(&mut publisher, "log", 1, 30_000);
    let mut client = gateway.client("reader");
    client.say(&[
        subscribe_from(1, "log", HistoryStart::All),
        ClientFrame::Fetch { id: FetchId(1), selector: b"log", history: Some(HistoryStart::All), limit: u64::MAX },
    ]);
    bystander.assert_untouched();
    let mut fetched = 0;
    let mut sequence = 0;
    let mut ended = false;
    while sequence < 30_000 || !ended {
        match client.hear() {
            Told::Event { sequence: told, .. } => {
                assert_eq!(told, sequence + 1);
                sequence = told;
            }
            Told::Fetched { sequence: told, .. } => {
                assert_eq!(told, fetched + 1);
                fetched = told;
            }
            Told::FetchEnd { more: false, .. } => ended = true,
            Told::Announced { .. } | Told::Subscribed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(fetched, 30_000);
    assert!(client.messages > 8, "{} messages", client.messages);
    bystander.assert_untouched();
}

#[test]
fn a_subscription_that_comes_back_is_told_from_its_mark() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    let mut heard = Vec::new();
    let mut mark = 0;
    let mut number = 0;
    let event = |told| if let Told::Event { value, .. } = told { Some(value) } else { None };
    for round in 0..20_u64 {
        // Events of two topics in turn, some while nobody listens.
        let texts: Vec<String> = (1..=round % 5 + 2).map(|event| format!("{}", heard.len() as u64 + event)).collect();
        let mut client = gateway.client("reader");
        client.say(&[subscribe_from(1, "log/*", HistoryStart::After(Version(mark)))]);
        let (early, late) = texts.split_at(texts.len() / 2);
        for text in early {
            number += 1;
            publisher.publish(number, &append(number, &format!("log/{}", number % 2), text)).expect("applied");
        }
        let last = early.last().cloned().or_else(|| heard.last().cloned());
        let mut told: Vec<String> = Vec::new();
        while last.is_some() && told.last() != last.as_ref() && heard.last() != last.as_ref() {
            if let Told::Event { value, .. } = client.hear() {
                told.push(value);
            }
        }
        // The mark counts whole messages.
        told.extend(client.rest().into_iter().filter_map(event));
        mark = client.mark().max(mark);
        heard.extend(told);
        heard.sort_unstable_by_key(|text| text.parse::<u64>().expect("a number"));
        drop(client);
        for text in late {
            number += 1;
            publisher.publish(number, &append(number, &format!("log/{}", number % 2), text)).expect("applied");
        }
        let mut back = gateway.client("reader");
        back.say(&[subscribe_from(1, "log/*", HistoryStart::After(Version(mark)))]);
        let told = back.all_until(|told| matches!(told, Told::Subscribed { .. }));
        let mut told: Vec<String> = told.into_iter().filter_map(event).collect();
        // A mark says what has been told at the least: while something else is owed it stands before it. What was told beyond
        // it is told again to a client that does not name it.
        told.retain(|text| !heard.contains(text));
        told.sort_unstable_by_key(|text| text.parse::<u64>().expect("a number"));
        assert_eq!(told, late, "round {round}");
        heard.extend(told);
        mark = back.mark().max(mark);
    }
    let expected: Vec<String> = (1..=number).map(|event| event.to_string()).collect();
    assert_eq!(heard, expected);
}

#[test]
fn a_repair_of_an_event_topic_starts_anew_with_what_is_kept() {
    let gateway = gateway();
    let mut client = gateway.client("broken");
    append_many(&mut client, "log", 1, 5);
    client.follow(1, "log");
    client.say(&[ClientFrame::Repair { topic: outpour_core::TopicNumber(1) }]);
    let told = client.all_until(|told| matches!(told, Told::Event { sequence: 5, .. }));
    assert_eq!(events(&told), ["e1", "e2", "e3", "e4", "e5"]);
    client.say(&[ClientFrame::Unsubscribe { id: SubscriptionId(1) }, append(6, "log", "e6")]);
    client.ack(6);
}
