//! The one log line of a request. It never holds a token, a claim or a body: there is no field for them.

use serde::Serialize;

use crate::http::{Reply, Request};

/// What a use case notes for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// What became of it: `revoked`, `refused`, `failed`, `answered`, `passed`.
    pub outcome: &'static str,
    /// Why, in one word.
    pub reason: Option<&'static str>,
    /// The `kid` of the key that verified the token, as configured: never the one that the token's header claims.
    pub key_id: Option<String>,
    /// The promise that a check has kept.
    pub freshness: Option<&'static str>,
    /// The client's name in the configuration.
    pub client: Option<String>,
}

impl Notes {
    /// Notes that a request was refused.
    pub const fn refused(&mut self, reason: &'static str) {
        self.outcome = "refused";
        self.reason = Some(reason);
    }

    /// Notes that the service has failed.
    pub const fn failed(&mut self, reason: &'static str) {
        self.outcome = "failed";
        self.reason = Some(reason);
    }
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
    /// The answer's status; none when the request was passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What became of it.
    pub outcome: &'static str,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The configured `kid` of the key that verified the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The promise that a check has kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness: Option<&'static str>,
    /// The client's name in the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// How long it took, in milliseconds. Workers' clock moves only with input and output.
    pub milliseconds: u64,
}

/// No method that anybody means is longer.
const MAX_METHOD_CHARS: usize = 16;

impl LogLine {
    /// The line of a request, before it is known which route it was.
    #[must_use]
    pub fn new(request: &impl Request, reply: &Reply, notes: Notes, milliseconds: u64) -> Self {
        Self {
            event: "request",
            request_id: request_id(request),
            method: request.method().chars().take(MAX_METHOD_CHARS).collect(),
            route: None,
            contract: None,
            issuer: None,
            status: Some(reply.status),
            outcome: notes.outcome,
            reason: notes.reason,
            key_id: notes.key_id,
            freshness: notes.freshness,
            client: notes.client,
            milliseconds,
        }
    }
}

/// Cloudflare's own id of the request where it is one, otherwise 64 random bits.
fn request_id(request: &impl Request) -> String {
    let is_id = |id: &String| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    request.header("cf-ray").filter(is_id).unwrap_or_else(|| {
        let random = getrandom::u64().unwrap_or_default();
        format!("{random:016x}")
    })
}
