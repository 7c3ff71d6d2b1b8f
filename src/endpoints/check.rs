//! `/check` and all paths below it: checks the token of a request. Proxies use it for forward authentication (nginx
//! `auth_request`, Traefik, Caddy, Envoy). Accepts any method; ignores the body.

use std::borrow::Cow;
use std::rc::Rc;

use super::caller::{Caller, allowed_freshness, caller, may_look_up};
use super::judge::{Judge, Refusal, Verdict};
use super::original::{Family, Original};
use super::presented::{BrowserRequest, CUSTOMER_TOKEN, CredentialProblem, TokenHeader, presented};
use crate::config::{Config, Guard, Issuer, Tokens, freshness_named};
use crate::http::{Reply, Request, Url};
use crate::json::Object;
use crate::log::{Notes, Outcome};
use crate::ports::Platform;
use crate::revocation::Freshness;
use crate::route_table::CHECK;

/// The query parameters of `/check`. Unknown parameters are an error.
#[derive(Debug, Default)]
struct CheckQuery {
    issuers: Vec<Rc<Issuer>>,
    freshness: Option<Freshness>,
    original: Option<Family>,
    credential: Option<TokenHeader>,
}

/// The rule that applies to a check, and the original request.
struct Rule<'a> {
    /// The matching guard; `None` if only the query restricts the issuers.
    guard: Option<&'a Guard>,
    /// The original request, if known.
    original: Option<Original>,
}

/// Handles a check.
pub(crate) async fn check<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    request: &R,
    url: &Url<'_>,
    notes: &mut Notes,
) -> Reply {
    // Below `/check` the query belongs to the original request, so its client could choose the parameters.
    let query = if url.target.path == CHECK { read_query(url.target.query, judge) } else { Ok(CheckQuery::default()) };
    let query = match query {
        Ok(query) => query,
        Err(problem) => return bad_request(problem, notes),
    };
    match rule_for(judge.config, request, url, query.original) {
        Ok(rule) => match judge_request(judge, request, &query, &rule, notes).await {
            Ok(verdict) => reply(verdict, judge.config.check.share_responses, notes),
            Err(refused) => refused,
        },
        Err(reason) => forbidden(reason, notes),
    }
}

/// Finds the rule for the original request that a proxy describes.
fn rule_for<'a>(
    config: &'a Config,
    request: &impl Request,
    url: &Url<'_>,
    family: Option<Family>,
) -> Result<Rule<'a>, &'static str> {
    let appended = url.target.path.strip_prefix(CHECK).filter(|path| !path.is_empty());
    let original = match (family, appended) {
        (Some(family), _) => Original::forwarded(request, family),
        (None, Some(path)) => {
            let original = Original::appended(request, url.authority, path);
            if !config.has_guards() {
                return Ok(Rule { guard: None, original });
            }
            original
        }
        (None, None) => return Ok(Rule { guard: None, original: None }),
    };
    // Another server could read an ambiguous path as one with another rule.
    let original = original.ok_or("ambiguous_path")?;
    let (route, _) = config.table.guard(&original.host, &original.path).ok_or("no_rule")?;
    let guard = config.guard(route).ok_or("no_rule")?;
    Ok(Rule { guard: Some(guard), original: Some(original) })
}

impl Rule<'_> {
    /// The accepted issuers; empty for any.
    fn issuers<'a>(&'a self, query: &'a CheckQuery) -> Cow<'a, [Rc<Issuer>]> {
        match self.guard {
            None => Cow::Borrowed(&query.issuers),
            Some(guard) if query.issuers.is_empty() => Cow::Borrowed(&guard.issuers),
            // An issuer must be in both lists.
            Some(guard) => {
                let is_named = |issuer: &&Rc<Issuer>| query.issuers.iter().any(|named| Rc::ptr_eq(named, issuer));
                guard.issuers.iter().filter(is_named).cloned().collect()
            }
        }
    }

    /// The configured freshness for tokens of an issuer.
    fn configured(&self, issuer: &Issuer) -> Freshness {
        self.guard.and_then(|guard| guard.freshness).unwrap_or(issuer.freshness)
    }

    /// Whether `strong_for` requires a strong check, regardless of the query.
    fn is_strong(&self) -> bool {
        let method = self.original.as_ref().map(|original| original.method.as_str());
        self.guard.zip(method).is_some_and(|(guard, method)| guard.is_strong_for(method))
    }
}

async fn judge_request<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    request: &R,
    query: &CheckQuery,
    rule: &Rule<'_>,
    notes: &mut Notes,
) -> Result<Verdict, Reply> {
    let issuers = rule.issuers(query);
    if issuers.is_empty() && !query.issuers.is_empty() {
        return Ok(Err(Refusal::UnknownIssuer));
    }
    let called = rule.original.as_ref().map_or(BrowserRequest::Unknown, BrowserRequest::Proxied);
    let presented = presented(judge.config, request, issuers, query.credential, called)
        .map_err(|problem| no_credential(problem, notes))?;
    let is_trusted = query.freshness.is_none() || judge.config.check.stronger_by_query || {
        let sender = caller(judge.config, request);
        notes.client = sender.name();
        !matches!(sender, Caller::Anonymous)
    };
    let freshness = |issuer: &Issuer| match (rule.is_strong(), query.freshness) {
        (true, _) => Ok(Freshness::Strong),
        (false, None) => Ok(rule.configured(issuer)),
        (false, Some(requested)) => {
            allowed_freshness(requested, rule.configured(issuer), is_trusted).ok_or(Refusal::FreshnessNotAllowed)
        }
    };
    let is_opaque = |issuer: &Rc<Issuer>| matches!(issuer.tokens, Tokens::Opaque);
    if presented.issuers.iter().any(is_opaque)
        && !judge.is_cached(presented.token(), &presented.issuers)
        && !may_look_up(judge, request).await
    {
        return Err(too_many(notes));
    }
    let verdict = judge.verdict(presented.token(), &presented.issuers, freshness).await;
    if let Ok((token, _)) = &verdict {
        notes.key_id.clone_from(&token.key_id);
    }
    Ok(verdict)
}

fn read_query<P>(text: &str, judge: &Judge<'_, P>) -> Result<CheckQuery, &'static str> {
    let mut query = CheckQuery::default();
    let (mut freshness, mut bound) = (None, None);
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').ok_or("every parameter needs a value")? {
            ("issuer", name) => query.issuers.push(find_issuer(judge, name)?),
            ("freshness", name) if freshness.is_none() => freshness = Some(name),
            ("bound_milliseconds", number) if bound.is_none() => {
                bound = Some(number.parse().map_err(|_| "bound_milliseconds is no number")?);
            }
            ("original", family) if query.original.is_none() => {
                let family = Family::named(family).ok_or("original is x-forwarded, x-original or x-original-url")?;
                query.original = Some(family);
            }
            ("credential", "bearer") if query.credential.is_none() => {
                query.credential = Some(TokenHeader::Authorization);
            }
            ("credential", CUSTOMER_TOKEN) if query.credential.is_none() => {
                query.credential = Some(TokenHeader::CustomerToken);
            }
            _ => return Err("a parameter is not known, or is there twice"),
        }
    }
    if query.issuers.len() > 1 && query.issuers.iter().any(|issuer| matches!(issuer.tokens, Tokens::Opaque)) {
        return Err("an opaque issuer stands alone: any text could be its token");
    }
    query.freshness = read_freshness(freshness, bound)?;
    Ok(query)
}

/// Finds a configured issuer by name.
pub(super) fn find_issuer<P>(judge: &Judge<'_, P>, name: &str) -> Result<Rc<Issuer>, &'static str> {
    judge.config.issuers.iter().find(|issuer| issuer.name == name).cloned().ok_or("an issuer is not known")
}

/// Parses the requested freshness, if any.
pub(super) fn read_freshness(name: Option<&str>, bound: Option<u32>) -> Result<Option<Freshness>, &'static str> {
    if name.is_none() && bound.is_none() {
        return Ok(None);
    }
    freshness_named(name.unwrap_or("bounded"), bound)
        .map(Some)
        .ok_or("freshness is strong, bounded (with or without bound_milliseconds) or eventual")
}

/// The response to a verdict (RFC 6750 section 3).
fn reply(verdict: Verdict, is_shared: bool, notes: &mut Notes) -> Reply {
    match verdict {
        Ok((token, freshness)) => {
            notes.outcome = Outcome::Passed;
            notes.freshness = Some(freshness.name());
            token.passed(freshness, is_shared)
        }
        Err(refusal) => refusal_reply(&refusal, notes),
    }
}

/// An error response with a JSON body.
fn error_reply(status: u16, error: &str, reason: &str) -> Reply {
    Reply::json_text(status, Object::new().text("error", error).text("reason", reason).finish())
}

/// The response to a request without a usable credential: a challenge without an error code (RFC 6750 section 3.1). A
/// cross-origin request gets 403 without a challenge, since a token would not help.
pub(super) fn no_credential(problem: CredentialProblem, notes: &mut Notes) -> Reply {
    if problem == CredentialProblem::Origin {
        return forbidden(problem.reason(), notes);
    }
    notes.refused(problem.reason());
    error_reply(401, "unauthorized", problem.reason()).with("WWW-Authenticate", r#"Bearer realm="edge-logout""#)
}

/// The response to a rejected token.
pub(super) fn refusal_reply(refusal: &Refusal, notes: &mut Notes) -> Reply {
    let reason = refusal.reason();
    let (status, error, description) = match refusal {
        Refusal::CannotTell(..) => {
            notes.failed(reason);
            return error_reply(503, "temporarily_unavailable", reason).with("Retry-After", "1");
        }
        Refusal::FreshnessNotAllowed => return forbidden(reason, notes),
        Refusal::Invalid(problem) => (401, "invalid_token", problem.description()),
        Refusal::UnknownIssuer => (401, "invalid_token", "The access token is invalid"),
        Refusal::Revoked(_) => (401, "invalid_token", "The access token was revoked"),
        Refusal::OtherKind => (403, "insufficient_scope", "The access token is of another kind"),
    };
    notes.refused(reason);
    let challenge = [r#"Bearer error=""#, error, r#"", error_description=""#, description, r#"""#].concat();
    error_reply(status, error, reason).with("WWW-Authenticate", challenge)
}

impl Refusal {
    /// The reason in the log and in the response.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(problem) => problem.reason(),
            Self::UnknownIssuer => "unknown_issuer",
            Self::Revoked(_) => "revoked",
            Self::OtherKind => "wrong_kind_of_token",
            Self::FreshnessNotAllowed => "freshness_not_allowed",
            Self::CannotTell(reason, _) => reason,
        }
    }
}

/// The response to a caller that exceeds the rate limit.
fn too_many(notes: &mut Notes) -> Reply {
    notes.refused("rate_limited");
    error_reply(429, "too_many_requests", "rate_limited").with("Retry-After", "10")
}

fn bad_request(problem: &'static str, notes: &mut Notes) -> Reply {
    notes.refused("bad_query");
    error_reply(400, "invalid_request", problem)
}

/// The response to a request that no rule allows.
pub(super) fn forbidden(reason: &'static str, notes: &mut Notes) -> Reply {
    notes.refused(reason);
    error_reply(403, "forbidden", reason)
}
