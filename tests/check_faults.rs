//! Checks when ledger or index fail: another try where that may help, then a doubt, and never "active".

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, only, revocation, token};
use crate::support::platform::{Fault, LedgerFault, TestPlatform};
use crate::support::run;
use crate::support::shards::setup;
use edge_logout::ports::{Clock, IndexError, LedgerError};
use edge_logout::revocation::Freshness::{Eventual, Strong};
use edge_logout::revocation::{AuthorityError, CheckedStatus, Freshness, Scope, Status};
use edge_logout::time::Timestamp;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const FAILED: LedgerFault = LedgerFault::Error(LedgerError::Failed);

fn known(status: Status, freshness: Freshness) -> CheckedStatus {
    CheckedStatus { status, freshness }
}

/// A platform and an isolate in step with its ledger, a second and more ago.
fn out_of_step() -> (TestPlatform, Isolate) {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
    platform.pass(Duration::from_millis(1_001));
    (platform, isolate)
}

#[test]
fn a_sync_that_fails_once_is_tried_again() {
    for fault in [FAILED, LedgerFault::Says(b"{}"), LedgerFault::Says(&[])] {
        let (platform, isolate) = out_of_step();
        platform.ledger_faults.borrow_mut().push_back(fault);
        assert_eq!(isolate.check(&platform, &token("a"), BOUNDED), Ok(known(Status::Active, BOUNDED)), "{fault:?}");
        let (platform, isolate) = out_of_step();
        Isolate::new(1).log_out(&platform, "a").unwrap();
        platform.ledger_faults.borrow_mut().push_back(fault);
        let revoked = known(Status::Revoked(Scope::Token), BOUNDED);
        assert_eq!(isolate.check(&platform, &token("a"), BOUNDED), Ok(revoked), "{fault:?}");
    }
}

#[test]
fn a_check_that_has_waited_for_a_sync_in_vain_does_not_wait_for_another_one() {
    let (platform, isolate) = out_of_step();
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let begin = platform.now();
    assert_eq!(isolate.check(&platform, &token("a"), BOUNDED), Err(AuthorityError::Ledger(LedgerError::TimedOut)));
    assert_eq!(platform.now().since(begin), Duration::from_millis(1_500));
}

/// Whether Workers KV has to be asked as well is for the ledger to say.
#[test]
fn without_the_ledger_it_cannot_be_told() {
    for freshness in [BOUNDED, Strong] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
        Isolate::on_kv_alone().log_out(&platform, "a").unwrap();
        platform.ledger_down.set(Some(LedgerFault::Hangs));
        let doubt = isolate.check(&platform, &token("a"), freshness);
        assert_eq!(doubt, Err(AuthorityError::Ledger(LedgerError::TimedOut)), "{freshness:?}");
    }
}

#[test]
fn what_is_known_to_be_revoked_is_refused_while_the_ledger_is_down() {
    for freshness in [BOUNDED, Strong, Eventual] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
        Isolate::new(1).log_out(&platform, "a").unwrap();
        assert!(!isolate.is_active(&platform, &token("a"), BOUNDED));
        platform.ledger_down.set(Some(LedgerFault::Hangs));
        platform.pass(Duration::from_mins(10));
        assert!(!isolate.is_active(&platform, &token("a"), freshness), "{freshness:?}");
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
        (FAILED, AuthorityError::Ledger(Failed)),
        (LedgerFault::Error(Overloaded), AuthorityError::Ledger(Overloaded)),
        (LedgerFault::Error(Retryable), AuthorityError::Ledger(Retryable)),
        (LedgerFault::Hangs, AuthorityError::Ledger(LedgerError::TimedOut)),
        (LedgerFault::Says(&[1, 1]), AuthorityError::Ledger(Failed)),
        (LedgerFault::Says(&[1, 3, 1, 0]), AuthorityError::Ledger(Failed)),
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
    let (platform, isolate) = out_of_step();
    let begin = platform.now();
    platform.sharing_hangs.set(true);
    assert_eq!(isolate.check(&platform, &token("a"), BOUNDED), Ok(known(Status::Active, BOUNDED)));
    assert_eq!(platform.now().since(begin), Duration::from_millis(100), "it is asked once");
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
            assert_eq!(doubt, Err(AuthorityError::Index(error)), "{fault:?} under {freshness:?}");
            assert!(isolate.is_active(&platform, &token("a"), freshness), "it is asked again the next time");
            assert_eq!(platform.finds.borrow().len(), 2);
        }
    }
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::on_kv_alone());
    platform.find_faults.borrow_mut().push_back(Fault::Hangs);
    assert_eq!(isolate.check(&platform, &token("a"), Eventual), Err(AuthorityError::Index(IndexError::TimedOut)));
    assert!(platform.now().since(NOW) <= LIMIT);
}

#[test]
fn while_it_imports_one_word_that_it_is_revoked_outweighs_every_doubt() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    Isolate::new(1).log_out(&platform, "a").unwrap();
    platform.find_faults.borrow_mut().push_back(Fault::Error(IndexError::Transient));
    assert!(!isolate.is_active(&platform, &token("a"), Strong), "the ledger knows");
    platform.find_faults.borrow_mut().clear();
    Isolate::on_kv_alone().log_out(&platform, "b").unwrap();
    for freshness in [BOUNDED, Strong] {
        assert!(!Isolate::new(1).is_active(&platform, &token("b"), freshness), "Workers KV knows");
    }
}

#[test]
fn without_a_ledger_only_eventual_can_be_promised() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::on_kv_alone());
    for freshness in [BOUNDED, Strong] {
        let doubt = isolate.check(&platform, &token("a"), freshness);
        assert_eq!(doubt, Err(AuthorityError::Ledger(LedgerError::Absent)));
    }
}

#[test]
fn a_log_that_is_more_than_an_isolate_holds_is_left_alone_for_a_while_and_the_shards_are_asked() {
    for (freshness, is_imported) in [(BOUNDED, true), (Strong, true), (BOUNDED, false)] {
        let platform = if is_imported { TestPlatform::imported_at(NOW) } else { TestPlatform::at(NOW) };
        let isolate = Isolate::new(8);
        // Of each shard an isolate holds 16,384 entries in any case.
        let a = token("a");
        let shard = a.keys().last().unwrap().digest.shard(8);
        let ends =
            |number: usize| revocation(Scope::Session, &number.to_string(), None, NOW.plus(Duration::from_hours(1)));
        let batch = (0..).map(ends).filter(|one| one.digest.shard(8) == shard).take(16_385).map(only).collect();
        platform.record(setup(shard, 8), batch);
        Isolate::on_kv_alone().log_out(&platform, "in-kv").unwrap();
        let in_kv = (0..).map(|number: usize| format!("kv-{number}"));
        let in_kv = in_kv.into_iter().find(|name| token(name).keys().last().unwrap().digest.shard(8) == shard).unwrap();
        Isolate::on_kv_alone().log_out(&platform, &in_kv).unwrap();
        let syncs = || platform.asked_by_shard(8, "Sync")[shard as usize];
        for seconds in [0, 10, 9] {
            platform.pass(Duration::from_secs(seconds));
            assert_eq!(isolate.check(&platform, &a, freshness), Ok(known(Status::Active, freshness)));
            assert_eq!(syncs(), 5, "its pages are read once, then it is left alone");
            assert_eq!(isolate.is_active(&platform, &token(&in_kv), freshness), is_imported, "{freshness:?}");
        }
        Isolate::new(8).log_out(&platform, "a").unwrap();
        assert!(!isolate.is_active(&platform, &a, freshness));
        platform.pass(Duration::from_secs(1));
        let confirmed = platform.asked("Confirm");
        assert!(!isolate.is_active(&platform, &a, freshness));
        assert_eq!((syncs(), platform.asked("Confirm") > confirmed), (10, true));
        platform.ledger_down.set(Some(FAILED));
        assert!(isolate.check(&platform, &a, freshness).is_err(), "{freshness:?}");
    }
}

#[test]
fn a_shard_that_answers_something_else_about_what_is_not_held_is_a_doubt() {
    for wrong in [&[1_u8, 5][..], &[1, 3, 0], &[1, 6, 2], &[1, 1]] {
        let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
        let ends =
            |number: usize| revocation(Scope::Session, &number.to_string(), None, NOW.plus(Duration::from_hours(1)));
        platform.record(setup(0, 1), (0..100_001).map(ends).map(only).collect());
        assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
        platform.ledger_down.set(Some(LedgerFault::Says(wrong)));
        assert_eq!(
            isolate.check(&platform, &token("a"), BOUNDED),
            Err(AuthorityError::Ledger(LedgerError::Failed)),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_first_sync_of_many_pages_is_read_to_its_end() {
    let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
    let ends = |number: usize| revocation(Scope::Session, &number.to_string(), None, NOW.plus(Duration::from_hours(1)));
    platform.record(setup(0, 1), (0..8_000).map(ends).map(only).collect());
    Isolate::new(1).log_out(&platform, "last").unwrap();
    assert_eq!(isolate.check(&platform, &token("last"), BOUNDED), Ok(known(Status::Revoked(Scope::Token), BOUNDED)));
    assert_eq!(platform.asked("Sync"), 3);
    assert!(isolate.is_active(&platform, &token("x"), BOUNDED));
    assert!(platform.shared.borrow().values().all(|bytes| bytes.len() < 10_000), "large answers are not shared");
}

/// What was asked first counts: in between, anything may have happened on the earlier pages.
#[test]
fn a_sync_of_many_pages_is_as_old_as_its_first_page() {
    let (platform, isolate) = (TestPlatform::imported_at(NOW), Isolate::new(1));
    let ends = |number: usize| revocation(Scope::Session, &number.to_string(), None, NOW.plus(Duration::from_hours(1)));
    platform.record(setup(0, 1), (0..8_001).map(ends).map(only).collect());
    platform.ledger_faults.borrow_mut().extend([LedgerFault::AnswersAfter(Duration::from_millis(400)); 3]);
    assert!(isolate.is_active(&platform, &token("x"), Freshness::Bounded(Duration::from_secs(5))));
    assert_eq!(platform.asked("Sync"), 3);
    assert!(isolate.on(&platform).status_from_memory(&token("x"), BOUNDED).is_none(), "1,200 ms ago");
    assert!(
        isolate
            .on(&platform)
            .status_from_memory(&token("x"), Freshness::Bounded(Duration::from_millis(1_200)))
            .is_some()
    );
}
