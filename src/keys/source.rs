//! Where an issuer's keys are published, and how often they are asked for.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest as _, Sha256};

use crate::http::Url;
use crate::token::Algorithm;

/// No URL that anybody means is longer.
const MAX_URL_BYTES: usize = 2048;

/// Where keys are published, and what of it is taken.
#[derive(Debug)]
pub struct KeySource {
    /// The issuer's name in the configuration.
    pub issuer: String,
    /// The URL of the JWK Set, or of the discovery document that names it.
    pub url: String,
    /// The `iss` of which a discovery document must name one; none when the URL is that of the JWK Set itself.
    pub discovers: Option<Vec<String>>,
    /// What the keys may be for.
    pub algorithms: Vec<Algorithm>,
    /// Whether a document may lead to a server on this machine, without TLS.
    pub in_development: bool,
    /// Whether the keys in `dev/keys` may be published.
    pub allows_development_keys: bool,
    /// How long keys count as fresh at the least, whatever `Cache-Control` says.
    pub least: Duration,
    /// The same at the most.
    pub most: Duration,
    /// How often tokens of unknown keys may lead to a fetch.
    pub unknown_kid: Duration,
    /// How long keys serve on when they are no longer fresh and no new ones can be had.
    pub serve_stale: Duration,
}

impl KeySource {
    /// The name under which isolates of a location share what was fetched. Others that would not have taken the same
    /// document have another name.
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

/// Whether keys may be fetched from a URL: by TLS alone, but for this machine in development. No credentials, and
/// nothing that a server does not see.
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
