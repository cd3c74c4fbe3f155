//! What a browser is given over plain HTTP: the files of the gateway's site.

use std::io::Read;
use std::time::Duration;

use outpour_gateway_tests::{Raw, TestGateway, gateway, gateway_with, upgrade_request};
use outpour_server::site::{Site, SiteFile};

const PAGE: &[u8] = b"<!doctype html><title>A page</title>\n";
const SCRIPT: &[u8] = b"console.log('a script');\n";

fn site() -> Site {
    let mut site = Site::new();
    site.add("/", SiteFile::new("index.html", PAGE));
    let script = SiteFile::new("main.js", SCRIPT).encoded("br", &b"(br)"[..]).encoded("gzip", &b"(gzip)"[..]);
    site.add("/assets/main-4f2a.js", script.immutable());
    site.add("/core.wasm", SiteFile::new("core.wasm", &b"\0asm"[..]));
    site.add("/large", SiteFile::new("large.txt", vec![b'x'; 8 << 20]));
    site.connect_to("ws://127.0.0.1:7401");
    site.connect_to("ws://evil.example; script-src *");
    site
}

fn with_site() -> TestGateway {
    gateway_with(|config, _| config.site = site())
}

/// A response, taken apart.
struct Response {
    head: String,
    body: Vec<u8>,
}

impl Response {
    fn to(gateway: &TestGateway, method: &str, path: &str, headers: &str) -> Self {
        let mut raw = Raw::open(gateway.address());
        raw.write(format!("{method} {path} HTTP/1.1\r\nHost: gateway.test\r\n{headers}\r\n").as_bytes());
        let all = raw.rest();
        let end = all.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a whole head") + 4;
        let (head, body) = all.split_at(end);
        Self { head: String::from_utf8(head.to_vec()).expect("text"), body: body.to_vec() }
    }

    fn status(&self) -> &str {
        self.head.lines().next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).expect("a status")
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

#[test]
fn files_come_with_what_a_browser_must_know() {
    let gateway = with_site();
    let page = Response::to(&gateway, "GET", "/", "");
    assert_eq!((page.status(), page.body.as_slice()), ("200 OK", PAGE));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("content-length"), Some(PAGE.len().to_string().as_str()));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("connection"), Some("close"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
    assert!(policy.contains("connect-src 'self' ws://127.0.0.1:7401;"), "{policy}");
    assert!(!policy.contains("evil"), "{policy}");

    let wasm = Response::to(&gateway, "GET", "/core.wasm", "");
    assert_eq!(wasm.header("content-type"), Some("application/wasm"));
    let script = Response::to(&gateway, "GET", "/assets/main-4f2a.js?v=1", "");
    assert_eq!((script.status(), script.body.as_slice()), ("200 OK", SCRIPT));
    assert_eq!(script.header("cache-control"), Some("public, max-age=31536000, immutable"));
}

#[test]
fn a_file_is_compressed_for_who_takes_it() {
    let gateway = with_site();
    for (accepted, encoding, body) in [
        ("gzip, deflate, br", Some("br"), &b"(br)"[..]),
        ("gzip", Some("gzip"), b"(gzip)"),
        ("br;q=0, gzip;q=0.1", Some("gzip"), b"(gzip)"),
        ("zstd", None, SCRIPT),
    ] {
        let header = format!("Accept-Encoding: {accepted}\r\n");
        let script = Response::to(&gateway, "GET", "/assets/main-4f2a.js", &header);
        assert_eq!((script.header("content-encoding"), script.body.as_slice()), (encoding, body), "{accepted}");
        assert_eq!(script.header("vary"), Some("Accept-Encoding"));
    }
    let page = Response::to(&gateway, "GET", "/", "Accept-Encoding: br\r\n");
    assert_eq!((page.header("content-encoding"), page.body.as_slice()), (None, PAGE));
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let gateway = with_site();
    let tag = Response::to(&gateway, "GET", "/", "").header("etag").expect("a tag").to_owned();
    let same = Response::to(&gateway, "GET", "/", &format!("If-None-Match: \"other\", {tag}\r\n"));
    assert_eq!((same.status(), same.body.as_slice()), ("304 Not Modified", &b""[..]));
    assert_eq!(same.header("etag"), Some(tag.as_str()));
    let changed = Response::to(&gateway, "GET", "/", "If-None-Match: \"other\"\r\n");
    assert_eq!((changed.status(), changed.body.as_slice()), ("200 OK", PAGE));
}

#[test]
fn head_gets_the_head_alone() {
    let gateway = with_site();
    for path in ["/", "/health", "/assets/main-4f2a.js", "/nowhere"] {
        let get = Response::to(&gateway, "GET", path, "");
        let head = Response::to(&gateway, "HEAD", path, "");
        assert_eq!(head.head, get.head, "{path}");
        assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
    }
}

#[test]
fn nothing_but_the_files_is_there() {
    let gateway = with_site();
    for path in ["/index.html", "/assets/", "/assets/../core.wasm", "/%2e%2e/core.wasm", "//core.wasm", "/CORE.wasm"] {
        assert_eq!(Response::to(&gateway, "GET", path, "").status(), "404 Not Found", "{path}");
    }
    assert_eq!(Response::to(&gateway, "GET", "/health", "").status(), "200 OK");
    assert_eq!(Response::to(&gateway, "DELETE", "/core.wasm", "").status(), "405 Method Not Allowed");
}

#[test]
fn without_a_site_the_gateway_says_what_it_is() {
    let gateway = gateway();
    let greeting = Response::to(&gateway, "GET", "/", "");
    assert_eq!((greeting.status(), greeting.header("content-type")), ("200 OK", Some("text/plain; charset=utf-8")));
    assert!(greeting.body.starts_with(b"This is an Outpour gateway"));
}

#[test]
fn an_upgrade_at_the_page_s_path_is_an_upgrade() {
    let gateway = with_site();
    let mut raw = Raw::open(gateway.address());
    raw.write(upgrade_request("Accept-Encoding: br\r\n").as_bytes());
    assert!(raw.head().starts_with("HTTP/1.1 101 "));
}

#[test]
fn a_slow_reader_gets_a_large_file_whole_and_holds_up_nobody() {
    let gateway = with_site();
    let mut bystander = gateway.bystander();
    let mut raw = Raw::open(gateway.address());
    raw.write(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = raw.head();
    assert!(head.contains("Content-Length: 8388608\r\n"), "{head}");
    // Longer than a client has to take a last word that is no page.
    let mut taken = 0;
    let mut bytes = vec![0; 64 << 10];
    for _ in 0..25 {
        taken += raw.0.read(&mut bytes).expect("the page goes on");
        bystander.assert_untouched();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(taken < 8 << 20);
    assert_eq!(taken + raw.rest().len(), 8 << 20);
}

#[test]
fn a_reader_that_never_closes_is_dropped_in_the_end() {
    let gateway = gateway_with(|config, _| {
        config.site.add("/small", SiteFile::new("small.txt", &b"small"[..]));
    });
    let mut raw = Raw::open(gateway.address());
    raw.write(b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n");
    gateway.wait_for(|statistics| statistics.connections == 0);
}
