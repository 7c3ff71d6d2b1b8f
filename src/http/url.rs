//! Strict parsing of URLs: authority, path and query (RFC 3986 section 3).
//!
//! Ambiguous URLs are rejected: user information, fragments, empty ports, and hosts that the URL Standard would
//! rewrite. `tests/http_laws.rs` verifies that the crate `url` reads all accepted URLs in the same way.

use std::net::Ipv6Addr;

/// The maximum length of a DNS name (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// `host[:port]` (RFC 3986 section 3.2), without user information.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The host as written: a name, an IPv4 address, or an IPv6 address in brackets.
    pub host: &'a str,
    /// The port, if one was written.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Parses an authority; `None` if the text is malformed or ambiguous.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(read_port(port)?)),
            _ => (text, None),
        };
        is_host(host).then_some(Self { host, port })
    }
}

/// Parses a port: one to five digits without a sign.
fn read_port(text: &str) -> Option<u16> {
    let is_plain = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// Whether a host is in a form that no parser rewrites: an ASCII DNS name, an IPv4 address of four numbers, or an
/// IPv6 address in brackets, as the URL Standard writes it.
#[must_use]
pub fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(is_canonical_ipv6);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    text.len() <= MAX_HOST_BYTES
        && name.split('.').all(is_label)
        && (!ends_in_number(name) || (name.len() == text.len() && is_ipv4(name)))
}

/// Whether the URL standard would write an address in the same way: without the dots that RFC 5952 section 5 recommends
/// for embedded IPv4 addresses.
fn is_canonical_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok_and(|address| {
        let written = match (address.to_ipv4_mapped(), address.segments()) {
            (Some(_), [.., high, low]) => format!("::ffff:{high:x}:{low:x}"),
            (None, _) => address.to_string(),
        };
        written.eq_ignore_ascii_case(text)
    })
}

/// Whether the URL Standard parses a name as an IPv4 address in some notation (section 3.5, "ends in a number").
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Whether a text is an IPv4 address in the unambiguous notation: four numbers below 256 without leading zeros.
fn is_ipv4(name: &str) -> bool {
    let is_plain = |part: &str| part.len() == 1 || !part.starts_with('0');
    name.split('.').count() == 4 && name.split('.').all(|part| is_plain(part) && part.parse::<u8>().is_ok())
}

/// Path and query of a request (RFC 9112 section 3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The path, still percent-encoded; it begins with a slash.
    pub path: &'a str,
    /// The query, still percent-encoded, without its question mark; empty when there is none.
    pub query: &'a str,
}

impl<'a> Target<'a> {
    /// Parses `/path[?query]`; `None` if it does not start with a slash, or has a fragment or control characters.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        if !text.starts_with('/') || text.bytes().any(|byte| byte == b'#' || byte <= b' ' || byte == 0x7f) {
            return None;
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        Some(Self { path, query })
    }

    /// The query with its question mark; an empty string if there is no query.
    #[must_use]
    pub fn query_part(&self) -> String {
        if self.query.is_empty() { String::new() } else { ["?", self.query].concat() }
    }
}

/// An absolute `http` or `https` URL, its scheme in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// Whether the scheme is `https`.
    pub is_secure: bool,
    /// Host and port.
    pub authority: Authority<'a>,
    /// Path and query.
    pub target: Target<'a>,
}

impl<'a> Url<'a> {
    /// Parses a URL; `None` if the text is malformed or ambiguous.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (is_secure, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        // Only `/` and `?` may end the authority. `#` and others make it invalid.
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let target = if target.is_empty() { Target { path: "/", query: "" } } else { Self::target(target)? };
        Some(Self { is_secure, authority: Authority::read(authority)?, target })
    }

    /// The target. Its path may be omitted before a query.
    fn target(text: &'a str) -> Option<Target<'a>> {
        let Some(query) = text.strip_prefix('?') else { return Target::read(text) };
        let is_plain = query.bytes().all(|byte| byte != b'#' && byte > b' ' && byte != 0x7f);
        is_plain.then_some(Target { path: "/", query })
    }

    /// Whether the host is localhost, which does not need TLS in development.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        matches!(self.authority.host, "localhost" | "127.0.0.1" | "[::1]")
    }
}

/// A URL without its query, which may contain a secret, for logs and reports.
#[must_use]
pub fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(url, _query)| url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_are_host_and_port_and_nothing_else() {
        for (text, host, port) in [
            ("api.example", "api.example", None),
            ("API.example.", "API.example.", None),
            ("api.example:8443", "api.example", Some(8443)),
            ("a_b-c", "a_b-c", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]:8787", "[::1]", Some(8787)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[::ffff:102:304]", "[::ffff:102:304]", None),
            ("[::FFFF:0:0]:80", "[::FFFF:0:0]", Some(80)),
        ] {
            assert_eq!(Authority::read(text), Some(Authority { host, port }), "{text}");
        }
        for text in [
            "",
            ":80",
            "api.example:",
            "api.example:80#",
            "api.example:80?x",
            "api.example#",
            "api.example:+80",
            "api.example:65536",
            "api.example:000080",
            "user@api.example",
            "api.example/",
            "api example",
            "a..b",
            ".example",
            "api.example..",
            "api\\.example",
            "a,b",
            "127.1",
            "0x7f.0.0.1",
            "127.0.0.01",
            "1.2.3.4.",
            "256.0.0.1",
            "a.0x10",
            "b\u{fc}cher.example",
            "api%2eexample",
            "[::1",
            "::1",
            "[::g]",
            "[0:0::1]",
            "[::ffff:1.2.3.4]",
            "[::1.2.3.4]",
            "[::1]x",
            "[::1]:",
            "api.example:80:80",
            "*",
            "api.example:8 0",
        ] {
            assert_eq!(Authority::read(text), None, "{text}");
        }
    }

    #[test]
    fn targets_have_no_fragment() {
        for (text, path, query) in
            [("/", "/", ""), ("/a?b=/c?d", "/a", "b=/c?d"), ("/%2e%2e/x?", "/%2e%2e/x", ""), ("//a", "//a", "")]
        {
            assert_eq!(Target::read(text), Some(Target { path, query }), "{text}");
        }
        for text in ["", "a", "?a", "/a#b", "/a?b#c", "/pub/x#/../admin", "/a b", "/a\tb", "/a\n", "http://a/"] {
            assert_eq!(Target::read(text), None, "{text}");
        }
    }

    #[test]
    fn urls_are_absolute() {
        let url = Url {
            is_secure: true,
            authority: Authority { host: "api.example", port: Some(8443) },
            target: Target { path: "/a/b", query: "c=d" },
        };
        assert_eq!(Url::read("https://api.example:8443/a/b?c=d"), Some(url));
        assert_eq!(Url::read("http://a.example").map(|url| (url.is_secure, url.target.path)), Some((false, "/")));
        assert_eq!(Url::read("http://a.example?b").map(|url| url.target), Some(Target { path: "/", query: "b" }));
        for text in [
            "",
            "a",
            "/a",
            "https://",
            "https:///a",
            "HTTPS://a.example/",
            "ftp://a.example/",
            "https:/a.example",
            "http://api.example:80#/pub/admin",
            "https://a.example#b",
            "https://a.example?b#c",
            "https://u:p@a.example/",
            "https://a.example\\@b.example/",
            "https://a.example:/",
            "//a.example/",
        ] {
            assert_eq!(Url::read(text), None, "{text}");
        }
    }
}
