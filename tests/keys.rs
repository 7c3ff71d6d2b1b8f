//! Keys that are fetched: when, how often, and what becomes of tokens when they rotate.

#![allow(clippy::unchecked_time_subtraction)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::task::{Context, Waker};
use std::time::Duration;

use crate::support::asking::Asking;
use crate::support::keys::{
    JWKS, asking, check, go_down, good, key, noted, publish, refresh, service, set, signed, unknown, untold,
};
use crate::support::request::TestRequest;
use crate::support::run;
use crate::support::web::{Served, answer};
use futures_util::future::join_all;
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_hours(1);

fn fetches(asking: &Asking) -> usize {
    asking.platform.web.count(JWKS)
}

#[test]
fn keys_are_fetched_once_and_remembered() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    for _ in 0..100 {
        assert_eq!(check(&asking, &signed(&one, "a")), good());
        assert_eq!(check(&asking, &signed(&one, "b")), good());
    }
    assert_eq!((fetches(&asking), asking.platform.verified.get()), (1, 2));
}

#[test]
fn they_are_fetched_anew_behind_an_answer_before_they_end() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    assert!(!refresh(&asking), "what nobody has asked for");
    let token = signed(&one, "a");
    check(&asking, &token);
    asking.platform.pass(HOUR - Duration::from_mins(6));
    assert!(!refresh(&asking), "much too early");
    asking.platform.pass(Duration::from_mins(2));
    assert!(refresh(&asking));
    assert!(!refresh(&asking), "once is enough");
    asking.platform.pass(Duration::from_mins(30));
    assert_eq!(check(&asking, &token), good());
    assert_eq!((fetches(&asking), asking.platform.verified.get()), (2, 1), "nobody has waited, nothing changed");
}

#[test]
fn what_is_no_longer_fresh_is_fetched_before_it_is_used() {
    let (asking, one, two) = (asking(|_| ()), key("one", 1), key("two", 2));
    publish(&asking, &[&one]);
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    publish(&asking, &[&two]);
    asking.platform.pass(HOUR);
    assert_eq!(check(&asking, &signed(&one, "a")), unknown(), "a pause without traffic keeps no removed key alive");
}

#[test]
fn cache_control_is_honoured_within_limits() {
    let cases: [(Option<&str>, u64); 6] = [
        (Some("max-age=600"), 600),
        (Some("max-age=1"), 300),
        (Some("no-store"), 300),
        (Some("max-age=999999"), 24 * 3600),
        (Some("public"), 3600),
        (None, 3600),
    ];
    for (cache_control, seconds) in cases {
        let (asking, one) = (asking(|_| ()), key("one", 1));
        asking.platform.web.serve_json(JWKS, &set(&[&one]), cache_control);
        let token = signed(&one, "a");
        check(&asking, &token);
        asking.platform.pass(Duration::from_secs(seconds) - Duration::from_millis(1));
        check(&asking, &token);
        assert_eq!(fetches(&asking), 1, "{cache_control:?}");
        asking.platform.pass(Duration::from_millis(1));
        check(&asking, &token);
        assert_eq!(fetches(&asking), 2, "{cache_control:?}");
    }
}

#[test]
fn a_thousand_hostile_names_are_one_fetch() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    for number in 0..1_000 {
        let hostile = signed(&one, "a").header("kid", json!(format!("hostile-{number}")));
        assert_eq!(check(&asking, &hostile), unknown());
        asking.platform.pass(Duration::from_millis(59));
    }
    assert_eq!(fetches(&asking), 2);
    asking.platform.pass(Duration::from_secs(2));
    check(&asking, &signed(&one, "a").header("kid", json!("one-more")));
    assert_eq!(fetches(&asking), 3, "a minute later there may be another one");
}

#[test]
fn what_no_key_could_be_for_is_no_reason_to_fetch() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    let status = |token: &str| asking.check("/check?issuer=worth", token);
    assert_eq!(status("a.b.c"), 401);
    assert_eq!(status(&signed(&one, "a").header("alg", json!("RS256")).sign()), 401);
    assert_eq!(status(&signed(&one, "a").header("alg", json!("none")).sign()), 401);
    assert_eq!(fetches(&asking), 0);
}

#[test]
fn a_rotation_with_overlap_is_never_noticed() {
    let (asking, old, new) = (asking(|_| ()), key("old", 1), key("new", 2));
    publish(&asking, &[&old]);
    assert_eq!(check(&asking, &signed(&old, "a")), good());
    publish(&asking, &[&old, &new]);
    assert_eq!(check(&asking, &signed(&new, "b")), good(), "an unknown name leads to a fetch");
    assert_eq!(check(&asking, &signed(&old, "a")), good());
    assert_eq!((fetches(&asking), asking.platform.verified.get()), (2, 2), "the old key's token was not judged again");
    assert_eq!(asking.platform.forgotten.borrow().as_slice(), [0_u32; 0]);
}

#[test]
fn tokens_of_a_removed_key_die_and_others_are_not_judged_again() {
    let (asking, old, new) = (asking(|_| ()), key("old", 1), key("new", 2));
    publish(&asking, &[&old, &new]);
    for token in [signed(&old, "a"), signed(&new, "b")] {
        assert_eq!(check(&asking, &token), good());
    }
    publish(&asking, &[&new]);
    asking.platform.pass(HOUR - Duration::from_mins(1));
    assert!(refresh(&asking));
    for _ in 0..3 {
        assert_eq!(check(&asking, &signed(&old, "a")), unknown());
        assert_eq!(check(&asking, &signed(&new, "b")), good());
    }
    assert_eq!(asking.platform.verified.get(), 2);
    assert_eq!(asking.platform.forgotten.borrow().len(), 1, "and the platform keeps the old key no longer");
}

#[test]
fn another_key_of_the_same_name_is_another_key() {
    let (asking, old, new) = (asking(|_| ()), key("one", 1), key("one", 2));
    publish(&asking, &[&old]);
    assert_eq!(check(&asking, &signed(&old, "a")), good());
    publish(&asking, &[&new]);
    asking.platform.pass(HOUR);
    assert_eq!(check(&asking, &signed(&old, "a")), (401, "bad_signature".to_owned()));
    assert_eq!(check(&asking, &signed(&new, "a")), good());
}

#[test]
fn logouts_and_batches_go_by_the_same_keys() {
    let (asking, old, new) = (asking(|_| ()), key("old", 1), key("new", 2));
    publish(&asking, &[&old]);
    let log_out = |token: &str| asking.send(&TestRequest::post("/customer/logout").bearer(token)).reply.status;
    assert_eq!(log_out(&signed(&old, "a").sign()), 200);
    publish(&asking, &[&new]);
    assert_eq!(log_out(&signed(&new, "b").sign()), 200);
    assert_eq!(log_out(&signed(&old, "c").sign()), 401);
    let batch = json!({ "tokens": [signed(&new, "d").sign(), signed(&old, "e").sign()] }).to_string();
    let secret = crate::support::shipped::CLIENT_SECRET;
    let answer = asking.send(&TestRequest::post("/batch-check").bearer(secret).json(&batch));
    let body: Value = crate::support::asking::body(&answer);
    assert_eq!(
        (&body["verdicts"][0]["status"], &body["verdicts"][1]["reason"]),
        (&json!("active"), &json!("unknown_key"))
    );
}

#[test]
fn requests_at_once_fetch_once() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    let served = answer(200, &set(&[&one]).to_string(), None);
    asking.platform.web.serve(JWKS, Served::After(Duration::from_millis(700), served));
    let requests: Vec<_> = (0..50)
        .map(|number| TestRequest::new("GET", "/check").bearer(&signed(&one, &number.to_string()).sign()))
        .collect();
    let answers = run(join_all(requests.iter().map(|request| asking.service.answer(request, &asking.platform))));
    assert!(answers.iter().all(|answer| answer.reply.status == 200));
    assert_eq!((fetches(&asking), asking.platform.web.most_at_once.get()), (1, 1));
    // The same with a name that nobody knows.
    let hostile: Vec<_> = (0..50)
        .map(|number| signed(&one, "a").header("kid", json!(format!("hostile-{number}"))).sign())
        .map(|token| TestRequest::new("GET", "/check").bearer(&token))
        .collect();
    let answers = run(join_all(hostile.iter().map(|request| asking.service.answer(request, &asking.platform))));
    assert!(answers.iter().all(|answer| answer.reply.status == 401));
    assert_eq!((fetches(&asking), asking.platform.web.most_at_once.get()), (2, 1));
}

#[test]
fn whoever_is_gone_holds_nobody_up() {
    let one = key("one", 1);
    for is_dropped in [true, false] {
        let asking = asking(|_| ());
        asking.platform.web.serve(JWKS, Served::Hangs);
        let request = TestRequest::new("GET", "/check").bearer(&signed(&one, "a").sign());
        let mut gone = Box::pin(asking.service.answer(&request, &asking.platform));
        assert!(gone.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        publish(&asking, &[&one]);
        if is_dropped {
            drop(gone);
        } else {
            // Its client is gone, and nobody has told it: it is never polled again.
            asking.platform.pass(Duration::from_millis(2_600));
            std::mem::forget(gone);
        }
        assert_eq!(check(&asking, &signed(&one, "a")), good(), "{is_dropped}");
    }
}

#[test]
fn a_clock_that_is_set_back_vouches_for_nothing() {
    let (asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    asking.platform.skew.set(-30_000);
    assert_eq!(check(&asking, &signed(&one, "b").claim("iat", Value::Null)), good());
    assert_eq!(fetches(&asking), 1, "two machines' clocks may be that far apart");
    asking.platform.skew.set(-90_000);
    assert_eq!(check(&asking, &signed(&one, "c").claim("iat", Value::Null)), good());
    assert_eq!(fetches(&asking), 2);
    go_down(&asking);
    asking.platform.skew.set(-900_000);
    assert_eq!(check(&asking, &signed(&one, "d").claim("iat", Value::Null)), untold());
    assert_eq!(noted(&asking.platform, "keys_fetch_failed").len(), 1);
}

#[test]
fn an_issuer_may_say_how_long() {
    let refresh =
        json!({ "least_seconds": 60, "most_seconds": 120, "unknown_kid_seconds": 10, "serve_stale_seconds": 0 });
    let one = key("one", 1);
    let asking = Asking { service: service(|worth| worth["key_refresh"] = refresh), ..asking(|_| ()) };
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    go_down(&asking);
    asking.platform.pass(Duration::from_secs(119));
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    asking.platform.pass(Duration::from_secs(1));
    assert_eq!(check(&asking, &signed(&one, "a")), untold());
}
