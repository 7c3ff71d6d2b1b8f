//! Path normalization: detects ambiguous paths, which servers read differently.

/// Whether every server reads a path in the same way: no empty or dot segments, no segment parameters, and no
/// percent-encoding that some servers decode before routing (RFC 3986 sections 2.4, 3.3 and 6.2.2).
#[must_use]
pub fn is_unambiguous_path(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b';' | b'?' | b'#');
    path.starts_with('/')
        && path.bytes().all(is_plain)
        && !path.contains("//")
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
        && path.split('%').skip(1).all(|rest| rest.get(..2).is_some_and(stays_encoded))
}

/// Whether the byte of two hexadecimal digits must be encoded in a path and has no meaning for servers.
fn stays_encoded(digits: &str) -> bool {
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return false;
    }
    let Ok(byte) = u8::from_str_radix(digits, 16) else { return false };
    let is_unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !is_unreserved && !byte.is_ascii_control() && !matches!(byte, b'/' | b'\\' | b'%' | b';' | b'?' | b'#')
}

/// A path as the most lenient server reads it: repeatedly percent-decoded, without segment parameters and empty
/// segments, and with dot segments resolved.
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

/// Percent-decodes. Malformed escapes are kept.
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

/// Whether a URL Standard parser keeps a path unchanged, so that the fetched path is the checked path: no dot segments
/// in any encoding, and no characters that it replaces or encodes (section 4.4).
#[must_use]
pub fn is_unchanged_by_url_parser(path: &str) -> bool {
    let is_unchanged = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'}')
    };
    path.starts_with('/') && path.bytes().all(is_unchanged) && !path.split('/').any(is_dot_segment)
}

/// Whether a segment is a dot segment according to the URL Standard: `.` or `..`, with dots also written as `%2e`.
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
    fn paths_that_can_be_read_otherwise_are_not_clear() {
        for path in ["/", "/api/orders/1", "/a%20b", "/a.b/..c", "/J%C3%BCrgen", "/a:b@c,d=e", "/a/"] {
            assert!(is_unambiguous_path(path), "{path}");
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
            assert!(!is_unambiguous_path(path), "{path}");
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
            assert!(is_unchanged_by_url_parser(path), "{path}");
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
            assert!(!is_unchanged_by_url_parser(path), "{path}");
        }
    }
}
