//! An issuer's keys together: which of them a token may have been signed with, and what becomes of them at a rotation.

use super::algorithm::Algorithm;
use super::keys::{VerificationKey, VerificationMaterial};

/// How many keys a token without `kid` is tried against. Each try may cost a signature check.
const MAX_KEYS_TRIED: usize = 4;

/// The keys that an issuer's tokens are verified with.
#[derive(Debug, Default)]
pub struct KeyRing {
    /// The keys.
    pub keys: Vec<VerificationKey>,
    /// The names of Worker secrets that hold further keys, where their text is not known: on a machine that deploys.
    pub unknown_secrets: Vec<String>,
    /// Which ring of its issuer it is: every one that differs from the one before has another number.
    pub generation: u32,
}

impl KeyRing {
    /// Whether any key has the algorithm of this name.
    #[must_use]
    pub fn knows_algorithm(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.algorithm().name() == name)
    }

    /// Whether any key has this `kid`.
    #[must_use]
    pub fn knows_key_id(&self, key_id: &str) -> bool {
        self.keys.iter().any(|key| key.key_id() == Some(key_id))
    }

    /// Whether one of these keys is one of `other`'s.
    #[must_use]
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.same_as(key.algorithm(), key.material()).is_some())
            || self.unknown_secrets.iter().any(|name| other.unknown_secrets.contains(name))
    }

    /// The one of these keys that has this algorithm and material.
    pub(super) fn same_as(&self, algorithm: Algorithm, material: &VerificationMaterial) -> Option<&VerificationKey> {
        self.keys.iter().find(|own| own.algorithm() == algorithm && own.material().is_same_as(material))
    }

    /// The keys that a token with this header may have been signed with: those of its `kid`, or, when none has that
    /// name or it has none, those that could be meant, a few at most.
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

    /// Whether the key of this slot is among them.
    #[must_use]
    pub fn has_slot(&self, slot: u32) -> bool {
        self.keys.iter().any(|key| key.slot() == Some(slot))
    }

    /// The ring that follows this one with these keys: a key that is in both keeps its slot, so that the platform need
    /// not import it again. `None` when nothing differs.
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

    /// The slots of these keys that are none of `next`'s.
    #[must_use]
    pub fn slots_missing_in(&self, next: &Self) -> Vec<u32> {
        self.keys.iter().filter_map(VerificationKey::slot).filter(|slot| !next.has_slot(*slot)).collect()
    }
}
