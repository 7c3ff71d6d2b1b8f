//! What isolates of a location share of fetched keys, and what may not come of it.

#![allow(clippy::unchecked_time_subtraction)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::asking::Asking;
use crate::support::keys::{
    JWKS, asking, check, go_down, good, key, noted, public, publish, refresh, set, signed, start_anew, unknown, untold,
};
use crate::support::tokens::NOW;
use serde_json::{Value, json};

const HOUR: Duration = Duration::from_hours(1);

fn fetches(asking: &Asking) -> usize {
    asking.platform.web.count(JWKS)
}

/// The name under which keys are shared, and what is.
fn shared(asking: &Asking) -> (String, String) {
    let shared = asking.platform.shared.borrow();
    let (name, text) = shared.iter().find(|(name, _)| name.starts_with("keys-")).unwrap();
    (name.clone(), String::from_utf8(text.clone()).unwrap())
}

/// A new isolate that finds this as shared.
fn finding(text: impl Fn(&str) -> String) -> Asking {
    let (mut asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    let (name, before) = shared(&asking);
    asking.platform.shared.borrow_mut().insert(name, text(&before).into_bytes());
    start_anew(&mut asking);
    asking
}

#[test]
fn another_isolate_of_the_location_need_not_fetch() {
    let (mut asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    for _ in 0..10 {
        start_anew(&mut asking);
        assert_eq!(check(&asking, &signed(&one, "a")), good());
        asking.platform.pass(Duration::from_mins(1));
    }
    assert_eq!(fetches(&asking), 1);
    let (name, text) = shared(&asking);
    assert!(!name.contains("id.example"), "{name}");
    assert!(text.starts_with(&format!("{} {}\n{{", NOW.as_millis(), NOW.plus(HOUR).as_millis())), "{text}");
}

#[test]
fn what_is_shared_lives_no_longer_than_what_was_fetched() {
    let (mut asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    asking.platform.pass(HOUR - Duration::from_millis(1));
    start_anew(&mut asking);
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    assert_eq!(fetches(&asking), 1);
    asking.platform.pass(Duration::from_millis(1));
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    assert_eq!(fetches(&asking), 2, "whoever took it over has it as long as whoever fetched it");
}

#[test]
fn one_refresh_does_for_the_location() {
    let one = key("one", 1);
    let mut first = asking(|_| ());
    publish(&first, &[&one]);
    check(&first, &signed(&one, "a"));
    let second = crate::support::keys::service(|_| ());
    let first_service = std::mem::replace(&mut first.service, second);
    check(&first, &signed(&one, "a"));
    first.platform.pass(Duration::from_mins(56));
    assert!(refresh(&first));
    assert_eq!(fetches(&first), 2);
    first.service = first_service;
    assert!(refresh(&first), "the other one is due as well");
    assert_eq!(fetches(&first), 2);
    assert!(!refresh(&first));
}

#[test]
fn an_unknown_name_is_looked_for_in_the_location_first() {
    let (one, two) = (key("one", 1), key("two", 2));
    let mut first = asking(|_| ());
    publish(&first, &[&one]);
    check(&first, &signed(&one, "a"));
    let second = crate::support::keys::service(|_| ());
    publish(&first, &[&one, &two]);
    let first_service = std::mem::replace(&mut first.service, second);
    first.platform.pass(Duration::from_secs(5));
    assert_eq!(check(&first, &signed(&two, "b")), good(), "the second one fetches");
    first.service = first_service;
    assert_eq!(check(&first, &signed(&two, "b")), good(), "the first one finds it");
    assert_eq!(check(&first, &signed(&two, "b").header("kid", json!("hostile"))), unknown());
    assert_eq!(fetches(&first), 2);
}

#[test]
fn a_new_isolate_finds_the_last_good_keys_while_the_provider_is_down() {
    let (mut asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    check(&asking, &signed(&one, "a"));
    go_down(&asking);
    asking.platform.pass(HOUR * 24);
    start_anew(&mut asking);
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    assert_eq!(noted(&asking.platform, "keys_fetch_failed").len(), 1, "it has asked");
    asking.platform.pass(HOUR);
    assert_eq!(check(&asking, &signed(&one, "a")), untold());
    start_anew(&mut asking);
    assert_eq!(check(&asking, &signed(&one, "a")), untold());
}

#[test]
fn what_is_shared_is_judged_like_anything_else() {
    let (from, to) = (NOW.as_millis(), NOW.plus(HOUR).as_millis());
    let forged = |from: i64, to: i64, set: &Value| format!("{from} {to}\n{set}");
    let mut enc = public(&key("one", 1));
    enc["use"] = json!("enc");
    let good_set = set(&[&key("one", 1)]);
    let day = 24 * 3_600_000;
    let bad = [
        String::new(),
        "nonsense".to_owned(),
        good_set.to_string(),
        format!("{from}\n{good_set}"),
        format!("{from} soon\n{good_set}"),
        forged(from + 1, to, &good_set),
        forged(from, from - 1, &good_set),
        forged(from, from + day + 1, &good_set),
        forged(from - 3 * day, from - 2 * day, &good_set),
        forged(i64::MAX, i64::MAX, &good_set),
        forged(i64::MIN, i64::MAX, &good_set),
        forged(from, to, &json!({ "keys": [] })),
        forged(from, to, &json!({ "keys": [enc] })),
        forged(from, to, &json!({ "keys": [public(&key("one", 1))], "pad": "x".repeat(65_536) })),
    ];
    for text in bad {
        let asking = finding(|_| text.clone());
        assert_eq!(check(&asking, &signed(&key("one", 1), "a")), good());
        assert_eq!(fetches(&asking), 2, "{text:.80}");
    }
    assert_eq!(fetches(&finding(str::to_owned)), 1);
}

#[test]
fn nothing_depends_on_it() {
    let (mut asking, one) = (asking(|_| ()), key("one", 1));
    publish(&asking, &[&one]);
    asking.platform.sharing_hangs.set(true);
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    start_anew(&mut asking);
    assert_eq!(check(&asking, &signed(&one, "a")), good());
    assert_eq!(fetches(&asking), 2);
}
