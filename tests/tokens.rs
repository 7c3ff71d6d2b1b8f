//! Tokens: which are accepted, and one battery of tampering for every algorithm.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::string_slice, clippy::too_many_lines)]

use std::cell::Cell;
use std::rc::Rc;

use crate::support::issuers::{check, issuer, problem, rules};
use crate::support::platform::TestPlatform;
use crate::support::shipped;
use crate::support::tokens::{NOW, TestToken, encode, sign_parts};
use crate::support::{crypto, run};
use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::config::{Config, Tokens};
use edge_logout::token::{Algorithm, TokenProblem, VerifyError, verify};
use serde_json::{Value, json};

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
fn a_header_is_judged_alike_every_time() {
    let (rules, good) = issuer(Algorithm::Hs256);
    for turn in 0..3 {
        assert!(check(&good.sign(), &rules).is_ok(), "{turn}");
        for (name, value) in [("crit", json!(["b64"])), ("typ", json!("dpop+jwt")), ("alg", json!("HS384"))] {
            let mut header = good.header.clone();
            header[name] = value;
            assert!(check(&good.sign_header_text(&header.to_string()), &rules).is_err(), "{name}, {turn}");
        }
        // More headers than are remembered, and one that is too long for that.
        for kid in (0..100).map(|kid| kid.to_string()).chain(["k".repeat(1000)]) {
            let token = good.sign_header_text(&json!({ "alg": "HS256", "kid": kid }).to_string());
            assert_eq!(problem(&token, &rules), Some(TokenProblem::UnknownKey), "{kid}");
        }
    }
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
        let Config { issuers, routes, .. } = config;
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
    let (_, good) = issuer(Algorithm::Es256);
    let mut table = json!([]);
    for kid in ["key-0", "key-1"] {
        let mut key = good.key.clone();
        key["kid"] = json!(kid);
        key.as_object_mut().unwrap().remove("d");
        table.as_array_mut().unwrap().push(key);
    }
    let rules = rules(&good.key, Algorithm::Es256, |worth| worth["jwks"] = json!({ "keys": table }));
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

#[test]
fn the_native_port_signs_what_it_verifies() {
    // The battery above stands on this: a port that verified everything, or nothing, would prove nothing.
    for algorithm in [Algorithm::Rs256, Algorithm::Ps512, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa] {
        let (rules, good) = issuer(algorithm);
        let ring = rules.keys.configured().unwrap();
        let edge_logout::token::VerificationMaterial::Public(key) = ring.keys[0].material() else { panic!("public") };
        let signature = crypto::sign(algorithm, &good.key, "input");
        assert!(crypto::verify(key, "input", &signature));
        assert!(!crypto::verify(key, "inpux", &signature));
    }
}
