//! Laws that hold for any token, and for any text in its place.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![allow(clippy::string_slice, clippy::too_many_lines)]

use crate::support::issuers::{check, issuer};
use crate::support::tokens::sign_parts;
use base64ct::{Base64UrlUnpadded, Encoding};
use edge_logout::token::{Algorithm, JwtRules, TokenProblem, bearer_token};
use proptest::prelude::*;
use serde_json::{Value, json};

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
    fn base64url_has_one_spelling(text in "[A-Za-z0-9_-]{0,12}[A-Za-z0-9_=+/ \\n-]{0,4}") {
        // The fast reader against the strict one.
        let (rules, good) = issuer(Algorithm::Hs256);
        let is_one = Base64UrlUnpadded::decode_vec(&text).is_ok();
        let (head, _) = good.sign().rsplit_once('.').map(|(head, tail)| (head.to_owned(), tail.to_owned())).unwrap();
        let found = check(&format!("{head}.{text}"), &rules).err();
        let expected = if is_one { TokenProblem::BadSignature } else { TokenProblem::Malformed };
        prop_assert_eq!(found, Some(expected));
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
