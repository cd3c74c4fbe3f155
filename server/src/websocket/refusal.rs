//! Why a request doesn't become a WebSocket connection, and the HTTP responses that say so.

use std::time::Duration;

/// Why a request was refused. The text is one sentence that says what happened and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request's head is larger than [`UpgradePolicy::max_head`](super::UpgradePolicy::max_head).
    #[error("The request's head is larger than {limit} bytes; send fewer or shorter headers and cookies.")]
    HeadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The request has more headers than [`UpgradePolicy::max_headers`](super::UpgradePolicy::max_headers).
    #[error("The request has more than {limit} headers; send fewer.")]
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// The bytes begin a TLS conversation.
    #[error("The client speaks TLS, but this port does not; use ws:// or http://, or the gateway's TLS port.")]
    Tls,
    /// The bytes are not HTTP/1: a bad token, a NUL, a folded header, a CR or LF alone.
    #[error(
        "The bytes are not a valid HTTP/1.1 request head ({detail}); connect with a WebSocket client or a browser."
    )]
    Malformed {
        /// What is wrong.
        detail: &'static str,
    },
    /// HTTP/2 and later, or HTTP/1.0 with an `Upgrade` header.
    #[error(
        "A WebSocket connection begins with HTTP/1.1; a proxy in between must be told to use it towards the gateway \
         (for nginx: proxy_http_version 1.1)."
    )]
    HttpVersion,
    /// The method is not GET; a request for a page may also be a HEAD.
    #[error("The method is not GET; only GET is served here, and HEAD for pages.")]
    Method,
    /// The request's target is not an absolute path.
    #[error("The request's target must be a path that begins with a slash and has no fragment.")]
    Target,
    /// The `Host` header is missing, empty or there twice.
    #[error("The request must have exactly one Host header.")]
    Host,
    /// The request has `Content-Length` or `Transfer-Encoding`.
    #[error("The request announces a body; send it without Content-Length and Transfer-Encoding.")]
    Body,
    /// Some but not all of the headers of an upgrade are there.
    #[error(
        "The request is not a complete WebSocket upgrade: it needs \"Upgrade: websocket\" and \"Connection: Upgrade\"; \
         a proxy in between must pass both on."
    )]
    IncompleteUpgrade,
    /// `Sec-WebSocket-Version` is not 13.
    #[error("The gateway speaks version 13 of WebSocket (RFC 6455); send \"Sec-WebSocket-Version: 13\".")]
    WebSocketVersion,
    /// `Sec-WebSocket-Key` is not there once with 16 bytes in base64.
    #[error("The request must have exactly one Sec-WebSocket-Key header, with 16 bytes in base64.")]
    Key,
    /// A page of a foreign origin asks.
    #[error(
        "Pages from {origin} may not connect; serve the page from the gateway's own host, or add this origin to the gateway's allowed origins."
    )]
    Origin {
        /// The origin, as far as it is fit to print.
        origin: String,
    },
    /// The subprotocol that the gateway demands was not offered.
    #[error(
        "The client did not offer a subprotocol that this gateway speaks; send \"Sec-WebSocket-Protocol: {required}\"."
    )]
    Subprotocol {
        /// The subprotocol that the gateway demands.
        required: String,
    },
    /// The first message, which was offered with the subprotocols, can't be read.
    #[error(
        "The first message among the offered subprotocols can't be taken: {detail}; send one \"hello.\" with base64url, \
         or none."
    )]
    EarlyMessage {
        /// What is wrong with it.
        detail: &'static str,
    },
}

impl Refusal {
    /// The HTTP status that goes with the refusal.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Tls
            | Self::Malformed { .. }
            | Self::Target
            | Self::Host
            | Self::Body
            | Self::IncompleteUpgrade
            | Self::Key
            | Self::Subprotocol { .. }
            | Self::EarlyMessage { .. } => 400,
            Self::Origin { .. } => 403,
            Self::Method => 405,
            Self::WebSocketVersion => 426,
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => 431,
            Self::HttpVersion => 505,
        }
    }

    /// The whole HTTP response, with the sentence as its body.
    #[must_use]
    pub fn response(&self) -> Vec<u8> {
        let headers = match self {
            Self::Method => "Allow: GET, HEAD\r\n",
            Self::WebSocketVersion => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            _ => "",
        };
        response(self.status(), headers, "text/plain; charset=utf-8", format!("{self}\n").as_bytes())
    }
}

/// Formats a whole HTTP/1.1 response to a plain request, after which the connection is to be closed.
///
/// ```
/// use outpour_server::websocket::http_response;
///
/// let response = String::from_utf8(http_response(200, "text/plain; charset=utf-8", b"ok\n")).unwrap();
/// assert!(response.starts_with("HTTP/1.1 200 OK\r\n"));
/// assert!(response.ends_with("\r\n\r\nok\n"));
/// ```
#[must_use]
pub fn http_response(status: u16, content_type: &str, body: &[u8]) -> Vec<u8> {
    response(status, "", content_type, body)
}

/// Formats a whole 503 response, which says when to come back: in whole seconds, rounded up.
#[must_use]
pub fn unavailable(sentence: &str, retry_after: Duration) -> Vec<u8> {
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let header = format!("Retry-After: {seconds}\r\n");
    response(503, &header, "text/plain; charset=utf-8", format!("{sentence}\n").as_bytes())
}

fn response(status: u16, headers: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    // A 426 must name `upgrade` among the options of `Connection`, since it has the header (RFC 9110 §7.8).
    let connection = if status == 426 { "close, Upgrade" } else { "close" };
    let mut response = format!(
        "HTTP/1.1 {status} {reason}\r\n{headers}Connection: {connection}\r\nContent-Type: {content_type}\r\n\
         Content-Length: {length}\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\r\n",
        reason = reason_phrase(status),
        length = body.len(),
    )
    .into_bytes();
    response.extend_from_slice(body);
    response
}

const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        // The phrase may be empty (RFC 9112 §4); clients go by the number.
        _ => "",
    }
}
