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
use edge_logout::ports::{KvEntry, KvLifetime};
use edge_logout::revocation::{AuthorityError, Effective, Freshness, Logout, Scope, TokenEntry};
use edge_logout::time::Timestamp;

/// Logs a session out with these faults in the way: what came of it, how often the ledger was tried, how long it took.
fn log_out_through(faults: &[LedgerFault]) -> (Result<(), AuthorityError>, usize, Duration, TestPlatform, Isolate) {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_faults.borrow_mut().extend(faults.iter().copied());
    let result = isolate.log_out(&platform, "a");
    let (tries, took) = (platform.asked("Record"), platform.now().since(NOW));
    (result, tries, took, platform, isolate)
}

fn recorded(platform: &TestPlatform) -> usize {
    platform.ledger.borrow().get(&0).map_or(0, |shard| shard.borrow().rows.log.len())
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
fn a_lost_answer_leaves_one_entry() {
    let (_, _, _, platform, _) = log_out_through(&[LedgerFault::DoneBut(LedgerError::Retryable); 2]);
    let versions: Vec<u64> = platform.with_shard(0, |ledger| ledger.rows.log.keys().copied().collect());
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
        (LedgerFault::Says(b"{}"), Failed, 1),
        (LedgerFault::Says(&[1, 7]), LedgerError::Full, 1),
    ] {
        let (result, tried, took, platform, isolate) = log_out_through(&[fault; 9]);
        assert_eq!((result, tried), (Err(AuthorityError::Ledger(error)), tries), "{fault:?}");
        assert!(took <= LIMIT, "{fault:?} took {took:?}");
        platform.ledger_faults.borrow_mut().clear();
        platform.pass(Duration::from_secs(2));
        assert!(isolate.is_active(&platform, &token("a"), BOUNDED), "{fault:?}: nobody has been told that it ended");
    }
}

/// The widest revocation is enough, and the token's own goes into Workers KV with the expiry of the token.
#[test]
fn a_logout_is_one_call_and_one_entry_whatever_its_scopes() {
    for shards in [1, 8] {
        let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(shards));
        let later = |minutes| NOW.plus(Duration::from_mins(minutes));
        let of_token = revocation(Scope::Token, "t", None, later(20));
        let token = Some(TokenEntry { digest: of_token.digest, expires_at: of_token.expires_at });
        let logout = Logout { widest: revocation(Scope::Session, "s", None, later(60)), token };
        run(isolate.on(&platform).revoke(&logout, LIMIT)).unwrap();
        let entries: usize = platform.ledger.borrow().values().map(|shard| shard.borrow().rows.log.len()).sum();
        assert_eq!((platform.asked("Record"), entries), (1, 1));
        platform.live_on(Duration::from_secs(1));
        let until = |entry: &KvEntry| entry.lifetime;
        let at = |time: Timestamp| KvLifetime::Until(u32::try_from(time.as_millis() / 1000).unwrap());
        let index = platform.index.borrow();
        assert_eq!(index.get(&logout.widest.key()).map(until), Some(at(later(60))));
        assert_eq!(index.get(&of_token.key()).map(until), Some(at(later(20))));
        assert_eq!(index.len(), 2);
    }
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
