//! The answer to a plain request (RFC 9110, RFC 9111).

use bytes::Bytes;

use super::{Site, SiteFile};
use crate::websocket::{Request, Wanted};

/// A response: its head, and the body, which is lent by the site.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Vec<u8>,
    pub(crate) body: Bytes,
}

const TEXT: &str = "text/plain; charset=utf-8";
const GREETING: &str = "This is an Outpour gateway: connect with WebSocket and the subprotocol outpour.v1.\n";

impl Site {
    /// Answers a plain GET or HEAD.
    pub(crate) fn answer(&self, request: &Request<'_>, wanted: &Wanted<'_>) -> Answer {
        if let Some(file) = self.file(request.path) {
            return file.answer(wanted, &self.policy());
        }
        let (status, sentence) = match request.path {
            "/" | "/health" => ("200 OK", GREETING),
            _ => ("404 Not Found", "There is nothing here.\n"),
        };
        let headers = format!("Content-Type: {TEXT}\r\nCache-Control: no-store\r\n");
        answer(status, &headers, Some(Bytes::from_static(sentence.as_bytes())), wanted.is_head)
    }

    /// What pages may do. Scripts come from the gateway alone, and may compile WebAssembly but no text; nothing else is
    /// loaded from anywhere, and no other page may frame this one.
    fn policy(&self) -> String {
        let mut connections = String::from("'self'");
        for url in &self.connects_to {
            connections.push(' ');
            connections.push_str(url);
        }
        format!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
             connect-src {connections}; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    }
}

impl SiteFile {
    fn answer(&self, wanted: &Wanted<'_>, policy: &str) -> Answer {
        let (encoding, body) = match self.encoded.iter().find(|(name, _)| accepts(wanted.accept_encoding, name)) {
            Some((name, body)) => (Some(name), body),
            None => (None, &self.body),
        };
        let mut headers = format!(
            "ETag: W/\"{}\"\r\nCache-Control: {}\r\n",
            self.tag,
            if self.is_immutable { "public, max-age=31536000, immutable" } else { "no-cache" },
        );
        if !self.encoded.is_empty() {
            headers.push_str("Vary: Accept-Encoding\r\n");
        }
        if wanted.if_none_match.is_some_and(|tags| names(tags, &self.tag)) {
            return answer("304 Not Modified", &headers, None, wanted.is_head);
        }
        headers.push_str(&format!(
            "Content-Type: {}\r\nContent-Security-Policy: {policy}\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n",
            self.content_type,
        ));
        if let Some(encoding) = encoding {
            headers.push_str(&format!("Content-Encoding: {encoding}\r\n"));
        }
        answer("200 OK", &headers, Some(body.clone()), wanted.is_head)
    }
}

/// A response with these headers. A response to HEAD has the head that GET would get, and no body.
fn answer(status: &str, headers: &str, body: Option<Bytes>, is_head: bool) -> Answer {
    let length = body.as_ref().map_or_else(String::new, |body| format!("Content-Length: {}\r\n", body.len()));
    let head =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}{length}X-Content-Type-Options: nosniff\r\n\r\n");
    Answer { head: head.into_bytes(), body: body.filter(|_| !is_head).unwrap_or_default() }
}

/// Whether a header `Accept-Encoding` allows an encoding, by its name.
fn accepts(header: Option<&str>, encoding: &str) -> bool {
    header.is_some_and(|header| {
        header.split(',').any(|entry| {
            let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
            let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
            name.trim().eq_ignore_ascii_case(encoding) && weight.parse::<f32>().is_ok_and(|weight| weight > 0.0)
        })
    })
}

/// Whether a header `If-None-Match` has this tag, weak or strong.
fn names(header: &str, tag: &str) -> bool {
    header.split(',').map(str::trim).any(|entry| {
        let entry = entry.strip_prefix("W/").unwrap_or(entry);
        entry == "*" || entry.strip_prefix('"').and_then(|entry| entry.strip_suffix('"')) == Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_chosen_as_the_client_likes() {
        assert!(accepts(Some("gzip, deflate, br"), "br"));
        assert!(accepts(Some("BR;q=0.5"), "br"));
        for refused in [None, Some(""), Some("gzip"), Some("br;q=0"), Some("br; q=0.0"), Some("br;q=x"), Some("brx")] {
            assert!(!accepts(refused, "br"), "{refused:?}");
        }
    }

    #[test]
    fn tags_are_compared_weakly() {
        for known in ["\"abc\"", "W/\"abc\"", "\"x\", W/\"abc\"", "*"] {
            assert!(names(known, "abc"), "{known}");
        }
        for unknown in ["", "abc", "\"ab\"", "\"abcd\"", "w/\"abc\"", "\""] {
            assert!(!names(unknown, "abc"), "{unknown}");
        }
    }
}
