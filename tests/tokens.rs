//! Tokens: what is accepted, one battery of tampering for every algorithm, and laws that hold for any input.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::string_slice, clippy::too_many_lines)]

mod support;

use std::cell::Cell;
use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::config::{Config, Tokens};
use edge_logout::time::Timestamp;
use edge_logout::token::{Algorithm, JwtRules, TokenProblem, VerifiedToken, VerifyError, bearer_token, verify};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::platform::TestPlatform;
use support::shipped;
use support::tokens::{NOW, TestToken, encode, now, sign_parts};
use support::{crypto, run};

/// An issuer whose tokens are signed with this algorithm, and a good token of it.
fn issuer(algorithm: Algorithm) -> (JwtRules, TestToken) {
    let mut key = match algorithm {
        Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => json!({ "kty": "oct", "k": encode(&"k".repeat(64)) }),
        Algorithm::Es384 => es384_key(),
        Algorithm::Es256 => shipped::key("commerce-engine-pos"),
        Algorithm::EdDsa => shipped::key("marzipan"),
        _ => shipped::key("loyaltydog"),
    };
    key["kid"] = json!("key-1");
    key["alg"] = json!(algorithm.name());
    let mut token = TestToken::of("worth");
    token.header["alg"] = json!(algorithm.name());
    token.header["kid"] = json!("key-1");
    (rules(&key, algorithm, |_| ()), TestToken { key, algorithm, ..token })
}

fn es384_key() -> Value {
    let secret = p384::SecretKey::from_slice(&[7; 48]).unwrap();
    let point = p384::EncodedPoint::from(secret.public_key());
    let (x, y) = (point.x().unwrap(), point.y().unwrap());
    json!({
        "kty": "EC", "crv": "P-384", "d": Base64UrlUnpadded::encode_string(&secret.to_bytes()),
        "x": Base64UrlUnpadded::encode_string(x), "y": Base64UrlUnpadded::encode_string(y),
    })
}

/// The rules of an issuer like `worth` with this key, after some changes.
fn rules(key: &Value, algorithm: Algorithm, change: impl FnOnce(&mut Value)) -> JwtRules {
    let mut table = shipped::table();
    let mut environment = shipped::environment();
    let worth = shipped::issuer(&mut table, "worth");
    worth["algorithms"] = json!([algorithm.name()]);
    if key["kty"] == "oct" {
        environment.secrets.insert("KEY".to_owned(), key.to_string());
        worth["secret"] = json!("KEY");
        worth.as_object_mut().unwrap().remove("jwks");
    } else {
        let mut public = key.clone();
        for private in ["d", "p", "q", "dp", "dq", "qi"] {
            public.as_object_mut().unwrap().remove(private);
        }
        worth["jwks"] = json!({ "keys": [public] });
    }
    change(worth);
    let config = Config::parse(&table.to_string(), &environment).unwrap_or_else(|refusals| panic!("{refusals}"));
    let Config { issuers, routes } = config;
    drop(routes);
    let worth = issuers.into_iter().find(|issuer| issuer.name == "worth").unwrap();
    match Rc::into_inner(worth).unwrap().tokens {
        Tokens::Jwt(rules) => *rules,
        Tokens::Opaque => panic!("worth has JWTs"),
    }
}

fn check_at(token: &str, rules: &JwtRules, now: Timestamp) -> Result<VerifiedToken, TokenProblem> {
    run(verify(token, rules, now, &TestPlatform::default())).map_err(|error| match error {
        VerifyError::Bad(problem) => problem,
        VerifyError::CannotTell => panic!("the native platform can always tell"),
    })
}

fn check(token: &str, rules: &JwtRules) -> Result<VerifiedToken, TokenProblem> {
    check_at(token, rules, NOW)
}

fn problem(token: &str, rules: &JwtRules) -> Option<TokenProblem> {
    check(token, rules).err()
}

#[test]
fn tamper_battery_for_every_algorithm() {
    for algorithm in Algorithm::ALL {
        let (rules, good) = issuer(algorithm);
        let token = good.sign();
        let name = algorithm.name();
        let verified = check(&token, &rules).unwrap_or_else(|problem| panic!("{name}: {problem:?}"));
        assert_eq!((verified.key_id(), verified.session()), (Some("key-1"), Some("session-1")), "{name}");
        for (what, tampered, expected) in tampered(&good, &token) {
            assert_eq!(problem(&tampered, &rules), Some(expected), "{name}: {what}");
        }
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            let renamed = good.clone().header("alg", json!(other.name())).sign();
            assert_eq!(
                problem(&renamed, &rules),
                Some(TokenProblem::AlgorithmNotAllowed),
                "{name} as {}",
                other.name()
            );
        }
    }
}

fn tampered(good: &TestToken, token: &str) -> Vec<(&'static str, String, TokenProblem)> {
    use TokenProblem::{
        AlgorithmNotAllowed, BadSignature, CriticalHeader, Malformed, NotAnAccessToken, TooLarge, UnknownKey,
    };
    let parts: Vec<&str> = token.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let flipped = |text: &str| {
        let mut bytes = Base64UrlUnpadded::decode_vec(text).unwrap();
        bytes[3] ^= 1;
        Base64UrlUnpadded::encode_string(&bytes)
    };
    let resized = |text: &str, by: isize| {
        let mut bytes = Base64UrlUnpadded::decode_vec(text).unwrap();
        bytes.resize(bytes.len().checked_add_signed(by).unwrap(), 0);
        Base64UrlUnpadded::encode_string(&bytes)
    };
    let longer = encode(&good.claims.to_string().replace("session-1", "session-2"));
    vec![
        ("signature flipped", format!("{header}.{claims}.{}", flipped(signature)), BadSignature),
        ("signature shortened", format!("{header}.{claims}.{}", resized(signature, -1)), BadSignature),
        ("signature lengthened", format!("{header}.{claims}.{}", resized(signature, 1)), BadSignature),
        ("signature empty", format!("{header}.{claims}."), BadSignature),
        ("signature of other claims", format!("{header}.{longer}.{signature}"), BadSignature),
        ("signature missing", format!("{header}.{claims}"), Malformed),
        ("a part too many", format!("{token}.{signature}"), Malformed),
        ("padding", format!("{header}.{claims}.{signature}="), Malformed),
        ("standard alphabet", format!("{header}.{claims}.{}+/", &signature[2..]), Malformed),
        ("white space", format!("{header}.{claims}\n.{signature}"), Malformed),
        ("nothing", String::new(), Malformed),
        ("two dots", "..".to_owned(), Malformed),
        ("alg none", good.clone().header("alg", json!("none")).sign(), AlgorithmNotAllowed),
        ("alg NONE, unsigned", format!("{}.{claims}.", encode(r#"{"alg":"NONE"}"#)), AlgorithmNotAllowed),
        ("alg missing", good.clone().header("alg", Value::Null).sign(), Malformed),
        ("alg a number", good.clone().header("alg", json!(1)).sign(), Malformed),
        (
            "alg twice",
            good.sign_header_text(&format!(r#"{{"alg":"none","alg":"{}"}}"#, good.algorithm.name())),
            Malformed,
        ),
        (
            "a header member twice",
            good.sign_header_text(&format!(r#"{{"alg":"{}","x":1,"x":1}}"#, good.algorithm.name())),
            Malformed,
        ),
        ("kid of nobody", good.clone().header("kid", json!("key-2")).sign(), UnknownKey),
        ("kid a number", good.clone().header("kid", json!(1)).sign(), Malformed),
        ("crit", good.clone().header("crit", json!(["exp"])).sign(), CriticalHeader),
        ("crit empty", good.clone().header("crit", json!([])).sign(), CriticalHeader),
        (
            "crit null",
            good.sign_header_text(&format!(r#"{{"alg":"{}","crit":null}}"#, good.algorithm.name())),
            CriticalHeader,
        ),
        ("an ID token's kind", good.clone().header("typ", json!("logout+jwt")).sign(), NotAnAccessToken),
        ("a refresh token", good.clone().header("typ", json!("rt+jwt")).sign(), NotAnAccessToken),
        ("typ empty", good.clone().header("typ", json!("")).sign(), NotAnAccessToken),
        ("nested", good.clone().header("cty", json!("JWT")).sign(), Malformed),
        ("too large", good.clone().claim("pad", json!("x".repeat(8192))).sign(), TooLarge),
        ("header no object", good.sign_header_text("[]"), Malformed),
        ("header nested without end", good.sign_header_text(&"[".repeat(4000)), Malformed),
        (
            "header no UTF-8",
            format!("{}.{claims}.{signature}", Base64UrlUnpadded::encode_string(&[0xff; 9])),
            Malformed,
        ),
    ]
}

#[test]
fn a_stray_bit_in_base64_is_no_second_spelling() {
    // 64 bytes of signature leave four bits in the last character: all but one of its sixteen spellings are refused.
    let (rules, good) = issuer(Algorithm::Es256);
    let token = good.sign();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted = alphabet.chars().filter(|last| {
        let spelled = format!("{}{last}", &token[..token.len() - 1]);
        check(&spelled, &rules).is_ok()
    });
    assert_eq!(accepted.count(), 1);
}

#[test]
fn no_key_is_taken_from_a_header() {
    let (rules, good) = issuer(Algorithm::Hs256);
    let attacker = json!({ "kty": "oct", "k": encode(&"a".repeat(64)) });
    for (name, value) in [
        ("jwk", attacker.clone()),
        ("jku", json!("https://attacker.example/jwks")),
        ("x5u", json!("https://attacker.example/x5u")),
        ("x5c", json!(["MIIB"])),
    ] {
        let forged = TestToken { key: attacker.clone(), ..good.clone() }.header(name, value.clone());
        assert_eq!(problem(&forged.sign(), &rules), Some(TokenProblem::BadSignature), "{name}");
        assert!(check(&good.clone().header(name, value).sign(), &rules).is_ok(), "{name} is not even looked at");
    }
    // The classic: the public key of RS256 as the secret of HS256.
    let (rsa_rules, rsa) = issuer(Algorithm::Rs256);
    let public = json!({ "kty": "oct", "k": rsa.key["n"] });
    let header = json!({ "alg": "HS256", "kid": "key-1" }).to_string();
    let confused = sign_parts(&header, &rsa.claims.to_string(), Algorithm::Hs256, &public);
    assert_eq!(problem(&confused, &rsa_rules), Some(TokenProblem::AlgorithmNotAllowed));
}

#[test]
fn kinds_of_access_tokens() {
    let (rules, good) = issuer(Algorithm::Hs256);
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/JWT"] {
        assert!(check(&good.clone().header("typ", json!(typ)).sign(), &rules).is_ok(), "{typ}");
    }
    assert!(check(&good.clone().header("typ", Value::Null).sign(), &rules).is_ok(), "absent");
}

#[test]
fn a_token_without_kid_is_tried_against_a_few_keys() {
    let (_, good) = issuer(Algorithm::Hs256);
    let key = |n: usize| json!({ "kty": "oct", "k": encode(&format!("{n}").repeat(40)), "kid": format!("key-{n}") });
    let several = |count: usize| {
        let mut table = shipped::table();
        let mut environment = shipped::environment();
        let keys: Vec<Value> = (1..=count).map(key).collect();
        environment.secrets.insert("KEYS".to_owned(), json!({ "keys": keys }).to_string());
        let worth = shipped::issuer(&mut table, "worth");
        worth["algorithms"] = json!("HS256");
        worth["secret"] = json!("KEYS");
        worth.as_object_mut().unwrap().remove("jwks");
        let config = Config::parse(&table.to_string(), &environment).unwrap();
        let Config { issuers, routes } = config;
        drop(routes);
        let worth = issuers.into_iter().find(|issuer| issuer.name == "worth").unwrap();
        match Rc::into_inner(worth).unwrap().tokens {
            Tokens::Jwt(rules) => rules,
            Tokens::Opaque => panic!("worth has JWTs"),
        }
    };
    let signed_by = |n: usize, kid: Value| TestToken { key: key(n), ..good.clone() }.header("kid", kid).sign();
    assert_eq!(check(&signed_by(3, Value::Null), &several(4)).unwrap().key_id(), Some("key-3"));
    assert_eq!(problem(&signed_by(5, Value::Null), &several(5)), Some(TokenProblem::BadSignature), "four at most");
    assert!(check(&signed_by(5, json!("key-5")), &several(5)).is_ok(), "a kid finds any");
    assert_eq!(
        problem(&signed_by(2, json!("key-1")), &several(2)),
        Some(TokenProblem::BadSignature),
        "and only its own"
    );
}

#[test]
fn a_key_that_cannot_be_used_keeps_no_other_from_being_tried() {
    let (rules, good) = issuer(Algorithm::Es256);
    let mut table = json!([]);
    for kid in ["key-0", "key-1"] {
        let mut key = good.key.clone();
        key["kid"] = json!(kid);
        key.as_object_mut().unwrap().remove("d");
        table.as_array_mut().unwrap().push(key);
    }
    drop(rules);
    let rules = self::rules(&good.key, Algorithm::Es256, |worth| worth["jwks"] = json!({ "keys": table }));
    let without_kid = good.header("kid", Value::Null).sign();
    let outcome = |fails: usize| {
        let platform = TestPlatform { crypto_fails: Cell::new(fails), ..TestPlatform::default() };
        run(verify(&without_kid, &rules, NOW, &platform)).map(|token| token.key_id().map(str::to_owned))
    };
    assert_eq!(outcome(0), Ok(Some("key-0".to_owned())));
    assert_eq!(outcome(1), Ok(Some("key-1".to_owned())));
    assert_eq!(outcome(2), Err(VerifyError::CannotTell));
}

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
    let bare_rules = self::rules(&bare.key, Algorithm::Hs256, |worth| {
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

#[test]
fn an_altered_ecdsa_signature_has_the_same_name() {
    let (rules, good) = issuer(Algorithm::Es256);
    let token = good.clone().claim("jti", Value::Null).sign();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&Base64UrlUnpadded::decode_vec(signature).unwrap()).unwrap();
    let (r, s) = signature.split_scalars();
    let altered = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s.as_ref()).to_bytes()).unwrap();
    let altered = format!("{input}.{}", Base64UrlUnpadded::encode_string(&altered.to_bytes()));
    assert_ne!(altered, token);
    assert_eq!(check(&altered, &rules).unwrap().id(), check(&token, &rules).unwrap().id());
}

/// A good HS256 token and its rules: cheap enough for thousands of cases.
fn cheap() -> (JwtRules, String) {
    let (rules, good) = issuer(Algorithm::Hs256);
    (rules, good.sign())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_of_a_good_token_is_accepted(place in 0usize..4096, byte in any::<u8>(), kind in 0u8..4) {
        let (rules, token) = cheap();
        let mut bytes = token.clone().into_bytes();
        let place = place % bytes.len();
        match kind {
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            2 => { bytes.remove(place); }
            _ => bytes.truncate(place),
        }
        let mutated = String::from_utf8_lossy(&bytes).into_owned();
        prop_assume!(mutated != token);
        prop_assert!(check(&mutated, &rules).is_err());
    }

    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}", a in "[A-Za-z0-9_-]{0,80}", b in "[A-Za-z0-9_-]{0,80}", c in "[A-Za-z0-9_-]{0,80}") {
        let (rules, _) = cheap();
        prop_assert!(check(&text, &rules).is_err());
        let dotted = format!("{a}.{b}.{c}");
        prop_assert!(check(&dotted, &rules).is_err());
        let _ = bearer_token(Some(&text));
    }

    #[test]
    fn no_json_in_the_right_places_makes_it_panic(header in json_object(), claims in json_object()) {
        let (rules, good) = issuer(Algorithm::Hs256);
        let token = sign_parts(&header, &claims, Algorithm::Hs256, &good.key);
        let _ = check(&token, &rules);
        let _ = check(&good.sign_claims_text(&claims), &rules);
        prop_assert!(check(&good.sign_header_text(&header), &rules).is_err(), "alg is missing");
    }

    #[test]
    fn a_bearer_token_is_found_as_it_was_sent(token in "[A-Za-z0-9._~+/-]{1,64}={0,2}", scheme in "[Bb][Ee][Aa][Rr][Ee][Rr]", blanks in " {1,3}") {
        let header = format!("{scheme}{blanks}{token}");
        prop_assert_eq!(bearer_token(Some(&header)), Ok(token.as_str()));
    }
}

fn json_object() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    let name = prop_oneof![
        "[a-z]{1,6}",
        proptest::sample::select(vec![
            "exp", "nbf", "iat", "iss", "aud", "sub", "sid", "jti", "kid", "typ", "crit", "x5t"
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::btree_map(name, value, 0..8).prop_map(|map| json!(map).to_string())
}

#[test]
fn the_native_port_signs_what_it_verifies() {
    // The battery above stands on this: a port that verified everything, or nothing, would prove nothing.
    for algorithm in [Algorithm::Rs256, Algorithm::Ps512, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let (rules, good) = issuer(algorithm);
        let edge_logout::token::VerificationMaterial::Public(key) = rules.keys.keys[0].material() else {
            panic!("public")
        };
        let signature = crypto::sign(algorithm, &good.key, "input");
        assert!(crypto::verify(key, "input", &signature));
        assert!(!crypto::verify(key, "inpux", &signature));
    }
}
