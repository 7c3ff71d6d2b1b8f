//! The log line of a request. It has no fields for tokens, claims and bodies, so it cannot contain them.

use crate::http::{Reply, Request};
use crate::json::Object;

/// The outcome of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// A request to one of the service's own pages, such as `/healthz`.
    #[default]
    Answered,
    /// The token is active.
    Passed,
    /// The logout succeeded.
    Revoked,
    /// The request was rejected.
    Refused,
    /// The service failed.
    Failed,
}

impl Outcome {
    /// The name in the log.
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

/// The notes of an endpoint for the log line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The outcome.
    pub outcome: Outcome,
    /// The reason, as one word.
    pub reason: Option<&'static str>,
    /// The `kid` of the key that verified the token. Never the unverified one in the token's header.
    pub key_id: Option<String>,
    /// The freshness of the check.
    pub freshness: Option<&'static str>,
    /// The client's name in the configuration.
    pub client: Option<String>,
}

impl Notes {
    /// Records a rejected request.
    pub const fn refused(&mut self, reason: &'static str) {
        self.outcome = Outcome::Refused;
        self.reason = Some(reason);
    }

    /// Records a failure of the service.
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
    /// The id of the request, also in the response.
    pub request_id: String,
    /// The method.
    pub method: String,
    /// The pattern of the route. Never the path of the request.
    pub route: Option<String>,
    /// The contract's name.
    pub contract: Option<&'static str>,
    /// The issuer's name in the configuration.
    pub issuer: Option<String>,
    /// The status of the response; `None` if the request was forwarded.
    pub status: Option<u16>,
    /// The outcome.
    pub outcome: Outcome,
    /// The reason, as one word.
    pub reason: Option<&'static str>,
    /// The configured `kid` of the key that verified the token.
    pub key_id: Option<String>,
    /// The freshness of the check.
    pub freshness: Option<&'static str>,
    /// The client's name in the configuration.
    pub client: Option<String>,
    /// The duration in milliseconds. The clock of Workers only advances with I/O.
    pub milliseconds: u64,
}

/// The maximum length of a logged method.
const MAX_METHOD_CHARS: usize = 16;

impl LogLine {
    /// Creates the log line of a request, before routing.
    #[must_use]
    pub fn new(request: &impl Request, reply: &Reply, notes: Notes, milliseconds: u64) -> Self {
        // Prepared responses are not logged, so they need no request id.
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

    /// The log line for a failed upstream request.
    #[must_use]
    pub fn upstream_failed(self, status: u16) -> Self {
        Self { status: Some(status), outcome: Outcome::Failed, reason: Some("upstream_failed"), ..self }
    }

    /// Encodes the line as JSON.
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

/// The request id: Cloudflare's ray id if valid, otherwise 64 random bits.
fn request_id(request: &impl Request) -> String {
    let is_id = |id: &String| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    request.header("cf-ray").filter(is_id).unwrap_or_else(|| {
        let random = getrandom::u64().unwrap_or_default();
        format!("{random:016x}")
    })
}
