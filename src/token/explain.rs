//! Explains to operators why [`super::verify`] rejected a token: what was expected, and what the token has. Never shows
//! the token or its signature.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use chrono::DateTime;
use serde_json::Value;

use super::{Claims, JwtRules, KeyRing, MAX_TOKEN_BYTES, RequiredClaim, TokenProblem, UntrustedJwt, VerificationKey};
use crate::json;
use crate::keys::IssuerKeys;
use crate::time::Timestamp;

/// What was expected and what the token has. Both are empty if the name of the problem is sufficient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What was expected.
    pub expected: Option<String>,
    /// What the token has.
    pub found: Option<String>,
}

impl Explanation {
    /// Creates an explanation.
    #[must_use]
    pub fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: Some(expected.into()), found: Some(found.into()) }
    }
}

/// Explains why [`UntrustedJwt::parse`] rejected a text.
#[must_use]
pub fn explain_shape(problem: TokenProblem, text: &str) -> Explanation {
    let parts: Vec<&str> = text.split('.').collect();
    let header = parts.first().and_then(|part| read_part(part)).unwrap_or_default();
    let member = |name: &str| format!("`{name}` {}", shown(header.get(name)));
    match problem {
        TokenProblem::TooLarge => Explanation::new(bytes(MAX_TOKEN_BYTES), bytes(text.len())),
        TokenProblem::Malformed => Explanation::new("a JWT: header.payload.signature in base64url", shape(&parts)),
        TokenProblem::NotAnAccessToken => Explanation::new("`typ` \"JWT\", \"at+jwt\" or none", member("typ")),
        TokenProblem::CriticalHeader => Explanation::new("no `crit`: no extension is understood here", member("crit")),
        _ => Explanation::default(),
    }
}

fn bytes(count: usize) -> String {
    format!("{count} bytes")
}

fn read_part(part: &str) -> Option<serde_json::Map<String, Value>> {
    let bytes = Base64UrlUnpadded::decode_vec(part).ok()?;
    json::read_object(std::str::from_utf8(&bytes).ok()?)
}

fn shape(parts: &[&str]) -> String {
    let [header, _, _] = parts else {
        let encrypted = if parts.len() == 5 { ", as an encrypted token (JWE) has" } else { "" };
        return format!("{} part(s){encrypted}", parts.len());
    };
    let names = ["header", "payload", "signature"];
    let not_base64url = names.iter().zip(parts).find(|(_, part)| Base64UrlUnpadded::decode_vec(part).is_err());
    match not_base64url {
        Some((name, _)) => format!("a {name} that is not base64url without padding"),
        None if read_part(header).is_none() => "a header that is no JSON object, or has a member twice".to_owned(),
        None => "a header without a text `alg`, or with members of the wrong type".to_owned(),
    }
}

/// Explains why [`super::verify`] rejected a token with these rules and keys.
#[must_use]
pub fn explain(
    problem: TokenProblem,
    token: &UntrustedJwt<'_>,
    rules: &JwtRules,
    keys: &KeyRing,
    now: Timestamp,
) -> Explanation {
    match problem {
        TokenProblem::AlgorithmNotAllowed => {
            let found = format!("`alg` {}", json::quoted(token.algorithm()));
            Explanation::new(format!("`alg` {}", one_of(&algorithms(rules, keys))), found)
        }
        TokenProblem::UnknownKey => {
            let kid = token.key_id().map_or("no `kid`".to_owned(), |kid| format!("`kid` {}", json::quoted(kid)));
            let found = format!("{kid}, `alg` {}", json::quoted(token.algorithm()));
            Explanation::new(format!("one of the keys {}", named(keys.keys.iter())), found)
        }
        TokenProblem::BadSignature => {
            let tried = named(keys.candidates(token.algorithm(), token.key_id()));
            let found = "one that does not verify: another key has signed the token, or it was changed";
            Explanation::new(format!("a signature by {tried}"), found)
        }
        // Show claims only for problems that are found after the signature is verified.
        _ => token.claims().map_or_else(
            |_| Explanation::new("claims as one JSON object", "no JSON object, a member twice, or a date that is none"),
            |claims| explain_claims(problem, &claims, rules, now),
        ),
    }
}

/// The issuer's algorithms, as a list.
fn algorithms(rules: &JwtRules, keys: &KeyRing) -> Vec<String> {
    let mut names: Vec<String> = match &rules.keys {
        IssuerKeys::Configured(_) => keys.keys.iter().map(|key| key.algorithm().name().to_owned()).collect(),
        IssuerKeys::Published(published) => {
            published.source.algorithms.iter().map(|algorithm| algorithm.name().to_owned()).collect()
        }
    };
    names.dedup();
    names
}

fn named<'a>(keys: impl Iterator<Item = &'a VerificationKey>) -> String {
    let names: Vec<String> = keys
        .map(|key| {
            let name = key.key_id().map_or("a key without `kid`".to_owned(), json::quoted);
            format!("{name} ({})", key.algorithm().name())
        })
        .collect();
    if names.is_empty() { "(there are none)".to_owned() } else { names.join(", ") }
}

fn explain_claims(problem: TokenProblem, claims: &Claims, rules: &JwtRules, now: Timestamp) -> Explanation {
    let claim = |name: &str| format!("`{name}` {}", shown(claims.get(name)));
    match problem {
        TokenProblem::MalformedClaims => malformed(claims, rules),
        TokenProblem::NotAnAccessToken => {
            let found = "`events`, as security event and logout tokens have it";
            Explanation::new("an access token, without `events`", found)
        }
        TokenProblem::BoundToken => {
            let expected =
                "no `cnf`: a token that is bound to a key is no bearer token (`confirmation` may pass it on)";
            Explanation::new(expected, claim("cnf"))
        }
        TokenProblem::WrongIssuer => Explanation::new(format!("`iss` {}", one_of(&rules.issuers)), claim("iss")),
        TokenProblem::WrongAudience => Explanation::new(format!("`aud` {}", one_of(&rules.audiences)), claim("aud")),
        TokenProblem::NoExpiry => Explanation::new("`exp`", "none"),
        TokenProblem::Expired => {
            let found = format!("`exp` {}", date(claims.expires_at()));
            Explanation::new(format!("`exp` after {}, less {}", date(Some(now)), leeway(rules)), found)
        }
        TokenProblem::NotYetValid => {
            let found = format!("`nbf` {}, `iat` {}", date(claims.not_before()), date(claims.issued_at()));
            Explanation::new(format!("`nbf` and `iat` by {}, plus {}", date(Some(now)), leeway(rules)), found)
        }
        TokenProblem::LivesTooLong => too_long(claims, rules, now),
        _ => Explanation::default(),
    }
}

fn leeway(rules: &JwtRules) -> String {
    format!("{} s of leeway", rules.leeway.as_secs())
}

fn too_long(claims: &Claims, rules: &JwtRules, now: Timestamp) -> Explanation {
    let since = |begin| claims.expires_at().map_or(Duration::ZERO, |end| end.since(begin)).as_secs();
    let found = match claims.issued_at() {
        Some(begin) => format!("{} s from `iat` to `exp`", since(begin)),
        None => format!("{} s from now to `exp`, and no `iat`", since(now)),
    };
    let longest = rules.longest_lifetime.as_secs();
    Explanation::new(format!("a life of at most {longest} s (longest_lifetime_seconds)"), found)
}

/// Finds the malformed claim with the same checks as verification.
fn malformed(claims: &Claims, rules: &JwtRules) -> Explanation {
    let claim = |name: &str| format!("`{name}` {}", shown(claims.get(name)));
    if claims.get("iss").is_some_and(|iss| !iss.is_string()) {
        return Explanation::new("`iss` as a text", claim("iss"));
    }
    if claims.texts("aud").is_err() {
        return Explanation::new("`aud` as a text or a list of texts", claim("aud"));
    }
    let names = &rules.claim_names;
    let identifiers = [&names.token_id, &names.session, &names.subject];
    match identifiers.into_iter().find(|name| claims.identifier(name).is_err()) {
        Some(name) => Explanation::new(format!("`{name}` as a text or a whole number, not empty"), claim(name)),
        None if claims.has("cnf") => Explanation::new("`cnf` with one `jkt` or `x5t#S256`, a thumbprint", claim("cnf")),
        None => Explanation::default(),
    }
}

/// Explains which required claim a valid token lacks.
#[must_use]
pub fn explain_lack(required: &RequiredClaim, claims: &Claims) -> Explanation {
    let name = &required.name;
    let expected = format!("`{name}` with {}", one_of(&required.values));
    Explanation::new(expected, format!("`{name}` {}", shown(claims.get(name))))
}

/// Formats a time for operators.
#[must_use]
pub fn date(moment: Option<Timestamp>) -> String {
    let Some(moment) = moment else { return "absent".to_owned() };
    match DateTime::from_timestamp(moment.as_millis().div_euclid(1000), 0) {
        Some(date) => date.to_string(),
        None => moment.as_seconds_text(),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("absent".to_owned(), json::text)
}

/// Formats the allowed values as a list.
#[must_use]
pub fn one_of(values: &[String]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| json::quoted(value)).collect();
    match quoted.as_slice() {
        [] => "absent".to_owned(),
        [one] => one.clone(),
        _ => format!("one of {}", quoted.join(", ")),
    }
}
