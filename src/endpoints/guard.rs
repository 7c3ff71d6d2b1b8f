//! Guards: the service as a reverse proxy for an API. A request with an active token is forwarded with headers about
//! the token. The rest of the request, and the response, are not changed.

use std::borrow::Cow;
use std::rc::Rc;

use super::check::{forbidden, no_credential, refusal_reply};
use super::judge::{Judge, Refusal};
use super::presented::{BrowserRequest, presented, without_tokens};
use crate::config::{Guard, Issuer, Upstream};
use crate::http::{Reply, Request, Url, is_override, is_reserved, is_unambiguous_path, is_unchanged_by_url_parser};
use crate::log::{Notes, Outcome};
use crate::ports::Platform;

/// A request to forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The upstream.
    pub upstream: Upstream,
    /// The full URL to fetch. `None` for a service binding, which gets the URL of the client's request.
    pub url: Option<String>,
    /// Headers to set.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// Which of the client's headers to forward.
    pub kept_headers: KeptHeaders,
}

/// Which of a client's headers to forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptHeaders {
    /// The configured `pass_headers`: forwarded although they can override method, host or path.
    passed: Rc<[String]>,
    /// Whether the request is a CORS preflight, which is forwarded without credentials, cookies and body.
    pub is_preflight: bool,
    /// Whether to remove the header `Cookie`, because it only had token cookies.
    drops_cookies: bool,
}

impl KeptHeaders {
    /// Whether to forward a header, by its name in lower case.
    #[must_use]
    pub fn keeps(&self, name: &str) -> bool {
        if self.is_preflight && !is_preflight_header(name) || self.drops_cookies && name == "cookie" {
            return false;
        }
        !is_reserved(name) && (!is_override(name) || self.passed.iter().any(|passed| passed == name))
    }
}

/// Whether a browser's preflight has this header (Fetch Standard, section 4.8). None of them identifies a user.
fn is_preflight_header(name: &str) -> bool {
    matches!(name, "origin" | "user-agent" | "accept" | "accept-language" | "accept-encoding")
        || name.starts_with("access-control-request-")
        || name.starts_with("sec-fetch-")
}

/// Checks a request to a guarded API. Returns the request to forward, or the response to a rejected one.
pub(crate) async fn guard<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    guard: &Guard,
    upstream: &Upstream,
    request: &R,
    url: &Url<'_>,
    notes: &mut Notes,
) -> Result<Forward, Reply> {
    let (method, path) = (request.method(), url.target.path);
    // The fetched path must be the checked path, so it must not have dot segments, which `fetch` would resolve.
    if !is_unchanged_by_url_parser(path) || (!guard.passes_ambiguous_paths && !is_unambiguous_path(path)) {
        return Err(forbidden("ambiguous_path", notes));
    }
    let pass = |headers, notes: &mut Notes| {
        notes.outcome = Outcome::Passed;
        Ok(forward(guard, upstream, request, url, headers))
    };
    if guard.passes_preflights && is_preflight(request) {
        return pass(None, notes);
    }
    let called = BrowserRequest::Guarded(method, url);
    let presented = presented(judge.config, request, Cow::Borrowed(&guard.issuers), None, called)
        .map_err(|problem| no_credential(problem, notes))?;
    let rule_freshness = guard.freshness_for(method);
    let freshness = |issuer: &Issuer| Ok(rule_freshness.unwrap_or(issuer.freshness));
    match judge.verdict(presented.token(), &presented.issuers, freshness).await {
        Ok((token, freshness)) => {
            notes.key_id.clone_from(&token.key_id);
            notes.freshness = Some(freshness.name());
            pass(Some(token.facts.headers(Some(freshness))), notes)
        }
        // The token is verified; only its revocation status is unknown.
        Err(Refusal::CannotTell(reason, Some(token)))
            if guard.fail_open && !guard.is_strong_for(method) && !token.lacks_required_claims =>
        {
            notes.reason = Some(reason);
            notes.freshness = Some("none");
            pass(Some(token.facts.headers(None)), notes)
        }
        Err(refusal) => Err(refusal_reply(&refusal, notes)),
    }
}

/// The request to forward. `token_headers`: the headers about the token; `None` for a preflight.
fn forward(
    guard: &Guard,
    upstream: &Upstream,
    request: &impl Request,
    url: &Url<'_>,
    token_headers: Option<Vec<(&'static str, Cow<'static, str>)>>,
) -> Forward {
    let is_preflight = token_headers.is_none();
    let mut headers = token_headers.unwrap_or_default();
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
    let kept_headers = KeptHeaders { passed: Rc::clone(&guard.passed_headers), is_preflight, drops_cookies };
    Forward { upstream: upstream.clone(), url, headers, kept_headers }
}

/// Whether the request is a CORS preflight (Fetch Standard, CORS protocol), which never has credentials.
fn is_preflight(request: &impl Request) -> bool {
    request.method() == "OPTIONS"
        && request.header("origin").is_some()
        && request.header("access-control-request-method").is_some()
}

/// The response when the upstream does not answer.
#[must_use]
pub fn no_answer() -> Reply {
    Reply::json_text(502, r#"{"error":"bad_gateway","message":"What is behind this gateway does not answer"}"#)
}
