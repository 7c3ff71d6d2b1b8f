//! Guards: an API behind the service. A request with a good token is passed on with what is known of it; everything else
//! of the request and of the answer stays as it is.

use std::borrow::Cow;
use std::rc::Rc;

use super::check::{forbidden, no_credential, refusal_reply};
use super::judge::{Judge, Refusal};
use super::presented::{Called, presented, without_tokens};
use crate::config::{Guard, Issuer, Upstream};
use crate::http::{Reply, Request, Url, is_clear_path, is_kept_path, is_override, is_reserved};
use crate::log::{Notes, Outcome};
use crate::ports::Platform;

/// A request that is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Who answers it.
    pub upstream: Upstream,
    /// The whole URL to fetch, for an upstream by URL; a bound Worker gets the URL that the client called.
    pub url: Option<String>,
    /// Headers to set, with their values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Which of the client's headers are kept.
    pub kept: KeptHeaders,
}

/// Which of a client's headers are passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptHeaders {
    /// The `pass_headers` of the table: passed on although they can override method, host or path.
    passed: Rc<[String]>,
    /// Whether the request is a preflight, which carries no credential, cookie or body.
    pub is_preflight: bool,
    /// Whether the header `Cookie` is dropped, since no cookie is left.
    drops_cookies: bool,
}

impl KeptHeaders {
    /// Whether a client's header is passed on, by its name in lower case.
    #[must_use]
    pub fn keeps(&self, name: &str) -> bool {
        if self.is_preflight && !is_of_preflight(name) || self.drops_cookies && name == "cookie" {
            return false;
        }
        !is_reserved(name) && (!is_override(name) || self.passed.iter().any(|passed| passed == name))
    }
}

/// The headers of a browser's preflight (Fetch Standard, section 4.8), none of which identifies a user.
fn is_of_preflight(name: &str) -> bool {
    matches!(name, "origin" | "user-agent" | "accept" | "accept-language" | "accept-encoding")
        || name.starts_with("access-control-request-")
        || name.starts_with("sec-fetch-")
}

/// Judges a request to a guarded API: it is passed on, or answered here.
pub(crate) async fn guard<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    guard: &Guard,
    upstream: &Upstream,
    request: &R,
    url: &Url<'_>,
    notes: &mut Notes,
) -> Result<Forward, Reply> {
    let (method, path) = (request.method(), url.target.path);
    // `fetch` must not resolve dot segments: the path that is fetched must be the path that was judged.
    if !is_kept_path(path) || (!guard.passes_ambiguous_paths && !is_clear_path(path)) {
        return Err(forbidden("ambiguous_path", notes));
    }
    let pass = |headers, notes: &mut Notes| {
        notes.outcome = Outcome::Passed;
        Ok(forward(guard, upstream, request, url, headers))
    };
    if guard.passes_preflights && is_preflight(request) {
        return pass(None, notes);
    }
    let called = Called::Here(method, url);
    let presented = presented(judge.config, request, Cow::Borrowed(&guard.issuers), None, called)
        .map_err(|problem| no_credential(problem, notes))?;
    let of_rule = guard.freshness_for(method);
    let freshness = |issuer: &Issuer| Ok(of_rule.unwrap_or(issuer.freshness));
    match judge.verdict(presented.token(), &presented.issuers, freshness).await {
        Ok((token, freshness)) => {
            notes.key_id.clone_from(&token.key_id);
            notes.freshness = Some(freshness.name());
            pass(Some(token.facts.headers(Some(freshness))), notes)
        }
        // Verified, and only whether it is revoked is in doubt.
        Err(Refusal::CannotTell(reason, Some(token)))
            if guard.fail_open && !guard.is_strong_for(method) && !token.is_of_another_kind =>
        {
            notes.reason = Some(reason);
            notes.freshness = Some("none");
            pass(Some(token.facts.headers(None)), notes)
        }
        Err(refusal) => Err(refusal_reply(&refusal, notes)),
    }
}

/// The request to pass on: with the claims of the token, or, without a token, as a preflight.
fn forward(
    guard: &Guard,
    upstream: &Upstream,
    request: &impl Request,
    url: &Url<'_>,
    known: Option<Vec<(&'static str, Cow<'static, str>)>>,
) -> Forward {
    let is_preflight = known.is_none();
    let mut headers = known.unwrap_or_default();
    let mut drops_cookies = false;
    let holds_token = |issuer: &Rc<Issuer>| issuer.cookie.as_ref().is_some_and(|cookie| !cookie.passes_on);
    if !is_preflight
        && guard.issuers.iter().any(holds_token)
        && let Some(cookies) = request.header("cookie")
    {
        match without_tokens(&cookies, &guard.issuers) {
            Some(rest) => headers.push(("Cookie", Cow::Owned(rest))),
            None => drops_cookies = true,
        }
    }
    let url = match upstream {
        Upstream::Url(base) => Some([base, url.target.path, &url.target.query_part()].concat()),
        Upstream::Service(_) => None,
    };
    let kept = KeptHeaders { passed: Rc::clone(&guard.passed_headers), is_preflight, drops_cookies };
    Forward { upstream: upstream.clone(), url, headers, kept }
}

/// A browser's question whether it may ask (Fetch Standard, CORS protocol); it never carries a credential.
fn is_preflight(request: &impl Request) -> bool {
    request.method() == "OPTIONS"
        && request.header("origin").is_some()
        && request.header("access-control-request-method").is_some()
}

/// What is answered when nobody behind the guard answers.
#[must_use]
pub fn no_answer() -> Reply {
    Reply::json_text(502, r#"{"error":"bad_gateway","message":"What is behind this gateway does not answer"}"#)
}
