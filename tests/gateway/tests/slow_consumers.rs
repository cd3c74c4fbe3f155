//! Sessions that do not read: what they cost is bounded, nobody waits for them, and when they read
//! again they are told what is current, or what they missed.

use std::collections::HashMap;
use std::time::Duration;

use outpour_core::wire::{ClientFrame, HistoryStart, Resume};
use outpour_core::{ErrorCode, FetchId};
use outpour_gateway_tests::{Client, Setup, TestGateway, Told, append, gateway, gateway_with, message, set, subscribe};

const TOPICS: usize = 1000;

/// A client with a socket that holds little.
fn slow(gateway: &TestGateway, name: &str) -> Client {
    Client::connect(gateway.address(), &Setup { receive_buffer: 4 << 10, ..Setup::publisher(name) }).0
}

fn value(topic: usize, round: usize) -> String {
    // Nothing in common from round to round, so that deltas don't make it small.
    let seed = (topic * 31 + round * 7919) as u64;
    let noise: String =
        (0..12).map(|step| format!("{:016x}", (seed + step).wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    format!("{round:06} {noise}")
}

/// Sets every topic once.
fn publish_round(publisher: &mut Client, paths: &[String], round: usize) {
    for (chunk, start) in paths.chunks(200).zip((0..).step_by(200)) {
        let values: Vec<String> = (start..).take(chunk.len()).map(|topic| value(topic, round)).collect();
        let first = (round * TOPICS + start + 1) as u64;
        let frames: Vec<ClientFrame<'_>> =
            (first..).zip(chunk.iter().zip(&values)).map(|(number, (path, value))| set(number, path, value)).collect();
        publisher.say(&frames);
        publisher.ack(first + chunk.len() as u64 - 1);
    }
}

#[test]
fn a_subscriber_that_stops_reading_gets_the_newest_of_every_topic_at_most_once_when_it_reads_again() {
    let gateway = gateway();
    let paths: Vec<String> = (0..TOPICS).map(|topic| format!("t/{topic}")).collect();
    let mut publisher = gateway.client("publisher");
    publish_round(&mut publisher, &paths, 0);
    let mut stopped = slow(&gateway, "stopped");
    stopped.follow(1, "t/*");
    let mut reading = gateway.client("reading");
    reading.follow(1, "t/*");
    let before = gateway.statistics();
    // 60 rounds of 1,000 updates of 200 bytes, far more than all buffers together hold.
    let rounds = 60;
    for round in 1..=rounds {
        publish_round(&mut publisher, &paths, round);
        // Others are told every value, if they read.
        let mut newest = 0;
        while newest < TOPICS {
            if let Told::Value { value: told, .. } = reading.hear()
                && told.starts_with(&format!("{round:06} "))
            {
                newest += 1;
            }
        }
    }
    // What has been handed to the system for the one that does not read is what buffers hold; the
    // rest was never written. Each of the other's rounds is at least 1,000 times 200 bytes.
    let full = (rounds * TOPICS * 200) as u64;
    let written = gateway.statistics().bytes - before.bytes;
    assert!(written < 2 * full - full / 4, "{written} bytes were written, of which {full} were read");
    // It reads again. What was in flight comes first: old values, each topic's in order; then the
    // newest of every topic.
    publisher.say(&[set((rounds * TOPICS + TOPICS + 1) as u64, "t/end", "end")]);
    let mut updates: HashMap<String, Vec<String>> = HashMap::new();
    loop {
        match stopped.hear() {
            Told::Value { path, .. } if path == "t/end" => break,
            Told::Value { path, value, .. } => updates.entry(path).or_default().push(value),
            Told::Announced { path, .. } if path == "t/end" => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(updates.len(), TOPICS, "every topic is told");
    let mut in_flight = 0;
    for (topic, path) in paths.iter().enumerate() {
        let told = &updates[path];
        assert!(told.is_sorted(), "no value goes back: {told:?}");
        assert_eq!(told.last(), Some(&value(topic, rounds)), "the newest comes last");
        in_flight += told.len() - 1;
    }
    // All but one update of each topic was in buffers when it stopped: far fewer than were published.
    assert!(in_flight < rounds * TOPICS / 2, "{in_flight} updates beside the newest");
    assert_eq!(stopped.mark(), (rounds * TOPICS + TOPICS + 1) as u64);
}

#[test]
fn a_subscriber_that_is_behind_on_events_is_told_exactly_which_it_misses_and_then_the_rest() {
    let gateway = gateway_with(|_, peer| peer.max_value = 64 << 10);
    let mut publisher = gateway.client("publisher");
    let mut stopped = slow(&gateway, "stopped");
    stopped.follow(1, "log");
    let mut reading = gateway.client("reading");
    reading.follow(1, "log");
    // The history keeps 1 MiB; 40 MiB are more than it and all buffers hold.
    let filler = "x".repeat(10_000);
    let count = 4000;
    let mut heard = 0;
    for first in (1..=count).step_by(50) {
        let texts: Vec<String> = (first..first + 50).map(|event| format!("{event} {filler}")).collect();
        publisher.say(&(first..).zip(&texts).map(|(number, text)| append(number, "log", text)).collect::<Vec<_>>());
        publisher.ack(first + 49);
        while heard < first + 49 {
            match reading.hear() {
                Told::Event { sequence, .. } => {
                    assert_eq!(sequence, heard + 1, "who reads misses nothing");
                    heard = sequence;
                }
                Told::Announced { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let mut last = 0;
    let mut missed = 0;
    let mut gaps = 0;
    while last < count {
        match stopped.hear() {
            Told::Event { sequence, value, .. } => {
                assert_eq!(sequence, last + 1);
                assert!(value.starts_with(&format!("{sequence} ")), "{value:.20}");
                last = sequence;
            }
            Told::Gap { first, last: through, .. } => {
                assert_eq!(first, last + 1);
                missed += through + 1 - first;
                gaps += 1;
                last = through;
            }
            Told::Announced { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(gaps > 0 && missed > 1000, "{gaps} gaps, {missed} events");
    // And they go on.
    publisher.say(&[append(count + 1, "log", "after")]);
    assert!(matches!(stopped.hear(), Told::Event { sequence, .. } if sequence == count + 1));
}

#[test]
fn d3_24_a_reader_that_never_reads_while_it_subscribes_to_everything() {
    let gateway = gateway_with(|_, peer| peer.max_memory = 1 << 20);
    let mut bystander = gateway.bystander();
    let paths: Vec<String> = (0..20_000).map(|topic| format!("t/{topic}")).collect();
    let mut publisher = gateway.client("publisher");
    let mut number = 0;
    let mut round = |publisher: &mut Client, value: &str| {
        for chunk in paths.chunks(250) {
            let frames: Vec<ClientFrame<'_>> = chunk
                .iter()
                .map(|path| {
                    number += 1;
                    set(number, path, value)
                })
                .collect();
            publisher.say(&frames);
            publisher.ack(number);
        }
    };
    round(&mut publisher, &value(1, 1));
    let mut never = slow(&gateway, "never");
    never.say(&(1..=10).map(|id| subscribe(id, "**")).collect::<Vec<_>>());
    // A subscription waits for its client to read: it is not owed everything at once.
    bystander.assert_untouched();
    // Once it has been told all, what changes is owed, up to the bound.
    let mut reader = slow(&gateway, "reader");
    reader.follow(1, "**");
    let connections = gateway.statistics().connections;
    round(&mut publisher, &value(2, 2));
    round(&mut publisher, &value(3, 3));
    gateway.wait_for(|statistics| statistics.connections < connections);
    bystander.assert_untouched();
}

#[test]
fn a_slow_consumer_that_goes_on_reading_learns_why_it_was_closed() {
    // Room for fewer topics than it selects.
    let gateway = gateway_with(|_, peer| peer.max_memory = 300 << 10);
    let mut bystander = gateway.bystander();
    let paths: Vec<String> = (0..4000).map(|topic| format!("t/{topic}")).collect();
    let mut publisher = gateway.client("publisher");
    let mut client = gateway.client("slow");
    // A rate so low that all of them rest, and are owed.
    client.say(&[ClientFrame::Subscribe(outpour_core::wire::Subscribe {
        id: outpour_core::SubscriptionId(1),
        selector: b"**",
        max_rate_millihertz: 1,
        from: HistoryStart::Live,
        resume: Resume::No,
    })]);
    for (chunk, first) in paths.chunks(200).zip((1..).step_by(200)) {
        let frames: Vec<ClientFrame<'_>> = (first..).zip(chunk).map(|(number, path)| set(number, path, "x")).collect();
        publisher.say(&frames);
        publisher.ack(first + chunk.len() as u64 - 1);
    }
    let reason = client.expect_goodbye(ErrorCode::SlowConsumer);
    assert!(reason.contains("307200 bytes"), "{reason}");
    bystander.assert_untouched();
}

#[test]
fn who_asks_and_does_not_read_is_not_read_either_and_goes_on_when_it_reads() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut publisher = gateway.client("publisher");
    let large = "x".repeat(100_000);
    for number in 1..=20 {
        publisher.publish(number, &set(number, &format!("t/{number}"), &large)).expect("applied");
    }
    let mut client = slow(&gateway, "asking");
    let before = gateway.statistics().bytes;
    let fetches: Vec<ClientFrame<'_>> = (1..=60)
        .map(|id| ClientFrame::Fetch { id: FetchId(id), selector: b"t/*", history: None, limit: 100 })
        .collect();
    client.say(&fetches);
    for _ in 0..10 {
        bystander.assert_untouched();
    }
    // 120 MB were asked for; what waits is bounded by buffers.
    let after = gateway.statistics().bytes;
    assert!(after - before < 30 << 20, "{} bytes", after - before);
    let mut items = 0;
    let mut ended = 0;
    while ended < 60 {
        match client.hear() {
            Told::Fetched { .. } => items += 1,
            Told::FetchEnd { more: false, .. } => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(items, 60 * 20);
    client.publish(1, &set(1, "it", "goes on")).expect("applied");
    bystander.assert_untouched();
}

#[test]
fn a_client_that_does_not_read_for_many_heartbeats_harms_nobody() {
    // Its worker must not be kept busy with a ping that it can't send.
    let gateway = gateway_with(|config, peer| {
        config.workers = 1;
        peer.heartbeat = Duration::from_millis(20);
    });
    let mut bystander = gateway.client("bystander");
    let mut publisher = gateway.client("publisher");
    let large = "x".repeat(500_000);
    for number in 1..=20 {
        publisher.publish(number, &set(number, &format!("t/{number}"), &large)).expect("applied");
    }
    let mut client = slow(&gateway, "deaf");
    client.say(&[
        subscribe(1, "t/*"),
        ClientFrame::Fetch { id: FetchId(1), selector: b"t/*", history: None, limit: 100 },
    ]);
    // Ten heartbeats of somebody else on the same worker have passed.
    bystander.wait_for_pings(10);
    bystander.publish(1, &set(1, "b", "x")).expect("applied");
    let told = client.all_until(|told| matches!(told, Told::FetchEnd { .. }));
    assert_eq!(told.iter().filter(|told| matches!(told, Told::Fetched { .. })).count(), 20);
}

#[test]
fn many_that_stop_reading_hold_up_nobody() {
    let gateway = gateway();
    let mut bystander = gateway.bystander();
    let mut publisher = gateway.client("publisher");
    let large = "x".repeat(200_000);
    publisher.publish(1, &set(1, "t", &large)).expect("applied");
    let mut stopped: Vec<Client> = (0..50)
        .map(|index| {
            let mut client = slow(&gateway, &format!("stopped {index}"));
            client.send(message(&[subscribe(1, "t")]));
            client
        })
        .collect();
    for number in 2..60 {
        let value = format!("{number}{}", &large[6..]);
        publisher.publish(number, &set(number, "t", &value)).expect("applied");
        if number % 10 == 0 {
            bystander.assert_untouched();
        }
    }
    for client in &mut stopped {
        client.until(|told| matches!(told, Told::Value { value, .. } if value.starts_with("59")).then_some(()));
    }
}
