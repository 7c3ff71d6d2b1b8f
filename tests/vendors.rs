//! What vendors keep besides: anonymous sessions, user directories, session stores.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::cell::RefCell;
use std::time::Duration;

use crate::support::platform::TestPlatform;
use crate::support::request::TestRequest;
use crate::support::run;
use crate::support::shipped::{self, service, service_on_kv_alone_with};
use crate::support::tokens::{NOW, TestToken, now};
use edge_logout::config::Config;
use edge_logout::ports::Clock;
use edge_logout::ports::KvLifetime;
use edge_logout::service::Service;
use serde_json::{Value, json};

const MONTH: i64 = 30 * 24 * 3600;

#[test]
fn a_storefronts_shopper_goes_on_as_a_visitor() {
    let platform = TestPlatform::at(NOW);
    let service = service();
    let token = TestToken::of("commerce-engine-storefront")
        .claim("store_id", json!("store-1"))
        .claim("channel", json!({ "id": "web" }))
        .claim("email", json!("jane@shop.example"));
    let post = |token: &str| run(service.answer(&TestRequest::post("/auth/logout").bearer(token), &platform));
    let body: Value = serde_json::from_str(&post(&token.sign()).reply.body.unwrap()).unwrap();
    let user = &body["content"]["user"];
    assert_eq!(
        (&user["id"], &user["email"], &user["is_logged_in"]),
        (&json!("user-1"), &json!("jane@shop.example"), &json!(false))
    );
    assert_eq!(
        (&user["phone"], &user["is_phone_verified"], &user["login_methods"]),
        (&Value::Null, &json!(false), &json!([]))
    );
    let claims_of = |token: &Value| -> Value {
        use base64ct::{Base64UrlUnpadded, Encoding};
        let claims = token.as_str().unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(claims).unwrap()).unwrap()
    };
    let (access, refresh) = (claims_of(&body["content"]["access_token"]), claims_of(&body["content"]["refresh_token"]));
    assert_eq!((&access["store_id"], &access["channel"]), (&json!("store-1"), &json!({ "id": "web" })));
    assert_eq!((&access["is_anonymous"], &access["is_logged_in"]), (&json!(true), &json!(false)));
    assert_eq!(
        (&access["iat"], &access["exp"], &refresh["exp"]),
        (&json!(now()), &json!(now() + 3600), &json!(now() + MONTH))
    );
    assert_eq!((&access["sid"], &access["ulid"]), (&refresh["sid"], &refresh["ulid"]));
    assert_ne!(access["jti"], refresh["jti"]);
    assert_eq!(access["ulid"].as_str().unwrap().len(), 26);
    assert_eq!(post(body["content"]["refresh_token"].as_str().unwrap()).reply.status, 401, "no access token");
    assert_eq!(post(body["content"]["access_token"].as_str().unwrap()).reply.status, 200, "the visitor can go, too");
}

#[test]
fn a_visitors_session_ends_by_the_issuers_own_names() {
    let service = service_on_kv_alone_with(|table| {
        shipped::issuer(table, "commerce-engine-storefront")["claims"] =
            json!({ "subject": "user_id", "session": "session_id" });
    });
    let platform = TestPlatform::at(NOW);
    let post = |token: &str| run(service.answer(&TestRequest::post("/auth/logout").bearer(token), &platform));
    let body: Value =
        serde_json::from_str(&post(&TestToken::of("commerce-engine-storefront").sign()).reply.body.unwrap()).unwrap();
    platform.index.borrow_mut().clear();
    assert_eq!(post(body["content"]["access_token"].as_str().unwrap()).reply.status, 200);
    assert_eq!(platform.scopes(), ["token"], "of an anonymous session that was minted here the token alone ends");
}

/// A storefront, and what its visitors do.
struct Storefront {
    service: Service,
    platform: TestPlatform,
}

impl Storefront {
    fn on_kv_alone() -> Self {
        Self { service: service_on_kv_alone_with(|_| ()), platform: TestPlatform::at(NOW) }
    }

    /// Logs out; the new access token and refresh token.
    fn log_out(&self, token: &str) -> Result<(String, String), u16> {
        let request = TestRequest::post("/auth/logout").bearer(token);
        let reply = run(self.service.answer(&request, &self.platform)).reply;
        let body: Value = serde_json::from_str(&reply.body.unwrap()).unwrap();
        let token = |name: &str| body["content"][name].as_str().map(str::to_owned);
        token("access_token").zip(token("refresh_token")).ok_or(reply.status)
    }
}

fn claims_of(token: &str) -> Value {
    use base64ct::{Base64UrlUnpadded, Encoding};
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&Base64UrlUnpadded::decode_vec(claims).unwrap()).unwrap()
}

fn shopper() -> TestToken {
    TestToken::of("commerce-engine-storefront")
}

#[test]
fn a_logout_of_an_anonymous_session_records_its_token_until_that_ends() {
    let shop = Storefront::on_kv_alone();
    let (access, _) = shop.log_out(&shopper().sign()).unwrap();
    assert_eq!(shop.platform.scopes(), ["session", "token"], "the shopper's own session ends as a whole");
    shop.platform.index.borrow_mut().clear();
    shop.log_out(&access).unwrap();
    assert_eq!(shop.platform.scopes(), ["token"]);
    let index = shop.platform.index.borrow();
    let KvLifetime::Until(ends) = index.values().next().unwrap().lifetime else { panic!("a moment") };
    let exp = claims_of(&access)["exp"].as_i64().unwrap();
    assert!((exp..=exp + 120).contains(&i64::from(ends)), "{ends} for {exp}: the token's own end and the leeway");
    assert_eq!(shop.log_out(&access), Err(401), "it is refused from now on");
}

#[test]
fn a_chain_of_anonymous_sessions_has_an_end() {
    let shop = Storefront::on_kv_alone();
    let (first, refresh) = shop.log_out(&shopper().sign()).unwrap();
    let (ends, refresh_ends) = (claims_of(&first)["exp"].clone(), claims_of(&refresh)["exp"].clone());
    let (mut token, mut ids) = (first, Vec::new());
    for number in 1..=16 {
        assert_eq!(claims_of(&token)["edge_logout"]["number"], json!(number));
        assert_eq!(claims_of(&token)["exp"], ends, "no logout renews it");
        ids.push(claims_of(&token)["sid"].to_string());
        shop.platform.pass(Duration::from_mins(1));
        let (next, refresh) = shop.log_out(&token).unwrap();
        assert_eq!(claims_of(&refresh)["exp"], refresh_ends);
        assert_eq!(claims_of(&refresh)["edge_logout"], Value::Null);
        token = next;
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 16, "each session is another one");
    let seconds = shop.platform.now().as_millis() / 1000;
    assert!(claims_of(&token)["exp"].as_i64().unwrap() <= seconds, "the last one again, at its end");
    assert_eq!(shop.log_out(&token), Err(401), "and revoked");
    assert_eq!(shop.platform.index.borrow().len(), 2 + 16);
}

#[test]
fn logouts_of_one_token_at_the_same_time_do_not_multiply_sessions() {
    let (mut token, _) = Storefront::on_kv_alone().log_out(&shopper().sign()).unwrap();
    for _ in 0..4 {
        let log_out = || {
            // Each as if it had seen none of the others' revocations yet.
            let shop = Storefront { service: service_on_kv_alone_with(|_| ()), platform: TestPlatform::default() };
            shop.platform.pass(Duration::from_secs(1));
            shop.log_out(&token).unwrap().0
        };
        let next: Vec<_> = (0..5).map(|_| log_out()).collect();
        for claim in ["jti", "sid", "exp"] {
            assert!(next.iter().all(|other| claims_of(other)[claim] == claims_of(&next[0])[claim]), "{claim}");
        }
        token.clone_from(&next[0]);
    }
}

#[test]
fn what_only_looks_like_a_minted_session_ends_as_a_whole() {
    let shop = Storefront::on_kv_alone();
    let (access, _) = shop.log_out(&shopper().sign()).unwrap();
    let minted = claims_of(&access);
    let place = minted["edge_logout"].clone();
    let mut more = place.clone();
    more["number"] = json!(2);
    let pretenders = [
        shopper().claim("is_anonymous", json!(true)),
        shopper().claim("edge_logout", place.clone()),
        shopper().claim("edge_logout", json!("chain")).claim("jti", minted["jti"].clone()),
        shopper().claim("edge_logout", more).claim("jti", minted["jti"].clone()),
    ];
    for token in pretenders {
        let shop = Storefront::on_kv_alone();
        let (next, _) = shop.log_out(&token.sign()).unwrap();
        assert_eq!(shop.platform.scopes(), ["session", "token"], "{:?}", token.claims);
        assert_eq!(claims_of(&next)["edge_logout"]["number"], json!(1), "a chain of its own");
    }
}

#[test]
fn different_shoppers_never_become_one_visitor() {
    let visitor =
        |token: TestToken| claims_of(&Storefront::on_kv_alone().log_out(&token.sign()).unwrap().0)["ulid"].clone();
    let one = visitor(shopper().claim("sid", json!("1")).claim("ulid", json!("ada")).claim("jti", json!("a")));
    let other = visitor(shopper().claim("sid", json!("1")).claim("ulid", json!("grace")).claim("jti", json!("b")));
    assert_ne!(one, other);
}

#[test]
fn a_user_directory_decides_who_is_known() {
    let logout = |platform: &TestPlatform| {
        let service = service_on_kv_alone_with(|table| {
            shipped::route(table, "commerce-engine-storefront")["user_directory"] = json!("USERS");
        });
        let token = TestToken::of("commerce-engine-storefront").claim("email", json!("old@shop.example")).sign();
        let answer = run(service.answer(&TestRequest::post("/auth/logout").bearer(&token), platform));
        let body: Value = serde_json::from_str(&answer.reply.body.unwrap()).unwrap();
        (answer.reply.status, body, answer.log.outcome.name(), platform.index.borrow().len())
    };
    let with = |users: Option<&[(&str, &str)]>| {
        let mut platform = TestPlatform::at(NOW);
        platform.directory =
            users.map(|users| users.iter().map(|(id, user)| ((*id).to_owned(), (*user).to_owned())).collect());
        logout(&platform)
    };
    let (status, body, outcome, written) =
        with(Some(&[("user-1", r#"{"email":"new@shop.example","is_email_verified":true}"#)]));
    let user = &body["content"]["user"];
    assert_eq!((status, outcome, written), (200, "revoked", 2));
    assert_eq!(
        (&user["email"], &user["is_email_verified"], &user["id"]),
        (&json!("new@shop.example"), &json!(true), &json!("user-1"))
    );
    let (status, body, outcome, written) = with(Some(&[]));
    assert_eq!(
        (status, &body["code"], outcome, written),
        (404, &json!("not_found"), "revoked", 2),
        "revoked all the same"
    );
    for failing in [None, Some([("user-1", "no JSON")].as_slice())] {
        let (status, body, _, written) = with(failing);
        assert_eq!((status, written), (200, 2), "the session has ended, whatever the directory does");
        assert_eq!(body["content"]["user"]["email"], "old@shop.example");
    }
}

#[test]
fn a_session_is_deleted_from_the_vendors_store_as_well() {
    let mut table = shipped::table();
    shipped::route(&mut table, "loyaltydog")["session_store"] =
        json!({ "url_secret": "REDIS", "key_prefix": "session:" });
    let mut environment = shipped::environment_without_ledger();
    environment.secrets.insert("REDIS".to_owned(), "redis://127.0.0.1".to_owned());
    let service = Service::new(Config::parse(&table.to_string(), &environment).unwrap());
    let request = TestRequest::post("/v2/giftcards/customers/logout")
        .bearer(&TestToken::of("loyaltydog").sign())
        .json(r#"{"sessionToken":"abc"}"#);
    let mut platform = TestPlatform::at(NOW);
    let failed = run(service.answer(&request, &platform));
    assert_eq!(
        (failed.reply.status, failed.log.reason),
        (503, Some("session_store_unavailable")),
        "{:?}",
        failed.reply
    );
    assert_eq!(platform.scopes(), ["token"], "revoked here all the same");
    platform.sessions = Some(RefCell::new(vec!["session:abc".to_owned(), "session:abcd".to_owned()]));
    assert_eq!(run(service.answer(&request, &platform)).reply.status, 200, "trying again is safe");
    assert_eq!(platform.sessions.unwrap().into_inner(), ["session:abcd"]);
}
