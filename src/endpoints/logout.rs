//! The use case behind every contract: verify, check, revoke, answer.

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
use crate::log::Notes;
use crate::ports::{Platform, within};
use crate::revocation::{DEFAULT_BOUND, Effective, Ended, Scope, logout_of};
use crate::token::{AnonymousSession, OpaqueToken, VerifiedToken, bearer_token, mint_anonymous_session};

/// How long a logout waits for ledger and index, reading, writing and retries in all. Longer, and the client's own retry
/// does better.
const BUDGET: Duration = Duration::from_secs(3);
/// The header of success that says from when on what was revoked is refused; `docs/reference/headers.md` explains it.
const RECEIPT: &str = "Revocation-Effective";
/// How long it waits for what a vendor keeps: its user directory, its session store.
const VENDOR_LIMIT: Duration = Duration::from_secs(3);

/// Logs out and answers as the route's contract does.
pub(crate) async fn logout<R: Request, P: Platform>(
    route: &Route,
    judge: &Judge<'_, P>,
    request: &R,
    notes: &mut Notes,
) -> Reply {
    let failure = match try_logout(route, judge, request, notes).await {
        Ok(reply) => {
            notes.outcome = "revoked";
            return reply;
        }
        Err(failure) => failure,
    };
    notes.outcome = match failure {
        Failure::Unavailable => "failed",
        Failure::UserNotFound => "revoked",
        _ => "refused",
    };
    notes.reason.get_or_insert(failure.reason());
    refusal(route.contract, &failure)
}

/// A contract's answer to a failure, with the headers that HTTP asks of it.
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
    // Any text counts as an opaque token and is recorded, so look-ups are limited.
    if matches!(route.issuer.tokens, Tokens::Opaque) && !may_look_up(judge, request).await {
        notes.reason = Some("rate_limited");
        return Err(Failure::Unavailable);
    }
    let begin = platform.now();
    let credential = authenticate(bearer, &route.issuer, route.freshness, &authority, BUDGET, notes).await?;
    let now = platform.now();
    let (ended, revocation) = match (&demand, &route.sessions) {
        (Demand::Wrong(failure), _) => return Err(failure.clone()),
        (Demand::Session(session), Some(issuer)) => (Ended::Opaque(OpaqueToken(session)), &issuer.revocation),
        // The configuration sees to it that there is an issuer. Were there none, the caller's own token must not end.
        (Demand::Session(_), None) => return Err(Failure::Unavailable),
        (Demand::Own, _) => (credential.ended(), &route.issuer.revocation),
    };
    let success = prepare(route, &credential, platform, notes).await?;
    let logout = logout_of(ended, scopes(route, &credential), revocation, now);
    let left = BUDGET.saturating_sub(platform.now().since(begin));
    authority.revoke(&logout, left).await.map_err(|doubt| unavailable(doubt, notes))?;
    let receipt = receipt(route, judge);
    if let (Demand::Session(session), Some(store)) = (&demand, &route.session_store) {
        forget(session, store, platform, notes).await?;
    }
    match success {
        Prepared::Plain(reply) => Ok(reply.with(RECEIPT, receipt)),
        Prepared::WithSession { answer, session, token } => {
            let user = known_user(route, token, platform, notes).await?;
            Ok(answer(&session, &user).with(RECEIPT, receipt))
        }
    }
}

/// The scopes that a logout revokes. For an anonymous session minted here only the token: anybody can get any number of
/// such sessions, and they protect nothing.
fn scopes<'a>(route: &'a Route, credential: &Credential<'_>) -> &'a [Scope] {
    match (&route.anonymous_session, credential) {
        (Some(rules), Credential::Jwt(token)) if rules.have_minted(token) => &[Scope::Token],
        _ => &route.revokes,
    }
}

/// From when on no check says any more that what was revoked just now is active.
fn receipt<P: Platform>(route: &Route, judge: &Judge<'_, P>) -> String {
    let issuer = route.sessions.as_ref().unwrap_or(&route.issuer);
    let bound = judge.config.longest_bound(issuer).unwrap_or(DEFAULT_BOUND);
    let storage = judge.config.storage;
    Effective::of(judge.platform.now(), storage.ledger.is_some(), bound, storage.settling).header()
}

/// A success that only waits for the revocation.
enum Prepared<'a> {
    Plain(Reply),
    WithSession {
        answer: fn(&AnonymousSession, &Map<String, Value>) -> Reply,
        session: AnonymousSession,
        token: &'a VerifiedToken,
    },
}

/// Makes whatever success needs and could fail to get, before anything is revoked.
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
    // The configuration sees to both: rules for the session, and an issuer of JWTs.
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

/// Deletes a session from the vendor's own store. It has been revoked here already; the store failing is a failure all
/// the same, since whoever asks the store would still find the session.
async fn forget<P: Platform>(
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

/// What is known of the user whose session has ended: from the directory where there is one, else from the token.
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
        // The session has ended: a directory that fails must not turn that into a failure.
        notes.reason = Some("directory_unavailable");
        known_user::from_claims(token)
    }))
}
