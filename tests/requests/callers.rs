//! What anonymous callers may ask for, and what they cost.

use serde_json::json;

use crate::support::asking::{Asking, refusal};
use crate::support::request::TestRequest;
use crate::support::shipped::{CLIENT_SECRET, issuer, route, service_with};
use crate::support::tokens::TestToken;

const CLIENT: &str = "x-edge-logout-client";

fn worth() -> String {
    TestToken::of("worth").sign()
}

fn opaque(query: &str, text: &str) -> TestRequest {
    TestRequest::new("GET", &format!("/check?issuer=loyaltydog-sessions{query}")).bearer(text)
}

fn calls(asking: &Asking) -> (usize, usize) {
    (asking.platform.asked.borrow().len(), asking.platform.finds.borrow().len())
}

#[test]
fn nobody_unknown_makes_a_check_dearer_than_it_is_configured() {
    let asking = Asking::shipped();
    for number in 0..300 {
        let query = ["&freshness=strong", "&bound_milliseconds=100", "&freshness=bounded&bound_milliseconds=999"];
        let answer = asking.send(&opaque(query[number % 3], &format!("text-{}", number % 7)));
        assert_eq!(refusal(&answer), (403, "forbidden".to_owned(), "freshness_not_allowed".to_owned()));
    }
    assert_eq!(calls(&asking), (0, 0), "neither ledger nor KV is asked");
    assert_eq!(asking.check("/check?freshness=strong", &worth()), 403);
    assert_eq!(asking.check("/check?freshness=bounded&bound_milliseconds=5000", &worth()), 200);
    assert_eq!(asking.check("/check?freshness=bounded", &worth()), 200);
}

#[test]
fn eventual_comes_to_what_is_configured() {
    let answer = Asking::shipped().send(&TestRequest::new("GET", "/check?freshness=eventual").bearer(&worth()));
    assert_eq!(answer.reply.header("X-Auth-Freshness"), Some("bounded"), "the stronger promise, and the cheaper one");
}

#[test]
fn a_clients_secret_allows_more() {
    let freshness = |secret: &str, query: &str| {
        let request = TestRequest::new("GET", &format!("/check?{query}")).bearer(&worth()).header(CLIENT, secret);
        let answer = Asking::shipped().send(&request);
        (answer.reply.status, answer.reply.header("X-Auth-Freshness").map(str::to_owned), answer.log.client)
    };
    let backend = Some("backend".to_owned());
    assert_eq!(freshness(CLIENT_SECRET, "freshness=strong"), (200, Some("strong".to_owned()), backend.clone()));
    assert_eq!(freshness(CLIENT_SECRET, "freshness=eventual"), (200, Some("eventual".to_owned()), backend));
    for wrong in ["", "x", CLIENT_SECRET.trim_start_matches('d')] {
        assert_eq!(freshness(wrong, "freshness=strong").0, 403, "{wrong}");
    }
    let of_shopper = TestRequest::new("GET", "/check?freshness=strong").bearer(CLIENT_SECRET);
    assert_eq!(Asking::shipped().send(&of_shopper).reply.status, 401, "Authorization is the shopper's");
}

#[test]
fn the_internal_entrypoint_and_the_table_allow_more() {
    let request = TestRequest::new("GET", "/check?freshness=strong").bearer(&worth());
    assert_eq!(Asking::shipped().send(&request.clone().internal()).reply.status, 200);
    let open = Asking::of(service_with(|table| table["check"] = json!({ "stronger_by_query": true })));
    assert_eq!(open.send(&request).reply.status, 200);
    let strong = Asking::of(service_with(|table| issuer(table, "worth")["freshness"] = json!("strong")));
    assert_eq!(strong.send(&request).reply.status, 200, "what is configured is nothing more");
}

#[test]
fn the_same_text_again_is_answered_from_memory() {
    let asking = Asking::shipped();
    asking.platform.imported.set(true);
    for _ in 0..300 {
        assert_eq!(asking.send(&opaque("", "made-up")).reply.status, 200);
    }
    let (ledger, kv) = calls(&asking);
    assert!(ledger <= 2 && kv <= 1, "{ledger} calls of the ledger, {kv} of KV");
    for number in 0..300 {
        asking.send(&opaque("", &format!("made-up-{number}")));
    }
    assert!(calls(&asking).0 <= 2, "other texts cost no call of the ledger");
}

#[test]
fn misses_of_an_address_are_limited() {
    let mut asking = Asking::shipped();
    asking.platform.rate_limit = Some(10);
    let from = |address: &str, text: &str| opaque("", text).header("cf-connecting-ip", address);
    for number in 0..30 {
        let answer = asking.send(&from("203.0.113.7", &format!("made-up-{number}")));
        let wanted = if number < 10 { 200 } else { 429 };
        assert_eq!(answer.reply.status, wanted, "{number}");
    }
    assert_eq!(asking.platform.finds.borrow().len(), 10);
    assert_eq!(asking.send(&from("203.0.113.7", "made-up-0")).reply.status, 200, "what is known costs nothing");
    assert_eq!(asking.send(&from("203.0.113.8", "another")).reply.status, 200);
    let nowhere: Vec<_> = (0..11).map(|n| asking.send(&opaque("", &format!("nowhere-{n}"))).reply.status).collect();
    assert_eq!(nowhere.last(), Some(&429), "without an address all share one");
    let limited = asking.send(&from("203.0.113.7", "made-up-99"));
    assert_eq!(refusal(&limited), (429, "too_many_requests".to_owned(), "rate_limited".to_owned()));
    assert_eq!(limited.reply.header("Retry-After"), Some("10"));
    assert_eq!(asking.check("/check", &worth()), 200, "a verified token is no miss of nobody's");
}

#[test]
fn a_trusted_proxy_names_whose_misses_they_are() {
    let mut asking = Asking::of(service_with(|table| {
        table["check"] = json!({ "client_address_header": "X-Client-Address" });
    }));
    asking.platform.rate_limit = Some(1);
    let proxied = |address: &str, text: &str| {
        opaque("", text).header("cf-connecting-ip", "198.51.100.1").header("x-client-address", address)
    };
    let trusted = |address: &str, text: &str| proxied(address, text).header(CLIENT, CLIENT_SECRET);
    assert_eq!(asking.send(&trusted("2001:db8::1", "a")).reply.status, 200);
    assert_eq!(asking.send(&trusted("2001:db8::2", "b")).reply.status, 429, "one network is one caller");
    assert_eq!(asking.send(&trusted("203.0.113.9", "c")).reply.status, 200, "others go on");
    assert_eq!(asking.send(&proxied("203.0.113.10", "d")).reply.status, 200);
    assert_eq!(asking.send(&proxied("203.0.113.11", "e")).reply.status, 429, "nobody unknown names an address");
    let unnamed = opaque("", "f").header("cf-connecting-ip", "198.51.100.1").header(CLIENT, CLIENT_SECRET);
    assert_eq!(asking.send(&unnamed).reply.status, 200, "the proxy's own address is not counted");
}

#[test]
fn made_up_opaque_logouts_are_limited_too() {
    let mut asking = Asking::of(service_with(|table| {
        route(table, "marzipan")["issuer"] = json!("loyaltydog-sessions");
        route(table, "marzipan")["revokes"] = json!(["token"]);
    }));
    asking.platform.rate_limit = Some(2);
    let logout =
        |text: &str| TestRequest::post("/account/logout").bearer(text).header("cf-connecting-ip", "203.0.113.7");
    let statuses: Vec<_> = ["a", "b", "c"].iter().map(|text| asking.send(&logout(text)).reply.status).collect();
    assert_eq!(statuses, [200, 200, 503]);
    assert_eq!(asking.send(&logout("d")).log.reason, Some("rate_limited"));
}
