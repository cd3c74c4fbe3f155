//! Texts with a form of their own.

use outpour_core::wire::MAX_TEXT_BYTES;

use super::{FsyncPolicy, LogFormat};

/// Whether a text says what to log: levels, for everything or for a target.
pub(super) fn is_filter(text: &str) -> bool {
    text.split(',').all(|directive| match directive.trim().split_once('=') {
        Some((target, level)) => is_target(target) && is_level(level),
        None => is_level(directive.trim()),
    })
}

/// Whether a text is an origin as browsers send it: a scheme, a host, perhaps a port, and nothing after.
pub(super) fn is_origin(text: &str) -> bool {
    let authority = text.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"));
    text == "*"
        || authority.is_some_and(|(_, authority)| {
            !authority.is_empty()
                && authority
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b'[' | b']'))
        })
}

/// Whether a text is the address of a gateway that clients can be sent to.
pub(super) fn is_endpoint(text: &str) -> bool {
    let rest = text.strip_prefix("ws://").or_else(|| text.strip_prefix("wss://"));
    let is_plain = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    text.len() <= MAX_TEXT_BYTES
        && rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && is_plain(rest))
}

pub(super) fn format_named(name: &str) -> Option<LogFormat> {
    [LogFormat::Text, LogFormat::Json].into_iter().find(|format| format.name() == name)
}

pub(super) fn fsync_named(name: &str) -> Option<FsyncPolicy> {
    [FsyncPolicy::Always, FsyncPolicy::Interval, FsyncPolicy::Never].into_iter().find(|policy| policy.name() == name)
}

fn is_level(level: &str) -> bool {
    matches!(level, "off" | "error" | "warn" | "info" | "debug" | "trace")
}

fn is_target(target: &str) -> bool {
    let is_word =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    target.split("::").all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters() {
        for filter in ["info", "off", "warn,outpour_server=debug", "outpour_server::gateway=trace, warn"] {
            assert!(is_filter(filter), "{filter}");
        }
        for filter in ["", "infos", "INFO", "3", "outpour_server", "=debug", "a::=info", "info,", "a=b=c"] {
            assert!(!is_filter(filter), "{filter}");
        }
    }

    #[test]
    fn endpoints() {
        for endpoint in ["ws://a", "wss://a.example:7400/path?query", "ws://[::1]:7400"] {
            assert!(is_endpoint(endpoint), "{endpoint}");
        }
        for endpoint in ["", "a", "ws://", "http://a", "WS://a", "ws:///a", "ws://a b", "ws://a#b", "ws://\u{e4}"] {
            assert!(!is_endpoint(endpoint), "{endpoint}");
        }
        assert!(!is_endpoint(&format!("ws://{}", "a".repeat(MAX_TEXT_BYTES))));
    }

    #[test]
    fn origins() {
        for origin in ["*", "https://example.com", "http://localhost:3000", "http://[::1]:8080"] {
            assert!(is_origin(origin), "{origin}");
        }
        for origin in
            ["", "example.com", "https://", "https://example.com/", "ws://example.com", "https://*.example.com"]
        {
            assert!(!is_origin(origin), "{origin}");
        }
    }
}
