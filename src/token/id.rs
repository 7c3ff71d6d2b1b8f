//! The identity of a token, for revocation.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest as _, Sha256};

use super::untrusted::SigningInput;

/// The identity of a token within its issuer.
///
/// It is the `jti` or, without one, the SHA-256 of the signing input. The signature is not included: an ECDSA signature
/// can be altered so that it still verifies, which would give the same token another identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenId(String);

impl TokenId {
    /// The identity of a token with this `jti`.
    #[must_use]
    pub fn from_jwt_id(jwt_id: &str) -> Self {
        Self(format!("jti:{jwt_id}"))
    }

    /// The identity of a token without `jti`.
    #[must_use]
    pub fn from_signing_input(input: SigningInput<'_>) -> Self {
        Self(format!("sha256:{}", Base64UrlUnpadded::encode_string(&Sha256::digest(input.0))))
    }

    /// The identity of an opaque token.
    #[must_use]
    pub fn from_opaque(token: &OpaqueToken<'_>) -> Self {
        Self(format!("opaque:{}", token.0))
    }

    /// The `jti`, if that is the identity.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.0.strip_prefix("jti:")
    }

    /// The identity as text, which is hashed into the revocation's digest.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An opaque token, which only its issuer can verify. It is only looked up.
#[derive(Clone, Copy)]
pub struct OpaqueToken<'a>(pub &'a str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_identity_never_meet() {
        let hashed = TokenId::from_signing_input(SigningInput("a.b"));
        assert_ne!(TokenId::from_jwt_id(hashed.as_str()), hashed);
        assert_ne!(TokenId::from_jwt_id("x"), TokenId::from_opaque(&OpaqueToken("x")));
        // SHA-256 in base64url. This must never change, or stored revocations would not be found.
        assert_eq!(hashed.as_str(), "sha256:LnM23I66h-9HLfVow1SCq_JXXcPl6sDFxiuP-urCyTQ");
    }
}
