//! The one log line of a request. It never holds a token, a claim or a body: there is no field for them.

use serde::Serialize;

/// What a use case notes for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// What became of it: `revoked`, `refused`, `failed`, `answered`.
    pub outcome: &'static str,
    /// Why, in one word.
    pub reason: Option<&'static str>,
    /// The `kid` of the key that verified the token, as configured: never the one that the token's header claims.
    pub key_id: Option<String>,
}

/// A structured log line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogLine {
    /// `request`.
    pub event: &'static str,
    /// The request's id, also in the answer.
    pub request_id: String,
    /// The method.
    pub method: String,
    /// The route's pattern, never the path as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// The contract's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract: Option<&'static str>,
    /// The issuer's name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The answer's status.
    pub status: u16,
    /// What became of it.
    pub outcome: &'static str,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The configured `kid` of the key that verified the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// How long it took, in milliseconds. Workers' clock moves only with input and output.
    pub milliseconds: u64,
}
