//! How fast connections are let in when many come at once.

use std::time::{Duration, Instant};

use outpour_gateway_tests::{Raw, gateway_with, upgrade_request};

#[test]
fn a_crowd_is_let_in_at_the_rate_and_nobody_is_refused() {
    const RATE: u32 = 200;
    const CROWD: usize = 150;
    let gateway = gateway_with(|config, _| config.admissions_per_second = RATE);
    let mut bystander = gateway.bystander();
    let start = Instant::now();
    let mut crowd: Vec<Raw> = (0..CROWD)
        .map(|_| {
            let mut raw = Raw::open(gateway.address());
            raw.write(upgrade_request("").as_bytes());
            raw
        })
        .collect();
    // Those who are in are served while the others wait.
    bystander.assert_untouched();
    for raw in &mut crowd {
        let head = raw.head();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    }
    let least = Duration::from_secs(1) * (CROWD as u32 - RATE / 20 - 2) / RATE;
    assert!(start.elapsed() >= least, "{CROWD} were let in within {:?}", start.elapsed());
    bystander.assert_untouched();
}

#[test]
fn who_gives_up_waiting_takes_no_harm_and_does_none() {
    let gateway = gateway_with(|config, _| config.admissions_per_second = 100);
    let mut bystander = gateway.bystander();
    drop((0..50).map(|_| Raw::open(gateway.address())).collect::<Vec<_>>());
    bystander.assert_untouched();
    let _served = gateway.client("patient");
    gateway.wait_for(|statistics| statistics.connections == 2);
    bystander.assert_untouched();
}
