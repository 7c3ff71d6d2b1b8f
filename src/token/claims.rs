//! Strict access to the claims of a token (RFC 7519 section 4).

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::TokenProblem;
use crate::json::StrictObject;
use crate::time::Timestamp;

/// The names of the claims that identify what to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The subject, by default `sub`.
    pub subject: String,
    /// The session, by default `sid` (OpenID Connect Front-Channel Logout section 3).
    pub session: String,
    /// The token id, by default `jti`.
    pub token_id: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { subject: "sub".to_owned(), session: "sid".to_owned(), token_id: "jti".to_owned() }
    }
}

/// The claims of a token.
#[derive(Clone, Debug)]
pub struct Claims {
    expires_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    others: Map<String, Value>,
}

impl Claims {
    pub(super) fn new(claims: jwt_compact::Claims<StrictObject>) -> Self {
        Self {
            expires_at: claims.expiration.map(timestamp),
            not_before: claims.not_before.map(timestamp),
            issued_at: claims.issued_at.map(timestamp),
            others: claims.custom.0,
        }
    }

    /// `exp`, without fractions of a second.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// `nbf`.
    #[must_use]
    pub const fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// `iat`.
    #[must_use]
    pub const fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// Any claim except the three dates. `null` counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.others.get(name).filter(|value| !value.is_null())
    }

    /// Whether a claim is present, even as `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.others.contains_key(name)
    }

    /// An identifier claim: a string, or an integer, which some issuers use for user ids.
    ///
    /// # Errors
    /// [`TokenProblem::MalformedClaims`] if the claim has another type or is empty. Such a token could not be revoked,
    /// so it must be rejected.
    pub fn identifier(&self, name: &str) -> Result<Option<String>, TokenProblem> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
            Some(_) => Err(TokenProblem::MalformedClaims),
        }
    }

    /// The values of a claim that is a string or an array of strings, such as `aud`.
    ///
    /// # Errors
    /// [`TokenProblem::MalformedClaims`] if the claim has another type.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, TokenProblem> {
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(elements)) => {
                elements.iter().map(|element| element.as_str().ok_or(TokenProblem::MalformedClaims)).collect()
            }
            Some(_) => Err(TokenProblem::MalformedClaims),
        }
    }
}

fn timestamp(date: DateTime<Utc>) -> Timestamp {
    Timestamp::from_millis(date.timestamp_millis())
}
