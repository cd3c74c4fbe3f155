//! Any bytes as the request that opens a connection: no panic, the same verdict in one piece and in many, and no session
//! without all that is demanded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use outpour_server::websocket::{Upgrade, UpgradePolicy, UpgradeStatus};

const MAX_EARLY: usize = 3 << 10;

fuzz_target!(|input: (&[u8], &[u8], bool)| {
    let (line, protocols, is_whole) = input;
    let policy = UpgradePolicy::default();
    // Half of the inputs vary only what is offered: the rest of a request is hard to come by.
    let request = if is_whole {
        line.to_vec()
    } else {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Protocol: outpour.v1, outpour.v1.early, hello.";
        [head, protocols, b"\r\n\r\n"].concat()
    };
    let whole = Upgrade::parse(&request, &policy);
    for end in (0..request.len()).step_by(1 + request.len() / 16) {
        let part = Upgrade::parse(&request[..end], &policy);
        assert!(part == UpgradeStatus::NeedMore || part == whole);
    }
    match whole {
        UpgradeStatus::Accepted { response, consumed, early, .. } => {
            assert!(consumed <= request.len() && consumed <= policy.max_head);
            let response = String::from_utf8(response).expect("text");
            assert!(response.starts_with("HTTP/1.1 101 ") && response.ends_with("\r\n\r\n"));
            assert_eq!(response.contains("outpour.v1.early\r\n"), early.is_some());
            assert!(early.is_none_or(|message| !message.is_empty() && message.len() <= MAX_EARLY));
        }
        UpgradeStatus::Rejected { response, reason } => {
            assert!(response.starts_with(format!("HTTP/1.1 {} ", reason.status()).as_bytes()));
        }
        UpgradeStatus::NeedMore => assert!(request.len() <= policy.max_head),
        UpgradeStatus::Http { .. } => {}
    }
});
