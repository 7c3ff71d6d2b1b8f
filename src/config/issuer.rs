//! Issuers: who signs tokens, with what, and what their tokens must be.

use std::rc::Rc;
use std::time::Duration;

use super::cookie::{self, CookieRules};
use super::freshness::{self, Storage};
use super::section::Section;
use super::{Environment, Lookup, keys};
use crate::revocation::{Freshness, RevocationRules};
use crate::token::{Algorithm, ClaimNames, ConfirmationRule, JwtRules, RequiredClaim, Secret};

/// How far clocks may be apart unless configured otherwise.
const DEFAULT_LEEWAY_SECONDS: u32 = 5;
/// More would keep dead tokens alive rather than forgive clocks.
const MAX_LEEWAY_SECONDS: u32 = 300;
/// How long a token may live unless configured otherwise: 30 days.
const DEFAULT_LONGEST_LIFETIME_SECONDS: u32 = 30 * 24 * 3600;
/// Ten years: Workers KV cannot keep anything beyond the 32 bits of 2038.
const MAX_LONGEST_LIFETIME_SECONDS: u32 = 10 * 365 * 24 * 3600;
/// A name stands in every key of its revocations.
const MAX_NAME_BYTES: usize = 64;

/// Somebody whose tokens are taken.
#[derive(Debug)]
pub struct Issuer {
    /// Its name in the configuration, in KV keys and in the log.
    pub name: String,
    /// What its tokens are.
    pub tokens: Tokens,
    /// How they are revoked.
    pub revocation: RevocationRules,
    /// What checks of them promise, unless a route or a check says otherwise.
    pub freshness: Freshness,
    /// The cookie in which browsers may send them to `/check` and guards.
    pub cookie: Option<CookieRules>,
}

/// What an issuer's tokens are.
#[derive(Debug)]
pub enum Tokens {
    /// JWTs, verified here.
    Jwt(Box<JwtRules>),
    /// Texts that only the issuer understands: looked up, never verified.
    Opaque,
}

/// Reads the issuers; one that is refused leaves its place empty.
pub(super) fn read_all(
    table: &mut Section<'_>,
    storage: Storage,
    environment: &impl Environment,
) -> Vec<Option<Rc<Issuer>>> {
    let mut names: Vec<String> = Vec::new();
    let issuers = table.sections("issuers", |section| {
        let name = section.required_text("name")?;
        if !is_name(&name) {
            section.refuse("name", "must be 1 to 64 of a-z, 0-9 and -");
        }
        if names.contains(&name) {
            section.refuse("name", format!("{name:?} is there twice"));
        }
        names.push(name.clone());
        Some(Rc::new(read(section, name, storage, environment)))
    });
    refuse_dodges(table, &issuers);
    issuers
}

/// Revocations are kept under an issuer's name: were one token good for two of them, it would live on under the other.
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
            table.refuse(
                &format!("issuers[{index}]"),
                format!("takes the tokens of {name:?} as well: what is revoked for one would be good for the other"),
            );
        }
    }
}

fn read(section: &mut Section<'_>, name: String, storage: Storage, environment: &impl Environment) -> Issuer {
    let is_opaque = match section.text("kind").as_deref() {
        None | Some("jwt") => false,
        Some("opaque") => true,
        Some(_) => {
            section.refuse("kind", "must be \"jwt\" or \"opaque\"");
            false
        }
    };
    if is_opaque && !section.has("longest_lifetime_seconds") {
        section.refuse("longest_lifetime_seconds", "is missing: an opaque token does not say how long it lives");
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
    };
    // The settings of JWTs are none that are known for an opaque issuer, and so refused.
    let tokens =
        if is_opaque { Tokens::Opaque } else { Tokens::Jwt(Box::new(jwt_rules(section, &revocation, environment))) };
    let cookie = section.section("cookie", cookie::read).flatten();
    Issuer { name, tokens, revocation, freshness: freshness::of_issuer(section, storage), cookie }
}

fn jwt_rules(section: &mut Section<'_>, revocation: &RevocationRules, environment: &impl Environment) -> JwtRules {
    let mut required = |setting: &str, remedy: &str| {
        if !section.has(setting) {
            section.refuse(setting, format!("is missing: {remedy}"));
        }
        section.texts(setting).unwrap_or_default()
    };
    let issuers = required("iss", "name the `iss` of its tokens, or [] when they carry none");
    let audiences = required("audiences", "name the `aud` of its tokens, or [] when they carry none");
    let names = required("algorithms", "name those that its keys are for");
    let algorithms = algorithms(section, &names);
    let keys = keys::read(section, &revocation.issuer, &issuers, &algorithms, environment);
    let claim_names = section.section("claims", claim_names).unwrap_or_default();
    let required_claims = section.section("required_claims", required_claims).unwrap_or_default();
    let RevocationRules { leeway, longest_lifetime, .. } = *revocation;
    let confirmation = confirmation(section);
    JwtRules { issuers, audiences, keys, leeway, longest_lifetime, claim_names, required_claims, confirmation }
}

/// What is done with tokens that are bound to a key.
fn confirmation(section: &mut Section<'_>) -> ConfirmationRule {
    match section.text("confirmation").as_deref() {
        None | Some("refuse") => ConfirmationRule::Refuse,
        Some("pass_on") => ConfirmationRule::PassOn,
        Some(_) => {
            section.refuse("confirmation", "must be \"refuse\" or \"pass_on\"");
            ConfirmationRule::Refuse
        }
    }
}

fn algorithms(section: &mut Section<'_>, names: &[String]) -> Vec<Algorithm> {
    let mut algorithms = Vec::new();
    for name in names {
        match Algorithm::from_name(name) {
            Some(algorithm) if algorithms.contains(&algorithm) => {
                section.refuse("algorithms", format!("{name:?} is there twice"));
            }
            Some(algorithm) => algorithms.push(algorithm),
            None => {
                let known = Algorithm::ALL.map(Algorithm::name).join(", ");
                section.refuse("algorithms", format!("{name:?} is none of {known}"));
            }
        }
    }
    algorithms
}

/// The text of the Worker secret that a setting names.
pub(super) fn secret_text(
    section: &mut Section<'_>,
    setting: &str,
    name: &str,
    environment: &impl Environment,
) -> Option<Secret> {
    // Not told: whoever puts the secret itself here would find it in the log.
    if !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
        section.refuse(setting, "must be the name of a Worker secret: upper-case letters, digits and _");
        return None;
    }
    match environment.secret(name) {
        Lookup::Known(secret) => Some(secret),
        Lookup::Unknown => None,
        Lookup::Missing => {
            section.refuse(setting, format!("the Worker secret {name} is missing"));
            None
        }
    }
}

fn claim_names(section: &mut Section<'_>) -> ClaimNames {
    let ClaimNames { subject, session, token_id } = ClaimNames::default();
    let mut name = |setting: &str, default: String| {
        let name = section.text(setting).unwrap_or(default);
        if ["exp", "nbf", "iat", "iss", "aud"].contains(&name.as_str()) {
            section.refuse(setting, "must name a claim that identifies something");
        }
        name
    };
    let names = ClaimNames {
        subject: name("subject", subject),
        session: name("session", session),
        token_id: name("token_id", token_id),
    };
    if names.subject == names.session || names.session == names.token_id || names.token_id == names.subject {
        section.refuse("token_id", "must name another claim than subject and session, and they others than each other");
    }
    names
}

fn required_claims(section: &mut Section<'_>) -> Vec<RequiredClaim> {
    let mut required = Vec::new();
    for name in section.names() {
        if ["exp", "nbf", "iat"].contains(&name.as_str()) {
            section.refuse(&name, "is a date, which is judged by itself");
        }
        let values = section.texts(&name).unwrap_or_default();
        if values.is_empty() {
            section.refuse(&name, "must name the values of which one is required");
        }
        required.push(RequiredClaim { name, values });
    }
    required
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
