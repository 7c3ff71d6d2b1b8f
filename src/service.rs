//! The way of a request, from the wire to the reply and its log line.

use crate::config::{Config, Route};
use crate::contracts::Failure;
use crate::cors;
use crate::endpoints::health::{Condition, health, misconfigured};
use crate::endpoints::logout::{logout, refusal};
use crate::endpoints::openapi::openapi;
use crate::http::{Reply, Request, split_url};
use crate::log::{LogLine, Notes};
use crate::ports::Platform;
use crate::routes::{Endpoint, Routes};

/// The service of an isolate: a good configuration and its route table.
#[derive(Debug)]
pub struct Service {
    config: Config,
    routes: Routes,
}

/// A reply and what is logged of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the client gets.
    pub reply: Reply,
    /// What the log gets.
    pub log: LogLine,
}

impl Service {
    /// The service of a configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let routes = Routes::new(&config);
        Self { config, routes }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether the request may change something, so that it must be finished even when its client is gone.
    #[must_use]
    pub fn must_finish(&self, request: &impl Request) -> bool {
        request.method() == "POST"
    }

    /// Answers a request. `bindings` are those that the configuration needs, with their condition.
    pub async fn answer<R: Request, P: Platform>(
        &self,
        request: &R,
        platform: &P,
        bindings: &[(String, Condition)],
    ) -> Answer {
        let begin = platform.now();
        let url = split_url(request.url());
        let endpoint = self.routes.find(url.host, url.path);
        let mut notes = Notes { outcome: "answered", ..Notes::default() };
        let reply = match endpoint {
            None => not_found(&mut notes),
            Some(endpoint) => self.at_endpoint(endpoint, request, platform, bindings, &mut notes).await,
        };
        let id = request_id(request);
        let milliseconds = u64::try_from(platform.now().since(begin).as_millis()).unwrap_or(u64::MAX);
        let log = self.log_line(request.method(), endpoint, &reply, notes, milliseconds, id.clone());
        Answer { reply: finish(reply, request.method(), id), log }
    }

    async fn at_endpoint<R: Request, P: Platform>(
        &self,
        endpoint: Endpoint,
        request: &R,
        platform: &P,
        bindings: &[(String, Condition)],
        notes: &mut Notes,
    ) -> Reply {
        let route = self.route(endpoint);
        let cors = route.and_then(|route| route.cors.as_ref());
        let method = request.method();
        if method == "OPTIONS" {
            return cors::options(cors, endpoint.methods(), request);
        }
        if !endpoint.takes(method) {
            let reply = method_not_allowed(route, notes).with("Allow", endpoint.methods());
            return cors::share(reply, cors, request);
        }
        let reply = match (endpoint, route) {
            (Endpoint::Health, _) => health(bindings),
            (Endpoint::OpenApi, _) => openapi(&self.config),
            (Endpoint::Logout { .. }, Some(route)) => logout(&self.config, route, request, platform, notes).await,
            (Endpoint::Logout { .. }, None) => not_found(notes),
        };
        cors::share(reply, cors, request)
    }

    fn route(&self, endpoint: Endpoint) -> Option<&Route> {
        match endpoint {
            Endpoint::Logout { route, .. } => self.config.routes.get(route),
            Endpoint::Health | Endpoint::OpenApi => None,
        }
    }

    fn log_line(
        &self,
        method: &str,
        endpoint: Option<Endpoint>,
        reply: &Reply,
        notes: Notes,
        milliseconds: u64,
        request_id: String,
    ) -> LogLine {
        let route = endpoint.and_then(|endpoint| self.route(endpoint));
        let pattern = match endpoint {
            Some(Endpoint::Logout { path, .. }) => route.and_then(|route| route.paths.get(path)).cloned(),
            Some(Endpoint::Health) => Some("/healthz".to_owned()),
            Some(Endpoint::OpenApi) => Some("/openapi.json".to_owned()),
            None => None,
        };
        LogLine {
            event: "request",
            request_id,
            method: method.chars().take(16).collect(),
            route: pattern,
            contract: route.map(|route| route.contract.name()),
            issuer: route.and_then(|route| self.config.issuers.get(route.issuer)).map(|issuer| issuer.name.clone()),
            status: reply.status,
            outcome: notes.outcome,
            reason: notes.reason,
            key_id: notes.key_id,
            milliseconds,
        }
    }
}

/// The answer to every request while the configuration is refused.
#[must_use]
pub fn answer_misconfigured(request: &impl Request) -> Answer {
    let reply = misconfigured();
    let id = request_id(request);
    let log = LogLine {
        event: "request",
        request_id: id.clone(),
        method: request.method().chars().take(16).collect(),
        route: None,
        contract: None,
        issuer: None,
        status: reply.status,
        outcome: "failed",
        reason: Some("misconfigured"),
        key_id: None,
        milliseconds: 0,
    };
    Answer { reply: finish(reply, request.method(), id), log }
}

fn not_found(notes: &mut Notes) -> Reply {
    notes.outcome = "refused";
    notes.reason = Some("no_route");
    Reply::json_text(404, r#"{"error":"not_found","message":"Nothing answers here"}"#)
}

fn method_not_allowed(route: Option<&Route>, notes: &mut Notes) -> Reply {
    notes.outcome = "refused";
    notes.reason = Some(Failure::MethodNotAllowed.reason());
    match route {
        Some(route) => refusal(route.contract, &Failure::MethodNotAllowed),
        None => Reply::json_text(405, r#"{"error":"method_not_allowed","message":"Method not allowed"}"#),
    }
}

/// What every answer has, and what an answer to `HEAD` has not.
fn finish(reply: Reply, method: &str, request_id: String) -> Reply {
    let mut reply = reply
        .with("Cache-Control", "no-store")
        .with("X-Content-Type-Options", "nosniff")
        .with("X-Request-Id", request_id);
    if method == "HEAD" {
        reply.body = None;
    }
    reply
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
