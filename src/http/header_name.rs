//! Header names that clients must not send to an API.
//!
//! Servers that convert header names to variables (CGI, RFC 3875 section 4.1.18; PHP, WSGI) cannot distinguish
//! `X.Auth.Subject`, `X_Auth_Subject` and `X-Auth-Subject`. All characters except letters and digits are compared as
//! `-`.

/// Prefixes that are reserved for this Worker: claims of a token, and a client's secret.
const RESERVED: [&str; 2] = ["x-auth-", "x-edge-logout-"];
/// Headers for proxies, not for the API: a proxy credential (RFC 9110 section 11.7.2), and `Expect` (section 10.1.1),
/// whose interim response would be treated as the final one.
const FOR_PROXIES: [&str; 2] = ["expect", "proxy-authorization"];
/// Headers with which frameworks override method, host or path. The API would serve another request than was checked.
const OVERRIDES: [&str; 13] = [
    "forwarded",
    "x-forwarded",
    "x-host",
    "x-http-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-http-path-override",
    "x-method-override",
    "x-ms-original-url",
    "x-override-method",
    "x-script-name",
    "x-waws-unencoded-url",
];
/// Prefixes of override headers.
const OVERRIDE_FAMILIES: [&str; 4] = ["x-envoy-original-", "x-forwarded-", "x-original-", "x-rewrite-"];

/// Whether a header is never forwarded.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|prefix| begins_with(name, prefix)) || FOR_PROXIES.iter().any(|own| is_same(name, own))
}

/// Whether a header can override the method, host or path of a request.
#[must_use]
pub fn is_override(name: &str) -> bool {
    OVERRIDE_FAMILIES.iter().any(|family| begins_with(name, family)) || OVERRIDES.iter().any(|own| is_same(name, own))
}

/// Maps a byte of a header or cookie name to what the most lenient server compares.
#[must_use]
pub const fn lenient_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

fn begins_with(name: &str, prefix: &str) -> bool {
    name.len() >= prefix.len() && name.bytes().map(lenient_byte).zip(prefix.bytes()).all(|(one, other)| one == other)
}

fn is_same(name: &str, other: &str) -> bool {
    name.len() == other.len() && begins_with(name, other)
}

#[cfg(test)]
mod tests {
    use super::{is_override, is_reserved};

    #[test]
    fn names_are_compared_as_lenient_servers_read_them() {
        for name in
            ["x-auth-subject", "X.Auth.Subject", "x_auth_subject", "x-auth_anything", "x!auth~subject", "x-auth-"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["proxy-authorization", "Proxy_Authorization", "X-Edge-Logout-Client", "expect", "EXPECT"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["authorization", "x-authentic", "x-author", "cookie", "x-auth", "expected", ""] {
            assert!(!is_reserved(name) && !is_override(name), "{name}");
        }
    }

    #[test]
    fn overrides_are_known_in_every_spelling() {
        for name in [
            "X-HTTP-Method-Override",
            "x_http_method_override",
            "X.Method.Override",
            "x-original-url",
            "X-Rewrite-URL",
            "forwarded",
            "X-Forwarded-For",
            "x_forwarded_host",
            "x.forwarded.uri",
            "X-Forwarded-Anything",
        ] {
            assert!(is_override(name), "{name}");
        }
        for name in ["x-forward", "cf-connecting-ip", "x-request-id", "x-original"] {
            assert!(!is_override(name), "{name}");
        }
    }
}
