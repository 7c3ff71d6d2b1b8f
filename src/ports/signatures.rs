//! Asymmetric signatures.

use super::Unavailable;
use crate::token::{PrivateKey, PublicKey, SigningInput};

/// Asymmetric signatures. The core computes HMAC itself, which is faster than a call to the platform.
#[expect(async_fn_in_trait, reason = "an isolate is single-threaded: no future here ever needs to be Send")]
pub trait Signatures {
    /// Verifies `signature` over `input` with `key` and its algorithm. An error means that the check could not be done,
    /// not that the signature is invalid.
    async fn verify(&self, key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, Unavailable>;

    /// Drops cached data of the key in a slot, which is no longer used.
    fn forget(&self, _slot: u32) {}

    /// Signs `input` with `key`. The signature has the JWS format (RFC 7518 section 3: ECDSA as `r || s`).
    async fn sign(&self, key: &PrivateKey, input: SigningInput<'_>) -> Result<Vec<u8>, Unavailable>;
}
