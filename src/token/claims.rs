//! The claims of a token (RFC 7519 section 4), read strictly.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::TokenProblem;
use crate::json::StrictObject;
use crate::time::Timestamp;

/// Under which names an issuer's tokens carry what is revoked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The user: `sub` unless configured otherwise.
    pub subject: String,
    /// The session: `sid` (OpenID Connect Front-Channel Logout section 3).
    pub session: String,
    /// The token itself: `jti`.
    pub token_id: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self { subject: "sub".to_owned(), session: "sid".to_owned(), token_id: "jti".to_owned() }
    }
}

/// A token's claims.
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

    /// `exp`. Fractions of a second are cut off.
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

    /// Any claim but the three dates; `null` counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.others.get(name).filter(|value| !value.is_null())
    }

    /// Whether a claim is there, `null` included.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.others.contains_key(name)
    }

    /// A claim that identifies something: text, or a whole number as some issuers write their user ids.
    ///
    /// # Errors
    /// [`TokenProblem::MalformedClaims`] when it is anything else, or empty: an identifier that cannot be read cannot
    /// be revoked by, so such a token must not pass.
    pub fn identifier(&self, name: &str) -> Result<Option<String>, TokenProblem> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
            Some(_) => Err(TokenProblem::MalformedClaims),
        }
    }

    /// The texts of a claim that holds one or several (`iss`, `aud`, `role`).
    ///
    /// # Errors
    /// [`TokenProblem::MalformedClaims`] when it holds anything but texts.
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
