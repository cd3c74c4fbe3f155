//! The HTTP/1.1 request that opens a connection (RFC 6455 §4.2).

mod early;

use std::str;

use super::{Refusal, origin};

/// What a gateway demands of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradePolicy {
    /// The most bytes a request's head may have. Default: 16 KiB, a quarter of which an early message may take.
    pub max_head: usize,
    /// The most headers a request may have, at most 256. Default: 64.
    pub max_headers: usize,
    /// Origins whose pages may connect besides the gateway's own, such as `https://example.com`; `*` allows every one.
    /// Programs other than browsers send no origin and may always connect. Default: none.
    pub allowed_origins: Vec<String>,
    /// The subprotocol a client must offer; `None` accepts every client and chooses no subprotocol.
    /// Default: `outpour.v1`. A client that offers this name with `.early` added, and its first message in base64url as
    /// `hello.…`, has that message taken along with the request.
    pub subprotocol: Option<String>,
}

impl Default for UpgradePolicy {
    fn default() -> Self {
        Self {
            max_head: 16 << 10,
            max_headers: 64,
            allowed_origins: Vec::new(),
            subprotocol: Some("outpour.v1".into()),
        }
    }
}

/// What the request asks for, borrowed from the bytes it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The path, which begins with a slash and is not decoded.
    pub path: &'a str,
    /// What follows the path's question mark.
    pub query: Option<&'a str>,
    /// The name and port by which the client calls the server; empty if HTTP/1.0 came without it.
    pub host: &'a str,
    /// The page that the request comes from.
    pub origin: Option<&'a str>,
    /// The program that the request comes from, if it is readable text.
    pub user_agent: Option<&'a str>,
}

/// What a request that asks for a page says about the answer it wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Whether the method is HEAD: the head of the answer alone.
    pub is_head: bool,
    /// The entity tags of what the client has already.
    pub if_none_match: Option<&'a str>,
    /// The encodings that the client takes.
    pub accept_encoding: Option<&'a str>,
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpgradeStatus<'a> {
    /// The head is not complete. Call again with the same bytes and more; the driver sets a deadline.
    NeedMore,
    /// The connection is a WebSocket connection as soon as `response` is sent.
    Accepted {
        /// The whole `101 Switching Protocols`.
        response: Vec<u8>,
        /// The bytes of the request; what follows belongs to the [`Reader`](super::Reader).
        consumed: usize,
        /// What was asked for.
        request: Request<'a>,
        /// The client's first message, if it came in the request. The response says that it was taken.
        early: Option<Vec<u8>>,
    },
    /// A valid GET or HEAD that doesn't ask for an upgrade. Answer, and close.
    Http {
        /// What was asked for.
        request: Request<'a>,
        /// How.
        wanted: Wanted<'a>,
    },
    /// The request can't be served. Send `response` and close.
    Rejected {
        /// The whole HTTP response, with the reason as its body.
        response: Vec<u8>,
        /// What is wrong.
        reason: Refusal,
    },
}

/// Judges the request that opens a connection.
#[derive(Debug)]
pub struct Upgrade;

impl Upgrade {
    /// Judges the request at the start of `buf`, which holds all bytes that the connection has brought so far.
    ///
    /// It keeps no state: a head is small, and parsing it again costs less than the read that brought a piece of it.
    /// A driver that reads at most `max_head + 1` bytes before the verdict holds no more than that.
    ///
    /// ```
    /// use outpour_server::websocket::{Upgrade, UpgradePolicy, UpgradeStatus};
    ///
    /// let request = b"GET /live?page=1 HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    ///     Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: outpour.v1\r\n\
    ///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    /// let policy = UpgradePolicy::default();
    ///
    /// assert_eq!(Upgrade::parse(&request[..50], &policy), UpgradeStatus::NeedMore);
    /// let UpgradeStatus::Accepted { response, request, .. } = Upgrade::parse(request, &policy) else {
    ///     unreachable!()
    /// };
    /// assert!(response.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
    /// assert_eq!((request.path, request.query), ("/live", Some("page=1")));
    /// ```
    #[must_use]
    pub fn parse<'a>(buf: &'a [u8], policy: &UpgradePolicy) -> UpgradeStatus<'a> {
        judge(buf, policy).unwrap_or_else(|reason| UpgradeStatus::Rejected { response: reason.response(), reason })
    }
}

/// `max_headers` can't exceed this, as the parsed headers lie on the stack.
const MOST_HEADERS: usize = 256;

fn judge<'a>(buf: &'a [u8], policy: &UpgradePolicy) -> Result<UpgradeStatus<'a>, Refusal> {
    let mut slots = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let max_headers = policy.max_headers.min(MOST_HEADERS);
    let mut head = httparse::Request::new(slots.get_mut(..max_headers).unwrap_or_default());
    // Past the limit nothing is looked at, so that a head which is too large fails alike in one piece and in many.
    let within = buf.get(..policy.max_head).unwrap_or(buf);
    let consumed = match head.parse(within) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if buf.len() > policy.max_head => {
            return Err(Refusal::HeadTooLarge { limit: policy.max_head });
        }
        Ok(httparse::Status::Partial) => return Ok(UpgradeStatus::NeedMore),
        Err(error) => return Err(malformed(error, buf, max_headers)),
    };
    // httparse takes a line that ends in LF alone; a proxy in front may not, and then the two see different requests.
    let head_bytes = within.get(..consumed).unwrap_or_default();
    if head_bytes.iter().zip(head_bytes.iter().skip(1)).any(|pair| pair.1 == &b'\n' && pair.0 != &b'\r') {
        return Err(Refusal::Malformed { detail: "a line ends in LF alone" });
    }

    let headers = Headers(&*head.headers);
    let is_head = head.method == Some("HEAD");
    if !is_head && head.method != Some("GET") {
        return Err(Refusal::Method);
    }
    let target = head.path.filter(|target| target.starts_with('/') && !target.contains('#')).ok_or(Refusal::Target)?;
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let http_1_0 = head.version == Some(0);
    let host = match headers.at_most_one("host") {
        Ok(Some(host)) if !host.is_empty() => host,
        Ok(None) if http_1_0 => "",
        _ => return Err(Refusal::Host),
    };
    // Nobody here reads a body, and two ideas of where it ends are how requests get smuggled.
    if headers.has("content-length") || headers.has("transfer-encoding") {
        return Err(Refusal::Body);
    }
    let origin = headers.at_most_one("origin").map_err(|()| Refusal::Origin { origin: "several origins".into() })?;
    let user_agent = headers.all("user-agent").next().and_then(|value| str::from_utf8(value).ok());
    let request = Request { path, query, host, origin, user_agent };

    let upgrade = headers.lists("upgrade", |protocol| protocol.eq_ignore_ascii_case("websocket"));
    if !upgrade && !headers.has("sec-websocket-key") && !headers.has("sec-websocket-version") {
        let text = |name| headers.at_most_one(name).ok().flatten();
        let (if_none_match, accept_encoding) = (text("if-none-match"), text("accept-encoding"));
        return Ok(UpgradeStatus::Http { request, wanted: Wanted { is_head, if_none_match, accept_encoding } });
    }
    if is_head {
        return Err(Refusal::Method);
    }
    if http_1_0 {
        return Err(Refusal::HttpVersion);
    }
    if !upgrade || !headers.lists("connection", |option| option.eq_ignore_ascii_case("upgrade")) {
        return Err(Refusal::IncompleteUpgrade);
    }
    if headers.at_most_one("sec-websocket-version") != Ok(Some("13")) {
        return Err(Refusal::WebSocketVersion);
    }
    let key = match headers.at_most_one("sec-websocket-key") {
        Ok(Some(key)) if is_key(key) => key,
        _ => return Err(Refusal::Key),
    };
    if let Some(origin) = origin
        && !origin::is_allowed(origin, host, &policy.allowed_origins)
    {
        return Err(Refusal::Origin { origin: printable(origin) });
    }
    if let Some(required) = &policy.subprotocol
        && !headers.lists("sec-websocket-protocol", |offered| offered == required)
    {
        return Err(Refusal::Subprotocol { required: required.clone() });
    }
    let (subprotocol, early) = match &policy.subprotocol {
        Some(required) => {
            let early = early::first_message(&headers, required)?;
            (Some(early::chosen(required, early.is_some())), early)
        }
        None => (None, None),
    };
    let response = switching_protocols(key, subprotocol.as_deref());
    Ok(UpgradeStatus::Accepted { response, consumed, request, early })
}

fn malformed(error: httparse::Error, buf: &[u8], max_headers: usize) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::TooManyHeaders { limit: max_headers },
        httparse::Error::Version => Refusal::HttpVersion,
        // The type of a TLS record that carries a handshake.
        _ if buf.first() == Some(&0x16) => Refusal::Tls,
        httparse::Error::HeaderName => Refusal::Malformed { detail: "a bad byte in a header's name" },
        httparse::Error::HeaderValue => Refusal::Malformed { detail: "a bad byte in a header's value" },
        httparse::Error::NewLine => Refusal::Malformed { detail: "a bad end of a line" },
        httparse::Error::Token | httparse::Error::Status => Refusal::Malformed { detail: "a bad request line" },
    }
}

struct Headers<'h, 'a>(&'h [httparse::Header<'a>]);

impl<'a> Headers<'_, 'a> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The value of a header that must not be repeated, as text; an error if it is, or is not UTF-8.
    fn at_most_one(&self, name: &str) -> Result<Option<&'a str>, ()> {
        let mut values = self.all(name);
        let value = values.next().map(str::from_utf8).transpose().map_err(drop)?;
        if values.next().is_some() { Err(()) } else { Ok(value.map(str::trim_ascii)) }
    }

    /// The comma-separated elements of the header, which may be repeated, as far as they are text.
    fn elements(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let elements = self.all(name).flat_map(|value| value.split(|byte| *byte == b','));
        elements.filter_map(|element| str::from_utf8(element.trim_ascii()).ok())
    }

    /// Whether one of the elements of the header fits.
    fn lists(&self, name: &str, fits: impl Fn(&str) -> bool) -> bool {
        self.elements(name).any(fits)
    }
}

/// Whether `key` is base64 of 16 bytes: 22 digits and two signs of padding.
fn is_key(key: &str) -> bool {
    key.strip_suffix("==").is_some_and(|digits| {
        digits.len() == 22 && digits.bytes().all(|digit| digit.is_ascii_alphanumeric() || matches!(digit, b'+' | b'/'))
    })
}

/// What a stranger sent, made fit for a sentence.
fn printable(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(100).collect()
}

fn switching_protocols(key: &str, subprotocol: Option<&str>) -> Vec<u8> {
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    let protocol = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}\r\n"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests;
