//! Claims: names, times, identifiers, and what is there twice.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::string_slice, clippy::too_many_lines)]

use crate::support::issuers::{self, check, issuer, problem};
use crate::support::tokens::now;
use edge_logout::token::{Algorithm, TokenProblem};
use serde_json::{Value, json};

#[test]
fn names_must_be_the_issuers() {
    use TokenProblem::{MalformedClaims, WrongAudience, WrongIssuer};
    let (rules, good) = issuer(Algorithm::Hs256);
    let cases = [
        ("iss", json!("https://others.example"), WrongIssuer),
        ("iss", Value::Null, WrongIssuer),
        ("iss", json!("https://auth.worth.example/"), WrongIssuer),
        ("iss", json!(["https://auth.worth.example"]), MalformedClaims),
        ("aud", json!("others"), WrongAudience),
        ("aud", Value::Null, WrongAudience),
        ("aud", json!([]), WrongAudience),
        ("aud", json!(["others", "Worth-customers"]), WrongAudience),
        ("aud", json!(["worth-customers", 1]), MalformedClaims),
        ("aud", json!({ "worth-customers": true }), MalformedClaims),
    ];
    for (name, value, expected) in cases {
        assert_eq!(problem(&good.clone().claim(name, value.clone()).sign(), &rules), Some(expected), "{name} {value}");
    }
    assert!(check(&good.clone().claim("aud", json!(["others", "worth-customers"])).sign(), &rules).is_ok());
    // An issuer whose tokens carry neither refuses those of another that do.
    let (_, bare) = issuer(Algorithm::Hs256);
    let bare_rules = issuers::rules(&bare.key, Algorithm::Hs256, |worth| {
        worth["iss"] = json!([]);
        worth["audiences"] = json!([]);
    });
    assert_eq!(problem(&bare.sign(), &bare_rules), Some(WrongIssuer));
    assert_eq!(problem(&bare.clone().claim("iss", Value::Null).sign(), &bare_rules), Some(WrongAudience));
    assert!(check(&bare.claim("iss", Value::Null).claim("aud", Value::Null).sign(), &bare_rules).is_ok());
}

/// What is tried, the claims that it has, and what is wrong with it.
type Case<'a> = (&'a str, &'a [(&'a str, Value)], Option<TokenProblem>);

#[test]
fn times_at_their_edges() {
    use TokenProblem::{Expired, LivesTooLong, MalformedClaims, NoExpiry, NotYetValid};
    const MONTH: i64 = 30 * 24 * 3600;
    let (rules, good) = issuer(Algorithm::Hs256);
    let now = now();
    let cases: [Case; 24] = [
        ("no exp", &[("exp", Value::Null)], Some(NoExpiry)),
        ("exp just within the leeway", &[("exp", json!(now - 4))], None),
        ("exp just beyond the leeway", &[("exp", json!(now - 5))], Some(Expired)),
        ("exp fractional", &[("exp", json!(1_800_000_000.75))], None),
        ("exp in scientific notation", &[("exp", json!(1.800_000_1e9))], None),
        ("exp a text", &[("exp", json!("1800003600"))], Some(MalformedClaims)),
        ("exp true", &[("exp", json!(true))], Some(MalformedClaims)),
        ("exp 2^53", &[("exp", json!(9_007_199_254_740_992_i64))], Some(MalformedClaims)),
        ("exp 2^63", &[("exp", json!(9_223_372_036_854_775_808_u64))], Some(MalformedClaims)),
        ("exp 1e300", &[("exp", json!(1e300))], Some(MalformedClaims)),
        ("exp in milliseconds", &[("exp", json!((now + 60) * 1000))], Some(LivesTooLong)),
        ("exp negative", &[("exp", json!(-1))], Some(Expired)),
        ("nbf just within the leeway", &[("nbf", json!(now + 5))], None),
        ("nbf just beyond the leeway", &[("nbf", json!(now + 6))], Some(NotYetValid)),
        ("nbf far in the past", &[("nbf", json!(-8_000_000_000_000_i64))], None),
        ("nbf absurd", &[("nbf", json!(-9_007_199_254_740_993_i64))], Some(MalformedClaims)),
        ("iat just within the leeway", &[("iat", json!(now + 5))], None),
        ("iat just beyond the leeway", &[("iat", json!(now + 6))], Some(NotYetValid)),
        ("the longest life", &[("exp", json!(now + MONTH))], None),
        ("longer than the longest", &[("exp", json!(now + MONTH + 1))], Some(LivesTooLong)),
        ("longest, issued long ago", &[("iat", json!(now - 9)), ("exp", json!(now + MONTH - 8))], Some(LivesTooLong)),
        ("longest, without iat", &[("iat", Value::Null), ("exp", json!(now + MONTH))], None),
        ("longer, without iat", &[("iat", Value::Null), ("exp", json!(now + MONTH + 1))], Some(LivesTooLong)),
        ("exp null", &[("exp", json!(f64::NAN))], Some(NoExpiry)),
    ];
    for (what, claims, expected) in cases {
        let token = claims.iter().fold(good.clone(), |token, (name, value)| token.claim(name, value.clone()));
        assert_eq!(problem(&token.sign(), &rules), expected, "{what}");
    }
    let exp_null = good.sign_claims_text(&good.claims.to_string().replace("1800003600", "null"));
    assert_eq!(problem(&exp_null, &rules), Some(MalformedClaims));
    let huge = good.sign_claims_text(&good.claims.to_string().replace("1800003600", "1e999"));
    assert_eq!(problem(&huge, &rules), Some(MalformedClaims));
}

#[test]
fn identifiers_that_cannot_be_read_do_not_pass() {
    let (rules, good) = issuer(Algorithm::Hs256);
    for name in ["jti", "sid", "sub"] {
        for value in [json!(""), json!(1.5), json!(true), json!(["a"]), json!({})] {
            let token = good.clone().claim(name, value.clone()).sign();
            assert_eq!(problem(&token, &rules), Some(TokenProblem::MalformedClaims), "{name} {value}");
        }
        assert!(check(&good.clone().claim(name, json!(42)).sign(), &rules).is_ok(), "{name} a number");
        assert!(check(&good.clone().claim(name, Value::Null).sign(), &rules).is_ok(), "{name} absent");
    }
}

#[test]
fn claims_that_are_there_twice_do_not_pass() {
    let (rules, good) = issuer(Algorithm::Hs256);
    let text = good.claims.to_string();
    for extra in
        [r#","jti":"token-2""#, r#","exp":1800003600"#, r#","x":{"a":1,"a":1}"#, r#","x":[{"a":1,"\u0061":1}]"#]
    {
        let token = good.sign_claims_text(&format!("{}{extra}}}", &text[..text.len() - 1]));
        assert_eq!(problem(&token, &rules), Some(TokenProblem::MalformedClaims), "{extra}");
    }
    for claims in ["[]", "null", "", "{}x", "{\"a\":1e999}"] {
        let found = problem(&good.sign_claims_text(claims), &rules);
        assert_eq!(found, Some(TokenProblem::MalformedClaims), "{claims}");
    }
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    assert_eq!(problem(&good.sign_claims_text(&deep), &rules), Some(TokenProblem::MalformedClaims));
}
