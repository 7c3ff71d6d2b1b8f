//! An issuer's keys: in the table and in Worker secrets, or published by its provider.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::secret_text::secret_text;
use super::section::Section;
use super::{Environment, Lookup};
use crate::json;
use crate::keys::{IssuerKeys, KeySource, PublishedKeys, is_key_url};
use crate::token::{Algorithm, Jwk, JwkProblem, KeyRing};

const JWKS_URL: &str = "jwks_url";
const DISCOVERY_URL: &str = "discovery_url";
const REFRESH: &str = "key_refresh";
/// The hint for a key in PEM format.
const FROM_PEM: &str = concat!(
    "must be a JWK set; got PEM: write the key into { keys = [...] }, with its `alg` and `kid` added, as printed by `node -e 'const c=require(\"crypto\");",
    "const k=c.createPublicKey(require(\"fs\").readFileSync(0)).export({format:\"jwk\"});",
    "console.log(\"{ \"+Object.entries(k).map(([n,v])=>n+\" = \"+JSON.stringify(v)).join(\", \")+\" }\")' < key.pem`"
);

/// The default minimum and maximum freshness lifetimes of fetched keys.
const DEFAULT_LEAST_SECONDS: u32 = 300;
const DEFAULT_MOST_SECONDS: u32 = 24 * 3600;
/// The smallest configurable freshness lifetime.
const MIN_LEAST_SECONDS: u32 = 60;
/// The largest configurable freshness lifetime: a week. A removed key must stop working in reasonable time.
const MAX_SECONDS: u32 = 7 * 24 * 3600;
/// The default minimum time between fetches for tokens with unknown keys.
const DEFAULT_UNKNOWN_KID_SECONDS: u32 = 60;
const MIN_UNKNOWN_KID_SECONDS: u32 = 10;
const MAX_UNKNOWN_KID_SECONDS: u32 = 3600;
/// The default time for which stale keys may be used while fetching fails.
const DEFAULT_SERVE_STALE_SECONDS: u32 = 24 * 3600;

/// Parses the keys of an issuer with a name and accepted values of `iss`.
pub(super) fn read(
    section: &mut Section<'_>,
    name: &str,
    iss: &[String],
    algorithms: &[Algorithm],
    environment: &impl Environment,
) -> IssuerKeys {
    let Some(setting) = [JWKS_URL, DISCOVERY_URL].into_iter().find(|setting| section.has(setting)) else {
        if section.take(REFRESH).is_some() {
            section.refuse(REFRESH, "is for keys that are fetched: write `jwks_url` or `discovery_url`, or remove it");
        }
        return IssuerKeys::Configured(Rc::new(configured(section, algorithms, environment)));
    };
    for other in ["jwks", "secret", DISCOVERY_URL] {
        if other != setting && section.take(other).is_some() {
            section.refuse(other, format!("cannot be combined with `{setting}`: an issuer has one source of keys"));
        }
    }
    let in_development = environment.is_development();
    let url = section.text(setting);
    if url.as_ref().is_some_and(|url| !is_key_url(url, in_development)) {
        section.refuse(setting, "must be https://host[:port][/path][?query]");
    }
    let discovers = (setting == DISCOVERY_URL).then(|| iss.to_vec());
    if discovers.as_ref().is_some_and(Vec::is_empty) {
        section.refuse(setting, "needs `iss`: a discovery document counts only when it names the same");
    }
    for algorithm in algorithms.iter().filter(|algorithm| algorithm.is_symmetric()) {
        let name = algorithm.name();
        section
            .refuse("algorithms", format!("{name:?} is symmetric, and `{setting}` has public keys alone: put its key into a Worker secret, named in `secret`"));
    }
    let times = section.section(REFRESH, |section| Times::read(section, in_development)).unwrap_or_default();
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    IssuerKeys::Published(Box::new(PublishedKeys::new(KeySource {
        issuer: name.to_owned(),
        url: url.unwrap_or_default(),
        discovers,
        algorithms: algorithms.to_vec(),
        in_development,
        allows_development_keys: environment.allows_development_keys(),
        least: seconds(times.least),
        most: seconds(times.most),
        unknown_kid: seconds(times.unknown_kid),
        serve_stale: seconds(times.serve_stale),
    })))
}

/// The lifetimes and intervals of fetched keys, in seconds.
struct Times {
    least: u32,
    most: u32,
    unknown_kid: u32,
    serve_stale: u32,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            least: DEFAULT_LEAST_SECONDS,
            most: DEFAULT_MOST_SECONDS,
            unknown_kid: DEFAULT_UNKNOWN_KID_SECONDS,
            serve_stale: DEFAULT_SERVE_STALE_SECONDS,
        }
    }
}

impl Times {
    fn read(section: &mut Section<'_>, in_development: bool) -> Self {
        let shortest = |seconds: u32| if in_development { 1 } else { seconds };
        let mut number = |setting: &str, default: u32, min: u32, max: u32| {
            let number = section.number(setting).unwrap_or(default);
            if !(min..=max).contains(&number) {
                section.refuse(setting, format!("must be {min} to {max}"));
            }
            number
        };
        let least = number("least_seconds", DEFAULT_LEAST_SECONDS, shortest(MIN_LEAST_SECONDS), MAX_SECONDS);
        Self {
            least,
            most: number(
                "most_seconds",
                DEFAULT_MOST_SECONDS.max(least).min(MAX_SECONDS),
                least.min(MAX_SECONDS),
                MAX_SECONDS,
            ),
            unknown_kid: number(
                "unknown_kid_seconds",
                DEFAULT_UNKNOWN_KID_SECONDS,
                shortest(MIN_UNKNOWN_KID_SECONDS),
                MAX_UNKNOWN_KID_SECONDS,
            ),
            serve_stale: number("serve_stale_seconds", DEFAULT_SERVE_STALE_SECONDS, 0, MAX_SECONDS),
        }
    }
}

fn configured(section: &mut Section<'_>, algorithms: &[Algorithm], environment: &impl Environment) -> KeyRing {
    let mut ring = KeyRing::default();
    section.require_any(
        &["jwks", "secret", JWKS_URL, DISCOVERY_URL],
        "write the public keys here, or their URL in `jwks_url`, or the name of a Worker secret in `secret`",
    );
    if let Some(value) = section.take("jwks") {
        let remedy = remedy(&value);
        match Jwk::read_set(value) {
            Some(jwks) if !jwks.is_empty() => {
                for (index, jwk) in jwks.iter().enumerate() {
                    add_key(section, &mut ring, &format!("jwks.keys[{index}]"), "", jwk, algorithms, environment);
                }
            }
            _ => section.refuse(
                "jwks",
                remedy.unwrap_or("must be a JWK set, { keys = [{ kty = ... }] }, with at least one key"),
            ),
        }
    }
    for name in section.texts("secret").unwrap_or_default() {
        if matches!(environment.secret(&name), Lookup::Unknown) {
            ring.unknown_secrets.push(name);
            continue;
        }
        for jwk in secret_jwks(section, &name, environment) {
            add_key(section, &mut ring, "secret", &name, &jwk, algorithms, environment);
        }
    }
    ring
}

/// The hint for values that are often mistaken for a JWK Set.
fn remedy(jwks: &Value) -> Option<&'static str> {
    match jwks {
        Value::String(text) if text.starts_with("https://") => {
            Some("must be a JWK set; got a URL: write it as `jwks_url`")
        }
        Value::String(text) if text.contains("-----BEGIN") => Some(FROM_PEM),
        Value::String(_) => Some("must be a JWK set, { keys = [{ kty = ... }] }; got text: write it as a TOML table"),
        Value::Array(_) => {
            Some("must be a JWK set, { keys = [{ kty = ... }] }; got a list: write { keys = ... } around it")
        }
        _ => None,
    }
}

fn secret_jwks(section: &mut Section<'_>, name: &str, environment: &impl Environment) -> Vec<Jwk> {
    let Some(secret) = secret_text(section, "secret", name, environment) else { return Vec::new() };
    let jwks = json::read(secret.expose()).and_then(Jwk::read_set).unwrap_or_default();
    if jwks.is_empty() {
        section.refuse(
            "secret",
            format!("the Worker secret {name} is not a JWK or a JWK set, JSON such as {{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"...\"}}"),
        );
    }
    jwks
}

fn add_key(
    section: &mut Section<'_>,
    ring: &mut KeyRing,
    setting: &str,
    secret: &str,
    jwk: &Jwk,
    algorithms: &[Algorithm],
    environment: &impl Environment,
) {
    let in_secret = !secret.is_empty();
    let which = if in_secret { format!("the JWK in {secret} ") } else { String::new() };
    if jwk.is_for_development() && !environment.allows_development_keys() {
        section.refuse(setting, format!("{which}{}", JwkProblem::Development.message()));
    }
    match jwk.verification_key(algorithms, in_secret) {
        Ok(key) => {
            let is_twice = |kid: &str| ring.keys.iter().any(|own| own.key_id() == Some(kid));
            if jwk.key_id().is_some_and(is_twice) {
                section.refuse(setting, format!("{which}has the `kid` of another key: each needs its own"));
            }
            ring.keys.push(key);
        }
        // Missing algorithms have already been reported.
        Err(JwkProblem::NoAlgorithmFits | JwkProblem::AlgorithmNotConfigured(_)) if algorithms.is_empty() => {}
        Err(problem) => section.refuse(setting, format!("{which}{}", problem.message())),
    }
}
