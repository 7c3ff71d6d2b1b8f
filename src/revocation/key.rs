//! Keys of revocations: a digest of issuer, scope and identifier, which reveals no personal data.

use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};

use super::record::Scope;
use crate::token::Secret;

/// The version of the KV schema, for keys and values.
const VERSION: &str = "v1";

/// The SHA-256 of a revocation's issuer, scope and identifier, or their HMAC under a Worker secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

/// The first half of a digest, which replicas hold. A second preimage takes 2^128 tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix([u8; 16]);

impl Digest {
    /// Creates a digest from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key in Workers KV: `v1:ISSUER:SCOPE:DIGEST`, with the digest in base64url.
    #[must_use]
    pub fn key(&self, issuer: &str, scope: Scope) -> String {
        format!("{VERSION}:{issuer}:{}:{}", scope.name(), self.text())
    }

    /// Parses a key in Workers KV into issuer, scope and digest; `None` if it is malformed.
    #[must_use]
    pub fn of_key(key: &str) -> Option<(&str, Scope, Self)> {
        let (rest, digest) = key.strip_prefix(VERSION)?.strip_prefix(':')?.rsplit_once(':')?;
        let (issuer, scope) = rest.rsplit_once(':')?;
        Some((issuer, Scope::named(scope)?, Self::parse(digest)?))
    }

    /// The common prefix of all keys in Workers KV.
    #[must_use]
    pub fn key_prefix() -> String {
        [VERSION, ":"].concat()
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let length = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// The digest in base64url: 43 characters.
    #[must_use]
    pub fn text(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.0)
    }

    /// The first half of the digest.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        Prefix(self.0.first_chunk().copied().unwrap_or_default())
    }

    /// The number of the shard that stores this digest, of `shards`.
    #[must_use]
    pub fn shard(&self, shards: u32) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d]).checked_rem(shards).unwrap_or(0)
    }
}

impl Prefix {
    /// Creates a prefix from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The first 64 bits: the key in the filters of segments.
    #[must_use]
    pub fn filter_key(&self) -> u64 {
        self.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }

    /// The other 64 bits: the hash in hash tables.
    #[must_use]
    pub(super) fn hash_bits(&self) -> u64 {
        self.0.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// How digests are computed. Without a key, anyone who can read the digests can test guesses of identifiers such as
/// e-mail addresses. A key in a Worker secret prevents this.
#[derive(Debug, Default)]
pub struct DigestRules {
    /// The key for new revocations.
    recorded: DigestKey,
    /// A second key for lookups, during key rotation.
    also: Option<DigestKey>,
}

/// The hash function of digests.
#[derive(Clone, Debug, Default)]
pub enum DigestKey {
    /// SHA-256.
    #[default]
    None,
    /// HMAC-SHA-256 (RFC 2104) under a secret.
    Secret(Rc<Secret>),
}

impl DigestRules {
    /// Creates rules with a key for new revocations and, during key rotation, a second key for lookups.
    #[must_use]
    pub const fn new(recorded: DigestKey, also: Option<DigestKey>) -> Self {
        Self { recorded, also }
    }

    /// The digest under which a new revocation is recorded.
    #[must_use]
    pub fn recorded(&self, issuer: &str, scope: Scope, identifier: &str) -> Digest {
        self.recorded.digest(issuer, scope, identifier)
    }

    /// Every digest under which a revocation may have been recorded.
    pub fn all(&self, issuer: &str, scope: Scope, identifier: &str) -> impl Iterator<Item = Digest> {
        let also = self.also.as_ref().map(|key| key.digest(issuer, scope, identifier));
        std::iter::once(self.recorded.digest(issuer, scope, identifier)).chain(also)
    }
}

impl DigestKey {
    /// Joins the parts with line feeds, which issuer and scope names cannot contain, so that digests cannot collide.
    fn digest(&self, issuer: &str, scope: Scope, identifier: &str) -> Digest {
        let parts = [issuer, "\n", scope.name(), "\n", identifier];
        // An HMAC takes a key of any length, so `new_from_slice` never fails.
        let keyed = match self {
            Self::Secret(secret) => Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok(),
            Self::None => None,
        };
        Digest(match keyed {
            Some(mut hmac) => {
                for part in parts {
                    hmac.update(part.as_bytes());
                }
                hmac.finalize().into_bytes().into()
            }
            None => {
                let mut hash = Sha256::new();
                for part in parts {
                    hash.update(part);
                }
                hash.finalize().into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(issuer: &str, scope: Scope, identifier: &str) -> String {
        DigestRules::default().recorded(issuer, scope, identifier).key(issuer, scope)
    }

    #[test]
    fn keys_name_nobody_and_never_meet() {
        let one = key("worth", Scope::Subject, "jane@example.com");
        assert!(one.starts_with("v1:worth:subject:") && one.len() == 17 + 43, "{one}");
        assert_ne!(one, key("worth", Scope::Session, "jane@example.com"));
        assert_ne!(
            key("a", Scope::Token, "x").split(':').next_back(),
            key("b", Scope::Token, "x").split(':').next_back()
        );
        // Written by one version, found by the next: this value may never change within `v1`.
        assert_eq!(key("worth", Scope::Token, "jti:1"), "v1:worth:token:uFFwwnhUF0Uig4ski4W3rVUibCRpVGkIvn25VWWJtDc");
    }

    #[test]
    fn digests_are_read_back_and_spread() {
        let (issuer, scope, digest) =
            Digest::of_key("v1:a:b:token:uFFwwnhUF0Uig4ski4W3rVUibCRpVGkIvn25VWWJtDc").unwrap();
        assert_eq!((issuer, scope), ("a:b", Scope::Token));
        assert_eq!(digest.text(), "uFFwwnhUF0Uig4ski4W3rVUibCRpVGkIvn25VWWJtDc");
        for text in [
            "",
            "no key",
            "v1:worth:token:",
            "v1:worth:token:short",
            "v2:worth:token:uFFwwnhUF0Uig4ski4W3rVUibCRpVGkIvn25VWWJtDc",
        ] {
            assert_eq!(Digest::of_key(text), None, "{text}");
        }
        assert_eq!(digest.shard(0), 0);
        let of = |id: usize| DigestRules::default().recorded("worth", Scope::Token, &id.to_string()).shard(4);
        assert!((0..4).all(|shard| (0..1000).filter(|id| of(*id) == shard).count() > 200));
    }

    #[test]
    fn a_key_makes_other_digests_and_rotation_looks_under_both() {
        let secret = |text: &str| DigestKey::Secret(Rc::new(Secret::new(text.to_owned())));
        let plain = DigestRules::default().recorded("i", Scope::Subject, "jane");
        let keyed = DigestRules::new(secret("one"), None).recorded("i", Scope::Subject, "jane");
        assert_ne!(plain, keyed);
        // RFC 2104 with SHA-256 of "i\nsubject\njane" under "one".
        let rules = DigestRules::new(secret("two"), Some(secret("one")));
        let all: Vec<_> = rules.all("i", Scope::Subject, "jane").collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0], all[1]), (rules.recorded("i", Scope::Subject, "jane"), keyed));
        assert_ne!(all[0], keyed);
    }
}
