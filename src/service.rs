//! Request handling: routing, the endpoint, the response and its log line.

use std::cell::OnceCell;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;

use crate::config::{AnyRoute, Config, Route, Tokens};
use crate::contracts::Failure;
use crate::cors;
use crate::endpoints::batch_check::batch_check;
use crate::endpoints::check::check;
use crate::endpoints::guard::{Forward, guard, no_answer};
use crate::endpoints::health::{health, health_misconfigured};
use crate::endpoints::judge::{IsolateState, Judge};
use crate::endpoints::logout::{logout, refusal};
use crate::endpoints::openapi::document;
use crate::endpoints::readiness::{Readiness, readyz};
use crate::http::{Reply, Request, Url};
use crate::keys::{IssuerKeys, refresh};
use crate::log::{LogLine, Notes, Outcome};
use crate::ports::Platform;
use crate::revocation::Freshness;
use crate::route_table::{Endpoint, HEALTH, OWN};
use crate::wait::all;

/// The service of an isolate: the configuration and the isolate's state.
#[derive(Debug)]
pub struct Service {
    config: Config,
    /// The OpenAPI document, created on the first request.
    description: OnceCell<String>,
    /// The replica of the ledger and the token caches.
    isolate: IsolateState,
    /// The latest readiness report.
    readiness: Readiness,
    /// The shortest configured bound, which determines how often to sync; `None` if no check is bounded.
    bound: Option<Duration>,
}

/// The result of a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The response. If the request is forwarded: the response for the case that the upstream fails.
    pub reply: Reply,
    /// The request to forward, if any.
    pub forward: Option<Forward>,
    /// The log line.
    pub log: LogLine,
}

impl Answer {
    /// Whether to write the log line. Passed checks are not logged, because there are too many of them.
    #[must_use]
    pub fn is_worth_logging(&self) -> bool {
        !(self.log.outcome == Outcome::Passed && self.log.reason.is_none())
    }
}

impl Service {
    /// Creates the service for a configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let (isolate, bound) = (IsolateState::new(&config), shortest_bound(&config));
        Self { config, description: OnceCell::new(), isolate, readiness: Readiness::default(), bound }
    }

    /// Whether there is background work: a shard to sync, segments to load, or keys to fetch.
    #[must_use]
    pub fn wants_refresh(&self, platform: &impl Platform) -> bool {
        let now = platform.now();
        let replica = &self.isolate.replica;
        self.bound.map_or_else(|| replica.wants_segments(now), |bound| replica.wants_refresh(bound, now))
            || self.keys().any(|keys| keys.wants_refresh(now))
    }

    /// Does the background work. Call it with `waitUntil`, after the response.
    pub async fn refresh(&self, platform: &impl Platform) {
        let mut due: Vec<_> = self.keys().filter_map(|keys| refresh(keys, platform)).collect();
        match self.bound {
            Some(bound) => due.push(Box::pin(async move { self.judge(platform).authority().refresh(bound).await })),
            // Without a bounded check there is no background sync, but strong checks need the segments.
            None => due.push(Box::pin(async move { self.judge(platform).authority().load_segments().await })),
        }
        all(due).await;
    }

    /// The keys of all issuers.
    fn keys(&self) -> impl Iterator<Item = &IssuerKeys> {
        self.config.issuers.iter().filter_map(|issuer| match &issuer.tokens {
            Tokens::Jwt(rules) => Some(&rules.keys),
            Tokens::Opaque => None,
        })
    }

    /// Finds the endpoint. `/batch-check` exists only if clients are configured.
    fn find(&self, url: &Url<'_>) -> Option<Endpoint> {
        let is_there = |endpoint: &Endpoint| *endpoint != Endpoint::BatchCheck || !self.config.clients.is_empty();
        self.config.table.find(url.authority.host, url.target.path).filter(is_there)
    }

    /// Whether to finish a request even if the client disconnects: logouts and batches.
    #[must_use]
    pub fn must_finish(&self, request: &impl Request) -> bool {
        // Only POST requests can be logouts or batches, so others need no routing here.
        request.method() == "POST"
            && !matches!(
                Url::read(request.url()).and_then(|url| self.find(&url)),
                Some(Endpoint::Check | Endpoint::Guard { .. })
            )
    }

    fn judge<'a, P>(&'a self, platform: &'a P) -> Judge<'a, P> {
        Judge { config: &self.config, isolate: &self.isolate, platform }
    }

    /// Handles a request.
    pub async fn answer<R: Request, P: Platform>(&self, request: &R, platform: &P) -> Answer {
        let started_at = platform.now();
        let url = Url::read(request.url());
        let endpoint = url.as_ref().and_then(|url| self.find(url));
        let mut notes = Notes::default();
        let judge = self.judge(platform);
        let (reply, forward) = match (endpoint, &url) {
            (_, None) => (bad_url(&mut notes), None),
            (None, _) => (not_found(&mut notes), None),
            // Boxed, so that requests answered from memory do not allocate space for the larger futures.
            (Some(Endpoint::Guard { route, .. }), Some(url)) => {
                match boxed(self.at_guard(route, &judge, request, url, &mut notes)).await {
                    Ok(forward) => (no_answer(), Some(forward)),
                    Err(reply) => (reply, None),
                }
            }
            (Some(Endpoint::Check), Some(url)) => (check(&judge, request, url, &mut notes).await, None),
            (Some(endpoint), _) => (boxed(self.at_endpoint(endpoint, &judge, request, &mut notes)).await, None),
        };
        let milliseconds = u64::try_from(platform.now().since(started_at).as_millis()).unwrap_or(u64::MAX);
        let mut log = LogLine::new(request, &reply, notes, milliseconds);
        self.note_route(endpoint, &mut log);
        if forward.is_some() {
            log.status = None;
        }
        Answer { reply: finish(reply, request.method(), log.request_id.clone()), forward, log }
    }

    async fn at_guard<R: Request, P: Platform>(
        &self,
        route: usize,
        judge: &Judge<'_, P>,
        request: &R,
        url: &Url<'_>,
        notes: &mut Notes,
    ) -> Result<Forward, Reply> {
        let Some(rule) = self.config.guard(route) else { return Err(not_found(notes)) };
        let Some(upstream) = &rule.upstream else {
            // The guard has no upstream: it only applies to `/check`.
            let reply = not_found(notes);
            notes.reason = Some("no_upstream");
            return Err(reply);
        };
        guard(judge, rule, upstream, request, url, notes).await
    }

    async fn at_endpoint<R: Request, P: Platform>(
        &self,
        endpoint: Endpoint,
        judge: &Judge<'_, P>,
        request: &R,
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
            (Endpoint::Health, _) => health(&self.config, judge.platform),
            (Endpoint::Ready, _) => boxed(readyz(&self.readiness, judge, request, notes)).await,
            (Endpoint::OpenApi, _) => self.describe(),
            (Endpoint::BatchCheck, _) => boxed(batch_check(judge, request, notes)).await,
            (Endpoint::Logout { .. }, Some(route)) => boxed(logout(route, judge, request, notes)).await,
            (Endpoint::Logout { .. } | Endpoint::Check | Endpoint::Guard { .. }, _) => not_found(notes),
        };
        cors::share(reply, cors, request)
    }

    fn route(&self, endpoint: Endpoint) -> Option<&Route> {
        match endpoint {
            Endpoint::Logout { route, .. } => match self.config.routes.get(route)? {
                AnyRoute::Logout(route) => Some(route),
                AnyRoute::Guard(_) => None,
            },
            _ => None,
        }
    }

    fn describe(&self) -> Reply {
        Reply::json_text(200, self.description.get_or_init(|| document(&self.config)).clone())
    }

    /// Adds the route's pattern to the log line. The path itself is never logged.
    fn note_route(&self, endpoint: Option<Endpoint>, log: &mut LogLine) {
        let Some(endpoint) = endpoint else { return };
        if let Endpoint::Guard { route, path } = endpoint
            && let Some(guard) = self.config.guard(route)
        {
            log.route = guard.paths.get(path).cloned();
            return;
        }
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

/// Boxes a future so that its code is a separate function. The runtime compiles functions lazily, so a first check does
/// not wait for the compilation of logouts and batches.
fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> LocalBoxFuture<'a, T> {
    Box::pin(future)
}

fn shortest_bound(config: &Config) -> Option<Duration> {
    let of_issuers = config.issuers.iter().map(|issuer| issuer.freshness);
    let of_routes = config.routes.iter().filter_map(|route| match route {
        AnyRoute::Logout(route) => Some(route.freshness),
        AnyRoute::Guard(guard) => guard.freshness,
    });
    of_issuers.chain(of_routes).filter_map(Freshness::bound).min()
}

/// The response to every request while the configuration is invalid.
#[must_use]
pub fn answer_misconfigured(request: &impl Request) -> Answer {
    let reply = match Url::read(request.url()).map(|url| url.target.path) {
        Some(HEALTH) => health_misconfigured(),
        _ => Reply::json_text(500, r#"{"error":"misconfigured","message":"The service is misconfigured"}"#),
    };
    let notes = Notes { outcome: Outcome::Failed, reason: Some("misconfigured"), ..Notes::default() };
    let log = LogLine::new(request, &reply, notes, 0);
    Answer { reply: finish(reply, request.method(), log.request_id.clone()), forward: None, log }
}

/// The response to an ambiguous URL, which servers could read differently. It must not match a route.
fn bad_url(notes: &mut Notes) -> Reply {
    notes.refused("bad_url");
    Reply::json_text(400, r#"{"error":"bad_request","message":"The URL is malformed"}"#)
}

fn not_found(notes: &mut Notes) -> Reply {
    notes.refused("no_route");
    Reply::json_text(404, r#"{"error":"not_found","message":"Nothing answers here"}"#)
}

fn method_not_allowed(route: Option<&Route>, notes: &mut Notes) -> Reply {
    notes.refused(Failure::MethodNotAllowed.reason());
    match route {
        Some(route) => refusal(route.contract, &Failure::MethodNotAllowed),
        None => Reply::json_text(405, r#"{"error":"method_not_allowed","message":"Method not allowed"}"#),
    }
}

/// Adds the headers of every response, and removes the body for `HEAD`.
fn finish(reply: Reply, method: &str, request_id: String) -> Reply {
    if reply.prepared.is_some() {
        return reply;
    }
    let mut reply = reply
        .with("Cache-Control", "no-store")
        .with("X-Content-Type-Options", "nosniff")
        .with("X-Request-Id", request_id);
    if method == "HEAD" {
        reply.body = None;
    }
    reply
}
