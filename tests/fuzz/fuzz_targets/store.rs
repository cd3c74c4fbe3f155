//! Any bytes as what a session held: no panic, and what is taken up can be written again and means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outpour_core::check::plain_check;
use outpour_core::session::{Session, SessionConfig, SubscribeOptions};
use outpour_core::{PublisherId, Selector, Timestamp};

fn fresh() -> Session {
    Session::new(SessionConfig::default(), PublisherId([1; 16]), 1, Timestamp::ZERO)
}

fuzz_target!(|bytes: &[u8]| {
    let now = Timestamp::ZERO;
    assert!(bytes.len() < 9 || fresh().import(bytes, now).is_err() || bytes.starts_with(b"OPst"));
    // With the right check, so that what stands before it is looked at.
    let mut store = b"OPst\x01".to_vec();
    store.extend_from_slice(bytes);
    store.extend(plain_check(&store).to_le_bytes());
    let mut session = fresh();
    if session.import(&store, now).is_err() {
        return;
    }
    let again = session.export(usize::MAX / 2);
    if again.is_empty() {
        assert_eq!(session.replicas(&Selector::new("**").unwrap()).count(), 0, "nothing but topics is worth keeping");
        return;
    }
    let mut second = fresh();
    second.import(&again, now).unwrap();
    assert_eq!(second.export(usize::MAX / 2), again);
    let all = Selector::new("**").unwrap();
    assert_eq!(session.replicas(&all).count(), second.replicas(&all).count());
    session.subscribe(&all, &SubscribeOptions::default(), now).unwrap();
    session.connect(now);
    while session.poll_request().is_some() {}
});
