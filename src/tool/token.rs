//! Verifies a sample token with the Worker's own code, and explains the first problem.

use std::rc::Rc;

use super::keys::{is_usable, published};
use crate::config::{Config, Issuer, Tokens};
use crate::endpoints::judge::issuers_of;
use crate::http::without_query;
use crate::json::{Array, Object};
use crate::keys::verify_now;
use crate::ports::{Clock, Journal, SharedMemory, Signatures, Web};
use crate::time::Timestamp;
use crate::token::{
    BearerProblem, Explanation, JwtRules, TokenProblem, UntrustedJwt, VerifiedToken, VerifyError, bearer_token, date,
    explain, explain_lack, explain_shape, one_of,
};

/// A prefix that users may paste with the token.
const SCHEME: &str = "Bearer ";

/// The verdicts on a token, one per possible issuer. One success is sufficient.
pub(super) async fn judge<P: Clock + Journal + SharedMemory + Signatures + Web>(
    text: &str,
    config: &Config,
    is_online: bool,
    platform: &P,
) -> String {
    let mut verdicts = Array::new();
    let text = text.trim();
    let header = if text.contains(' ') { text.to_owned() } else { [SCHEME, text].concat() };
    let (token, candidates) = match bearer_token(Some(&header)).map_err(BearerProblem::reason) {
        Err(reason) => {
            let explanation = Explanation::new("one token, of visible ASCII without commas", "something else");
            verdicts.raw(&refused(None, reason, explanation));
            return verdicts.finish();
        }
        Ok(token) => match begin(token, config) {
            Err(verdict) => {
                verdicts.raw(&verdict);
                return verdicts.finish();
            }
            Ok(begun) => begun,
        },
    };
    for issuer in &candidates {
        let Tokens::Jwt(rules) = &issuer.tokens else { continue };
        let verdict = match verify_now(&token, rules, Timestamp::END, platform).await {
            Ok(verified) => good_or_of_another_kind(issuer, rules, &verified),
            Err(VerifyError::Bad(problem)) => {
                let keys = rules.keys.current(platform.now()).unwrap_or_default();
                let mut explanation = explain(problem, &token, rules, &keys, platform.now());
                if is_about_keys(problem) && !keys.unknown_secrets.is_empty() {
                    let names = keys.unknown_secrets.join(", ");
                    let hint = format!("; not known here: the keys in the secret {names}, which .dev.vars may have");
                    explanation.expected = explanation.expected.map(|expected| expected + &hint);
                }
                refused(Some(issuer), problem.reason(), explanation)
            }
            Err(VerifyError::CannotTell) => cannot_tell(issuer, rules, is_online, platform).await,
        };
        verdicts.raw(&verdict);
    }
    verdicts.finish()
}

fn is_about_keys(problem: TokenProblem) -> bool {
    matches!(problem, TokenProblem::AlgorithmNotAllowed | TokenProblem::UnknownKey)
}

/// Parses a token and finds its possible issuers.
///
/// # Errors
/// The verdict if the token is malformed or has no possible issuer.
fn begin<'a>(text: &'a str, config: &Config) -> Result<(UntrustedJwt<'a>, Vec<Rc<Issuer>>), String> {
    let token = UntrustedJwt::parse(text).map_err(|problem| {
        let mut explanation = explain_shape(problem, text);
        let is_opaque = |issuer: &&Rc<Issuer>| matches!(issuer.tokens, Tokens::Opaque);
        if problem == TokenProblem::Malformed
            && let Some(issuer) = config.issuers.iter().find(is_opaque)
        {
            let hint = format!("; tokens of \"{}\" are opaque, and not judged here", issuer.name);
            explanation.expected = explanation.expected.map(|expected| expected + &hint);
        }
        refused(None, problem.reason(), explanation)
    })?;
    let claims_none = token.claimed_issuer().is_none();
    let nameless = |issuer: &&Rc<Issuer>| match &issuer.tokens {
        Tokens::Jwt(rules) => rules.issuers.is_empty(),
        Tokens::Opaque => false,
    };
    let candidates = match issuers_of(config, &token) {
        // Tokens without `iss` are accepted by guards, logouts, and checks that name the issuer.
        None if claims_none => config.issuers.iter().filter(nameless).cloned().collect(),
        found => found.unwrap_or_default(),
    };
    if candidates.is_empty() {
        let known: Vec<String> =
            config.issuers.iter().filter_map(jwt_rules).flat_map(|rules| rules.issuers.clone()).collect();
        let found = token.claimed_issuer().map_or("`iss` absent".to_owned(), |iss| format!("`iss` {}", one_of(&[iss])));
        return Err(refused(None, "unknown_issuer", Explanation::new(format!("`iss` {}", one_of(&known)), found)));
    }
    Ok((token, candidates))
}

fn jwt_rules(issuer: &Rc<Issuer>) -> Option<&JwtRules> {
    match &issuer.tokens {
        Tokens::Jwt(rules) => Some(rules),
        Tokens::Opaque => None,
    }
}

fn verdict(outcome: &str, issuer: Option<&Issuer>) -> Object {
    Object::new().text("outcome", outcome).some_text("issuer", issuer.map(|issuer| issuer.name.as_str()))
}

fn explained(verdict: Object, reason: &str, explanation: Explanation) -> String {
    let Explanation { expected, found } = explanation;
    let verdict = verdict.text("reason", reason).some_text("expected", expected.as_deref());
    verdict.some_text("found", found.as_deref()).finish()
}

fn refused(issuer: Option<&Issuer>, reason: &str, explanation: Explanation) -> String {
    explained(verdict("refused", issuer), reason, explanation)
}

fn good_or_of_another_kind(issuer: &Issuer, rules: &JwtRules, token: &VerifiedToken) -> String {
    if let Some(required) = token.lacks(&rules.required_claims) {
        return refused(Some(issuer), "wrong_kind_of_token", explain_lack(required, token.claims()));
    }
    let names = &rules.claim_names;
    let verdict = verdict("good", Some(issuer)).some_text("key_id", token.key_id());
    let verdict = verdict.text("expires", &date(Some(token.expires_at())));
    let verdict = verdict.text("session_claim", &names.session).some_text("session", token.session());
    let verdict = verdict.text("subject_claim", &names.subject).some_text("subject", token.subject());
    verdict.text("token_id_claim", &names.token_id).some_text("token_id", token.id().jwt_id()).finish()
}

async fn cannot_tell<P: Clock + Signatures>(
    issuer: &Issuer,
    rules: &JwtRules,
    is_online: bool,
    platform: &P,
) -> String {
    let verdict = verdict("cannot_tell", Some(issuer));
    let Some(keys) = rules.keys.current(platform.now()) else {
        let url = published(issuer).map_or("", |keys| without_query(&keys.source.url));
        let reason = if is_online { "keys_fetch_failed" } else { "keys_not_fetched" };
        let found = if is_online { "none that could be fetched" } else { "none: only --online fetches them" };
        return explained(verdict, reason, Explanation::new(format!("keys from {url}"), found));
    };
    let mut unusable = Vec::new();
    for key in &keys.keys {
        if !is_usable(key, platform).await {
            unusable.push(key.key_id().unwrap_or("without `kid`").to_owned());
        }
    }
    let found = format!("keys that it cannot import: {}", one_of(&unusable));
    explained(verdict, "cannot_verify", Explanation::new("keys that the runtime can verify with", found))
}
