//! Going on after a lost connection, frame by frame.

use outpour_core::wire::{ClientFrame, Hello, Resume, Subscribe};
use outpour_core::{Epoch, Partition, ResumePoint, SubscriptionId, TopicNumber, Version};
use outpour_gateway_tests::{Client, Setup, TestGateway, Told, gateway, hello, set, subscribe};

fn long(text: &str) -> String {
    format!("{}: {text}", "a long value of which little changes from one version to the next".repeat(3))
}

/// A client that comes back and says this behind its hello, in one message.
fn return_with(gateway: &TestGateway, point: ResumePoint, then: &[ClientFrame<'_>]) -> Client {
    let setup = Setup::publisher("subscriber");
    let mut client = Client::open(gateway.address(), &setup);
    let ClientFrame::Hello(hello) = hello(&setup) else { unreachable!() };
    let hello = ClientFrame::Hello(Hello { resume: Some(point), ..hello });
    client.say(&[&[hello], then].concat());
    client
}

fn resume(id: u32, selector: &str, resume: Resume) -> ClientFrame<'_> {
    let ClientFrame::Subscribe(subscribe) = subscribe(id, selector) else { unreachable!() };
    ClientFrame::Subscribe(Subscribe { resume, ..subscribe })
}

/// What a client that comes back is told, up to the answer to its subscription to `t/*`.
fn come_back(gateway: &TestGateway, point: ResumePoint, how: Resume) -> Vec<Told> {
    let mut client = return_with(gateway, point, &[resume(1, "t/*", how)]);
    client.all_until(|told| matches!(told, Told::Subscribed { .. }))
}

#[test]
fn what_was_told_before_a_subscription_was_complete_is_not_told_again() {
    let gateway = gateway();
    let mut publisher = gateway.client("publisher");
    for (number, path) in [(1, "t/unchanged"), (2, "t/changed"), (3, "t/unknown"), (4, "t/unsound")] {
        publisher.publish(number, &set(number, path, &long("1"))).expect("applied");
    }
    publisher.publish(5, &set(5, "t/changed", &long("2"))).expect("applied");
    let (_, welcome) = Client::connect(gateway.address(), &Setup::publisher("subscriber"));
    let point = |epoch| {
        let held = [(1, 1), (2, 2), (4, 0)];
        let exceptions = held.iter().map(|(number, version)| (TopicNumber(*number), Version(*version))).collect();
        ResumePoint { epoch, marks: Vec::new(), exceptions }
    };
    let told = come_back(&gateway, point(welcome.epoch), Resume::Partly);
    let mut brief: Vec<_> = told
        .iter()
        .filter_map(|told| match told {
            // This client remembers nothing: it can't use a delta that counts from what was held.
            Told::Unusable { path } => Some((path.as_str(), "delta")),
            Told::Value { path, whole: true, .. } => Some((path.as_str(), "whole")),
            Told::Announced { path, .. } => Some((path.as_str(), "announced")),
            _ => None,
        })
        .collect();
    brief.sort_unstable();
    let wanted = [
        ("t/changed", "announced"),
        ("t/changed", "delta"),
        ("t/unchanged", "announced"),
        ("t/unknown", "announced"),
        ("t/unknown", "whole"),
        ("t/unsound", "announced"),
        ("t/unsound", "whole"),
    ];
    assert_eq!(brief, wanted);
    // Nobody has claimed anything of a new subscription.
    let told = come_back(&gateway, point(welcome.epoch), Resume::No);
    let whole = told.iter().filter(|told| matches!(told, Told::Value { whole: true, .. }));
    assert_eq!(whole.count(), 4);
    // Nor does another life of the log know these versions.
    let told = come_back(&gateway, point(Epoch::default()), Resume::Partly);
    let whole = told.iter().filter(|told| matches!(told, Told::Value { whole: true, .. }));
    assert_eq!(whole.count(), 4);
}

#[test]
fn what_others_select_is_announced_when_a_subscription_that_goes_on_ends_at_once() {
    let gateway = gateway();
    gateway.client("publisher").publish(1, &set(1, "t/a", &long("1"))).expect("applied");
    let (_, welcome) = Client::connect(gateway.address(), &Setup::publisher("subscriber"));
    let point = ResumePoint { epoch: welcome.epoch, marks: vec![(Partition(0), Version(1))], exceptions: Vec::new() };
    let end = ClientFrame::Unsubscribe { id: SubscriptionId(1) };
    let frames = [resume(1, "t/*", Resume::Fully), resume(2, "t/a", Resume::Partly), end];
    let mut client = return_with(&gateway, point, &frames);
    let mut told = client.all_until(|told| matches!(told, Told::Subscribed { id: 2, .. }));
    if !told.iter().any(|told| matches!(told, Told::Unsubscribed { .. })) {
        told.extend(client.all_until(|told| matches!(told, Told::Unsubscribed { .. })));
    }
    let place = |wanted: fn(&Told) -> bool| told.iter().position(wanted);
    let complete = place(|told| matches!(told, Told::Subscribed { id: 1, .. }));
    let ended = place(|told| matches!(told, Told::Unsubscribed { .. })).expect("the end is answered");
    let announced = place(|told| matches!(told, Told::Announced { path, .. } if path == "t/a"));
    // Either the client learned that what it held is there, or it is announced to the other subscription.
    assert!(complete.map_or(announced > Some(ended), |complete| complete < ended), "{told:?}");
}
