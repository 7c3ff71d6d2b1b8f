//! Where a revocation is found: digests, which name nobody, and the keys that are made of them.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest as _, Sha256};

use super::record::Scope;

/// The version of the key's form and of the value's.
const VERSION: &str = "v1";

/// The key under which a revocation is found: `v1:ISSUER:SCOPE:DIGEST`.
#[must_use]
pub fn key(issuer: &str, scope: Scope, identifier: &str) -> String {
    Digest::of(issuer, scope, identifier).key(issuer, scope)
}

/// The digest at the end of a revocation's key, in base64url there: it alone tells it from every other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The SHA-256 of issuer, scope and identifier, a line feed between them: nothing that names anybody is stored, and
    /// one issuer's identifiers cannot meet another's.
    #[must_use]
    pub fn of(issuer: &str, scope: Scope, identifier: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [issuer, "\n", scope.name(), "\n", identifier] {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The key of which it is the end.
    #[must_use]
    pub fn key(&self, issuer: &str, scope: Scope) -> String {
        format!("{VERSION}:{issuer}:{}:{}", scope.name(), self.text())
    }

    /// The digest of a key, `None` when the text is no key.
    #[must_use]
    pub fn of_key(key: &str) -> Option<Self> {
        Self::parse(key.rsplit_once(':')?.1)
    }

    /// Reads a digest's text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let length = Base64UrlUnpadded::decode(text, &mut bytes).ok()?.len();
        (length == bytes.len()).then_some(Self(bytes))
    }

    /// Its text: 43 characters of base64url.
    #[must_use]
    pub fn text(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.0)
    }

    /// Where it is in a table, and what tells it there from most others: parts of it that no shard is chosen by.
    pub(super) fn place_and_tag(&self) -> (usize, u32) {
        let bits = self.0.last_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let place = usize::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        (place, u32::try_from(bits >> 32).unwrap_or(0))
    }

    /// Which of so many shards keeps what has this digest.
    #[must_use]
    pub fn shard(&self, shards: u32) -> u32 {
        let [a, b, c, d, ..] = self.0;
        u32::from_be_bytes([a, b, c, d]).checked_rem(shards).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let digest = Digest::of_key(&key("worth", Scope::Token, "jti:1")).unwrap();
        assert_eq!(digest.text(), "uFFwwnhUF0Uig4ski4W3rVUibCRpVGkIvn25VWWJtDc");
        for text in ["", "no key", "v1:worth:token:", "v1:worth:token:short"] {
            assert_eq!(Digest::of_key(text), None, "{text}");
        }
        assert_eq!(digest.shard(0), 0);
        let of = |id: usize| Digest::of_key(&key("worth", Scope::Token, &id.to_string())).unwrap().shard(4);
        assert!((0..4).all(|shard| (0..1000).filter(|id| of(*id) == shard).count() > 200));
    }
}
