//! `/check` and everything below it: forward authentication for proxies (nginx `auth_request`, Traefik, Caddy, Envoy)
//! and a question for everybody else. Any method; the body is not read.

use std::borrow::Cow;
use std::rc::Rc;

use super::caller::{Caller, allowed_freshness, caller, may_look_up};
use super::judge::{Judge, Refusal, Verdict};
use super::original::{Family, Original};
use super::presented::{CUSTOMER_TOKEN, Called, CredentialProblem, TokenHeader, presented};
use crate::config::{Config, Guard, Issuer, Tokens, freshness_named};
use crate::http::{Reply, Request, Url};
use crate::json::Object;
use crate::log::{Notes, Outcome};
use crate::ports::Platform;
use crate::revocation::Freshness;
use crate::route_table::CHECK;

/// What the query of `/check` asks for. It is written by whoever configures the proxy, so what is not known is refused.
#[derive(Debug, Default)]
struct Asked {
    issuers: Vec<Rc<Issuer>>,
    freshness: Option<Freshness>,
    original: Option<Family>,
    credential: Option<TokenHeader>,
}

/// The rule that a check is judged by, and the request that it is about.
struct Rule<'a> {
    /// The guard's; `None` where only the query says whose tokens are good.
    guard: Option<&'a Guard>,
    /// The original request, where it is known.
    original: Option<Original>,
}

/// Answers a check.
pub(crate) async fn check<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    request: &R,
    url: &Url<'_>,
    notes: &mut Notes,
) -> Reply {
    // Below `/check` the query is the client's own, and must not choose how the client is judged.
    let asked = if url.target.path == CHECK { read_query(url.target.query, judge) } else { Ok(Asked::default()) };
    let asked = match asked {
        Ok(asked) => asked,
        Err(problem) => return bad_request(problem, notes),
    };
    match rule_for(judge.config, request, url, asked.original) {
        Ok(rule) => match judge_request(judge, request, &asked, &rule, notes).await {
            Ok(verdict) => reply(verdict, judge.config.check.share_responses, notes),
            Err(refused) => refused,
        },
        Err(reason) => forbidden(reason, notes),
    }
}

/// The rule for the original request, where a proxy tells of one.
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
    // Whoever answers may read such a path as one that has another rule.
    let original = original.ok_or("ambiguous_path")?;
    let (route, _) = config.table.guard(&original.host, &original.path).ok_or("no_rule")?;
    let guard = config.guard(route).ok_or("no_rule")?;
    Ok(Rule { guard: Some(guard), original: Some(original) })
}

impl Rule<'_> {
    /// The issuers whose tokens are good; empty for any.
    fn issuers<'a>(&'a self, asked: &'a Asked) -> Cow<'a, [Rc<Issuer>]> {
        match self.guard {
            None => Cow::Borrowed(&asked.issuers),
            Some(guard) if asked.issuers.is_empty() => Cow::Borrowed(&guard.issuers),
            // The rule restricts whom the query lets in, and the other way round.
            Some(guard) => {
                let is_named = |issuer: &&Rc<Issuer>| asked.issuers.iter().any(|named| Rc::ptr_eq(named, issuer));
                guard.issuers.iter().filter(is_named).cloned().collect()
            }
        }
    }

    /// The freshness that the table configures for a token of an issuer.
    fn configured(&self, issuer: &Issuer) -> Freshness {
        self.guard.and_then(|guard| guard.freshness).unwrap_or(issuer.freshness)
    }

    /// Whether `strong_for` makes the check strong, whatever the query asks for.
    fn is_strong(&self) -> bool {
        let method = self.original.as_ref().map(|original| original.method.as_str());
        self.guard.zip(method).is_some_and(|(guard, method)| guard.is_strong_for(method))
    }
}

async fn judge_request<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    request: &R,
    asked: &Asked,
    rule: &Rule<'_>,
    notes: &mut Notes,
) -> Result<Verdict, Reply> {
    let issuers = rule.issuers(asked);
    if issuers.is_empty() && !asked.issuers.is_empty() {
        return Ok(Err(Refusal::UnknownIssuer));
    }
    let called = rule.original.as_ref().map_or(Called::Unknown, Called::There);
    let presented = presented(judge.config, request, issuers, asked.credential, called)
        .map_err(|problem| no_credential(problem, notes))?;
    let is_trusted = asked.freshness.is_none() || judge.config.check.stronger_by_query || {
        let asked_by = caller(judge.config, request);
        notes.client = asked_by.name();
        !matches!(asked_by, Caller::Anonymous)
    };
    let freshness = |issuer: &Issuer| match (rule.is_strong(), asked.freshness) {
        (true, _) => Ok(Freshness::Strong),
        (false, None) => Ok(rule.configured(issuer)),
        (false, Some(asked)) => {
            allowed_freshness(asked, rule.configured(issuer), is_trusted).ok_or(Refusal::FreshnessNotAllowed)
        }
    };
    let is_opaque = |issuer: &Rc<Issuer>| matches!(issuer.tokens, Tokens::Opaque);
    if presented.issuers.iter().any(is_opaque)
        && !judge.remembers(presented.token(), &presented.issuers)
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
                asked.credential = Some(TokenHeader::Authorization);
            }
            ("credential", CUSTOMER_TOKEN) if asked.credential.is_none() => {
                asked.credential = Some(TokenHeader::CustomerToken);
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

/// What is told of a request that is not let through.
fn told(status: u16, error: &str, reason: &str) -> Reply {
    Reply::json_text(status, Object::new().text("error", error).text("reason", reason).finish())
}

/// The reply to a request without a credential: a challenge without an error, since it has done nothing wrong yet
/// (RFC 6750 section 3.1). A page of a foreign origin gets 403 without a challenge, since no token would help it.
pub(super) fn no_credential(problem: CredentialProblem, notes: &mut Notes) -> Reply {
    if problem == CredentialProblem::Origin {
        return forbidden(problem.reason(), notes);
    }
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
        Refusal::FreshnessNotAllowed => return forbidden(reason, notes),
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
            Self::FreshnessNotAllowed => "freshness_not_allowed",
            Self::CannotTell(reason, _) => reason,
        }
    }
}

/// The reply to a caller that has looked up too many unverified tokens.
fn too_many(notes: &mut Notes) -> Reply {
    notes.refused("rate_limited");
    told(429, "too_many_requests", "rate_limited").with("Retry-After", "10")
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
