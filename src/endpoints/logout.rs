//! The use case behind every contract: verify, check, revoke, answer.

use std::pin::pin;

use futures_util::future::{Either, select};
use serde_json::{Map, Value};

use super::known_user;
use crate::config::{Config, Issuer, Route, Tokens};
use crate::contracts::{BodyRefusal, BodyRule, Contract, Done, Failure};
use crate::http::{BodyError, MAX_BODY_BYTES, Reply, Request};
use crate::log::Notes;
use crate::ports::{IndexError, Platform};
use crate::revocation::{Ended, RETRY_BUDGET, Revocation, Status, revocations_for, status, write};
use crate::time::Timestamp;
use crate::token::{
    AnonymousSession, MAX_TOKEN_BYTES, OpaqueToken, TokenProblem, VerifiedToken, VerifyError, bearer_token,
    mint_anonymous_session, verify,
};

/// Logs out and answers as the route's contract does.
pub async fn logout<R: Request, P: Platform>(
    config: &Config,
    route: &Route,
    request: &R,
    platform: &P,
    notes: &mut Notes,
) -> Reply {
    let failure = match try_logout(config, route, request, platform, notes).await {
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
    let retry_after = (reply.status == 503).then_some("1");
    reply.with_some("WWW-Authenticate", contract.challenge(failure)).with_some("Retry-After", retry_after)
}

async fn try_logout<R: Request, P: Platform>(
    config: &Config,
    route: &Route,
    request: &R,
    platform: &P,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let issuer = config.issuers.get(route.issuer).ok_or(Failure::Unavailable)?;
    let demand = match read_body(route.contract.body(), request).await {
        Err(BodyRefusal::Unreadable(failure)) => return Err(failure),
        read => read,
    };
    let authorization = request.header("authorization");
    let bearer = bearer_token(authorization.as_deref()).map_err(Failure::Credential)?;
    let now = platform.now();
    let token = authenticate(bearer, issuer, platform, now, notes).await?;
    let session = match demand {
        Ok(session) => session,
        Err(BodyRefusal::Invalid(failure) | BodyRefusal::Unreadable(failure)) => return Err(failure),
    };
    let revocations = match &session {
        Some(session) => {
            let sessions = route.sessions.and_then(|place| config.issuers.get(place)).ok_or(Failure::Unavailable)?;
            revocations_for(Ended::Opaque(OpaqueToken(session)), &route.revokes, &sessions.revocation, now)
        }
        None => revocations_for(token.ended(), &route.revokes, &issuer.revocation, now),
    };
    let reply = finish(route, &token, &revocations, platform, now, notes).await?;
    forget(route, session.as_deref(), platform, notes).await?;
    Ok(reply)
}

/// Mints what the answer needs, revokes, and only then answers with success.
async fn finish<P: Platform>(
    route: &Route,
    token: &Credential<'_>,
    revocations: &[Revocation],
    platform: &P,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let minted = match (&route.anonymous_session, token) {
        (Some(rules), Credential::Jwt(token)) => {
            let minted = mint_anonymous_session(token, rules, now, platform).await.map_err(|_| {
                notes.reason = Some("cannot_mint");
                Failure::Unavailable
            })?;
            Some((minted, token))
        }
        _ => None,
    };
    write(platform, revocations).await.map_err(|fault| unavailable(fault, notes))?;
    match minted {
        None => Ok(route.contract.success(&Done { session: None })),
        Some((session, token)) => answer_with_session(route, token, &session, platform, notes).await,
    }
}

/// Deletes the session from the vendor's own store, where one is configured. It has been revoked here already; the store
/// failing is a failure all the same, since whoever asks the store would still find the session.
async fn forget<P: Platform>(
    route: &Route,
    session: Option<&str>,
    platform: &P,
    notes: &mut Notes,
) -> Result<(), Failure> {
    let (Some(store), Some(session)) = (&route.session_store, session) else { return Ok(()) };
    let key = format!("{}{session}", store.key_prefix);
    match select(pin!(platform.delete(&store.url, &key)), pin!(P::sleep(RETRY_BUDGET))).await {
        Either::Left((Ok(()), _)) => Ok(()),
        Either::Left((Err(_), _)) | Either::Right(_) => {
            notes.reason = Some("session_store_unavailable");
            Err(Failure::Unavailable)
        }
    }
}

async fn answer_with_session<P: Platform>(
    route: &Route,
    token: &VerifiedToken,
    session: &AnonymousSession,
    platform: &P,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let user = known_user(route, token, platform, notes).await?;
    Ok(route.contract.success(&Done { session: Some((session, &user)) }))
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
    let looked_up = match select(pin!(platform.look_up(binding, subject)), pin!(P::sleep(RETRY_BUDGET))).await {
        Either::Left((Ok(found), _)) => found.map(|text| known_user::from_directory(&text, subject)),
        Either::Left((Err(_), _)) | Either::Right(_) => Some(None),
    };
    match looked_up {
        None => Err(Failure::UserNotFound),
        Some(Some(user)) => Ok(user),
        Some(None) => {
            // The session has ended: a directory that fails must not turn that into a failure.
            notes.reason = Some("directory_unavailable");
            Ok(known_user::from_claims(token))
        }
    }
}

/// A credential that is good and not revoked.
enum Credential<'a> {
    Jwt(Box<VerifiedToken>),
    Opaque(OpaqueToken<'a>),
}

impl Credential<'_> {
    fn ended(&self) -> Ended<'_> {
        match self {
            Self::Jwt(token) => Ended::Jwt(token),
            Self::Opaque(token) => Ended::Opaque(*token),
        }
    }
}

async fn authenticate<'a, P: Platform>(
    bearer: &'a str,
    issuer: &Issuer,
    platform: &P,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Credential<'a>, Failure> {
    let (credential, issued_at) = match &issuer.tokens {
        Tokens::Opaque if bearer.len() > MAX_TOKEN_BYTES => return Err(Failure::Token(TokenProblem::TooLarge)),
        Tokens::Opaque => (Credential::Opaque(OpaqueToken(bearer)), None),
        Tokens::Jwt(rules) => {
            let token = verify(bearer, rules, now, platform).await.map_err(|error| match error {
                VerifyError::Bad(problem) => Failure::Token(problem),
                VerifyError::CannotTell => {
                    notes.reason = Some("cannot_verify");
                    Failure::Unavailable
                }
            })?;
            notes.key_id = token.key_id().map(str::to_owned);
            let issued_at = token.issued_at();
            (Credential::Jwt(Box::new(token)), issued_at)
        }
    };
    let known = status(platform, credential.ended(), &issuer.name, issued_at).await;
    match known.map_err(|fault| unavailable(fault, notes))? {
        Status::Revoked(_) => Err(Failure::Revoked),
        Status::Active if is_of_another_kind(&credential, issuer) => Err(Failure::Forbidden),
        Status::Active => Ok(credential),
    }
}

fn is_of_another_kind(credential: &Credential<'_>, issuer: &Issuer) -> bool {
    match (credential, &issuer.tokens) {
        (Credential::Jwt(token), Tokens::Jwt(rules)) => token.lacks(&rules.required_claims).is_some(),
        _ => false,
    }
}

fn unavailable(fault: IndexError, notes: &mut Notes) -> Failure {
    notes.reason = Some(fault.reason());
    Failure::Unavailable
}

/// Reads what the contract wants of the body: the session that it names, if it names one.
async fn read_body<R: Request>(rule: BodyRule, request: &R) -> Result<Option<String>, BodyRefusal> {
    let content_type = request.header("content-type");
    let announced_json = content_type.as_deref().is_some_and(is_json);
    if matches!(rule, BodyRule::JsonIfAnnounced) && !announced_json {
        return Ok(None);
    }
    let body = request.body(MAX_BODY_BYTES).await.map_err(|error| {
        BodyRefusal::Unreadable(match error {
            BodyError::TooLarge => Failure::TooLarge,
            BodyError::Interrupted => Failure::Body("The body could not be read"),
        })
    })?;
    if let BodyRule::Session(read) = rule {
        return read(&body, content_type.as_deref()).map(Some);
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    if !announced_json {
        return Err(BodyRefusal::Unreadable(Failure::UnsupportedMediaType));
    }
    match (rule, serde_json::from_slice::<Value>(&body)) {
        (_, Err(_)) => Err(BodyRefusal::Unreadable(Failure::Body("The body is no JSON"))),
        (BodyRule::OptionalObject, Ok(value)) if !value.is_object() => {
            Err(BodyRefusal::Invalid(Failure::Body("The body must be a JSON object")))
        }
        _ => Ok(None),
    }
}

/// Whether a media type is JSON (RFC 6839 section 3.1 has the suffix).
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}
