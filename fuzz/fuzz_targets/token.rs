//! Tokens: as they are sent, and with a valid signature over hostile headers and claims.
//!
//! The first line of an input names its kind: `sent` has a token in the second line, `header` has a header and claims
//! to sign, `claims` has claims to sign. A digit behind it chooses HS256, HS384 or HS512.

#![no_main]

use edge_logout::json;
use edge_logout::token::{
    Algorithm, JwtRules, TokenProblem, UntrustedJwt, VerifiedToken, explain, explain_lack, explain_shape,
};
use edge_logout_fuzz::support::issuers::{check, issuer};
use edge_logout_fuzz::support::tokens::{NOW, TestToken, sign_parts};
use edge_logout_fuzz::text;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

struct Issuer {
    rules: JwtRules,
    good: TestToken,
    sent: String,
}

thread_local! {
    static ISSUERS: [Issuer; 3] = [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512].map(|algorithm| {
        let (rules, good) = issuer(algorithm);
        let sent = good.sign();
        Issuer { rules, good, sent }
    });
}

fuzz_target!(|data: &[u8]| {
    let (first, rest) = text(data).split_once('\n').unwrap_or_default();
    let (kind, place) = match first.strip_suffix(['1', '2']) {
        Some(kind) => (kind, usize::from(first.ends_with('1')) + 2 * usize::from(first.ends_with('2'))),
        None => (first, 0),
    };
    ISSUERS.with(|issuers| {
        let issuer = &issuers[place];
        match kind {
            "sent" => {
                if judged(rest, issuer).is_some() {
                    assert_eq!(rest, issuer.sent, "a token that nobody has signed");
                }
            }
            "header" => {
                let (header, claims) = rest.split_once('\n').unwrap_or((rest, "{}"));
                let Issuer { good, .. } = issuer;
                if let Some(token) = judged(&sign_parts(header, claims, good.algorithm, &good.key), issuer) {
                    assert_header(header, good.algorithm);
                    assert_claims(claims, &token, &issuer.rules);
                }
            }
            "claims" => {
                if let Some(token) = judged(&issuer.good.sign_claims_text(rest), issuer) {
                    assert_claims(rest, &token, &issuer.rules);
                }
            }
            _ => {}
        }
    });
});

/// Verifies a token; what is refused is explained as well.
fn judged(sent: &str, Issuer { rules, .. }: &Issuer) -> Option<VerifiedToken> {
    let problem = match check(sent, rules) {
        Ok(token) => return Some(token),
        Err(problem) => problem,
    };
    match UntrustedJwt::parse(sent) {
        Ok(untrusted) => {
            let keys = rules.keys.current(NOW).expect("configured keys");
            let _ = explain(problem, &untrusted, rules, &keys, NOW);
        }
        Err(refused) => {
            assert_eq!(refused, problem);
            assert!(sent.len() > 8192 || problem != TokenProblem::TooLarge);
            let _ = explain_shape(problem, sent);
        }
    }
    None
}

fn members(text: &str) -> Map<String, Value> {
    json::read_object(text).expect("an object without duplicate members")
}

fn assert_header(text: &str, algorithm: Algorithm) {
    let header = members(text);
    assert_eq!(header["alg"], algorithm.name());
    assert!(!header.contains_key("crit"));
    assert!(header.get("typ").is_none_or(Value::is_string) && header.get("kid").is_none_or(Value::is_string));
}

fn assert_claims(text: &str, token: &VerifiedToken, rules: &JwtRules) {
    let claims = members(text);
    let seconds = |name: &str| claims.get(name).filter(|value| !value.is_null()).map(|value| value.as_f64().unwrap());
    let (now, leeway) = (NOW.as_millis() as f64 / 1000.0, rules.leeway.as_secs_f64());
    let expires = seconds("exp").expect("a token that expires");
    assert!(now < expires + leeway, "a token that has expired");
    assert!(expires <= now + leeway + rules.longest_lifetime.as_secs_f64() + 1.0, "a token that lives too long");
    assert!(seconds("nbf").is_none_or(|begins| begins < now + leeway + 1.0));
    assert!(seconds("iat").is_none_or(|issued| issued < now + leeway + 1.0));
    assert!((token.expires_at().as_millis() as f64 / 1000.0 - expires).abs() <= 1.0);
    assert!(rules.issuers.iter().any(|own| claims["iss"] == *own));
    assert!(!claims.contains_key("events") && token.confirmation().is_none());
    for (name, value) in claims.iter().filter(|(name, _)| !matches!(name.as_str(), "exp" | "nbf" | "iat")) {
        assert_eq!(token.claims().get(name), Some(value).filter(|value| !value.is_null()), "{name}");
    }
    let identifier = |name: &str| match &claims.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    assert_eq!(token.session().map(str::to_owned), identifier(&rules.claim_names.session));
    assert_eq!(token.subject().map(str::to_owned), identifier(&rules.claim_names.subject));
    assert_eq!(token.id().jwt_id().map(str::to_owned), identifier(&rules.claim_names.token_id));
    if let Some(lacking) = token.lacks(&rules.required_claims) {
        let _ = explain_lack(lacking, token.claims());
    }
}
