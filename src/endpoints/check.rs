//! `/check` and everything below it: forward authentication for proxies (nginx `auth_request`, Traefik, Caddy, Envoy)
//! and a question for everybody else. Any method; the body is not read.

use std::rc::Rc;

use super::judge::{Judge, Refusal, Verdict};
use super::original::{Family, Original};
use crate::config::{Config, Guard, Issuer, Tokens, freshness_named};
use crate::http::{Reply, Request, UrlParts};
use crate::json::Object;
use crate::log::Notes;
use crate::ports::Platform;
use crate::revocation::Freshness;
use crate::routes::{CHECK, Routes};
use crate::token::{BearerProblem, bearer_token, is_token};

/// The header in which LoyaltyDog's clients send the customer's session.
const CUSTOMER_TOKEN: &str = "x-eposn-customer-token";

/// What the query of `/check` asks for. It is written by whoever configures the proxy, so what is not known is refused.
#[derive(Debug, Default)]
struct Asked {
    issuers: Vec<Rc<Issuer>>,
    freshness: Option<Freshness>,
    original: Option<Family>,
    credential: Option<CredentialFrom>,
}

/// Where an opaque token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CredentialFrom {
    Bearer,
    CustomerToken,
}

/// The rule that a check is judged by.
enum Rule<'a> {
    /// None: any issuer that the query does not exclude.
    None,
    /// A guard's, for a request with this method.
    Guard(&'a Guard, String),
}

/// Answers a check.
pub(crate) async fn check<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    routes: &Routes,
    request: &R,
    url: UrlParts<'_>,
    notes: &mut Notes,
) -> Reply {
    // Below `/check` the query is the client's own, and must not choose how the client is judged.
    let asked = if url.path == CHECK { read_query(url.query, judge) } else { Ok(Asked::default()) };
    let asked = match asked {
        Ok(asked) => asked,
        Err(problem) => return bad_request(problem, notes),
    };
    match rule_for(judge.config, routes, request, url, asked.original) {
        Ok(rule) => reply(judge_request(judge, request, &asked, &rule, notes).await, notes),
        Err(reason) => forbidden(reason, notes),
    }
}

/// The rule for the original request, where a proxy tells of one.
fn rule_for<'a>(
    config: &'a Config,
    routes: &Routes,
    request: &impl Request,
    url: UrlParts<'_>,
    family: Option<Family>,
) -> Result<Rule<'a>, &'static str> {
    let appended = url.path.strip_prefix(CHECK).filter(|path| !path.is_empty());
    let original = match (family, appended) {
        (Some(family), _) => Original::forwarded(request, family),
        (None, Some(_)) if !config.has_guards() => return Ok(Rule::None),
        (None, Some(path)) => Original::appended(request, url.host, path),
        (None, None) => return Ok(Rule::None),
    };
    // Whoever answers may read such a path as one that has another rule.
    let original = original.ok_or("ambiguous_path")?;
    let guard = routes.guard(config, &original.host, &original.path).ok_or("no_rule")?;
    Ok(Rule::Guard(guard, original.method))
}

async fn judge_request<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    request: &R,
    asked: &Asked,
    rule: &Rule<'_>,
    notes: &mut Notes,
) -> Result<Verdict, BearerProblem> {
    let issuers = match rule {
        Rule::None => asked.issuers.clone(),
        Rule::Guard(guard, _) if asked.issuers.is_empty() => guard.issuers.clone(),
        // The rule restricts whom the query lets in, and the other way round.
        Rule::Guard(guard, _) => {
            let is_named = |issuer: &&Rc<Issuer>| asked.issuers.iter().any(|named| Rc::ptr_eq(named, issuer));
            guard.issuers.iter().filter(is_named).cloned().collect()
        }
    };
    if issuers.is_empty() && !asked.issuers.is_empty() {
        return Ok(Err(Refusal::UnknownIssuer));
    }
    let authorization = request.header("authorization");
    let is_opaque = issuers.iter().any(|issuer| matches!(issuer.tokens, Tokens::Opaque));
    let customer = if is_opaque { request.header(CUSTOMER_TOKEN) } else { None };
    let token = credential(asked.credential, authorization.as_deref(), customer.as_deref())?;
    let of_rule = |issuer: &Issuer| match rule {
        Rule::Guard(guard, method) if guard.is_strong_for(method) => Freshness::Strong,
        Rule::Guard(guard, _) => asked.freshness.or(guard.freshness).unwrap_or(issuer.freshness),
        Rule::None => asked.freshness.unwrap_or(issuer.freshness),
    };
    let verdict = judge.verdict(token, &issuers, of_rule).await;
    if let Ok((token, _)) = &verdict {
        notes.key_id.clone_from(&token.key_id);
    }
    Ok(verdict)
}

/// The token. An opaque one may stand in either header; where both are there the query has to say which, since the API
/// behind must not read the other one.
fn credential<'a>(
    from: Option<CredentialFrom>,
    authorization: Option<&'a str>,
    customer: Option<&'a str>,
) -> Result<&'a str, BearerProblem> {
    match (from, customer) {
        (None | Some(CredentialFrom::Bearer), None) | (Some(CredentialFrom::Bearer), Some(_)) => {
            bearer_token(authorization)
        }
        (Some(CredentialFrom::CustomerToken), None) => Err(BearerProblem::Missing),
        (None, Some(_)) if authorization.is_some() => Err(BearerProblem::Malformed),
        // Two headers of this name arrive as one, with a comma between.
        (_, Some(token)) if is_token(token) => Ok(token),
        (_, Some(_)) => Err(BearerProblem::Malformed),
    }
}

fn read_query<P>(query: &str, judge: &Judge<'_, P>) -> Result<Asked, &'static str> {
    let mut asked = Asked::default();
    let (mut freshness, mut bound) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=').ok_or("every parameter needs a value")? {
            ("issuer", name) => asked.issuers.push(find_issuer(judge, name)?),
            ("freshness", name) if freshness.is_none() => freshness = Some(name),
            ("bound_milliseconds", number) if bound.is_none() => {
                bound = Some(number.parse().map_err(|_| "bound_milliseconds is no number")?);
            }
            ("original", family) if asked.original.is_none() => {
                let family = Family::named(family).ok_or("original is x-forwarded, x-original or x-original-url")?;
                asked.original = Some(family);
            }
            ("credential", "bearer") if asked.credential.is_none() => {
                asked.credential = Some(CredentialFrom::Bearer);
            }
            ("credential", CUSTOMER_TOKEN) if asked.credential.is_none() => {
                asked.credential = Some(CredentialFrom::CustomerToken);
            }
            _ => return Err("a parameter is not known, or is there twice"),
        }
    }
    if asked.issuers.len() > 1 && asked.issuers.iter().any(|issuer| matches!(issuer.tokens, Tokens::Opaque)) {
        return Err("an opaque issuer stands alone: any text could be its token");
    }
    asked.freshness = read_freshness(freshness, bound)?;
    Ok(asked)
}

/// The issuer that a question names.
pub(super) fn find_issuer<P>(judge: &Judge<'_, P>, name: &str) -> Result<Rc<Issuer>, &'static str> {
    judge.config.issuers.iter().find(|issuer| issuer.name == name).cloned().ok_or("an issuer is not known")
}

/// The freshness that a question asks for, when it asks for any.
pub(super) fn read_freshness(name: Option<&str>, bound: Option<u32>) -> Result<Option<Freshness>, &'static str> {
    if name.is_none() && bound.is_none() {
        return Ok(None);
    }
    freshness_named(name.unwrap_or("bounded"), bound)
        .map(Some)
        .ok_or("freshness is strong, bounded (with or without bound_milliseconds) or eventual")
}

/// The reply to a verdict, as RFC 6750 section 3 has it.
fn reply(verdict: Result<Verdict, BearerProblem>, notes: &mut Notes) -> Reply {
    match verdict {
        Ok(Ok((token, freshness))) => {
            notes.outcome = "passed";
            notes.freshness = Some(freshness.name());
            token.passed(freshness)
        }
        Ok(Err(refusal)) => refusal_reply(&refusal, notes),
        Err(problem) => no_credential(problem, notes),
    }
}

/// What is told of a request that is not let through.
fn told(status: u16, error: &str, reason: &str) -> Reply {
    Reply::json_text(status, Object::new().text("error", error).text("reason", reason).finish())
}

/// The reply to a request without a bearer token: a challenge without an error, since it has done nothing wrong yet
/// (RFC 6750 section 3.1).
pub(super) fn no_credential(problem: BearerProblem, notes: &mut Notes) -> Reply {
    notes.refused(problem.reason());
    told(401, "unauthorized", problem.reason()).with("WWW-Authenticate", r#"Bearer realm="edge-logout""#)
}

/// The reply to a token that is not taken.
pub(super) fn refusal_reply(refusal: &Refusal, notes: &mut Notes) -> Reply {
    let reason = refusal.reason();
    let (status, error, description) = match refusal {
        Refusal::CannotTell(..) => {
            notes.failed(reason);
            return told(503, "temporarily_unavailable", reason).with("Retry-After", "1");
        }
        Refusal::Invalid(problem) => (401, "invalid_token", problem.description()),
        Refusal::UnknownIssuer => (401, "invalid_token", "The access token is invalid"),
        Refusal::Revoked(_) => (401, "invalid_token", "The access token was revoked"),
        Refusal::OtherKind => (403, "insufficient_scope", "The access token is of another kind"),
    };
    notes.refused(reason);
    let challenge = [r#"Bearer error=""#, error, r#"", error_description=""#, description, r#"""#].concat();
    told(status, error, reason).with("WWW-Authenticate", challenge)
}

impl Refusal {
    /// The word that the log and the answer have for it.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(problem) => problem.reason(),
            Self::UnknownIssuer => "unknown_issuer",
            Self::Revoked(_) => "revoked",
            Self::OtherKind => "wrong_kind_of_token",
            Self::CannotTell(reason, _) => reason,
        }
    }
}

fn bad_request(problem: &'static str, notes: &mut Notes) -> Reply {
    notes.refused("bad_query");
    told(400, "invalid_request", problem)
}

/// The reply to a request that no rule lets in.
pub(super) fn forbidden(reason: &'static str, notes: &mut Notes) -> Reply {
    notes.refused(reason);
    told(403, "forbidden", reason)
}
