//! Names of headers that a client must not send on to an API.
//!
//! Servers that turn headers into variables (CGI, RFC 3875 section 4.1.18; PHP, WSGI) cannot tell `X.Auth.Subject`,
//! `X_Auth_Subject` and `X-Auth-Subject` apart. So every character but a letter or digit is compared as `-`.

/// Prefixes that only this Worker uses: claims of a token, and a client's secret.
const RESERVED: [&str; 2] = ["x-auth-", "x-edge-logout-"];
/// Headers for this Worker and not for the API: a credential for a proxy (RFC 9110 section 11.7.2), and the demand for an
/// interim answer (section 10.1.1), which would be taken for the API's final one.
const FOR_PROXIES: [&str; 2] = ["expect", "proxy-authorization"];
/// Headers by which frameworks replace method, host or path: the API would serve another request than was judged.
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
/// Prefixes of such headers.
const OVERRIDE_FAMILIES: [&str; 4] = ["x-envoy-original-", "x-forwarded-", "x-original-", "x-rewrite-"];

/// Whether a client's header never reaches the API.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    RESERVED.iter().any(|prefix| begins_with(name, prefix)) || FOR_PROXIES.iter().any(|own| is_same(name, own))
}

/// Whether a header can override method, host or path of a request.
#[must_use]
pub fn is_override(name: &str) -> bool {
    OVERRIDE_FAMILIES.iter().any(|family| begins_with(name, family)) || OVERRIDES.iter().any(|own| is_same(name, own))
}

/// A byte of a header's or a cookie's name as the most lenient server compares it.
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
