//! Keys for verification and signing. Each is bound to one algorithm, so a token's header cannot choose one (RFC 8725
//! section 3.1).

use std::sync::atomic::{AtomicU32, Ordering};

use jwt_compact::AlgorithmSignature;
use jwt_compact::alg::{Hs256, Hs256Key, Hs384, Hs384Key, Hs512, Hs512Key};

use super::algorithm::{Algorithm, KeyKind};
use super::jwk::{Jwk, JwkProblem};
use super::ring::KeyRing;
use super::secret::Secret;
use super::untrusted::SigningInput;

/// A verification key.
#[derive(Debug)]
pub struct VerificationKey {
    key_id: Option<String>,
    algorithm: Algorithm,
    material: VerificationMaterial,
}

/// The key material of a verification key.
#[derive(Debug)]
pub enum VerificationMaterial {
    /// A symmetric key. HMAC is computed in the core.
    Hmac(HmacKey),
    /// A public key. Signatures are verified by the platform.
    Public(PublicKey),
}

impl VerificationMaterial {
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Hmac(one), Self::Hmac(other)) => one.bytes() == other.bytes(),
            (Self::Public(one), Self::Public(other)) => one.members == other.members,
            _ => false,
        }
    }
}

impl VerificationKey {
    pub(super) const fn new(key_id: Option<String>, algorithm: Algorithm, material: VerificationMaterial) -> Self {
        Self { key_id, algorithm, material }
    }

    /// The key id (`kid`).
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The algorithm of the key.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key material.
    #[must_use]
    pub const fn material(&self) -> &VerificationMaterial {
        &self.material
    }

    /// The slot of the key, if it is a public key.
    #[must_use]
    pub const fn slot(&self) -> Option<u32> {
        match &self.material {
            VerificationMaterial::Public(key) => Some(key.slot),
            VerificationMaterial::Hmac(_) => None,
        }
    }

    /// Replaces the slot of a public key by that of an equal key.
    pub(super) const fn set_slot(&mut self, slot: u32) {
        if let VerificationMaterial::Public(key) = &mut self.material {
            key.slot = slot;
        }
    }
}

/// A symmetric key. Zeroized on drop.
#[derive(Debug, Clone)]
pub enum HmacKey {
    /// For HS256.
    Hs256(Hs256Key),
    /// For HS384.
    Hs384(Hs384Key),
    /// For HS512.
    Hs512(Hs512Key),
}

impl HmacKey {
    /// Creates the key for an HMAC algorithm; `None` if it is shorter than RFC 7518 section 3.2 requires.
    #[must_use]
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        match algorithm.key_kind() {
            KeyKind::Symmetric { min_bytes } if bytes.len() >= min_bytes => match algorithm {
                Algorithm::Hs384 => Some(Self::Hs384(Hs384Key::new(bytes))),
                Algorithm::Hs512 => Some(Self::Hs512(Hs512Key::new(bytes))),
                _ => Some(Self::Hs256(Hs256Key::new(bytes))),
            },
            _ => None,
        }
    }

    /// The key's bytes, to compare configured keys and to derive keys. Do not compare them with received data.
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Hs256(key) => key.as_ref(),
            Self::Hs384(key) => key.as_ref(),
            Self::Hs512(key) => key.as_ref(),
        }
    }

    /// Verifies `signature` over `input`, in constant time.
    #[must_use]
    pub fn verify(&self, input: SigningInput<'_>, signature: &[u8]) -> bool {
        match self {
            Self::Hs256(key) => verify_hmac(&Hs256, key, input, signature),
            Self::Hs384(key) => verify_hmac(&Hs384, key, input, signature),
            Self::Hs512(key) => verify_hmac(&Hs512, key, input, signature),
        }
    }
}

fn verify_hmac<A: jwt_compact::Algorithm>(
    algorithm: &A,
    key: &A::VerifyingKey,
    input: SigningInput<'_>,
    signature: &[u8],
) -> bool {
    // `try_from_slice` panics on other lengths.
    A::Signature::LENGTH.is_some_and(|length| length.get() == signature.len())
        && A::Signature::try_from_slice(signature)
            .is_ok_and(|signature| algorithm.verify_signature(&signature, key, input.0.as_bytes()))
}

/// A public key in the format that Web Crypto imports.
#[derive(Debug)]
pub struct PublicKey {
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    /// The public JWK members.
    pub members: KeyMembers,
    /// A number that is unique within the isolate. The platform caches the imported key under it.
    pub slot: u32,
}

impl PublicKey {
    pub(super) fn new(algorithm: Algorithm, members: KeyMembers) -> Self {
        Self { algorithm, members, slot: next_slot() }
    }
}

/// The public members of a JWK, in base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyMembers {
    /// RFC 7518 section 6.3.1.
    Rsa {
        /// Modulus.
        n: String,
        /// Exponent.
        e: String,
    },
    /// RFC 7518 section 6.2.1.
    Ec {
        /// `P-256` or `P-384`.
        curve: &'static str,
        /// X coordinate.
        x: String,
        /// Y coordinate.
        y: String,
    },
    /// RFC 8037 section 2.
    Okp {
        /// `Ed25519`.
        curve: &'static str,
        /// The public key.
        x: String,
    },
}

/// The key that signs minted tokens.
#[derive(Debug)]
pub struct SigningKey {
    /// The key id (`kid`) for the token's header.
    pub key_id: Option<String>,
    /// The key material.
    pub material: SigningMaterial,
}

/// The key material of a signing key.
#[derive(Debug)]
pub enum SigningMaterial {
    /// A symmetric key. HMAC is computed in the core.
    Hmac(HmacKey),
    /// A private key. The platform signs with it.
    Private(PrivateKey),
}

/// A private key as a JWK, which Web Crypto imports.
#[derive(Debug)]
pub struct PrivateKey {
    /// The algorithm of the key.
    pub algorithm: Algorithm,
    /// The JWK as JSON.
    pub jwk: Secret,
    /// A number that is unique within the isolate.
    pub slot: u32,
}

impl SigningKey {
    /// Parses a signing key from a JWK in a Worker secret. It must be one of the verification keys, because the minted
    /// tokens are verified here.
    ///
    /// # Errors
    /// The reason for which the key is rejected.
    pub fn from_jwk(jwk: &Jwk, text: &Secret, keys: &KeyRing) -> Result<Self, JwkProblem> {
        jwk.check_usage("sign")?;
        let mut algorithms: Vec<Algorithm> = Vec::new();
        for key in &keys.keys {
            if !algorithms.contains(&key.algorithm) {
                algorithms.push(key.algorithm);
            }
        }
        let algorithm = jwk.fitting(&algorithms)?;
        let verification = jwk.verification_material(algorithm)?;
        let own = keys.same_as(algorithm, &verification).ok_or(JwkProblem::NotTheIssuers)?;
        let material = match verification {
            VerificationMaterial::Hmac(key) => SigningMaterial::Hmac(key),
            VerificationMaterial::Public(_) if jwk.is_private() => {
                SigningMaterial::Private(PrivateKey { algorithm, jwk: text.clone(), slot: next_slot() })
            }
            VerificationMaterial::Public(_) => return Err(JwkProblem::NotSecret),
        };
        // Use the `kid` of the verification key, not that in the secret.
        Ok(Self { key_id: own.key_id.clone(), material })
    }
}

impl SigningKey {
    /// The secret bytes, to derive other keys.
    pub(super) fn secret(&self) -> &[u8] {
        match &self.material {
            SigningMaterial::Hmac(key) => key.bytes(),
            SigningMaterial::Private(key) => key.jwk.expose().as_bytes(),
        }
    }
}

fn next_slot() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
