//! Tokens: parsing, verification into a [`VerifiedToken`], and minting of anonymous sessions.
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

/// Why a token is invalid, for the log and for `error_description` (RFC 6750 section 3). It never contains token
/// contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProblem {
    /// Longer than [`MAX_TOKEN_BYTES`].
    TooLarge,
    /// Not a JWT in compact serialization (RFC 7515 section 3.1): wrong number of parts, base64url or JSON.
    Malformed,
    /// The `typ` is not that of an access token (RFC 8725 section 3.11), or the token has the claim `events` (RFC
    /// 8417).
    NotAnAccessToken,
    /// The token is bound to a key (`cnf`: RFC 9449, RFC 8705), but was sent as a plain bearer token.
    BoundToken,
    /// The header has `crit` (RFC 7515 section 4.1.11). No critical parameters are supported.
    CriticalHeader,
    /// None of the issuer's keys has this `alg`.
    AlgorithmNotAllowed,
    /// None of the issuer's keys has this `kid`.
    UnknownKey,
    /// The signature does not verify.
    BadSignature,
    /// The claims are malformed (RFC 7519): wrong types, duplicate members or out-of-range dates.
    MalformedClaims,
    /// `iss` is missing or of another issuer.
    WrongIssuer,
    /// `aud` is missing or of another audience.
    WrongAudience,
    /// `exp` is missing.
    NoExpiry,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` is in the future.
    NotYetValid,
    /// The lifetime exceeds the issuer's maximum.
    LivesTooLong,
}

impl TokenProblem {
    /// The reason in the log.
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

    /// The `error_description` for clients. It only says what helps an honest client: whether a new token would work.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Expired => "The access token expired",
            Self::NotYetValid => "The access token is not valid yet",
            _ => "The access token is invalid",
        }
    }
}
