//! Checks when ledger or index fail: a promise falls back to the stronger way, then to a doubt, and never to "active".

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, revocation, token};
use crate::support::platform::{Fault, LedgerFault, TestPlatform};
use crate::support::run;
use edge_logout::ports::{Clock, IndexError, LedgerError};
use edge_logout::revocation::Freshness::{Eventual, Strong};
use edge_logout::revocation::{Doubt, Freshness, Known, Scope, Status};
use edge_logout::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const FAILED: LedgerFault = LedgerFault::Error(LedgerError::Failed);

fn known(status: Status, freshness: Freshness) -> Known {
    Known { status, freshness }
}

/// A platform and an isolate in step with its ledger, a second and more ago.
fn out_of_step() -> (TestPlatform, Isolate) {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
    platform.pass(Duration::from_millis(1_001));
    (platform, isolate)
}

#[test]
fn when_the_feed_does_not_answer_the_ledger_is_asked() {
    for fault in [FAILED, LedgerFault::Says("{}"), LedgerFault::Says("no JSON")] {
        let (platform, isolate) = out_of_step();
        platform.ledger_faults.borrow_mut().push_back(fault);
        assert_eq!(isolate.check(&platform, &token("a"), BOUNDED), Ok(known(Status::Active, Strong)), "{fault:?}");
        let (platform, isolate) = out_of_step();
        Isolate::new(1).log_out(&platform, "a").unwrap();
        platform.ledger_faults.borrow_mut().push_back(fault);
        let revoked = known(Status::Revoked(Scope::Token), Strong);
        assert_eq!(isolate.check(&platform, &token("a"), BOUNDED), Ok(revoked), "{fault:?}");
    }
}

#[test]
fn a_check_that_has_waited_for_the_feed_does_not_wait_for_the_ledger_as_well() {
    let (platform, isolate) = out_of_step();
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let begin = platform.now();
    assert_eq!(isolate.check(&platform, &token("a"), BOUNDED), Err(Doubt::Ledger(LedgerError::TimedOut)));
    assert_eq!(platform.now().since(begin), Duration::from_millis(1_500));
}

#[test]
fn the_word_of_one_counts_when_the_other_hangs() {
    for freshness in [BOUNDED, Strong] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
        Isolate::on_kv_alone().log_out(&platform, "a").unwrap();
        platform.ledger_down.set(Some(LedgerFault::Hangs));
        let known = isolate.check(&platform, &token("a"), freshness).unwrap();
        assert_eq!(known.status, Status::Revoked(Scope::Token), "{freshness:?}");
    }
}

#[test]
fn what_was_found_once_is_refused_under_every_freshness() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
    Isolate::new(1).log_out(&platform, "a").unwrap();
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED), "within the bound");
    assert!(!isolate.is_active(&platform, &token("a"), Strong));
    assert!(!isolate.is_active(&platform, &token("a"), BOUNDED), "nothing that was refused is active again");
    assert!(!isolate.is_active(&platform, &token("a"), Eventual));
}

#[test]
fn when_the_ledger_does_not_answer_either_it_cannot_be_told() {
    use LedgerError::{Failed, Overloaded, Retryable};
    for (fault, told) in [
        (FAILED, Doubt::Ledger(Failed)),
        (LedgerFault::Error(Overloaded), Doubt::Ledger(Overloaded)),
        (LedgerFault::Error(Retryable), Doubt::Ledger(Retryable)),
        (LedgerFault::Hangs, Doubt::Ledger(LedgerError::TimedOut)),
        (LedgerFault::Says("[]"), Doubt::Ledger(Failed)),
        (LedgerFault::Says("[null,null,null]"), Doubt::Ledger(Failed)),
    ] {
        let (platform, isolate) = out_of_step();
        platform.ledger_down.set(Some(fault));
        for freshness in [BOUNDED, Strong] {
            let doubt = isolate.check(&platform, &token("a"), freshness);
            assert_eq!(doubt, Err(told), "{fault:?} under {freshness:?}");
        }
        assert!(isolate.is_active(&platform, &token("a"), Eventual), "KV alone needs no ledger");
        platform.ledger_down.set(None);
        platform.pass(Duration::from_secs(2));
        assert!(isolate.is_active(&platform, &token("a"), BOUNDED), "and it goes on");
    }
}

#[test]
fn a_ledger_that_has_too_much_to_do_is_not_asked_twice() {
    for freshness in [BOUNDED, Strong] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
        platform.ledger_down.set(Some(LedgerFault::Error(LedgerError::Overloaded)));
        assert!(isolate.check(&platform, &token("a"), freshness).is_err());
        assert_eq!(platform.asked.borrow().len(), 1, "{freshness:?}");
    }
}

#[test]
fn a_cache_that_hangs_costs_a_tenth_of_a_second() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.sharing_hangs.set(true);
    assert_eq!(isolate.check(&platform, &token("a"), BOUNDED), Ok(known(Status::Active, BOUNDED)));
    assert_eq!(platform.now().since(NOW), Duration::from_millis(100), "it is asked once");
}

#[test]
fn within_the_bound_nobody_notices_that_the_ledger_is_down() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
    platform.ledger_down.set(Some(FAILED));
    platform.pass(Duration::from_secs(1));
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
    platform.pass(Duration::from_millis(1));
    assert!(isolate.check(&platform, &token("a"), BOUNDED).is_err());
}

#[test]
fn a_ledger_that_hangs_costs_no_more_than_the_limit() {
    for (shards, freshness) in [(1, BOUNDED), (1, Strong), (4, BOUNDED), (4, Strong)] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(shards));
        platform.ledger_down.set(Some(LedgerFault::Hangs));
        let tokens: Vec<_> = (0..100).map(|number| token(&number.to_string())).collect();
        let tokens: Vec<_> = tokens.iter().collect();
        let statuses = run(isolate.on(&platform).statuses(&tokens, freshness, LIMIT));
        assert!(statuses.len() == 100 && statuses.iter().all(Result::is_err));
        assert!(platform.now().since(NOW) <= LIMIT, "{:?}", platform.now().since(NOW));
    }
}

#[test]
fn an_index_that_fails_or_hangs_is_a_doubt() {
    use IndexError::{Permanent, RateLimited, Transient};
    for (fault, error) in [
        (Fault::Error(Transient), Transient),
        (Fault::Error(Permanent), Permanent),
        (Fault::Error(RateLimited), RateLimited),
        (Fault::Short, Permanent),
    ] {
        for freshness in [BOUNDED, Strong, Eventual] {
            let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
            platform.find_faults.borrow_mut().push_back(fault);
            let doubt = isolate.check(&platform, &token("a"), freshness);
            assert_eq!(doubt, Err(Doubt::Index(error)), "{fault:?} under {freshness:?}");
            assert!(isolate.is_active(&platform, &token("a"), freshness), "it is asked again the next time");
            assert_eq!(platform.finds.borrow().len(), 2);
        }
    }
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::on_kv_alone());
    platform.find_faults.borrow_mut().push_back(Fault::Hangs);
    assert_eq!(isolate.check(&platform, &token("a"), Eventual), Err(Doubt::Index(IndexError::TimedOut)));
    assert!(platform.now().since(NOW) <= LIMIT);
}

#[test]
fn one_word_that_it_is_revoked_outweighs_every_doubt() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    Isolate::new(1).log_out(&platform, "a").unwrap();
    platform.find_faults.borrow_mut().push_back(Fault::Error(IndexError::Transient));
    assert!(!isolate.is_active(&platform, &token("a"), Strong), "the ledger knows");
    platform.find_faults.borrow_mut().push_back(Fault::Hangs);
    assert!(!Isolate::new(1).is_active(&platform, &token("a"), Strong), "and its word counts when the index hangs");
    platform.live_on(Duration::from_secs(1));
    platform.ledger_down.set(Some(FAILED));
    assert!(!Isolate::new(1).is_active(&platform, &token("a"), Strong), "the index knows");
}

#[test]
fn without_a_ledger_only_eventual_can_be_promised() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::on_kv_alone());
    for freshness in [BOUNDED, Strong] {
        let doubt = isolate.check(&platform, &token("a"), freshness);
        assert_eq!(doubt, Err(Doubt::Ledger(LedgerError::Absent)));
    }
}

#[test]
fn a_feed_that_is_more_than_can_be_remembered_falls_back_to_strong_for_a_while() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(64));
    // With 64 shards each has room for 1,562 of the 100,000.
    let name = |number: usize| format!("session-{number}");
    let of_shard = |revocation: &edge_logout::revocation::Revocation, shard| {
        edge_logout::revocation::Digest::of_key(&revocation.key).unwrap().shard(64) == shard
    };
    let a = token("a");
    let shard = a.keys().next().unwrap().digest.shard(64);
    let all = (0..).map(|number| revocation(Scope::Session, &name(number), None, NOW.plus(Duration::from_hours(1))));
    let batch: Vec<_> = all.filter(|one| of_shard(one, shard)).take(1_563).collect();
    platform.with_shard(shard, |ledger| ledger.record(&batch, NOW)).unwrap();
    let polls = || platform.asked.borrow().iter().filter(|(of, text)| *of == shard && text.contains("Changes")).count();
    for seconds in [0, 10, 19] {
        platform.pass(Duration::from_secs(seconds));
        assert_eq!(isolate.check(&platform, &a, BOUNDED), Ok(known(Status::Active, Strong)));
        assert_eq!(polls(), 1, "it is left alone");
    }
    platform.pass(Duration::from_secs(1));
    isolate.check(&platform, &a, BOUNDED).unwrap();
    assert_eq!(polls(), 2);
}

#[test]
fn a_first_feed_of_many_pages_is_read_to_its_end() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    let ends = |number: usize| revocation(Scope::Session, &number.to_string(), None, NOW.plus(Duration::from_hours(1)));
    let batch: Vec<_> = (0..5_000).map(ends).collect();
    platform.with_shard(0, |ledger| ledger.record(&batch, NOW)).unwrap();
    Isolate::new(1).log_out(&platform, "last").unwrap();
    assert_eq!(isolate.check(&platform, &token("last"), BOUNDED), Ok(known(Status::Revoked(Scope::Token), BOUNDED)));
    assert_eq!(platform.asked("Changes"), 3);
    assert!(!platform.shared.borrow().contains_key("feed-0"), "a thousand entries are not shared");
}
