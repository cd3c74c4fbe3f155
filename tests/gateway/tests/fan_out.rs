//! One update for many: encoded once, copied for nobody.

use outpour_core::wire::ClientFrame;
use outpour_gateway_tests::{Client, Told, gateway, set};

const SUBSCRIBERS: usize = 500;

#[test]
fn an_update_for_500_sockets_is_encoded_once_and_copied_for_none() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    publisher.publish(1, &set(1, "t", "the first value of a topic")).expect("applied");
    let mut subscribers: Vec<Client> = (0..SUBSCRIBERS)
        .map(|index| {
            let mut client = gateway.client(&format!("subscriber {index}"));
            client.follow(1, "t");
            client
        })
        .collect();
    // The publisher's acknowledgements are its own bytes; nobody else's may come.
    let acks = |from: u64, to: u64| -> u64 {
        (from..=to)
            .map(|number| {
                let mut ack = Vec::new();
                let version = outpour_core::Version(number);
                let number = outpour_core::PublishNumber(number);
                let ack_frame = outpour_core::wire::Ack { number, code: 0, version };
                outpour_core::wire::GatewayFrame::Ack(ack_frame).encode(&mut ack);
                ack.len() as u64
            })
            .sum()
    };
    // A message is counted when it has been sent, and may be received before that.
    let received = publisher.messages + subscribers.iter().map(|subscriber| subscriber.messages).sum::<usize>();
    let before = gateway.wait_for(|statistics| statistics.messages == received as u64);
    let rounds = 20;
    for number in 2..2 + rounds {
        let value = format!("the first value of a topic, changed for the {number}th time");
        publisher.publish(number, &set(number, "t", &value)).expect("applied");
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.value("t"), value);
        }
    }
    let messages = before.messages + rounds * (SUBSCRIBERS as u64 + 1);
    let after = gateway.wait_for(|statistics| statistics.messages >= messages);
    assert_eq!(after.messages, messages, "each is told each update in one message");
    assert_eq!(after.broker.updates_encoded - before.broker.updates_encoded, rounds);
    assert_eq!(after.own_bytes - before.own_bytes, acks(2, 1 + rounds), "bytes were written for a single session");
}

#[test]
fn sessions_of_all_workers_are_told_the_same_in_the_same_order() {
    let gateway = outpour_gateway_tests::gateway_with(|config, _| config.workers = 4);
    let mut publishers: Vec<Client> = (0..4).map(|index| gateway.client(&format!("publisher {index}"))).collect();
    let mut subscribers: Vec<Client> = (0..8).map(|index| gateway.client(&format!("subscriber {index}"))).collect();
    for subscriber in &mut subscribers {
        subscriber.follow(1, "log/**");
    }
    let texts: Vec<String> = (0..800).map(|event| event.to_string()).collect();
    for (publisher, chunk) in publishers.iter_mut().zip(texts.chunks(200)) {
        let frames: Vec<ClientFrame<'_>> =
            (1..).zip(chunk).map(|(number, text)| outpour_gateway_tests::append(number, "log/all", text)).collect();
        publisher.say(&frames);
    }
    let mut heard: Vec<Vec<(u64, String)>> = Vec::new();
    for subscriber in &mut subscribers {
        let told = subscriber.all_until(|told| matches!(told, Told::Event { sequence: 800, .. }));
        let events = told.into_iter().filter_map(|told| match told {
            Told::Event { version, value, .. } => Some((version, value)),
            _ => None,
        });
        heard.push(events.collect());
        assert_eq!(subscriber.mark(), 800);
    }
    assert!(heard.windows(2).all(|pair| pair[0] == pair[1]));
    let mut values: Vec<usize> = heard[0].iter().map(|(_, value)| value.parse().expect("a number")).collect();
    for chunk in 0..4 {
        let own: Vec<usize> = values.iter().copied().filter(|value| value / 200 == chunk).collect();
        assert!(own.is_sorted(), "a publisher's events keep their order");
    }
    values.sort_unstable();
    assert_eq!(values, (0..800).collect::<Vec<_>>());
}
