//! Asymmetric signatures.

use super::Unavailable;
use crate::token::{PrivateKey, PublicKey, SigningInput};

/// Asymmetric signatures. HMAC needs no port: the core computes it itself, faster than a call out.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Signatures {
    /// Whether `signature` over `input` verifies under `key` and its algorithm.
    /// An error means that it could not be told, never that the signature is bad.
    async fn verify(&self, key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, Unavailable>;

    /// Forgets what was kept of the key of a slot, which nothing will be verified with any more.
    fn forget(&self, _slot: u32) {}

    /// The signature of `key` over `input`, as JWS has it (RFC 7518 section 3: ECDSA as `r || s`).
    async fn sign(&self, key: &PrivateKey, input: SigningInput<'_>) -> Result<Vec<u8>, Unavailable>;
}
