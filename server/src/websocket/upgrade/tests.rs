use super::*;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n";
const PROTOCOL: &str = "Sec-WebSocket-Protocol: chat, outpour.v1\r\n";
const HOST: &str = "Host: example.com\r\n";

fn get(headers: &[&str]) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\n{}\r\n", headers.concat()).into_bytes()
}

fn reject_with(policy: &UpgradePolicy, bytes: &[u8]) -> Refusal {
    // Every prefix asks for more or comes to the same verdict.
    for end in 0..bytes.len() {
        match Upgrade::parse(&bytes[..end], policy) {
            UpgradeStatus::NeedMore => {}
            UpgradeStatus::Rejected { .. } => break,
            other => panic!("{other:?} after {end} bytes"),
        }
    }
    match Upgrade::parse(bytes, policy) {
        UpgradeStatus::Rejected { response, reason } => {
            let text = String::from_utf8(response).expect("text");
            assert!(text.starts_with(&format!("HTTP/1.1 {} ", reason.status())), "{text}");
            let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{text}");
            assert!(head.contains("\r\nConnection: close"), "{text}");
            assert_eq!(body, format!("{reason}\n"));
            reason
        }
        other => panic!("{other:?}"),
    }
}

fn reject(bytes: &[u8]) -> Refusal {
    reject_with(&UpgradePolicy::default(), bytes)
}

fn accept_with(policy: &UpgradePolicy, bytes: &[u8]) -> String {
    for end in 0..bytes.len() {
        assert_eq!(Upgrade::parse(&bytes[..end], policy), UpgradeStatus::NeedMore, "after {end} bytes");
    }
    let followed = [bytes, b"\x89\x80"].concat();
    match Upgrade::parse(&followed, policy) {
        UpgradeStatus::Accepted { response, consumed, .. } => {
            assert_eq!(consumed, bytes.len());
            String::from_utf8(response).expect("text")
        }
        other => panic!("{other:?}"),
    }
}

fn accept(bytes: &[u8]) -> String {
    accept_with(&UpgradePolicy::default(), bytes)
}

#[test]
fn the_example_of_the_rfc() {
    let response = accept(&get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL]));
    assert_eq!(
        response,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: outpour.v1\r\n\r\n"
    );
    let any = UpgradePolicy { subprotocol: None, ..UpgradePolicy::default() };
    assert!(!accept_with(&any, &get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL])).contains("Protocol:"));
}

#[test]
fn what_clients_vary() {
    accept(&get(&["hOsT:example.com\r\n", UPGRADE, KEY, VERSION, PROTOCOL]));
    accept(&get(&[
        HOST,
        "upgrade: h2c, WebSocket\r\nConnection: close\r\nConnection: UPGRADE\r\n",
        KEY,
        VERSION,
        PROTOCOL,
    ]));
    accept(&get(&[HOST, UPGRADE, KEY, VERSION, "Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: outpour.v1\r\n"]));
    let deflate = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    assert!(!accept(&get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL, deflate])).contains("Extensions"));
}

#[test]
fn the_request_is_told() {
    let bytes =
        "GET /live/a?b=c?d HTTP/1.1\r\nHost: example.com:80\r\nOrigin: http://example.com\r\nUser-Agent: x/1\r\n\r\n";
    let request = Request {
        path: "/live/a",
        query: Some("b=c?d"),
        host: "example.com:80",
        origin: Some("http://example.com"),
        user_agent: Some("x/1"),
    };
    assert_eq!(
        Upgrade::parse(bytes.as_bytes(), &UpgradePolicy::default()),
        UpgradeStatus::Http { request, wanted: Wanted::default() }
    );
}

#[test]
fn plain_requests() {
    for bytes in [
        &b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"[..],
        b"GET /health HTTP/1.0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
    ] {
        match Upgrade::parse(bytes, &UpgradePolicy::default()) {
            UpgradeStatus::Http { request, .. } => assert_eq!((request.path, request.query), ("/health", None)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_answer_that_is_wanted_is_told() {
    let bytes = b"HEAD / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"x\"\r\nAccept-Encoding: br, gzip\r\n\r\n";
    let told = Wanted { is_head: true, if_none_match: Some("\"x\""), accept_encoding: Some("br, gzip") };
    match Upgrade::parse(bytes, &UpgradePolicy::default()) {
        UpgradeStatus::Http { wanted, .. } => assert_eq!(wanted, told),
        other => panic!("{other:?}"),
    }
    let upgrade = get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL]);
    assert_eq!(reject(&[b"HEAD", &upgrade[3..]].concat()), Refusal::Method);
}

#[test]
fn a_head_has_a_limit() {
    let policy = UpgradePolicy { max_head: 300, max_headers: 8, ..UpgradePolicy::default() };
    let padding = |length: usize| format!("X: {}\r\n", "y".repeat(length));
    let fixed = get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL]).len() + "X: \r\n".len();
    accept_with(&policy, &get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL, &padding(300 - fixed)]));
    let too_large = Refusal::HeadTooLarge { limit: 300 };
    assert_eq!(reject_with(&policy, &get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL, &padding(301 - fixed)])), too_large);
    assert_eq!(reject_with(&policy, &[b"GET /".as_slice(), &[b'a'; 400]].concat()), too_large);
    assert_eq!(too_large.status(), 431);

    accept_with(&policy, &get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL, "a: \r\n", "b: \r\n"]));
    let too_many =
        reject_with(&policy, &get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL, "a: \r\n", "b: \r\n", "c: \r\n"]));
    assert_eq!((too_many.status(), too_many), (431, Refusal::TooManyHeaders { limit: 8 }));
    assert_eq!(reject(&get(&["A: b\r\n"; 1000])), Refusal::TooManyHeaders { limit: 64 });
    assert_eq!(reject(&get(&[&padding(64 << 10)])), Refusal::HeadTooLarge { limit: 16_384 });
}

#[test]
fn bytes_that_are_not_a_request() {
    assert_eq!(reject(b"\x16\x03\x01\x02\x00\x01\x00"), Refusal::Tls);
    assert_eq!(reject(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status(), 505);
    for bytes in [
        &b"\x00\x01\x02\x03"[..],
        b"GET  / HTTP/1.1\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\tb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
    ] {
        assert!(matches!(reject(bytes), Refusal::Malformed { .. }), "{:?}", bytes.escape_ascii().to_string());
    }
}

#[test]
fn requests_that_are_not_served() {
    for method in ["POST", "OPTIONS", "CONNECT"] {
        let reason = reject(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        assert_eq!((reason.status(), &reason), (405, &Refusal::Method));
        assert!(reason.response().windows(18).any(|bytes| bytes == b"Allow: GET, HEAD\r\n"));
    }
    for target in ["*", "http://example.com/", "example.com:80", "/a#b"] {
        assert_eq!(reject(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()), Refusal::Target);
    }
    for host in [&[][..], &["Host:\r\n"], &[HOST, HOST], &["Host: a\r\n", "host: b\r\n"]] {
        let headers = [host, &[UPGRADE, KEY, VERSION, PROTOCOL]].concat();
        assert_eq!(reject(&get(&headers)), Refusal::Host);
    }
    for body in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 0\r\n"] {
        assert_eq!(reject(&get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL, body])), Refusal::Body);
        assert_eq!(reject(&get(&[HOST, body])), Refusal::Body);
    }
}

#[test]
fn upgrades_that_lack_something() {
    for headers in [
        &[HOST, KEY, VERSION, PROTOCOL][..],
        &[HOST, "Upgrade: websocket\r\n", KEY, VERSION, PROTOCOL],
        &[HOST, "Upgrade: websocket\r\nConnection: close\r\n"],
        &[HOST, "Connection: Upgrade\r\n", KEY],
    ] {
        assert_eq!(reject(&get(headers)), Refusal::IncompleteUpgrade);
    }
    let old = format!("GET / HTTP/1.0\r\n{HOST}{UPGRADE}{KEY}{VERSION}\r\n");
    assert_eq!((reject(old.as_bytes()).status(), reject(old.as_bytes())), (505, Refusal::HttpVersion));

    for version in ["", "Sec-WebSocket-Version: 8\r\n", "Sec-WebSocket-Version: 13, 8\r\n", &VERSION.repeat(2)] {
        let reason = reject(&get(&[HOST, UPGRADE, KEY, PROTOCOL, version]));
        assert_eq!((reason.status(), &reason), (426, &Refusal::WebSocketVersion));
        let response = String::from_utf8(reason.response()).expect("text");
        assert!(response.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{response}");
    }
    for key in [
        "",
        "Sec-WebSocket-Key: \r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j-Q==\r\n",
        &KEY.repeat(2),
    ] {
        assert_eq!(reject(&get(&[HOST, UPGRADE, VERSION, PROTOCOL, key])), Refusal::Key, "{key}");
    }
    for protocol in ["", "Sec-WebSocket-Protocol: outpour.v2\r\n", "Sec-WebSocket-Protocol: OUTPOUR.v1\r\n"] {
        let reason = reject(&get(&[HOST, UPGRADE, KEY, VERSION, protocol]));
        assert_eq!((reason.status(), &reason), (400, &Refusal::Subprotocol { required: "outpour.v1".into() }));
        assert!(reason.to_string().contains("outpour.v1"));
    }
}

#[test]
fn foreign_pages_are_refused_before_the_upgrade() {
    let with = |origin: &str| get(&[HOST, UPGRADE, KEY, VERSION, PROTOCOL, "Cookie: session=1\r\n", origin]);
    accept(&with("Origin: https://example.com\r\n"));
    for origin in ["Origin: https://evil.example\r\n", "Origin: null\r\n", "Origin: \r\n", "Origin: x\r\nOrigin: x\r\n"]
    {
        let reason = reject(&with(origin));
        assert!(matches!(reason, Refusal::Origin { .. }) && reason.status() == 403, "{reason:?}");
    }
    assert_eq!(
        reject(&with("Origin: https://evil.example\r\n")).to_string(),
        "Pages from https://evil.example may not connect; serve the page from the gateway's own host, or add this origin \
         to the gateway's allowed origins."
    );

    let listed = UpgradePolicy { allowed_origins: vec!["https://evil.example".into()], ..UpgradePolicy::default() };
    accept_with(&listed, &with("Origin: https://evil.example\r\n"));
    assert_eq!(reject_with(&listed, &with("Origin: https://worse.example\r\n")).status(), 403);
    let any = UpgradePolicy { allowed_origins: vec!["*".into()], ..UpgradePolicy::default() };
    accept_with(&any, &with("Origin: null\r\n"));
}

fn early_of(protocols: &str) -> (String, Option<Vec<u8>>) {
    let bytes = get(&[HOST, UPGRADE, KEY, VERSION, &format!("Sec-WebSocket-Protocol: {protocols}\r\n")]);
    match Upgrade::parse(&bytes, &UpgradePolicy::default()) {
        UpgradeStatus::Accepted { response, early, .. } => {
            let response = String::from_utf8(response).expect("text");
            let chosen = response.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: "));
            (chosen.expect("a subprotocol").to_owned(), early)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_message_may_come_along() {
    let early = || "outpour.v1.early".to_owned();
    assert_eq!(early_of("outpour.v1.early, outpour.v1, hello.-_8"), (early(), Some(vec![0xfb, 0xff])));
    assert_eq!(early_of("hello.AA,outpour.v1 ,x,outpour.v1.early"), (early(), Some(vec![0])));
    let split = "outpour.v1.early\r\nSec-WebSocket-Protocol: hello.AA\r\nSec-WebSocket-Protocol: outpour.v1";
    assert_eq!(early_of(split), (early(), Some(vec![0])));
    let longest = format!("outpour.v1.early, outpour.v1, hello.{}", "A".repeat(early::MAX_DIGITS));
    assert_eq!(early_of(&longest), (early(), Some(vec![0; 3 << 10])));
}

#[test]
fn the_first_message_is_left_where_it_was_not_offered_as_early() {
    let plain = || ("outpour.v1".to_owned(), None);
    assert_eq!(early_of("outpour.v1, hello.AA"), plain());
    assert_eq!(early_of("outpour.v1, outpour.v1.early"), plain());
    assert_eq!(early_of("outpour.v1, outpour.v2.early, hello.not base64!"), plain());
    assert_eq!(early_of("outpour.v1, .early, hello.AA"), plain());
    let too_long = format!("outpour.v1.early, outpour.v1, hello.{}", "A".repeat(early::MAX_DIGITS + 1));
    assert_eq!(early_of(&too_long), plain());
    // Without a subprotocol to demand, there is none to choose.
    let any = UpgradePolicy { subprotocol: None, ..UpgradePolicy::default() };
    let protocols = "Sec-WebSocket-Protocol: outpour.v1.early, outpour.v1, hello.AA\r\n";
    assert!(!accept_with(&any, &get(&[HOST, UPGRADE, KEY, VERSION, protocols])).contains("Protocol:"));
}

#[test]
fn a_first_message_that_cannot_be_read_is_refused() {
    for message in
        ["hello.", "hello.A", "hello.AA==", "hello.A+A", "hello.A/A", "hello.AB", "hello.A\u{e9}", "hello.A A"]
    {
        let protocols = format!("Sec-WebSocket-Protocol: outpour.v1.early, outpour.v1, {message}\r\n");
        let reason = reject(&get(&[HOST, UPGRADE, KEY, VERSION, &protocols]));
        assert!(matches!(reason, Refusal::EarlyMessage { .. }) && reason.status() == 400, "{message}: {reason:?}");
    }
    let twice = "Sec-WebSocket-Protocol: outpour.v1.early, outpour.v1, hello.AA, hello.AA\r\n";
    assert_eq!(
        reject(&get(&[HOST, UPGRADE, KEY, VERSION, twice])).to_string(),
        "The first message among the offered subprotocols can't be taken: there are several; send one \"hello.\" with \
         base64url, or none."
    );
    // Whose page it is comes first, and so does what the gateway speaks.
    let early = "Sec-WebSocket-Protocol: outpour.v1.early, hello.AA\r\n";
    assert!(matches!(reject(&get(&[HOST, UPGRADE, KEY, VERSION, early])), Refusal::Subprotocol { .. }));
    let foreign = "Sec-WebSocket-Protocol: outpour.v1.early, outpour.v1, hello.!\r\nOrigin: https://evil.example\r\n";
    assert_eq!(reject(&get(&[HOST, UPGRADE, KEY, VERSION, foreign])).status(), 403);
}
