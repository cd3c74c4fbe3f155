//! Which pages may connect. A browser sends a page's origin with every WebSocket upgrade, and a server that doesn't
//! look lets any page the user visits speak in the user's name (cross-site WebSocket hijacking).

/// Whether a page from `origin` may connect to a server that the client calls `host`: by the list, where `*` stands for
/// every origin, or because it is the server's own page.
pub(super) fn is_allowed(origin: &str, host: &str, allowed: &[String]) -> bool {
    allowed.iter().any(|entry| entry == "*" || entry.eq_ignore_ascii_case(origin)) || is_same(origin, host)
}

/// Whether the host and port of `origin` are those of the `Host` header. Where a port is left out, it is the default of
/// the origin's scheme on both sides: behind a proxy that ends TLS, the gateway doesn't know its own scheme.
fn is_same(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default = if scheme.eq_ignore_ascii_case("http") {
        "80"
    } else if scheme.eq_ignore_ascii_case("https") {
        "443"
    } else {
        return false;
    };
    let ((page_name, page_port), (name, port)) = (split_port(authority), split_port(host));
    !name.is_empty() && page_name.eq_ignore_ascii_case(name) && page_port.unwrap_or(default) == port.unwrap_or(default)
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand before its closing bracket.
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::is_allowed;

    #[test]
    fn the_servers_own_pages_may_connect() {
        for (origin, host) in [
            ("http://example.com", "example.com"),
            ("http://example.com", "EXAMPLE.com:80"),
            ("https://example.com", "example.com"),
            ("https://example.com:443", "example.com"),
            ("http://127.0.0.1:7000", "127.0.0.1:7000"),
            ("http://[::1]:7000", "[::1]:7000"),
            ("http://[::1]", "[::1]:80"),
        ] {
            assert!(is_allowed(origin, host, &[]), "{origin} {host}");
        }
    }

    #[test]
    fn foreign_pages_may_not() {
        for (origin, host) in [
            ("null", "example.com"),
            ("null", "null"),
            ("", ""),
            ("http://", ""),
            ("http://example.com", "example.com:443"),
            ("https://example.com:8443", "example.com"),
            ("http://example.com.evil", "example.com"),
            ("http://evil", "example.com"),
            ("file://example.com", "example.com"),
            ("example.com", "example.com"),
            ("http://[::1]", "[::2]"),
        ] {
            assert!(!is_allowed(origin, host, &[]), "{origin} {host}");
            assert!(is_allowed(origin, host, &["*".into()]));
            assert!(is_allowed(origin, host, &["https://other".into(), origin.to_ascii_uppercase()]));
        }
    }
}
