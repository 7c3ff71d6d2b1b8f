//! Strict parsing of URLs: authority, path and query (RFC 3986 section 3).
//!
//! What servers could read in two ways is refused: user information, fragments, empty ports, and hosts that the URL
//! standard would rewrite. `tests/http_laws.rs` compares with the crate `url`: both read what passes in the same way.

use std::net::Ipv6Addr;

/// The longest name in DNS (RFC 1035 section 2.3.4).
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
    /// Reads the whole text as an authority; `None` when it is anything else.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(read_port(port)?)),
            _ => (text, None),
        };
        is_host(host).then_some(Self { host, port })
    }
}

/// One to five digits that are a port: no sign, and not empty.
fn read_port(text: &str) -> Option<u16> {
    let is_plain = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

/// Whether a text is a host that no parser rewrites: a DNS name in ASCII, an IPv4 address of four numbers, or an IPv6
/// address in its canonical form (RFC 5952), in brackets.
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

fn is_canonical_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok_and(|address| address.to_string().eq_ignore_ascii_case(text))
}

/// Whether the URL standard takes a name for an IPv4 address in some notation (section 3.5, "ends in a number").
fn ends_in_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    last.bytes().all(|byte| byte.is_ascii_digit())
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Four numbers below 256 without leading zeros: the notation that every parser reads in the same way.
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
    /// Reads `/path[?query]`; `None` when it does not begin with a slash, or has a fragment or control characters.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        if !text.starts_with('/') || text.bytes().any(|byte| byte == b'#' || byte <= b' ' || byte == 0x7f) {
            return None;
        }
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        Some(Self { path, query })
    }

    /// The query with its question mark; nothing when it is empty.
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
    /// Reads the whole text as a URL; `None` when it is none, or has more than one reading.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (is_secure, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        // Only `/` and `?` may end the authority; `#` and others are refused as part of it.
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end)?;
        let target = if target.is_empty() { Target { path: "/", query: "" } } else { Self::target(target)? };
        Some(Self { is_secure, authority: Authority::read(authority)?, target })
    }

    /// The target; its path may be missing before a query.
    fn target(text: &'a str) -> Option<Target<'a>> {
        let Some(query) = text.strip_prefix('?') else { return Target::read(text) };
        let is_plain = query.bytes().all(|byte| byte != b'#' && byte > b' ' && byte != 0x7f);
        is_plain.then_some(Target { path: "/", query })
    }

    /// Whether its host is this machine, which needs no TLS in development.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        matches!(self.authority.host, "localhost" | "127.0.0.1" | "[::1]")
    }
}

/// Whether every server reads a path alike: no empty or dot segments, no parameters of segments, and nothing
/// percent-encoded that some decode before they look (RFC 3986 sections 2.4, 3.3 and 6.2.2).
#[must_use]
pub fn is_clear_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';' | b'?' | b'#');
    path.starts_with('/')
        && path.bytes().all(is_plain)
        && !path.contains("//")
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && path.split('%').skip(1).all(|rest| rest.get(..2).is_some_and(stays_encoded))
}

/// Whether what two hexadecimal digits stand for has to be encoded in a path, and means nothing to servers.
fn stays_encoded(digits: &str) -> bool {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return false;
    }
    let Ok(byte) = u8::from_str_radix(digits, 16) else { return false };
    let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !is_unreserved && !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b'%' | b';' | b'?' | b'#')
}

/// A path as the most lenient server reads it: percent-decoded until nothing is left to decode, without parameters and
/// empty segments, and with its dot segments resolved.
#[must_use]
pub fn lenient_path(path: &str) -> String {
    const MOST_TIMES: usize = 4;
    let mut decoded = path.as_bytes().to_vec();
    for _ in 0..MOST_TIMES {
        let once = percent_decoded(&decoded);
        if once == decoded {
            break;
        }
        decoded = once;
    }
    let text = String::from_utf8_lossy(&decoded).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            plain => segments.push(plain),
        }
    }
    ["/", &segments.join("/")].concat()
}

/// Every `%XX` as its byte. Anything else stays as it is.
#[must_use]
pub fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, later)) = rest.split_first() {
        let digits =
            later.first_chunk::<2>().filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        decoded.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { later.get(2..).unwrap_or_default() } else { later };
    }
    decoded
}

/// Whether the URL standard keeps a path unchanged, so that the path that is judged is the path that is fetched: no dot
/// segments in any encoding, and no character that its parser replaces or encodes (section 4.4).
#[must_use]
pub fn is_kept_path(path: &str) -> bool {
    let is_kept = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'}')
    };
    path.starts_with('/') && path.bytes().all(is_kept) && !path.split('/').any(is_dot_segment)
}

/// Whether the URL standard resolves a segment: `.` or `..`, each dot written as itself or as `%2e`.
fn is_dot_segment(segment: &str) -> bool {
    let after_dot = |text: &str| -> Option<usize> {
        let is_encoded = text.get(..3).is_some_and(|dot| dot.eq_ignore_ascii_case("%2e"));
        if is_encoded { Some(3) } else { text.starts_with('.').then_some(1) }
    };
    let Some(rest) = after_dot(segment).and_then(|length| segment.get(length..)) else { return false };
    rest.is_empty() || after_dot(rest) == Some(rest.len())
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
        let url = Url::read("https://api.example:8443/a/b?c=d").expect("a URL");
        assert!(url.is_secure);
        assert_eq!(url.authority, Authority { host: "api.example", port: Some(8443) });
        assert_eq!(url.target, Target { path: "/a/b", query: "c=d" });
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

    #[test]
    fn paths_that_can_be_read_otherwise_are_not_clear() {
        for path in ["/", "/api/orders/1", "/a%20b", "/a.b/..c", "/J%C3%BCrgen", "/a:b@c,d=e", "/a/"] {
            assert!(is_clear_path(path), "{path}");
        }
        for path in [
            "",
            "api",
            "/api//x",
            "//api",
            "/api/../x",
            "/api/./x",
            "/api/..",
            "/api/%2E%2e/x",
            "/api%2fx",
            "/api%2Fx",
            "/api\\x",
            "/%5cx",
            "/a b",
            "/\u{e9}",
            "/api/%61dmin",
            "/api;a/x",
            "/api%3Bx",
            "/%2561pi",
            "/%00",
            "/%0A",
            "/%7F",
            "/%",
            "/%4",
            "/a%3Fb",
            "/a%3fb",
            "/a%23b",
            "/a%3Fb",
            "/a%3fb",
            "/a%23b",
            "/%zz",
            "/%+1",
            "/a?b",
            "/a#b",
        ] {
            assert!(!is_clear_path(path), "{path}");
        }
    }

    #[test]
    fn a_lenient_server_reads_every_spelling_as_one() {
        for path in [
            "/pub/admin",
            "/pub//admin/",
            "/pub/%61dmin",
            "/pub/%2561dmin",
            "/pub;a=b/admin;c",
            "/pub/x/../admin",
            "/pub/x%2f..%2fadmin",
            "/pub%5cadmin",
            "/./pub/%2e/admin",
            "/../pub/admin",
        ] {
            assert_eq!(lenient_path(path), "/pub/admin", "{path}");
        }
        assert_eq!(lenient_path("/pub/%zz%"), "/pub/%zz%");
        assert_eq!(lenient_path(""), "/");
        assert_eq!(lenient_path("/%ff"), "/\u{fffd}");
    }

    #[test]
    fn paths_that_the_url_standard_rewrites_are_not_kept() {
        for path in ["/", "/a//b", "/a;b/c", "/a%2fb", "/%61", "/...", "/..a", "/a.", "/%2e%2e%2e", "/a|b[c]", "/%zz"] {
            assert!(is_kept_path(path), "{path}");
        }
        for path in [
            "",
            "a",
            "/.",
            "/..",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/%2e",
            "/%2E./b",
            "/a\\b",
            "/a b",
            "/a\"b",
            "/a<b",
            "/a{b}",
            "/a^b",
            "/a`b",
            "/\u{e9}",
            "/a#b",
            "/a?b",
        ] {
            assert!(!is_kept_path(path), "{path}");
        }
    }
}
