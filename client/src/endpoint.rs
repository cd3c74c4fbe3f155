//! Where a gateway is: a `ws://` or `wss://` URL.

use outpour_core::ErrorCode;

use crate::Error;

/// An address taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// As the WebSocket handshake wants it.
    pub(crate) url: String,
}

impl Endpoint {
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let bad = |why: &str| Error::with_detail(ErrorCode::BadEndpoint, format!("{text:?} {why}"));
        let (secure, rest) = match (text.strip_prefix("ws://"), text.strip_prefix("wss://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(bad("does not start with ws:// or wss://")),
        };
        if text.chars().any(|character| character.is_control() || character == ' ' || character == '#') {
            return Err(bad("has a character that a URL can't have"));
        }
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(bad("names a user, which is not supported"));
        }
        let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
            let (host, after) = bracketed.split_once(']').ok_or_else(|| bad("has a '[' without a ']'"))?;
            (host, after.strip_prefix(':'))
        } else {
            match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            }
        };
        if host.is_empty() {
            return Err(bad("names no host"));
        }
        let port = match port {
            None => {
                if secure {
                    443
                } else {
                    80
                }
            }
            Some(port) => port.parse().map_err(|_| bad("has a port that is not a number up to 65535"))?,
        };
        let after = rest.get(authority.len()..).unwrap_or_default();
        let path = if after.starts_with('/') { after.to_owned() } else { format!("/{after}") };
        let scheme = if secure { "wss" } else { "ws" };
        Ok(Self { secure, host: host.to_owned(), port, url: format!("{scheme}://{authority}{path}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_urls_apart() {
        let endpoint = Endpoint::parse("ws://127.0.0.1:7400").unwrap();
        assert_eq!((endpoint.secure, endpoint.host.as_str(), endpoint.port), (false, "127.0.0.1", 7400));
        assert_eq!(endpoint.url, "ws://127.0.0.1:7400/");
        let endpoint = Endpoint::parse("wss://example.org/live?x=1").unwrap();
        assert_eq!((endpoint.secure, endpoint.host.as_str(), endpoint.port), (true, "example.org", 443));
        assert_eq!(endpoint.url, "wss://example.org/live?x=1");
        assert_eq!(Endpoint::parse("ws://[::1]:9").unwrap().host, "::1");
    }

    #[test]
    fn refuses_what_is_none() {
        for text in
            ["", "http://a", "ws://", "ws://:80", "ws://a:b", "ws://a:70000", "ws://[::1", "ws://u@h", "ws://a b"]
        {
            assert_eq!(Endpoint::parse(text).unwrap_err().code(), ErrorCode::BadEndpoint, "{text}");
        }
    }
}
