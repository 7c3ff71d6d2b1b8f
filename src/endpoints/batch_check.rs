//! `POST /batch-check`: checks up to 100 tokens with one request. Requires a client's secret as bearer credential.

use std::rc::Rc;

use serde_json::Value;

use super::check::{find_issuer, no_credential, read_freshness};
use super::client_credential::client_with;
use super::judge::{Judge, LIMIT, Refusal, Verdict, conclude};
use super::known_token::KnownToken;
use super::presented::CredentialProblem;
use crate::config::Issuer;
use crate::http::{BodyError, Reply, Request, is_json};
use crate::json::{self, Array, Object};
use crate::log::Notes;
use crate::ports::Platform;
use crate::revocation::{AuthorityError, Freshness, Matchable};
use crate::token::{MAX_TOKEN_BYTES, bearer_token};

/// The maximum number of tokens in a batch.
const MAX_TOKENS: usize = 100;
/// The maximum body size: that many tokens of maximum size, and the JSON around them.
const MAX_BATCH_BYTES: usize = MAX_TOKENS.saturating_mul(MAX_TOKEN_BYTES).saturating_add(16 * 1024);

/// A parsed request body.
struct Batch {
    tokens: Vec<String>,
    issuer: Option<String>,
    freshness: Option<String>,
    bound_milliseconds: Option<u32>,
}

/// Handles a batch request.
pub(crate) async fn batch_check<R: Request, P: Platform>(
    judge: &Judge<'_, P>,
    request: &R,
    notes: &mut Notes,
) -> Reply {
    let authorization = request.header("authorization");
    let secret = match bearer_token(authorization.as_deref()) {
        Ok(secret) => secret,
        Err(problem) => return no_credential(CredentialProblem::Bearer(problem), notes),
    };
    let Some(client) = client_with(judge.config, secret) else {
        return unauthorized(notes);
    };
    notes.client = Some(client.name.clone());
    let batch = match read(request).await {
        Ok(batch) => batch,
        Err((status, problem)) => return refuse(status, problem, notes),
    };
    let asked = read_freshness(batch.freshness.as_deref(), batch.bound_milliseconds);
    let issuer = batch.issuer.as_deref().map(|name| find_issuer(judge, name)).transpose();
    let (freshness, issuer) = match (asked, issuer) {
        (Ok(freshness), Ok(issuer)) => (freshness, issuer),
        (Err(problem), _) | (_, Err(problem)) => return refuse(400, problem, notes),
    };
    let verdicts = verdicts(judge, &batch.tokens, issuer, freshness).await;
    let mut all = Array::new();
    for verdict in &verdicts {
        all.raw(&encode(verdict));
    }
    Reply::json_text(200, Object::new().raw("verdicts", &all.finish()).finish())
}

async fn read<R: Request>(request: &R) -> Result<Batch, (u16, &'static str)> {
    let announced = request.header("content-length").and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > MAX_BATCH_BYTES) {
        return Err((413, "the body is too large"));
    }
    if !request.header("content-type").as_deref().is_some_and(is_json) {
        return Err((415, "the body must be application/json"));
    }
    let body = request.body(MAX_BATCH_BYTES).await.map_err(|error| match error {
        BodyError::TooLarge => (413, "the body is too large"),
        BodyError::Interrupted => (400, "the body could not be read"),
    })?;
    let batch = str::from_utf8(&body).ok().and_then(Batch::read).ok_or((400, "the body is no batch of tokens"))?;
    if batch.tokens.len() > MAX_TOKENS { Err((400, "a batch has at most 100 tokens")) } else { Ok(batch) }
}

/// The verdicts on the tokens, in order. Tokens with the same freshness are checked together.
async fn verdicts<P: Platform>(
    judge: &Judge<'_, P>,
    tokens: &[String],
    issuer: Option<Rc<Issuer>>,
    freshness: Option<Freshness>,
) -> Vec<Verdict> {
    let issuers: Vec<_> = issuer.into_iter().collect();
    let deadline = judge.platform.now().plus(LIMIT);
    let mut known = Vec::with_capacity(tokens.len());
    for token in tokens {
        known.push(judge.identify(token, &issuers, deadline).await);
    }
    let required_freshness = |token: &KnownToken| freshness.unwrap_or(token.issuer.freshness);
    let mut freshnesses: Vec<Freshness> = Vec::new();
    for freshness in known.iter().flatten().map(|token| required_freshness(token)) {
        if !freshnesses.contains(&freshness) {
            freshnesses.push(freshness);
        }
    }
    let mut verdicts: Vec<Option<Verdict>> = known.iter().map(|_| None).collect();
    for freshness in freshnesses {
        let with_freshness = known.iter().enumerate().filter_map(|(place, token)| Some((place, token.as_ref().ok()?)));
        let with_freshness: Vec<_> =
            with_freshness.into_iter().filter(|(_, token)| required_freshness(token) == freshness).collect();
        let matchables: Vec<&Matchable> = with_freshness.iter().map(|(_, token)| &token.matchable).collect();
        // Fetching keys has used part of the time limit.
        let left = deadline.since(judge.platform.now());
        let statuses = judge.authority().statuses(&matchables, freshness, left).await;
        for ((place, token), status) in with_freshness.into_iter().zip(statuses) {
            if let Some(verdict) = verdicts.get_mut(place) {
                *verdict = Some(conclude(Rc::clone(token), status.map_err(AuthorityError::reason)));
            }
        }
    }
    let not_checked = |token: Result<Rc<KnownToken>, Refusal>| match token {
        Err(refusal) => Err(refusal),
        Ok(token) => Err(Refusal::CannotTell("not_asked", Some(token))),
    };
    known.into_iter().zip(verdicts).map(|(token, verdict)| verdict.unwrap_or_else(|| not_checked(token))).collect()
}

impl Batch {
    /// Parses a body; `None` if `tokens` is missing or a member is unknown or malformed.
    fn read(text: &str) -> Option<Self> {
        let mut members = json::read_object(text)?;
        let Value::Array(elements) = members.remove("tokens")? else { return None };
        let mut tokens = Vec::with_capacity(elements.len());
        for element in elements {
            let Value::String(token) = element else { return None };
            tokens.push(token);
        }
        let mut batch = Self { tokens, issuer: None, freshness: None, bound_milliseconds: None };
        for (name, value) in members {
            match (name.as_str(), value) {
                ("issuer" | "freshness" | "bound_milliseconds", Value::Null) => {}
                ("issuer", Value::String(issuer)) => batch.issuer = Some(issuer),
                ("freshness", Value::String(freshness)) => batch.freshness = Some(freshness),
                ("bound_milliseconds", bound) => batch.bound_milliseconds = Some(u32::try_from(bound.as_u64()?).ok()?),
                _ => return None,
            }
        }
        Some(batch)
    }
}

/// Encodes a verdict as JSON.
fn encode(verdict: &Verdict) -> String {
    let status = |status: &str| Object::new().text("status", status);
    let object = match verdict {
        Ok((token, freshness)) => {
            let facts = &token.facts;
            let object = status("active")
                .text("issuer", &facts.issuer)
                .some_text("subject", facts.subject.as_deref())
                .some_text("session", facts.session.as_deref())
                .some_text("token_id", facts.token_id.as_deref());
            let object = match facts.expires {
                Some(expires) => object.number("expires", expires),
                None => object,
            };
            let object = object.some_text("scope", facts.scope.as_deref());
            object.flag("verified", facts.verified).text("freshness", freshness.name())
        }
        Err(Refusal::Revoked(scope)) => status("revoked").text("ended_by", scope.name()),
        Err(refusal @ Refusal::CannotTell(..)) => status("unknown").text("reason", refusal.reason()),
        Err(refusal) => status("invalid").text("reason", refusal.reason()),
    };
    object.finish()
}

fn unauthorized(notes: &mut Notes) -> Reply {
    notes.refused("unknown_client");
    let challenge = r#"Bearer error="invalid_token", error_description="The credential is no client's""#;
    let body = r#"{"error":"invalid_token","reason":"unknown_client"}"#;
    Reply::json_text(401, body).with("WWW-Authenticate", challenge)
}

fn refuse(status: u16, reason: &'static str, notes: &mut Notes) -> Reply {
    notes.refused("bad_body");
    Reply::json_text(status, Object::new().text("error", "invalid_request").text("reason", reason).finish())
}
