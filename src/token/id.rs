//! What a token is called when it is revoked.

use base64ct::{Base64UrlUnpadded, Encoding};
use sha2::{Digest as _, Sha256};

use super::untrusted::SigningInput;

/// The identity of one token under its issuer.
///
/// It is the token's `jti`, or, without one, the SHA-256 of its signing input: never of the whole token, since an ECDSA
/// signature can be altered and still verify, and the altered token would then have another name.
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

    /// The token's `jti`, where that is its identity.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.0.strip_prefix("jti:")
    }

    /// The text that is hashed into the revocation's key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A token that means nothing to anybody but its issuer: it is looked up, never verified.
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
        // RFC 6234's SHA-256, as base64url: fixed so that ids written by one version are found by the next.
        assert_eq!(hashed.as_str(), "sha256:LnM23I66h-9HLfVow1SCq_JXXcPl6sDFxiuP-urCyTQ");
    }
}
