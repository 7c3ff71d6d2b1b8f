//! The settings of published keys: where they are, and how often to fetch them.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest as _, Sha256};

use crate::http::Url;
use crate::token::Algorithm;

/// The maximum length of a URL.
const MAX_URL_BYTES: usize = 2048;

/// Where keys are published, and which of them are accepted.
#[derive(Debug)]
pub struct KeySource {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The URL of the JWK Set, or of the discovery document that names it.
    pub url: String,
    /// The values of `issuer` that a discovery document may have. Empty if `url` is the JWK Set.
    pub discovers: Option<Vec<String>>,
    /// The accepted algorithms.
    pub algorithms: Vec<Algorithm>,
    /// Whether URLs may use HTTP on localhost.
    pub in_development: bool,
    /// Whether to accept the development keys in `dev/keys`.
    pub allows_development_keys: bool,
    /// The minimum freshness lifetime, regardless of `Cache-Control`.
    pub least: Duration,
    /// The maximum freshness lifetime.
    pub most: Duration,
    /// The minimum time between two fetches for tokens with unknown keys.
    pub unknown_kid: Duration,
    /// How long stale keys may be used while fetching fails.
    pub serve_stale: Duration,
}

impl KeySource {
    /// The cache key under which the isolates of a location share a fetched set. It depends on all settings that decide
    /// whether a set is accepted.
    #[must_use]
    pub fn shared_name(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(&self.url);
        for iss in self.discovers.iter().flatten() {
            hash.update("\n");
            hash.update(iss);
        }
        format!("keys-{}", Base64UrlUnpadded::encode_string(&hash.finalize()))
    }
}

/// Whether keys may be fetched from a URL. It must use HTTPS, or HTTP on localhost in development, and must not have
/// credentials or a fragment.
#[must_use]
pub fn is_key_url(url: &str, in_development: bool) -> bool {
    let is_plain = url.len() <= MAX_URL_BYTES
        && url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>'));
    let url = if is_plain { Url::read(url) } else { None };
    url.is_some_and(|url| url.is_secure || (in_development && url.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::is_key_url;

    #[test]
    fn keys_come_by_tls_or_from_this_machine() {
        for url in ["https://id.example/jwks", "https://id.example:8443/jwks?tenant=1", "https://id.example"] {
            assert!(is_key_url(url, false), "{url}");
        }
        for url in ["http://127.0.0.1:8080/jwks", "http://localhost/jwks", "http://[::1]:1/jwks"] {
            assert!(is_key_url(url, true), "{url}");
            assert!(!is_key_url(url, false), "{url}");
        }
        let bad = [
            "http://id.example/jwks",
            "http://localhost.example/",
            "http://127.0.0.1@id.example/",
            "https://user:password@id.example/",
            "https://id.example/#a",
            "https://id.example\\@other.example/",
            "https://id.example:99999/",
            "https:///jwks",
            "https://",
            "ftp://id.example/",
            "HTTPS://id.example/",
            "https://id.example/a b",
            "",
        ];
        for url in bad {
            assert!(!is_key_url(url, true), "{url}");
        }
        assert!(!is_key_url(&format!("https://id.example/{}", "a".repeat(3000)), true));
    }
}
