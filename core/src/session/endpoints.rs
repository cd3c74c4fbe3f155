//! Which gateway the next attempt goes to.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::config::SessionConfig;
use crate::time::Timestamp;

/// How many redirects are followed in a row, without a connection that lasted.
pub(super) const MAX_REDIRECTS: u32 = 5;

/// Where a transport is to be opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// One of [`SessionConfig::endpoints`], counted from 0; 0 if that is empty.
    Listed(usize),
    /// The URL that a gateway named. It has been checked: it may be gone to.
    Redirect(String),
}

/// The endpoints of a session. The first attempt of a round goes to the one that was live last, and the
/// others follow in turn.
#[derive(Debug)]
pub(super) struct Endpoints {
    listed: Vec<Listed>,
    follow_redirects: bool,
    /// The listed one that was live last.
    preferred: usize,
    next: Endpoint,
    /// How many listed ones failed since a round began.
    failed: usize,
    /// How often a gateway was left for another one at its own word since a connection lasted.
    redirects: u32,
}

#[derive(Debug)]
struct Listed {
    address: Option<Address>,
    /// Its gateway asked to be left alone until then.
    not_before: Timestamp,
}

impl Endpoints {
    pub(super) fn new(config: &SessionConfig) -> Self {
        let mut listed: Vec<_> = config.endpoints.iter().map(|text| Listed::new(Address::parse(text))).collect();
        if listed.is_empty() {
            listed.push(Listed::new(None));
        }
        let follow_redirects = config.follow_redirects;
        Self { listed, follow_redirects, preferred: 0, next: Endpoint::Listed(0), failed: 0, redirects: 0 }
    }

    /// Where the next attempt goes.
    pub(super) fn next(&self, now: Timestamp) -> Endpoint {
        match &self.next {
            Endpoint::Listed(index) => Endpoint::Listed(self.first_free(*index, now)),
            redirect => redirect.clone(),
        }
    }

    /// Where to go after `last` while the connection to `current` goes on: elsewhere, if there is such a place.
    pub(super) fn other_than(&self, current: &Endpoint, last: &Endpoint, now: Timestamp) -> Endpoint {
        let after = |endpoint: &Endpoint| match endpoint {
            Endpoint::Listed(index) => Endpoint::Listed(self.first_free(index + 1, now)),
            Endpoint::Redirect(_) => Endpoint::Listed(self.first_free(self.preferred, now)),
        };
        let next = after(last);
        if next == *current { after(&next) } else { next }
    }

    /// The first one from `index` on whose gateway did not ask to be left alone; if all did, the one that
    /// may be gone to first.
    fn first_free(&self, index: usize, now: Timestamp) -> usize {
        let count = self.listed.len();
        let from_index = (index..index + count).map(|index| index % count);
        let waits = |index: &usize| self.listed.get(*index).map_or(Timestamp::MAX, |listed| listed.not_before.max(now));
        from_index.min_by_key(waits).unwrap_or_default()
    }

    /// When the first one may be gone to.
    pub(super) fn free_at(&self, now: Timestamp) -> Timestamp {
        self.listed.iter().map(|listed| listed.not_before).min().unwrap_or_default().max(now)
    }

    /// The gateway at `endpoint` welcomed the session.
    pub(super) fn prefer(&mut self, endpoint: &Endpoint) {
        if let Endpoint::Listed(index) = endpoint {
            self.preferred = *index;
        }
        self.next = endpoint.clone();
    }

    /// A connection has lasted.
    pub(super) const fn reset(&mut self) {
        self.redirects = 0;
        self.failed = 0;
    }

    /// An attempt failed, or a connection that did not last; `not_before` if the gateway asked to be left
    /// alone. `true` if that ends a round, so that it is time to wait.
    pub(super) fn fail(&mut self, endpoint: &Endpoint, not_before: Option<Timestamp>, now: Timestamp) -> bool {
        match endpoint {
            Endpoint::Redirect(_) => self.next = Endpoint::Listed(self.preferred),
            Endpoint::Listed(index) => {
                if let (Some(until), Some(listed)) = (not_before, self.listed.get_mut(*index)) {
                    listed.not_before = until;
                }
                self.next = Endpoint::Listed((index + 1) % self.listed.len().max(1));
                self.failed += 1;
            }
        }
        let free = self.listed.iter().filter(|listed| listed.not_before <= now).count();
        let is_over = self.failed >= self.listed.len() || free == 0;
        if is_over {
            self.failed = 0;
        }
        is_over
    }

    /// The gateway at `current` names another one. `true` if the next attempt goes there.
    pub(super) fn redirect(&mut self, current: &Endpoint, text: &str) -> bool {
        let is_followed = !text.is_empty() && self.may_follow(current, text) && self.count_redirect();
        if is_followed {
            self.next = Endpoint::Redirect(text.to_string());
        }
        is_followed
    }

    /// Whether one more redirect may be followed.
    pub(super) const fn count_redirect(&mut self) -> bool {
        self.redirects += 1;
        self.redirects <= MAX_REDIRECTS
    }

    /// Whether a URL that the gateway at `current` names may be gone to: never from a secure connection to
    /// one that is not, and to a host that the application did not name only if it says so.
    pub(super) fn may_follow(&self, current: &Endpoint, text: &str) -> bool {
        let Some(target) = Address::parse(text) else { return false };
        let is_secure = match current {
            Endpoint::Redirect(text) => Address::parse(text).is_some_and(|address| address.secure),
            Endpoint::Listed(index) => {
                self.listed.get(*index).and_then(|listed| listed.address.as_ref()).is_some_and(|address| address.secure)
            }
        };
        let mut known = self.listed.iter().filter_map(|listed| listed.address.as_ref());
        (target.secure || !is_secure) && (self.follow_redirects || known.any(|address| address.host == target.host))
    }
}

impl Listed {
    const fn new(address: Option<Address>) -> Self {
        Self { address, not_before: Timestamp::ZERO }
    }
}

/// What counts of a URL when it comes to trust.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    secure: bool,
    /// In small letters, without the brackets of an IPv6 address.
    host: String,
}

impl Address {
    /// Takes a `ws://` or `wss://` URL apart. `None` for anything that parsers of URLs may understand in
    /// different ways.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (secure, rest) = match (text.strip_prefix("ws://"), text.strip_prefix("wss://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return None,
        };
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'@' | b'#' | b'\\')) {
            return None;
        }
        let (authority, _) = split_at_byte(rest, |byte| matches!(byte, b'/' | b'?'));
        let bracketed = authority.strip_prefix("[");
        let (host, port) = match bracketed {
            Some(bracketed) => {
                let (host, port) = split_at_byte(bracketed, |byte| byte == b']');
                (host, port.strip_prefix("]")?)
            }
            None => split_at_byte(authority, |byte| byte == b':'),
        };
        let sound = |byte: u8| match byte {
            b'.' | b'-' | b'_' => true,
            b':' => bracketed.is_some(),
            _ => byte.is_ascii_alphanumeric(),
        };
        let port_is_sound = port.is_empty() || port.strip_prefix(":").is_some_and(|port| port.parse::<u16>().is_ok());
        if host.is_empty() || !host.bytes().all(sound) || !port_is_sound {
            return None;
        }
        Some(Self { secure, host: host.strip_suffix(".").unwrap_or(host).to_ascii_lowercase() })
    }
}

/// What stands before the first byte like this, an ASCII one, and the rest with it.
fn split_at_byte(text: &str, is_sought: impl Fn(u8) -> bool) -> (&str, &str) {
    text.split_at_checked(text.bytes().position(is_sought).unwrap_or(text.len())).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn endpoints(listed: &[&str], follow_redirects: bool) -> Endpoints {
        let endpoints = listed.iter().map(ToString::to_string).collect();
        Endpoints::new(&SessionConfig { endpoints, follow_redirects, ..SessionConfig::default() })
    }

    #[test]
    fn takes_urls_apart() {
        for (text, secure, host) in [
            ("ws://a", false, "a"),
            ("wss://Example.ORG.:443/live?x=1", true, "example.org"),
            ("ws://[::1]:7400/", false, "::1"),
        ] {
            assert_eq!(Address::parse(text), Some(Address { secure, host: host.to_string() }), "{text}");
        }
        for text in [
            "",
            "http://a",
            "a",
            "ws://",
            "ws://:80",
            "ws://a:b",
            "ws://a:70000",
            "ws://[::1",
            "ws://u@h",
            "ws://a b",
            "wss://evil.org\\@a",
            "wss://a#b",
            "WSS://a",
            "ws://ä",
            "ws://a%2eb",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn follows_only_where_it_is_safe() {
        let known = endpoints(&["wss://a.org", "ws://b.org"], false);
        let secure = Endpoint::Listed(0);
        assert!(known.may_follow(&secure, "wss://a.org:9000/x"));
        assert!(known.may_follow(&secure, "wss://b.org"));
        assert!(!known.may_follow(&secure, "ws://a.org"), "never to a connection that is not secure");
        assert!(!known.may_follow(&secure, "wss://c.org"), "nobody knows this host");
        assert!(known.may_follow(&Endpoint::Listed(1), "ws://a.org"));
        assert!(!known.may_follow(&Endpoint::Redirect("wss://a.org".to_string()), "ws://b.org"));
        let anywhere = endpoints(&["wss://a.org"], true);
        assert!(anywhere.may_follow(&secure, "wss://c.org"));
        assert!(!anywhere.may_follow(&secure, "ws://c.org"));
        assert!(!anywhere.may_follow(&secure, "https://c.org"));
    }

    #[test]
    fn follows_at_most_five_in_a_row() {
        let mut endpoints = endpoints(&["ws://a"], false);
        let current = Endpoint::Listed(0);
        for _ in 0..MAX_REDIRECTS {
            assert!(endpoints.redirect(&current, "ws://a/2"));
        }
        assert!(!endpoints.redirect(&current, "ws://a/2"));
        endpoints.reset();
        assert!(endpoints.redirect(&current, "ws://a/2"));
    }

    #[test]
    fn leaves_out_who_asked_to_be_left_alone() {
        let mut endpoints = endpoints(&["ws://a", "ws://b", "ws://c"], false);
        let at = Timestamp::from_micros;
        assert!(!endpoints.fail(&Endpoint::Listed(0), None, at(0)));
        assert!(!endpoints.fail(&Endpoint::Listed(1), Some(at(100)), at(0)));
        assert_eq!(endpoints.next(at(0)), Endpoint::Listed(2));
        assert!(endpoints.fail(&Endpoint::Listed(2), Some(at(50)), at(0)), "a round is over");
        assert_eq!(endpoints.next(at(0)), Endpoint::Listed(0));
        assert!(!endpoints.fail(&Endpoint::Listed(0), None, at(0)), "another one begins");
        assert_eq!(endpoints.next(at(0)), Endpoint::Listed(0), "nobody else is free");
        assert_eq!(endpoints.next(at(60)), Endpoint::Listed(2));
        assert_eq!(endpoints.next(at(100)), Endpoint::Listed(1));
    }
}
