//! Guards: an API behind the service. A request with a good token is passed on with what is known of it; everything else
//! of the request and of the answer stays as it is.

use std::borrow::Cow;

use super::check::{forbidden, no_credential, refusal_reply};
use super::judge::{Judge, Refusal};
use crate::config::{Guard, Upstream};
use crate::http::{Reply, Request, is_clear_path, split_url};
use crate::log::Notes;
use crate::ports::Platform;
use crate::token::bearer_token;

/// A request that is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Who answers it.
    pub upstream: Upstream,
    /// Headers that are set. Whatever else begins with `X-Auth-` is the client's own and is taken away.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
}

/// Whether a header, its name in lower case, is one that a client must not send on. What it says of itself, also as
/// servers spell it that make variables of headers; and its credential for a proxy (RFC 9110 section 11.7.2).
#[must_use]
pub fn is_taken_away(name: &str) -> bool {
    name.replace('_', "-").starts_with("x-auth-") || name == "proxy-authorization"
}

/// Judges a request to a guarded API: it is passed on, or answered here.
pub(crate) async fn guard<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    guard: &Guard,
    upstream: &Upstream,
    request: &R,
    notes: &mut Notes,
) -> Result<Forward, Reply> {
    let pass = |headers, notes: &mut Notes| {
        notes.outcome = "passed";
        Ok(Forward { upstream: upstream.clone(), headers })
    };
    if guard.passes_preflights && is_preflight(request) {
        return pass(Vec::new(), notes);
    }
    if !guard.passes_ambiguous_paths && !is_clear_path(split_url(request.url()).path) {
        return Err(forbidden("ambiguous_path", notes));
    }
    let authorization = request.header("authorization");
    let token = bearer_token(authorization.as_deref()).map_err(|problem| no_credential(problem, notes))?;
    let of_rule = guard.freshness_for(request.method());
    let verdict = judge.verdict(token, &guard.issuers, |issuer| of_rule.unwrap_or(issuer.freshness)).await;
    match verdict {
        Ok((token, freshness)) => {
            notes.key_id.clone_from(&token.key_id);
            notes.freshness = Some(freshness.name());
            pass(token.facts.headers(Some(freshness)), notes)
        }
        // Verified, and only whether it is revoked is in doubt.
        Err(Refusal::CannotTell(reason, Some(token)))
            if guard.fail_open && !guard.is_strong_for(request.method()) && !token.is_of_another_kind =>
        {
            notes.reason = Some(reason);
            notes.freshness = Some("none");
            pass(token.facts.headers(None), notes)
        }
        Err(refusal) => Err(refusal_reply(&refusal, notes)),
    }
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
