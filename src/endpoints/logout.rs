//! The logout endpoint of every contract: verifies the token, checks it, revokes, and responds.

use std::time::Duration;

use serde_json::{Map, Value};

use super::body::read_body;
use super::caller::may_look_up;
use super::credential::{Credential, authenticate, unavailable};
use super::judge::Judge;
use super::known_user;
use crate::config::{Route, SessionStoreRules, Tokens};
use crate::contracts::{Contract, Demand, Failure, Success};
use crate::http::{Reply, Request};
use crate::log::{Notes, Outcome};
use crate::ports::Platform;
use crate::revocation::{DEFAULT_BOUND, Effective, RevocableToken, Scope, logout_of};
use crate::token::{AnonymousSession, OpaqueToken, VerifiedToken, bearer_token, mint_anonymous_session};
use crate::wait::within;

/// The time limit of a logout for the ledger and Workers KV, including retries. After that a retry by the client is
/// more likely to succeed.
const BUDGET: Duration = Duration::from_secs(3);
/// The response header with the times from which the logout is effective. See `docs/reference/headers.md`.
const RECEIPT: &str = "Revocation-Effective";
/// Timeout of the vendor's user directory and session store.
const VENDOR_LIMIT: Duration = Duration::from_secs(3);

/// Handles a logout request of a route's contract.
pub(crate) async fn logout<R: Request, P: Platform>(
    route: &Route,
    judge: &Judge<'_, P>,
    request: &R,
    notes: &mut Notes,
) -> Reply {
    let failure = match try_logout(route, judge, request, notes).await {
        Ok(reply) => {
            notes.outcome = Outcome::Revoked;
            return reply;
        }
        Err(failure) => failure,
    };
    notes.outcome = match failure {
        Failure::Unavailable => Outcome::Failed,
        Failure::UserNotFound => Outcome::Revoked,
        _ => Outcome::Refused,
    };
    notes.reason.get_or_insert(failure.reason());
    refusal(route.contract, &failure)
}

/// The contract's response to a failure, with the headers that HTTP requires.
#[must_use]
pub fn refusal(contract: &dyn Contract, failure: &Failure) -> Reply {
    let reply = contract.failure(failure);
    let challenge = contract.challenge(failure, reply.status);
    let retry_after = (reply.status == 503).then_some("1");
    reply.with_some("WWW-Authenticate", challenge).with_some("Retry-After", retry_after)
}

async fn try_logout<R: Request, P: Platform>(
    route: &Route,
    judge: &Judge<'_, P>,
    request: &R,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let (platform, authority) = (judge.platform, judge.authority());
    let demand = read_body(route.contract.body(), request).await?;
    let authorization = request.header("authorization");
    let bearer = bearer_token(authorization.as_deref()).map_err(Failure::Credential)?;
    // Any string is accepted and recorded as an opaque token, so apply the rate limit.
    if matches!(route.issuer.tokens, Tokens::Opaque) && !may_look_up(judge, request).await {
        notes.reason = Some("rate_limited");
        return Err(Failure::Unavailable);
    }
    let started_at = platform.now();
    let credential = authenticate(bearer, &route.issuer, route.freshness, &authority, BUDGET, notes).await?;
    let now = platform.now();
    let (revoked_token, revocation) = match (&demand, &route.sessions) {
        (Demand::Wrong(failure), _) => return Err(failure.clone()),
        (Demand::Session(session), Some(issuer)) => (RevocableToken::Opaque(OpaqueToken(session)), &issuer.revocation),
        // The configuration guarantees an issuer. Without one, do not revoke the caller's own token instead.
        (Demand::Session(_), None) => return Err(Failure::Unavailable),
        (Demand::Own, _) => (credential.revocable_token(), &route.issuer.revocation),
    };
    let success = prepare(route, &credential, platform, notes).await?;
    let logout = logout_of(revoked_token, scopes(route, &credential), revocation, now);
    let left = BUDGET.saturating_sub(platform.now().since(started_at));
    authority.revoke(&logout, left).await.map_err(|error| unavailable(error, notes))?;
    let receipt = receipt(route, judge);
    if let (Demand::Session(session), Some(store)) = (&demand, &route.session_store) {
        delete_session(session, store, platform, notes).await?;
    }
    match success {
        Prepared::Plain(reply) => Ok(reply.with(RECEIPT, receipt)),
        Prepared::WithSession { answer, session, token } => {
            let user = known_user(route, token, platform, notes).await?;
            Ok(answer(&session, &user).with(RECEIPT, receipt))
        }
    }
}

/// The scopes that a logout revokes. For anonymous sessions minted here only the token: anyone can obtain any number of
/// them, and they protect nothing.
fn scopes<'a>(route: &'a Route, credential: &Credential<'_>) -> &'a [Scope] {
    match (&route.anonymous_session, credential) {
        (Some(rules), Credential::Jwt(token)) if rules.have_minted(token) => &[Scope::Token],
        _ => &route.revokes,
    }
}

/// The value of the header [`RECEIPT`] for a logout that was just recorded.
fn receipt<P: Platform>(route: &Route, judge: &Judge<'_, P>) -> String {
    let issuer = route.sessions.as_ref().unwrap_or(&route.issuer);
    let bound = judge.config.longest_bound(issuer).unwrap_or(DEFAULT_BOUND);
    let storage = judge.config.storage;
    Effective::of(judge.platform.now(), storage.ledger.is_some(), bound, storage.settling).header()
}

/// A success response to send after the revocation is recorded.
enum Prepared<'a> {
    Plain(Reply),
    WithSession {
        answer: fn(&AnonymousSession, &Map<String, Value>) -> Reply,
        session: AnonymousSession,
        token: &'a VerifiedToken,
    },
}

/// Prepares the success response before anything is revoked, because minting a session can fail.
async fn prepare<'a, P: Platform>(
    route: &Route,
    credential: &'a Credential<'_>,
    platform: &P,
    notes: &mut Notes,
) -> Result<Prepared<'a>, Failure> {
    let answer = match route.contract.success() {
        Success::Plain(reply) => return Ok(Prepared::Plain(reply)),
        Success::WithSession(answer) => answer,
    };
    // The configuration guarantees minting rules and an issuer of JWTs.
    let (Some(rules), Credential::Jwt(token)) = (&route.anonymous_session, credential) else {
        return Err(Failure::Unavailable);
    };
    match mint_anonymous_session(token, rules, platform.now(), platform).await {
        Ok(session) => Ok(Prepared::WithSession { answer, session, token }),
        Err(_) => {
            notes.reason = Some("cannot_mint");
            Err(Failure::Unavailable)
        }
    }
}

/// Deletes a session from the vendor's store. If this fails, so does the logout, although the revocation is recorded:
/// servers that read the store would still find the session.
async fn delete_session<P: Platform>(
    session: &str,
    store: &SessionStoreRules,
    platform: &P,
    notes: &mut Notes,
) -> Result<(), Failure> {
    let key = [&store.key_prefix, session].concat();
    match within::<P, _>(VENDOR_LIMIT, platform.delete(&store.url, &key)).await {
        Some(Ok(())) => Ok(()),
        Some(Err(_)) | None => {
            notes.reason = Some("session_store_unavailable");
            Err(Failure::Unavailable)
        }
    }
}

/// The user's profile: from the directory if one is configured, otherwise from the token.
async fn known_user<P: Platform>(
    route: &Route,
    token: &VerifiedToken,
    platform: &P,
    notes: &mut Notes,
) -> Result<Map<String, Value>, Failure> {
    let Some(binding) = &route.user_directory else { return Ok(known_user::from_claims(token)) };
    let subject = token.subject().ok_or(Failure::UserNotFound)?;
    let known = match within::<P, _>(VENDOR_LIMIT, platform.look_up(binding, subject)).await {
        Some(Ok(None)) => return Err(Failure::UserNotFound),
        Some(Ok(Some(text))) => known_user::from_directory(&text, subject),
        Some(Err(_)) | None => None,
    };
    Ok(known.unwrap_or_else(|| {
        // The logout has succeeded, so a failing directory must not turn it into an error.
        notes.reason = Some("directory_unavailable");
        known_user::from_claims(token)
    }))
}
