//! Tokens: from a header's text to a [`VerifiedToken`], and the anonymous session that one contract mints.
//!
//! RFC 7519 (JWT), RFC 7515 (JWS), RFC 7517 (JWK), RFC 8725 (best current practices), RFC 6750 (bearer usage).

mod algorithm;
mod bearer;
mod claims;
mod explain;
mod id;
mod jwk;
mod keys;
mod mint;
mod recent;
mod ring;
mod secret;
mod untrusted;
mod verify;
mod visitor;

pub use algorithm::Algorithm;
pub use bearer::{BearerProblem, bearer_token, is_token};
pub use claims::{ClaimNames, Claims};
pub use explain::{Explanation, date, explain, explain_lack, explain_shape, one_of};
pub use id::{OpaqueToken, TokenId};
pub use jwk::{Jwk, JwkProblem};
pub use keys::{KeyMembers, PrivateKey, PublicKey, SigningKey, VerificationKey, VerificationMaterial};
pub use mint::{AnonymousSession, AnonymousSessionRules, MintError, mint_anonymous_session};
pub use recent::{Recent, RecentLimits};
pub use ring::KeyRing;
pub use secret::Secret;
pub use untrusted::{MAX_TOKEN_BYTES, SigningInput, UntrustedJwt};
pub(crate) use verify::verify_with;
pub use verify::{Confirmation, ConfirmationRule, JwtRules, RequiredClaim, VerifiedToken, VerifyError, verify};
pub use visitor::MAX_SESSIONS;

/// Why a token is no good. The reason is for the log and for `error_description` (RFC 6750 section 3); it names what
/// is wrong with the token, never what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    /// Longer than [`MAX_TOKEN_BYTES`].
    TooLarge,
    /// No JWT in the compact form of RFC 7515 section 3.1: parts, base64url or JSON are wrong.
    Malformed,
    /// Its `typ` is not that of an access token (RFC 8725 section 3.11), or it has the claim `events` (RFC 8417).
    NotAnAccessToken,
    /// It is bound to a key (`cnf`: RFC 9449, RFC 8705) and was sent as a plain bearer token.
    BoundToken,
    /// It has critical header parameters (RFC 7515 section 4.1.11), of which none is understood here.
    CriticalHeader,
    /// Its `alg` is none that this issuer's keys have.
    AlgorithmNotAllowed,
    /// Its `kid` names none of the issuer's keys.
    UnknownKey,
    /// The signature does not verify.
    BadSignature,
    /// The claims are not what RFC 7519 makes of them: wrong types, duplicate members, absurd dates.
    MalformedClaims,
    /// `iss` is another issuer's, or missing.
    WrongIssuer,
    /// `aud` is another audience's, or missing.
    WrongAudience,
    /// There is no `exp`.
    NoExpiry,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` is still to come.
    NotYetValid,
    /// It lives longer than its issuer's tokens may.
    LivesTooLong,
}

impl TokenProblem {
    /// The word that the log has for it.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "token_too_large",
            Self::Malformed => "token_malformed",
            Self::NotAnAccessToken => "not_an_access_token",
            Self::BoundToken => "bound_token",
            Self::CriticalHeader => "critical_header",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::MalformedClaims => "claims_malformed",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::NoExpiry => "no_expiry",
            Self::Expired => "token_expired",
            Self::NotYetValid => "not_yet_valid",
            Self::LivesTooLong => "lives_too_long",
        }
    }

    /// What a client is told. Only what helps an honest one: whether a fresh token would do.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Expired => "The access token expired",
            Self::NotYetValid => "The access token is not valid yet",
            _ => "The access token is invalid",
        }
    }
}
