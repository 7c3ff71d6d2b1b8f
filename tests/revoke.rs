//! Logging out with the ledger: success means recorded, whatever happens on the way.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, revocation, token};
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::request::TestRequest;
use crate::support::run;
use crate::support::shards::SETTLING;
use crate::support::shipped::{self, service, service_on_kv_alone, service_with};
use crate::support::tokens::{NOW, TestToken};
use edge_logout::ports::{Clock, LedgerError};
use edge_logout::revocation::{Digest, Doubt, Effective, Freshness, Revocation, Scope};
use edge_logout::time::Timestamp;

/// Logs a session out with these faults in the way: what came of it, how often the ledger was tried, how long it took.
fn log_out_through(faults: &[LedgerFault]) -> (Result<(), Doubt>, usize, Duration, TestPlatform, Isolate) {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_faults.borrow_mut().extend(faults.iter().copied());
    let result = isolate.log_out(&platform, "a");
    let (tries, took) = (platform.asked("Record"), platform.now().since(NOW));
    (result, tries, took, platform, isolate)
}

fn recorded(platform: &TestPlatform) -> usize {
    platform.with_shard(0, |ledger| ledger.rows.rows.len())
}

#[test]
fn what_may_be_gone_at_the_next_try_is_tried_again() {
    for (faults, tries) in [
        (vec![], 1),
        (vec![LedgerFault::Error(LedgerError::Retryable)], 2),
        (vec![LedgerFault::Error(LedgerError::Retryable); 2], 3),
        (vec![LedgerFault::DoneBut(LedgerError::Retryable)], 2),
        (vec![LedgerFault::DoneBut(LedgerError::Failed)], 2),
        (vec![LedgerFault::Hangs], 2),
    ] {
        let (result, tried, took, platform, isolate) = log_out_through(&faults);
        assert_eq!((result, tried, recorded(&platform)), (Ok(()), tries, 1), "{faults:?}");
        assert!(took <= LIMIT, "{faults:?} took {took:?}");
        assert!(!isolate.is_active(&platform, &token("a"), BOUNDED));
    }
}

#[test]
fn a_lost_answer_leaves_one_row_of_one_version() {
    let (_, _, _, platform, _) = log_out_through(&[LedgerFault::DoneBut(LedgerError::Retryable); 2]);
    let versions: Vec<_> = platform.with_shard(0, |ledger| ledger.rows.rows.values().map(|row| row.version).collect());
    assert_eq!(versions, [1]);
}

#[test]
fn what_does_not_pass_is_told_and_leaves_nothing_in_memory() {
    use LedgerError::{Failed, Overloaded, Retryable, TimedOut};
    for (fault, error, tries) in [
        (LedgerFault::Error(Overloaded), Overloaded, 1),
        (LedgerFault::Error(Failed), Failed, 3),
        (LedgerFault::Error(Retryable), Retryable, 3),
        (LedgerFault::Hangs, TimedOut, 2),
        (LedgerFault::Says("{}"), Failed, 1),
    ] {
        let (result, tried, took, platform, isolate) = log_out_through(&[fault; 9]);
        assert_eq!((result, tried), (Err(Doubt::Ledger(error)), tries), "{fault:?}");
        assert!(took <= LIMIT, "{fault:?} took {took:?}");
        platform.ledger_faults.borrow_mut().clear();
        platform.pass(Duration::from_secs(2));
        assert!(isolate.is_active(&platform, &token("a"), BOUNDED), "{fault:?}: nobody has been told that it ended");
    }
}

#[test]
fn the_broad_one_is_recorded_before_the_narrow_one() {
    let of_shard = |scope, shard| {
        let all = (0..).map(|number| revocation(scope, &number.to_string(), None, NOW.plus(Duration::from_hours(1))));
        let shard_of = |one: &Revocation| Digest::of_key(&one.key).unwrap().shard(2);
        all.into_iter().find(|one| shard_of(one) == shard).unwrap()
    };
    for (broad, narrow) in [(0, 1), (1, 0)] {
        let batch = [of_shard(Scope::Session, broad), of_shard(Scope::Token, narrow)];
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(2));
        run(isolate.on(&platform).revoke(&batch, LIMIT)).unwrap();
        let order: Vec<_> = platform.asked.borrow().iter().map(|(shard, _)| *shard).collect();
        assert_eq!(order, [broad, narrow]);
        let platform = TestPlatform::at(NOW);
        platform.ledger_faults.borrow_mut().push_back(LedgerFault::Error(LedgerError::Overloaded));
        assert!(run(isolate.on(&platform).revoke(&batch, LIMIT)).is_err());
        assert_eq!(platform.asked.borrow().len(), 1, "the narrow one is never there without the broad one");
    }
}

#[test]
fn what_one_shard_keeps_is_recorded_in_one_call() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    let ends = |scope| revocation(scope, "x", None, NOW.plus(Duration::from_hours(1)));
    run(isolate.on(&platform).revoke(&[ends(Scope::Session), ends(Scope::Token)], LIMIT)).unwrap();
    assert_eq!(platform.asked.borrow().len(), 1);
}

#[test]
fn the_index_follows_though_it_failed_for_a_while() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    let fault = crate::support::platform::Fault::Error(edge_logout::ports::IndexError::Transient);
    platform.put_faults.borrow_mut().extend([fault; 10]);
    isolate.log_out(&platform, "a").unwrap();
    platform.live_on(Duration::from_secs(500));
    assert_eq!((platform.index.borrow().len(), platform.puts.borrow().len()), (1, 11));
    assert!(!Isolate::on_kv_alone().is_active(&platform, &token("a"), Freshness::Eventual));
}

#[test]
fn a_receipt_has_seconds_rounded_up() {
    let now = Timestamp::from_millis(1_795_188_000_001);
    let receipt = |has_ledger| Effective::of(now, has_ledger, Duration::from_millis(2_500), SETTLING).header();
    assert_eq!(receipt(true), "strong=@1795188001, bounded=@1795188003, eventual=@1795188121");
    assert_eq!(receipt(false), "eventual=@1795188121");
}

#[test]
fn a_logout_says_from_when_on_it_holds() {
    let receipt = |service: edge_logout::service::Service, contract: &str, path: &str| {
        let request = TestRequest::post(path).bearer(&TestToken::of(contract).sign());
        let request = request.json(r#"{"sessionToken":"x"}"#);
        let reply = run(service.answer(&request, &TestPlatform::at(NOW))).reply;
        assert_eq!(reply.status, 200);
        reply.header("Revocation-Effective").map(str::to_owned).unwrap()
    };
    let worth = |service| receipt(service, "worth", "/customer/logout");
    assert_eq!(worth(service()), "strong=@1800000000, bounded=@1800000001, eventual=@1800000120");
    assert_eq!(worth(service_on_kv_alone()), "eventual=@1800000120");
    let longer = service_with(|table| {
        shipped::issuer(table, "worth")["bound_milliseconds"] = serde_json::json!(5_000);
        table["ledger"] = serde_json::json!({ "settling_seconds": 300 });
    });
    assert_eq!(worth(longer), "strong=@1800000000, bounded=@1800000005, eventual=@1800000300");
    let of_session = service_with(|table| {
        shipped::issuer(table, "loyaltydog-sessions")["bound_milliseconds"] = serde_json::json!(7_000);
    });
    let told = receipt(of_session, "loyaltydog", "/v2/giftcards/customers/logout");
    assert!(told.contains("bounded=@1800000007"), "whose session it is counts: {told}");
}
