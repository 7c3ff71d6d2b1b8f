//! The one log line of a request. It never holds a token, a claim or a body: there is no field for them.

use crate::http::{Reply, Request};
use crate::json::Object;

/// What became of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The service said something of itself.
    #[default]
    Answered,
    /// The token is good.
    Passed,
    /// Something was logged out, or had been.
    Revoked,
    /// The request was not granted.
    Refused,
    /// The service could not do it.
    Failed,
}

impl Outcome {
    /// Its name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Passed => "passed",
            Self::Revoked => "revoked",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What a use case notes for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// What became of it.
    pub outcome: Outcome,
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
        self.outcome = Outcome::Refused;
        self.reason = Some(reason);
    }

    /// Notes that the service has failed.
    pub const fn failed(&mut self, reason: &'static str) {
        self.outcome = Outcome::Failed;
        self.reason = Some(reason);
    }
}

/// A structured log line.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// `request`.
    pub event: &'static str,
    /// The request's id, also in the answer.
    pub request_id: String,
    /// The method.
    pub method: String,
    /// The route's pattern, never the path as sent.
    pub route: Option<String>,
    /// The contract's name.
    pub contract: Option<&'static str>,
    /// The issuer's name in the configuration.
    pub issuer: Option<String>,
    /// The answer's status; none when the request was passed on.
    pub status: Option<u16>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Option<&'static str>,
    /// The configured `kid` of the key that verified the token.
    pub key_id: Option<String>,
    /// The promise that a check has kept.
    pub freshness: Option<&'static str>,
    /// The client's name in the configuration.
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
        // What is told of nobody needs no name.
        let request_id = if reply.prepared.is_some() { String::new() } else { request_id(request) };
        Self {
            event: "request",
            request_id,
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

    /// The line of a request that was passed on to nobody who answers.
    #[must_use]
    pub fn upstream_failed(self, status: u16) -> Self {
        Self { status: Some(status), outcome: Outcome::Failed, reason: Some("upstream_failed"), ..self }
    }

    /// The line as JSON.
    #[must_use]
    pub fn text(&self) -> String {
        let status = self.status.map(|status| status.to_string());
        let mut line = Object::new().text("event", self.event).text("request_id", &self.request_id);
        line = line.text("method", &self.method).some_text("route", self.route.as_deref());
        line = line.some_text("contract", self.contract).some_text("issuer", self.issuer.as_deref());
        if let Some(status) = &status {
            line = line.raw("status", status);
        }
        line = line.text("outcome", self.outcome.name()).some_text("reason", self.reason);
        line = line.some_text("key_id", self.key_id.as_deref()).some_text("freshness", self.freshness);
        line = line.some_text("client", self.client.as_deref());
        line.raw("milliseconds", &self.milliseconds.to_string()).finish()
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
