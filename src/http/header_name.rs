//! Names of headers that a client must not send on to an API.
//!
//! Servers that turn headers into variables (CGI, RFC 3875 section 4.1.18; PHP, WSGI) cannot tell `X.Auth.Subject`,
//! `X_Auth_Subject` and `X-Auth-Subject` apart. So every character but a letter or digit is compared as `-`.

/// Prefixes that only this Worker uses: claims of a token, and a client's secret.
const RESERVED: [&str; 2] = ["x-auth-", "x-edge-logout-"];
/// A credential for a proxy (RFC 9110 section 11.7.2) is not for the API behind it.
const PROXY_CREDENTIAL: &str = "proxy-authorization";
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

/// Whether only this Worker, or nobody, may send a header to the API.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    let name = comparable(name);
    RESERVED.iter().any(|prefix| name.starts_with(prefix)) || name == PROXY_CREDENTIAL
}

/// Whether a header can override method, host or path of a request.
#[must_use]
pub fn is_override(name: &str) -> bool {
    let name = comparable(name);
    OVERRIDE_FAMILIES.iter().any(|family| name.starts_with(family)) || OVERRIDES.contains(&name.as_str())
}

/// A name as the most lenient server compares it.
fn comparable(name: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character.to_ascii_lowercase() } else { '-' };
    name.chars().map(plain).collect()
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
        for name in ["proxy-authorization", "Proxy_Authorization", "X-Edge-Logout-Client"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["authorization", "x-authentic", "x-author", "cookie", "x-auth"] {
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
