//! A key ring: an issuer's verification keys, selection by token header, and rotation.

use super::algorithm::Algorithm;
use super::keys::{VerificationKey, VerificationMaterial};

/// The maximum number of keys to try for a token without `kid`. Each try verifies a signature.
const MAX_KEYS_TRIED: usize = 4;

/// An issuer's verification keys.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// The keys.
    pub keys: Vec<VerificationKey>,
    /// The names of Worker secrets with further keys whose values are not available, as on a machine that deploys.
    pub unknown_secrets: Vec<String>,
    /// The generation: incremented when the keys change.
    pub generation: u32,
}

impl KeyRing {
    /// Whether any key has an algorithm.
    #[must_use]
    pub fn knows_algorithm(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.algorithm().name() == name)
    }

    /// Whether any key has a `kid`.
    #[must_use]
    pub fn knows_key_id(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.key_id() == Some(key_id))
    }

    /// Whether two rings have a key in common.
    #[must_use]
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.same_as(key.algorithm(), key.material()).is_some())
            || self.unknown_secrets.iter().any(|name| other.unknown_secrets.contains(name))
    }

    /// Finds the key with an algorithm and key material.
    pub(super) fn same_as(&self, algorithm: Algorithm, material: &VerificationMaterial) -> Option<&VerificationKey> {
        self.keys.iter().find(|own| own.algorithm() == algorithm && own.material().is_same_as(material))
    }

    /// The keys to try for a token: those with its `kid`. If it has none, or no key has it, up to a few keys of the
    /// algorithm.
    pub fn candidates<'a>(
        &'a self,
        algorithm: &str,
        key_id: Option<&str>,
    ) -> impl Iterator<Item = &'a VerificationKey> {
        let named = key_id.is_some_and(|kid| self.knows_key_id(kid));
        self.keys
            .iter()
            .filter(move |key| key.algorithm().name() == algorithm)
            .filter(move |key| match key_id {
                None => true,
                Some(kid) if named => key.key_id() == Some(kid),
                Some(_) => key.key_id().is_none(),
            })
            .take(MAX_KEYS_TRIED)
    }

    /// Whether the ring has the key in a slot.
    #[must_use]
    pub fn has_slot(&self, slot: u32) -> bool {
        self.keys.iter().any(|key| key.slot() == Some(slot))
    }

    /// Creates the next generation with new keys; `None` if they are equal. A key in both generations keeps its slot,
    /// so that the platform need not import it again.
    #[must_use]
    pub fn followed_by(&self, mut keys: Vec<VerificationKey>) -> Option<Self> {
        for key in &mut keys {
            let before = self.keys.iter().find(|own| {
                own.key_id() == key.key_id()
                    && own.algorithm() == key.algorithm()
                    && own.material().is_same_as(key.material())
            });
            if let Some(slot) = before.and_then(VerificationKey::slot) {
                key.set_slot(slot);
            }
        }
        let slots = |keys: &[VerificationKey]| keys.iter().map(VerificationKey::slot).collect::<Vec<_>>();
        let is_new = self.generation == 0 || slots(&keys) != slots(&self.keys);
        is_new.then(|| Self { keys, unknown_secrets: Vec::new(), generation: self.generation.wrapping_add(1).max(1) })
    }

    /// The slots of keys that `next` does not have.
    #[must_use]
    pub fn slots_missing_in(&self, next: &Self) -> Vec<u32> {
        self.keys.iter().filter_map(VerificationKey::slot).filter(|slot| !next.has_slot(*slot)).collect()
    }
}
