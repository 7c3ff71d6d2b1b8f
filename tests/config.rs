//! Configuration refusals: each names the setting in `wrangler.toml`'s own words, and nothing is assumed.

#![allow(clippy::string_slice, clippy::too_many_lines, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::shipped::{environment, issuer, refused, route};
use edge_logout::config::Config;
use serde_json::{Value, json};

#[test]
fn the_shipped_table_is_in_order() {
    assert_eq!(refused(|_| ()), Vec::<String>::new());
}

type Change = fn(&mut Value);

#[test]
fn each_refusal_names_its_setting() {
    let cases: &[(Change, &str)] = &[
        (|t| t["extra"] = json!(1), "vars.EDGE_LOGOUT.extra: unknown setting `extra`"),
        (
            |t| t["issuers"] = json!([]),
            "vars.EDGE_LOGOUT.issuers: is empty: write at least one [[vars.EDGE_LOGOUT.issuers]]",
        ),
        (
            |t| t["issuers"][0] = json!("worth"),
            "vars.EDGE_LOGOUT.issuers[0]: must be a table, { setting = value, ... }; got text",
        ),
        (|t| issuer(t, "worth")["nam"] = json!("x"), "issuers[2].nam: unknown setting `nam`"),
        (|t| issuer(t, "worth")["name"] = json!("Wörth"), "issuers[2].name: must be 1 to 64 of a-z, 0-9 and -"),
        (|t| issuer(t, "worth")["name"] = json!(7), "issuers[2].name: must be text; got a number"),
        (|t| issuer(t, "worth")["name"] = json!("marzipan"), "issuers[3].name: is the name of another issuer as well"),
        (
            |t| remove(issuer(t, "worth"), "iss"),
            "issuers[2].iss: is missing: write the `iss` of its tokens, or [] when they carry none",
        ),
        (|t| remove(issuer(t, "worth"), "audiences"), "issuers[2].audiences: is missing"),
        (
            |t| issuer(t, "worth")["audiences"] = json!([""]),
            "issuers[2].audiences: must be text or a list of texts; got a list with empty text in it",
        ),
        (|t| remove(issuer(t, "worth"), "algorithms"), "issuers[2].algorithms: is missing"),
        (
            |t| issuer(t, "worth")["algorithms"] = json!(["none"]),
            "issuers[2].algorithms: unknown algorithm \"none\"; known: \"HS256\", \"HS384\"",
        ),
        (
            |t| issuer(t, "worth")["algorithms"] = json!(["PS256", "PS256"]),
            "issuers[2].algorithms: has \"PS256\" twice",
        ),
        (
            |t| issuer(t, "worth")["algorithms"] = json!(["RS256"]),
            "issuers[2].jwks.keys[0]: has `alg` \"PS256\", which is not in the issuer's `algorithms`",
        ),
        (|t| remove(issuer(t, "worth"), "jwks"), "issuers[2].jwks: is missing: write the public keys here"),
        (|t| issuer(t, "worth")["jwks"] = json!({ "keys": [] }), "issuers[2].jwks: must be a JWK set"),
        (|t| issuer(t, "worth")["jwks"] = json!("https://x"), "issuers[2].jwks: must be a JWK set"),
        (|t| key(t)["n"] = json!("AQAB"), "issuers[2].jwks.keys[0]: is too short for its algorithm"),
        (|t| key(t)["n"] = json!("not base64url!"), "issuers[2].jwks.keys[0]: has no valid `n`"),
        (|t| remove(key(t), "e"), "issuers[2].jwks.keys[0]: has no valid `e`"),
        (|t| key(t)["use"] = json!("enc"), "issuers[2].jwks.keys[0]: is not for signatures"),
        (|t| key(t)["key_ops"] = json!(["sign"]), "issuers[2].jwks.keys[0]: is not for signatures"),
        (
            |t| key(t)["d"] = json!("AQAB"),
            "issuers[2].jwks.keys[0]: is a private key: write its public half into `jwks`",
        ),
        (|t| key(t)["p"] = json!("AQAB"), "issuers[2].jwks.keys[0]: is a private key"),
        (|t| *key(t) = json!({ "kty": "oct", "k": "a2V5" }), "issuers[2].jwks.keys[0]: is a symmetric key"),
        (
            |t| key(t)["kty"] = json!("EC"),
            "issuers[2].jwks.keys[0]: has a `kty` or `crv` that fits none of the issuer's `algorithms`",
        ),
        (
            |t| issuer(t, "commerce-engine-storefront")["secret"] = json!("NOT_THERE"),
            "issuers[5].secret: the Worker secret NOT_THERE is not set",
        ),
        (
            |t| issuer(t, "worth")["kind"] = json!("saml"),
            "issuers[2].kind: unknown kind \"saml\"; known: \"jwt\", \"opaque\"",
        ),
        (|t| issuer(t, "worth")["leeway_seconds"] = json!(301), "issuers[2].leeway_seconds: must be at most 300"),
        (|t| issuer(t, "worth")["leeway_seconds"] = json!(1.5), "issuers[2].leeway_seconds: must be a whole number"),
        (|t| issuer(t, "worth")["leeway_seconds"] = json!("5"), "issuers[2].leeway_seconds: must be a whole number"),
        (
            |t| issuer(t, "worth")["longest_lifetime_seconds"] = json!(0),
            "issuers[2].longest_lifetime_seconds: must be 1 to 315360000",
        ),
        (|t| issuer(t, "worth")["claims"] = json!({ "session": "exp" }), "issuers[2].claims.session: must not be exp"),
        (|t| issuer(t, "worth")["claims"] = json!({ "user": "sub" }), "issuers[2].claims.user: unknown setting `user`"),
        (
            |t| issuer(t, "worth")["required_claims"] = json!({ "role": [] }),
            "issuers[2].required_claims.role: is empty",
        ),
        (
            |t| remove(issuer(t, "loyaltydog-sessions"), "longest_lifetime_seconds"),
            "issuers[1].longest_lifetime_seconds: is missing",
        ),
        (|t| issuer(t, "loyaltydog-sessions")["jwks"] = json!({}), "issuers[1].jwks: is for issuers of kind \"jwt\""),
        (
            |t| remove(t, "routes"),
            "vars.EDGE_LOGOUT.routes: is missing: write at least one [[vars.EDGE_LOGOUT.routes]]",
        ),
        (
            |t| route(t, "worth")["contract"] = json!("worthy"),
            "routes[1].contract: unknown contract \"worthy\"; did you mean \"worth\"?",
        ),
        (|t| remove(route(t, "worth"), "contract"), "routes[1].contract: is missing"),
        (
            |t| route(t, "worth")["issuer"] = json!("nobody"),
            "routes[1].issuer: unknown issuer \"nobody\"; known: \"loyaltydog\"",
        ),
        (|t| route(t, "worth")["path"] = json!("/x"), "routes[1].path: unknown setting `path`"),
        (|t| route(t, "worth")["paths"] = json!([]), "routes[1].paths: is empty"),
        (|t| route(t, "worth")["paths"] = json!("logout"), "routes[1].paths: \"logout\" must begin with /"),
        (
            |t| route(t, "worth")["paths"] = json!("/account/logout"),
            "routes[2].paths: \"/account/logout\" cannot be routed",
        ),
        (|t| route(t, "worth")["paths"] = json!("/healthz"), "routes[1].paths: \"/healthz\" cannot be routed"),
        (|t| route(t, "worth")["paths"] = json!("/{a}{b}"), "routes[1].paths: \"/{a}{b}\" cannot be routed"),
        (|t| route(t, "worth")["host"] = json!("https://x"), "routes[1].host: must be a host name"),
        (|t| route(t, "worth")["host"] = json!("x:8787"), "routes[1].host: must be a host name"),
        (|t| route(t, "worth")["revokes"] = json!([]), "routes[1].revokes: is empty"),
        (
            |t| route(t, "worth")["revokes"] = json!(["tokens"]),
            "routes[1].revokes: unknown scope \"tokens\"; did you mean \"token\"?",
        ),
        (|t| route(t, "worth")["revokes"] = json!(["token", "token"]), "routes[1].revokes: has \"token\" twice"),
        (|t| route(t, "worth")["revokes"] = json!(["issuer"]), "routes[1].revokes: must not be \"issuer\""),
        (|t| route(t, "worth")["cors"] = json!({}), "routes[1].cors.allowed_origins: is missing"),
        (
            |t| route(t, "worth")["cors"] = json!({ "allowed_origins": "shop.example" }),
            "routes[1].cors.allowed_origins: \"shop.example\" is not an origin",
        ),
        (
            |t| route(t, "worth")["cors"] = json!({ "allowed_origins": "https://shop.example/" }),
            "\"https://shop.example/\" is not an origin",
        ),
        (|t| route(t, "worth")["cors"] = json!({ "allowed_origins": "null" }), "\"null\" is not an origin"),
        (
            |t| route(t, "worth")["cors"] = json!({ "allowed_origins": "*", "allow_credentials": true }),
            "routes[1].cors.allowed_origins: \"*\" cannot be combined",
        ),
        (
            |t| route(t, "worth")["cors"] = json!({ "allowed_origins": "*", "allow_credentials": 1 }),
            "routes[1].cors.allow_credentials: must be true or false",
        ),
        (
            |t| route(t, "worth")["sessions"] = json!("loyaltydog-sessions"),
            "routes[1].sessions: is not for this contract",
        ),
        (|t| remove(route(t, "loyaltydog"), "sessions"), "routes[0].sessions: is missing"),
        (
            |t| route(t, "loyaltydog")["sessions"] = json!("worth"),
            "routes[0].sessions: must be an issuer of kind \"opaque\", and \"worth\" is not",
        ),
        (|t| route(t, "loyaltydog")["session_store"] = json!({}), "routes[0].session_store.url_secret: is missing"),
        (
            |t| route(t, "loyaltydog")["session_store"] = json!({ "url_secret": "COMMERCE_ENGINE_STOREFRONT_KEY" }),
            "routes[0].session_store.url_secret: the Worker secret COMMERCE_ENGINE_STOREFRONT_KEY is not redis[s]://",
        ),
        (|t| route(t, "worth")["session_store"] = json!({}), "routes[1].session_store: is not for this contract"),
        (
            |t| route(t, "loyaltydog")["session_store"] = json!({ "url_secret": "X" }),
            "routes[0].session_store.key_prefix: is missing",
        ),
        (
            |t| route(t, "loyaltydog")["issuer"] = json!("loyaltydog-sessions"),
            "routes[0].issuer: must be an issuer of kind \"jwt\"",
        ),
        (
            |t| route(t, "worth")["issuer"] = json!("loyaltydog-sessions"),
            "routes[1].issuer: must be an issuer of kind \"jwt\"",
        ),
        (|t| route(t, "worth")["host"] = json!("bücher.example"), "routes[1].host: must be a host name in ASCII"),
        (
            |t| route(t, "worth")["cors"] = json!({ "allowed_origins": "https://a.example:443" }),
            "\"https://a.example:443\" is not an origin",
        ),
        (|t| route(t, "worth")["cors"] = json!({ "allowed_origins": "https://:" }), "\"https://:\" is not an origin"),
        (
            |t| issuer(t, "worth")["required_claims"] = json!({ "exp": "1" }),
            "issuers[2].required_claims.exp: must not be required by value",
        ),
        (
            |t| route(t, "commerce-engine-storefront")["user_directory"] = json!("no such binding!"),
            "routes[4].user_directory: must be the name of a KV binding",
        ),
        (|t| route(t, "loyaltydog")["revokes"] = json!(["session"]), "routes[0].revokes: must be \"token\""),
        (
            |t| route(t, "worth")["revokes"] = json!(["subject", "session"]),
            "routes[1].revokes: must not have both \"session\" and \"subject\"",
        ),
        (
            |t| route(t, "worth")["paths"] = json!("/abmelden/für/alle"),
            "routes[1].paths: \"/abmelden/für/alle\" must begin",
        ),
        (|t| route(t, "worth")["paths"] = json!("/a/../b"), "routes[1].paths: \"/a/../b\" must begin"),
        (|t| route(t, "worth")["cors"] = json!({ "allowed_origins": [] }), "routes[1].cors.allowed_origins: is empty"),
        (
            |t| route(t, "commerce-engine-storefront")["user_directory"] = json!("REVOCATIONS"),
            "routes[4].user_directory: must not be REVOCATIONS, the namespace of the revocations",
        ),
        (
            |t| {
                let mut twin = issuer(t, "worth").clone();
                twin["name"] = json!("worth-2");
                t["issuers"].as_array_mut().unwrap().push(twin);
            },
            "]: takes the tokens of issuer \"worth\" as well",
        ),
        (
            |t| issuer(t, "worth")["claims"] = json!({ "session": "sub" }),
            "issuers[2].claims: must name three different claims",
        ),
        (|t| key(t)["e"] = json!("AQ"), "issuers[2].jwks.keys[0]: has no valid `e`"),
        (
            |t| {
                remove(key(t), "alg");
                issuer(t, "worth")["algorithms"] = json!(["PS256", "RS256"]);
            },
            "issuers[2].jwks.keys[0]: has no valid `alg`",
        ),
        (
            |t| issuer(t, "commerce-engine-storefront")["secret"] = json!("{\"kty\":\"oct\"}"),
            "issuers[5].secret: must be the name of a Worker secret",
        ),
        (
            |t| remove(route(t, "commerce-engine-storefront"), "anonymous_session"),
            "routes[4].anonymous_session: is missing",
        ),
        (
            |t| minting(t)["access_token_seconds"] = json!(0),
            "routes[4].anonymous_session.access_token_seconds: must be 1 to 2592000",
        ),
        (
            |t| minting(t)["refresh_token_seconds"] = json!(2_592_001),
            "routes[4].anonymous_session.refresh_token_seconds: must be 1 to 2592000",
        ),
        (|t| remove(minting(t), "signing_secret"), "routes[4].anonymous_session.signing_secret: is missing"),
        (
            |t| minting(t)["signing_secret"] = json!("NOT_THERE"),
            "routes[4].anonymous_session.signing_secret: the Worker secret NOT_THERE is not set",
        ),
        (
            |t| route(t, "worth")["user_directory"] = json!("USERS"),
            "routes[1].user_directory: is not for this contract",
        ),
    ];
    for (change, expected) in cases {
        let refused = refused(change);
        assert!(refused.iter().any(|refusal| refusal.contains(expected)), "expected {expected:?} among {refused:#?}");
        assert!(refused.iter().all(|refusal| refusal.starts_with("vars.EDGE_LOGOUT.")), "{refused:#?}");
    }
}

fn remove(table: &mut Value, setting: &str) {
    table.as_object_mut().unwrap().remove(setting);
}

fn key(table: &mut Value) -> &mut Value {
    &mut issuer(table, "worth")["jwks"]["keys"][0]
}

fn minting(table: &mut Value) -> &mut Value {
    &mut route(table, "commerce-engine-storefront")["anonymous_session"]
}

#[test]
fn all_refusals_are_told_at_once() {
    let refused = refused(|table| {
        issuer(table, "worth")["leeway_seconds"] = json!(1000);
        issuer(table, "marzipan")["algorithms"] = json!("none");
        route(table, "worth")["paths"] = json!("x");
    });
    assert!(refused.len() >= 3, "{refused:#?}");
}

#[test]
fn what_is_no_table_is_refused() {
    for json in ["", "[]", "null", "{", "\"x\""] {
        let refusals = Config::parse(json, &environment()).unwrap_err();
        assert!(refusals.to_string().starts_with("vars.EDGE_LOGOUT"), "{json}: {refusals}");
    }
}
