//! Issuers: their keys and the rules for their tokens.

use std::rc::Rc;
use std::time::Duration;

use super::cookie::{self, CookieRules};
use super::freshness::{self, Storage};
use super::section::Section;
use super::{Environment, keys};
use crate::revocation::{DigestRules, Freshness, RevocationRules};
use crate::token::{Algorithm, ClaimNames, ConfirmationRule, JwtRules, RequiredClaim};

/// The default leeway for clock differences, in seconds.
const DEFAULT_LEEWAY_SECONDS: u32 = 5;
/// The maximum leeway, in seconds.
const MAX_LEEWAY_SECONDS: u32 = 300;
/// The default maximum lifetime of tokens, in seconds: 30 days.
const DEFAULT_LONGEST_LIFETIME_SECONDS: u32 = 30 * 24 * 3600;
/// The largest configurable lifetime of tokens, in seconds: ten years. Workers KV cannot store expirations after 2038.
const MAX_LONGEST_LIFETIME_SECONDS: u32 = 10 * 365 * 24 * 3600;
/// The settings for verification.
const FOR_JWTS: [&str; 11] = [
    "iss",
    "audiences",
    "algorithms",
    "jwks",
    "secret",
    "jwks_url",
    "discovery_url",
    "key_refresh",
    "claims",
    "required_claims",
    "confirmation",
];
/// The maximum length of a name, which is part of KV keys.
const MAX_NAME_BYTES: usize = 64;

/// An issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    /// The name in the configuration, in KV keys and in the log.
    pub name: String,
    /// The type of its tokens.
    pub tokens: Tokens,
    /// The revocation settings.
    pub revocation: RevocationRules,
    /// The default freshness of checks of its tokens.
    pub freshness: Freshness,
    /// The cookie in which `/check` and guards accept its tokens.
    pub cookie: Option<CookieRules>,
}

/// The type of an issuer's tokens.
#[derive(Debug)]
pub enum Tokens {
    /// JWTs, which are verified with these rules.
    Jwt(Box<JwtRules>),
    /// Opaque tokens, which only the issuer can verify.
    Opaque,
}

/// Parses the issuers. `None` for an invalid one.
pub(super) fn read_all(
    table: &mut Section<'_>,
    storage: Storage,
    digests: &Rc<DigestRules>,
    environment: &impl Environment,
) -> Vec<Option<Rc<Issuer>>> {
    let mut names: Vec<String> = Vec::new();
    let issuers = table.sections("issuers", |section| {
        section.require("name", "write a name of your own for it, which routes and logs use");
        let name = section.text("name");
        if name.as_ref().is_some_and(|name| !is_name(name)) {
            section.refuse("name", "must be 1 to 64 of a-z, 0-9 and -");
        }
        let is_twice = name.as_ref().is_some_and(|name| names.contains(name));
        if is_twice {
            section.refuse("name", "is the name of another issuer as well");
        }
        names.extend(name.clone());
        let issuer = read(section, name.clone().unwrap_or_default(), storage, digests, environment)?;
        name.filter(|name| is_name(name) && !is_twice).map(|_| Rc::new(issuer))
    });
    refuse_dodges(table, &issuers);
    issuers
}

/// Rejects issuers that accept the same tokens. Revocations belong to an issuer, so a token that is revoked for one
/// would stay active for the other.
fn refuse_dodges(table: &mut Section<'_>, issuers: &[Option<Rc<Issuer>>]) {
    for (index, issuer) in issuers.iter().enumerate() {
        let earlier = issuers.iter().take(index).flatten();
        let twin = earlier.zip(std::iter::repeat(issuer)).find_map(|(earlier, issuer)| {
            let (Tokens::Jwt(one), Tokens::Jwt(other)) = (&earlier.tokens, &issuer.as_ref()?.tokens) else {
                return None;
            };
            one.may_share_tokens_with(other).then_some(&earlier.name)
        });
        if let Some(name) = twin {
            let problem = format!(
                "takes the tokens of issuer {name:?} as well: a token that is revoked for one would be good for the \
                 other; give them different `iss`, `audiences`, `required_claims` or keys"
            );
            table.refuse_at("issuers", index, "", problem);
        }
    }
}

fn read(
    section: &mut Section<'_>,
    name: String,
    storage: Storage,
    digests: &Rc<DigestRules>,
    environment: &impl Environment,
) -> Option<Issuer> {
    let Ok(kind) = section.choice("kind", &["jwt", "opaque"]) else {
        section.abandon();
        return None;
    };
    let is_opaque = kind.is_some_and(|kind| kind == "opaque");
    if is_opaque {
        section.require("longest_lifetime_seconds", "an opaque token does not say how long it lives");
    }
    let leeway = section.number("leeway_seconds").unwrap_or(DEFAULT_LEEWAY_SECONDS);
    if leeway > MAX_LEEWAY_SECONDS {
        section.refuse("leeway_seconds", format!("must be at most {MAX_LEEWAY_SECONDS}"));
    }
    let lifetime = section.number("longest_lifetime_seconds").unwrap_or(DEFAULT_LONGEST_LIFETIME_SECONDS);
    if lifetime == 0 || lifetime > MAX_LONGEST_LIFETIME_SECONDS {
        section.refuse("longest_lifetime_seconds", format!("must be 1 to {MAX_LONGEST_LIFETIME_SECONDS}, ten years"));
    }
    let revocation = RevocationRules {
        issuer: name.clone(),
        leeway: Duration::from_secs(leeway.into()),
        longest_lifetime: Duration::from_secs(lifetime.into()),
        digests: Rc::clone(digests),
    };
    let tokens = if is_opaque {
        section.refuse_each(&FOR_JWTS, "is for issuers of kind \"jwt\": opaque tokens are looked up, never verified");
        Tokens::Opaque
    } else {
        Tokens::Jwt(Box::new(jwt_rules(section, &revocation, environment)))
    };
    let cookie = section.section("cookie", cookie::read).flatten();
    Some(Issuer { name, tokens, revocation, freshness: freshness::of_issuer(section, storage), cookie })
}

fn jwt_rules(section: &mut Section<'_>, revocation: &RevocationRules, environment: &impl Environment) -> JwtRules {
    let mut required = |setting: &str, remedy: &str| {
        section.require(setting, remedy);
        section.texts(setting).unwrap_or_default()
    };
    let issuers = required("iss", "write the `iss` of its tokens, or [] when they carry none");
    let audiences = required("audiences", "write the `aud` of its tokens, or [] when they carry none");
    let algorithms = algorithms(section);
    let keys = keys::read(section, &revocation.issuer, &issuers, &algorithms, environment);
    let claim_names = section.section("claims", claim_names).unwrap_or_default();
    let required_claims = section.section("required_claims", required_claims).unwrap_or_default();
    let RevocationRules { leeway, longest_lifetime, .. } = *revocation;
    let confirmation = confirmation(section);
    JwtRules { issuers, audiences, keys, leeway, longest_lifetime, claim_names, required_claims, confirmation }
}

/// Parses how to treat tokens that are bound to a key.
fn confirmation(section: &mut Section<'_>) -> ConfirmationRule {
    let rule = section.choice("confirmation", &["refuse", "pass_on"]).unwrap_or_default();
    if rule.is_some_and(|rule| rule == "pass_on") { ConfirmationRule::PassOn } else { ConfirmationRule::Refuse }
}

/// Parses the algorithms. Empty if one is invalid, because then the matching keys are unknown.
fn algorithms(section: &mut Section<'_>) -> Vec<Algorithm> {
    const SETTING: &str = "algorithms";
    section.require(SETTING, "write those that its keys are for, such as [\"ES256\"]");
    let Some(names) = section.texts(SETTING) else { return Vec::new() };
    if names.is_empty() {
        section.refuse(SETTING, "is empty: write those that its keys are for, such as [\"ES256\"]");
    }
    let mut algorithms = Vec::new();
    for name in &names {
        match Algorithm::from_name(name) {
            Some(algorithm) if algorithms.contains(&algorithm) => {
                section.refuse(SETTING, format!("has {name:?} twice"));
            }
            Some(algorithm) => algorithms.push(algorithm),
            None => section.refuse_unknown(SETTING, "algorithm", name, &Algorithm::ALL.map(Algorithm::name)),
        }
    }
    if algorithms.len() == names.len() { algorithms } else { Vec::new() }
}

fn claim_names(section: &mut Section<'_>) -> ClaimNames {
    let ClaimNames { subject, session, token_id } = ClaimNames::default();
    let mut name = |setting: &str, default: String| {
        let name = section.text(setting).unwrap_or(default);
        if ["exp", "nbf", "iat", "iss", "aud"].contains(&name.as_str()) {
            section.refuse(setting, "must not be exp, nbf, iat, iss or aud, which identify no user, session or token");
        }
        name
    };
    let names = ClaimNames {
        subject: name("subject", subject),
        session: name("session", session),
        token_id: name("token_id", token_id),
    };
    if names.subject == names.session || names.session == names.token_id || names.token_id == names.subject {
        section.refuse("", "must name three different claims for `subject`, `session` and `token_id`");
    }
    names
}

fn required_claims(section: &mut Section<'_>) -> Vec<RequiredClaim> {
    let mut required = Vec::new();
    for name in section.names() {
        if ["exp", "nbf", "iat"].contains(&name.as_str()) {
            section.refuse(&name, "must not be required by value: dates are always checked");
            section.take(&name);
            continue;
        }
        let Some(values) = section.texts(&name) else { continue };
        if values.is_empty() {
            section.refuse(&name, "is empty: write the values of which one is required");
        }
        required.push(RequiredClaim { name, values });
    }
    required
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
