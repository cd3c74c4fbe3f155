//! Going on after a lost connection, frame by frame.

use outpour_core::wire::{ClientFrame, Hello, Resume, Subscribe};
use outpour_core::{Epoch, ResumePoint, TopicNumber, Version};
use outpour_gateway_tests::{Client, Setup, TestGateway, Told, gateway, hello, set, subscribe};

fn long(text: &str) -> String {
    format!("{}: {text}", "a long value of which little changes from one version to the next".repeat(3))
}

/// What a client that comes back is told, up to the answer to its subscription to `t/*`.
fn come_back(gateway: &TestGateway, point: ResumePoint, resume: Resume) -> Vec<Told> {
    let setup = Setup::publisher("subscriber");
    let mut client = Client::open(gateway.address(), &setup);
    let ClientFrame::Hello(hello) = hello(&setup) else { unreachable!() };
    let ClientFrame::Subscribe(subscribe) = subscribe(1, "t/*") else { unreachable!() };
    client.say(&[
        ClientFrame::Hello(Hello { resume: Some(point), ..hello }),
        ClientFrame::Subscribe(Subscribe { resume, ..subscribe }),
    ]);
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
