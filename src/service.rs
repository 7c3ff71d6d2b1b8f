//! The way of a request, from the wire to the reply and its log line.

use std::cell::OnceCell;

use crate::config::{Config, Route};
use crate::contracts::Failure;
use crate::cors;
use crate::endpoints::health::{health, health_misconfigured};
use crate::endpoints::logout::{logout, refusal};
use crate::endpoints::openapi::document;
use crate::http::{Reply, Request, split_url};
use crate::log::{LogLine, Notes};
use crate::ports::Platform;
use crate::routes::{Endpoint, HEALTH, OWN, Routes};

/// The service of an isolate: a good configuration and its route table.
#[derive(Debug)]
pub struct Service {
    config: Config,
    routes: Routes,
    /// The OpenAPI description, once somebody has asked for it.
    description: OnceCell<String>,
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
        Self { config, routes, description: OnceCell::new() }
    }

    /// Answers a request.
    pub async fn answer<R: Request, P: Platform>(&self, request: &R, platform: &P) -> Answer {
        let begin = platform.now();
        let url = split_url(request.url());
        let endpoint = self.routes.find(url.host, url.path);
        let mut notes = Notes { outcome: "answered", ..Notes::default() };
        let reply = match endpoint {
            None => not_found(&mut notes),
            Some(endpoint) => self.at_endpoint(endpoint, request, platform, &mut notes).await,
        };
        let milliseconds = u64::try_from(platform.now().since(begin).as_millis()).unwrap_or(u64::MAX);
        let mut log = LogLine::new(request, &reply, notes, milliseconds);
        self.note_route(endpoint, &mut log);
        Answer { reply: finish(reply, request.method(), log.request_id.clone()), log }
    }

    async fn at_endpoint<R: Request, P: Platform>(
        &self,
        endpoint: Endpoint,
        request: &R,
        platform: &P,
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
            (Endpoint::Health, _) => health(&self.config, platform),
            (Endpoint::OpenApi, _) => self.describe(),
            (Endpoint::Logout { .. }, Some(route)) => logout(route, request, platform, notes).await,
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

    fn describe(&self) -> Reply {
        Reply::json_text(200, self.description.get_or_init(|| document(&self.config).to_string()).clone())
    }

    /// Notes which route it was, by its pattern: never by the path as sent.
    fn note_route(&self, endpoint: Option<Endpoint>, log: &mut LogLine) {
        let Some(endpoint) = endpoint else { return };
        let Some(route) = self.route(endpoint) else {
            log.route = OWN.iter().find(|(_, own)| *own == endpoint).map(|(path, _)| (*path).to_owned());
            return;
        };
        if let Endpoint::Logout { path, .. } = endpoint {
            log.route = route.paths.get(path).cloned();
        }
        log.contract = Some(route.contract.name());
        log.issuer = Some(route.issuer.name.clone());
    }
}

/// Whether a request may change something, so that it must be finished even when its client is gone.
#[must_use]
pub fn must_finish(request: &impl Request) -> bool {
    request.method() == "POST"
}

/// The answer to every request while the configuration is refused.
#[must_use]
pub fn answer_misconfigured(request: &impl Request) -> Answer {
    let reply = match split_url(request.url()).path {
        HEALTH => health_misconfigured(),
        _ => Reply::json_text(500, r#"{"error":"misconfigured","message":"The service is misconfigured"}"#),
    };
    let notes = Notes { outcome: "failed", reason: Some("misconfigured"), key_id: None };
    let log = LogLine::new(request, &reply, notes, 0);
    Answer { reply: finish(reply, request.method(), log.request_id.clone()), log }
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
