//! Keys that are fetched, from a provider that is down, slow, or publishes nonsense.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::asking::Asking;
use crate::support::clock;
use crate::support::keys::{
    JWKS, asked, asking, check, go_down, good, key, noted, public, publish, refresh, set, signed, untold,
};
use crate::support::platform::TestPlatform;
use crate::support::request::TestRequest;
use crate::support::shipped::CLIENT_SECRET;
use crate::support::tokens::NOW;
use crate::support::web::{Served, answer};
use edge_logout::ports::WebError;
use serde_json::json;

const HOUR: Duration = Duration::from_hours(1);

/// What a provider may do that is no set of keys, and the word that the log has for it.
fn nonsense() -> Vec<(Served, &'static str)> {
    let says = |status, body: &str| Served::Answer(answer(status, body, None));
    let one = public(&key("one", 1));
    let many: Vec<_> = (0..65).map(|_| one.clone()).collect();
    let enc = {
        let mut enc = one.clone();
        enc["use"] = json!("enc");
        enc
    };
    vec![
        (Served::Error(WebError::Unreachable), "unreachable"),
        (Served::Hangs, "timed_out"),
        (Served::After(Duration::from_millis(2_001), answer(200, &set(&[&one]).to_string(), None)), "timed_out"),
        (says(301, ""), "redirected"),
        (says(302, &set(&[&one]).to_string()), "redirected"),
        (says(404, &set(&[&one]).to_string()), "bad_status"),
        (says(500, ""), "bad_status"),
        (says(204, ""), "bad_status"),
        (says(200, ""), "unreadable"),
        (says(200, "<html>"), "html"),
        (says(200, " \n<?xml version=\"1.0\"?>"), "html"),
        (says(200, "nothing"), "unreadable"),
        (says(404, &"<p>".repeat(64 * 1024)), "bad_status"),
        (says(200, "[]"), "unreadable"),
        (says(200, &one.to_string()), "unreadable"),
        (says(200, r#"{"keys":{}}"#), "unreadable"),
        (says(200, &format!("{{\"keys\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000))), "unreadable"),
        (Served::Answer(edge_logout::ports::Fetched { body: vec![0xff; 9], ..answer(200, "", None) }), "unreadable"),
        (says(200, r#"{"keys":[]}"#), "no_usable_key"),
        (says(200, r#"{"keys":[1,"a",null,{"kid":"x"}]}"#), "no_usable_key"),
        (says(200, &json!({ "keys": [enc] }).to_string()), "no_usable_key"),
        (says(200, &json!({ "keys": many }).to_string()), "too_many_keys"),
        (says(200, &json!({ "keys": [one], "pad": "x".repeat(64 * 1024) }).to_string()), "too_large"),
    ]
}

#[test]
fn nonsense_is_no_set_of_keys_and_takes_none_away() {
    for (served, reason) in nonsense() {
        let (asking, one) = (asking(|_| ()), key("one", 1));
        asking.platform.web.serve(JWKS, served.clone());
        assert_eq!(check(&asking, &signed(&one, "a")), untold(), "{reason}");
        assert_eq!(noted(&asking.platform, "keys_fetch_failed"), [(reason.to_owned(), None)]);
        let status = match &served {
            Served::Answer(answer) => Some(answer.status),
            _ => None,
        };
        assert_eq!(asked(&asking.platform), [(JWKS.to_owned(), status)], "{reason}");
        assert!(clock::now().since(NOW) <= Duration::from_millis(2_100), "{reason}: in time");
        asking.platform.pass(Duration::from_secs(5));
        publish(&asking, &[&one]);
        assert_eq!(check(&asking, &signed(&one, "a")), good());
        asking.platform.web.serve(JWKS, served);
        asking.platform.pass(HOUR);
        let begin = clock::now();
        for name in ["a", "b", "c"] {
            assert_eq!(check(&asking, &signed(&one, name)), good(), "{reason}");
        }
        assert!(clock::now().since(begin) <= Duration::from_millis(2_100), "{reason}: one request waits, and no other");
    }
}

#[test]
fn the_last_good_keys_serve_for_a_day_and_then_nothing_can_be_told() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    go_down(&asking);
    let mut passed = Duration::ZERO;
    while passed < HOUR * 25 {
        assert_eq!(check(&asking, &signed(&one, "a")), good(), "after {passed:?}");
        assert_eq!(check(&asking, &signed(&one, &format!("{passed:?}"))), good(), "a new token too, after {passed:?}");
        refresh(&asking);
        asking.platform.pass(Duration::from_mins(30));
        passed += Duration::from_mins(30);
    }
    assert_eq!(check(&asking, &signed(&one, "a")), untold(), "not even what is remembered");
    assert_eq!(check(&asking, &signed(&one, "new")), untold());
    publish(&asking, &[&one]);
    asking.platform.pass(Duration::from_mins(1));
    assert_eq!(check(&asking, &signed(&one, "a")), good());
}

#[test]
fn a_key_that_is_not_known_cannot_be_told_from_a_new_one_while_the_provider_is_down() {
    let (asking, one, two) = (asking(|_| ()), key("one", 1), key("two", 2));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    go_down(&asking);
    assert_eq!(check(&asking, &signed(&two, "b")), untold());
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    asking.platform.pass(Duration::from_mins(1));
    publish(&asking, &[&one, &two]);
    assert_eq!(check(&asking, &signed(&two, "b")), good());
}

#[test]
fn a_provider_that_is_down_is_not_hammered() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    go_down(&asking);
    let mut asked_at = Vec::new();
    for _ in 0..6_000 {
        let before = asking.platform.web.count(JWKS);
        assert_eq!(check(&asking, &signed(&one, "a")), untold());
        refresh(&asking);
        if asking.platform.web.count(JWKS) > before {
            asked_at.push(clock::now().since(NOW).as_secs());
        }
        asking.platform.pass(Duration::from_millis(100));
    }
    assert_eq!(asked_at, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363, 423, 483, 543]);
    assert_eq!(noted(&asking.platform, "keys_fetch_failed").len(), asked_at.len());
}

#[test]
fn while_it_is_down_hostile_names_are_no_reason_to_ask_more_often() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    go_down(&asking);
    for number in 0..600 {
        check(&asking, &signed(&one, "a").header("kid", json!(format!("hostile-{number}"))));
        asking.platform.pass(Duration::from_secs(1));
    }
    assert_eq!(asking.platform.web.count(JWKS), 1 + 10, "once a minute");
}

#[test]
fn a_slow_provider_is_waited_for_and_the_verdict_keeps_its_time() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    let slow = Served::After(Duration::from_millis(1_900), answer(200, &set(&[&one]).to_string(), None));
    asking.platform.web.serve(JWKS, slow);
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    let asking = crate::support::keys::asking(|_| ());
    let slow = Served::After(Duration::from_millis(1_900), answer(200, &set(&[&one]).to_string(), None));
    asking.platform.web.serve(JWKS, slow);
    asking.platform.ledger_down.set(Some(crate::support::platform::LedgerFault::Hangs));
    assert_eq!(check(&asking, &signed(&one, "a")).0, 503);
    assert!(clock::now().since(NOW) <= Duration::from_millis(3_100), "{:?}", clock::now().since(NOW));
}

/// However many issuers may be meant and however many tokens are asked about, whoever asks waits three seconds at the most.
#[test]
fn providers_that_hang_cost_no_more_than_a_verdict_may_take() {
    let hanging = || {
        let service = crate::support::shipped::service_with(|table| {
            let worth = crate::support::shipped::issuer(table, "worth");
            worth.as_object_mut().unwrap().remove("jwks");
            worth["algorithms"] = json!(["ES256"]);
            worth["jwks_url"] = json!(JWKS);
            let worth = worth.clone();
            for number in 2..6 {
                let mut other = worth.clone();
                other["name"] = json!(format!("worth-{number}"));
                other["audiences"] = json!([format!("other-{number}")]);
                other["jwks_url"] = json!(format!("https://id-{number}.example/jwks"));
                table["issuers"].as_array_mut().unwrap().push(other);
            }
        });
        let asking = Asking { service, platform: TestPlatform::at(NOW) };
        for number in 2..6 {
            asking.platform.web.serve(&format!("https://id-{number}.example/jwks"), Served::Hangs);
        }
        asking.platform.web.serve(JWKS, Served::Hangs);
        asking
    };
    let (one, limit) = (key("one", 1), Duration::from_millis(3_200));
    assert_eq!(check(&hanging(), &signed(&one, "a")), untold());
    assert!(clock::now().since(NOW) <= limit, "a check: {:?}", clock::now().since(NOW));

    let asking = hanging();
    let tokens: Vec<_> = (0..100).map(|number| signed(&one, &number.to_string()).sign()).collect();
    let batch = TestRequest::post("/batch-check").bearer(CLIENT_SECRET).json(&json!({ "tokens": tokens }).to_string());
    assert_eq!(asking.send(&batch).reply.status, 200);
    assert!(clock::now().since(NOW) <= limit, "a batch: {:?}", clock::now().since(NOW));

    let asking = hanging();
    let logout = TestRequest::post("/customer/logout").bearer(&signed(&one, "a").sign());
    assert_eq!(asking.send(&logout).reply.status, 500);
    assert!(clock::now().since(NOW) <= limit, "a logout: {:?}", clock::now().since(NOW));
}
