//! Checks of opaque tokens: looked up, never verified, and only where their issuer is named.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use crate::support::asking::{Asking, refusal};
use crate::support::request::TestRequest;
use crate::support::tokens::TestToken;

const URL: &str = "/check?issuer=loyaltydog-sessions";
const HEADER: &str = "X-Eposn-Customer-Token";

fn get(url: &str) -> TestRequest {
    TestRequest::new("GET", url)
}

fn log_out(asking: &Asking, session: &str) {
    let request = TestRequest::post("/v2/giftcards/customers/logout").bearer(&TestToken::of("loyaltydog").sign());
    let answer = asking.send(&request.json(&format!(r#"{{"sessionToken":"{session}"}}"#)));
    assert_eq!(answer.reply.status, 200);
}

#[test]
fn it_is_looked_up_from_either_header_and_the_answer_says_so() {
    let asking = Asking::shipped();
    log_out(&asking, "ended");
    for (session, status) in [("going-on", 200), ("ended", 401)] {
        for request in [get(URL).bearer(session), get(URL).header(HEADER, session)] {
            let answer = asking.send(&request);
            assert_eq!(answer.reply.status, status, "{session}");
            let verified = answer.reply.header("X-Auth-Verified");
            assert_eq!(verified, (status == 200).then_some("false"));
            assert_eq!(answer.reply.header("X-Auth-Token-Id"), None, "it is a credential, so it is not told");
        }
    }
}

#[test]
fn one_that_was_made_up_passes_only_where_its_issuer_is_named() {
    let asking = Asking::shipped();
    assert_eq!(asking.check(URL, "made-up"), 200, "nobody here knows better");
    for url in ["/check", "/check/", "/check?issuer=worth"] {
        assert_eq!(asking.check(url, "made-up"), 401, "{url}");
        let by_header = asking.send(&get(url).header(HEADER, "made-up"));
        assert_eq!(refusal(&by_header).2, "no_credential", "{url}");
    }
}

#[test]
fn a_jwt_that_was_looked_up_as_opaque_is_still_verified() {
    let asking = Asking::shipped();
    let bad = TestToken::of("worth").claim("aud", serde_json::json!("others")).sign();
    assert_eq!(asking.check(URL, &bad), 200);
    assert_eq!(asking.check("/check", &bad), 401);
    let good = TestToken::of("worth").sign();
    assert_eq!(asking.check("/check", &good), 200);
    let answer = asking.send(&get(URL).bearer(&good));
    assert_eq!(answer.reply.header("X-Auth-Verified"), Some("false"), "nor the other way round");
}

#[test]
fn two_credentials_need_a_word_on_which_counts() {
    let asking = Asking::shipped();
    log_out(&asking, "ended");
    let both = |query: &str, bearer: &str, customer: &str| {
        asking.send(&get(&format!("{URL}{query}")).bearer(bearer).header(HEADER, customer)).reply.status
    };
    assert_eq!(both("", "going-on", "going-on"), 401);
    assert_eq!(both("&credential=bearer", "going-on", "ended"), 200);
    assert_eq!(both("&credential=bearer", "ended", "going-on"), 401);
    assert_eq!(both("&credential=x-eposn-customer-token", "ended", "going-on"), 200);
    assert_eq!(both("&credential=x-eposn-customer-token", "going-on", "ended"), 401);
    let missing = asking.send(&get(&format!("{URL}&credential=x-eposn-customer-token")).bearer("going-on"));
    assert_eq!(refusal(&missing).2, "no_credential");
}

#[test]
fn what_no_token_looks_like_is_none() {
    let asking = Asking::shipped();
    for customer in ["", "a b", "a, b", "ä"] {
        assert_eq!(asking.send(&get(URL).header(HEADER, customer)).reply.status, 401, "{customer:?}");
    }
    let twice = get(URL).header(HEADER, "going-on").header(HEADER, "ended");
    assert_eq!(asking.send(&twice).reply.status, 401);
    assert_eq!(asking.check(URL, &"x".repeat(8_193)), 401);
}
