//! The way of a request, from the wire to the reply and its log line.

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
use crate::endpoints::judge::{Judge, Remembered};
use crate::endpoints::logout::{logout, refusal};
use crate::endpoints::openapi::document;
use crate::endpoints::readiness::{Readiness, readyz};
use crate::http::{Reply, Request, Url};
use crate::keys::{IssuerKeys, refresh};
use crate::log::{LogLine, Notes, Outcome};
use crate::ports::Platform;
use crate::wait::all;
use crate::revocation::Freshness;
use crate::route_table::{Endpoint, HEALTH, OWN};

/// The service of an isolate: a good configuration and its route table.
#[derive(Debug)]
pub struct Service {
    config: Config,
    /// The OpenAPI description, once somebody has asked for it.
    description: OnceCell<String>,
    /// What this isolate remembers of tokens and revocations.
    remembered: Remembered,
    /// The latest state of ledger, KV and keys, as this isolate found it.
    readiness: Readiness,
    /// The shortest bound that is configured, which says how often feeds are heard; none when nothing is bounded.
    bound: Option<Duration>,
}

/// A reply and what is logged of it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the client gets; of a request that is passed on, only when nobody answers there.
    pub reply: Reply,
    /// To whom the request is passed on.
    pub forward: Option<Forward>,
    /// What the log gets.
    pub log: LogLine,
}

impl Answer {
    /// Whether it is worth a line in the log. That a check says yes is what every request of every customer comes to.
    #[must_use]
    pub fn is_worth_logging(&self) -> bool {
        !(self.log.outcome == Outcome::Passed && self.log.reason.is_none())
    }
}

impl Service {
    /// The service of a configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let (remembered, bound) = (Remembered::new(&config), shortest_bound(&config));
        Self { config, description: OnceCell::new(), remembered, readiness: Readiness::default(), bound }
    }

    /// Whether a feed is due to be heard again, or an issuer's keys to be fetched, before a check has to wait for it.
    #[must_use]
    pub fn wants_refresh(&self, platform: &impl Platform) -> bool {
        let now = platform.now();
        let replica = &self.remembered.replica;
        self.bound.map_or_else(|| replica.wants_segments(now), |bound| replica.wants_refresh(bound, now))
            || self.keys().any(|keys| keys.wants_refresh(now))
    }

    /// Hears the feeds that are due, and fetches the keys. To be done once the request has been answered.
    pub async fn refresh(&self, platform: &impl Platform) {
        let mut due: Vec<_> = self.keys().filter_map(|keys| refresh(keys, platform)).collect();
        match self.bound {
            Some(bound) => due.push(Box::pin(async move { self.judge(platform).authority().refresh(bound).await })),
            // Strong checks need the segments as well.
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

    /// What answers. Where nobody has a client's credential there are no batches.
    fn find(&self, url: &Url<'_>) -> Option<Endpoint> {
        let is_there = |endpoint: &Endpoint| *endpoint != Endpoint::BatchCheck || !self.config.clients.is_empty();
        self.config.table.find(url.authority.host, url.target.path).filter(is_there)
    }

    /// Whether a request is worked off even if its client goes away: all but checks and guarded requests.
    #[must_use]
    pub fn must_finish(&self, request: &impl Request) -> bool {
        // Logouts and batches alone, and they are sent by POST: nobody else is looked at twice.
        request.method() == "POST"
            && !matches!(
                Url::read(request.url()).and_then(|url| self.find(&url)),
                Some(Endpoint::Check | Endpoint::Guard { .. })
            )
    }

    fn judge<'a, P>(&'a self, platform: &'a P) -> Judge<'a, P> {
        Judge { config: &self.config, remembered: &self.remembered, platform }
    }

    /// Answers a request.
    pub async fn answer<R: Request, P: Platform>(&self, request: &R, platform: &P) -> Answer {
        let begin = platform.now();
        let url = Url::read(request.url());
        let endpoint = url.as_ref().and_then(|url| self.find(url));
        let mut notes = Notes::default();
        let judge = self.judge(platform);
        let (reply, forward) = match (endpoint, &url) {
            (_, None) => (bad_url(&mut notes), None),
            (None, _) => (not_found(&mut notes), None),
            // Boxed, as all that waits: what is answered from memory must not make room for it.
            (Some(Endpoint::Guard { route, .. }), Some(url)) => {
                match apart(self.at_guard(route, &judge, request, url, &mut notes)).await {
                    Ok(forward) => (no_answer(), Some(forward)),
                    Err(reply) => (reply, None),
                }
            }
            (Some(Endpoint::Check), Some(url)) => (check(&judge, request, url, &mut notes).await, None),
            (Some(endpoint), _) => (apart(self.at_endpoint(endpoint, &judge, request, &mut notes)).await, None),
        };
        let milliseconds = u64::try_from(platform.now().since(begin).as_millis()).unwrap_or(u64::MAX);
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
            // A rule for `/check` alone.
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
            (Endpoint::Ready, _) => apart(readyz(&self.readiness, judge, request, notes)).await,
            (Endpoint::OpenApi, _) => self.describe(),
            (Endpoint::BatchCheck, _) => apart(batch_check(judge, request, notes)).await,
            (Endpoint::Logout { .. }, Some(route)) => apart(logout(route, judge, request, notes)).await,
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

    /// Notes which route it was, by its pattern: never by the path as sent.
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

/// A future whose code is a function of its own. The runtime compiles a function when it is called first: a cold check
/// must not wait until logouts and batches are compiled.
fn apart<'a, T>(future: impl Future<Output = T> + 'a) -> LocalBoxFuture<'a, T> {
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

/// The answer to every request while the configuration is refused.
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

/// The answer to a URL that servers could read in different ways. It must not match a route.
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

/// What every answer has, and what an answer to `HEAD` has not.
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
