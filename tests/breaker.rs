//! The circuit breaker of a shard: a failing shard is asked rarely, a hanging one delays few checks, and recovery is
//! noticed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::cell::RefCell;
use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, LIMIT, ending, token};
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::{clock, run};
use edge_logout::ports::{Clock, LedgerError};
use edge_logout::revocation::Freshness::Strong;
use edge_logout::revocation::{AuthorityError, Freshness, Matchable, Status};
use edge_logout::time::Timestamp;
use edge_logout::wait::within;
use futures_util::future::join_all;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const FAILED: LedgerFault = LedgerFault::Error(LedgerError::Failed);
const FAULTS: [LedgerFault; 3] =
    [FAILED, LedgerFault::Error(LedgerError::Retryable), LedgerFault::Error(LedgerError::Overloaded)];
const CLIENTS: usize = 20;
/// The pause of a client between two checks.
const THINKING: Duration = Duration::from_millis(100);

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A check and its result, as a client sees it.
struct Seen {
    asked_at: Duration,
    took: Duration,
    is_active: bool,
}

/// The results of clients that check repeatedly for a time.
fn clients(platform: &TestPlatform, isolate: &Isolate, freshness: Freshness, lasting: Duration) -> Vec<Seen> {
    let (begin, seen) = (platform.now(), RefCell::new(Vec::new()));
    let client = |number: usize| {
        let seen = &seen;
        async move {
            let token = token(&number.to_string());
            loop {
                let asked_at = platform.now();
                if asked_at.since(begin) >= lasting {
                    return;
                }
                let known = isolate.on(platform).status(&token, freshness, LIMIT).await;
                let is_active = known.is_ok_and(|known| known.status == Status::Active);
                let took = platform.now().since(asked_at);
                seen.borrow_mut().push(Seen { asked_at: asked_at.since(begin), took, is_active });
                clock::sleep(THINKING).await;
            }
        }
    };
    run(join_all((0..CLIENTS).map(client)));
    seen.into_inner()
}

#[test]
fn twenty_clients_ask_a_failing_shard_a_handful_of_times() {
    for fault in FAULTS {
        for freshness in [BOUNDED, Strong] {
            let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
            platform.ledger_down.set(Some(fault));
            let seen = clients(&platform, &isolate, freshness, Duration::from_secs(10));
            assert!(seen.iter().all(|seen| !seen.is_active));
            let calls = platform.asked.borrow().len();
            assert!(calls <= 15, "{calls} calls for {} checks: {fault:?}, {freshness:?}", seen.len());
            assert!(seen.len() > 1_000, "they fail fast: {} checks", seen.len());
        }
    }
}

#[test]
fn a_shard_that_hangs_holds_the_first_checks_and_then_one_at_a_time() {
    for freshness in [BOUNDED, Strong] {
        let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
        platform.ledger_down.set(Some(LedgerFault::Hangs));
        let seen = clients(&platform, &isolate, freshness, Duration::from_secs(10));
        let longest = seen.iter().map(|seen| seen.took).max().unwrap();
        assert!(longest <= millis(1_800), "{longest:?} under {freshness:?}");
        let held = seen.iter().filter(|seen| seen.asked_at > millis(1_800) && seen.took > millis(250)).count();
        assert!(held <= 8, "{held} checks were held under {freshness:?}");
        let calls = platform.asked.borrow().len();
        assert!(calls <= CLIENTS + 12, "{calls} calls under {freshness:?}");
        assert!(seen.iter().all(|seen| !seen.is_active));
    }
}

#[test]
fn a_shard_that_is_well_again_is_noticed() {
    for (down, noticed) in [(millis(300), millis(700)), (Duration::from_secs(20), millis(2_100))] {
        for fault in FAULTS {
            let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
            platform.ledger_down.set(Some(fault));
            clients(&platform, &isolate, BOUNDED, down);
            platform.ledger_down.set(None);
            let seen = clients(&platform, &isolate, BOUNDED, Duration::from_secs(3));
            let late: Vec<_> = seen.iter().filter(|seen| !seen.is_active && seen.asked_at > noticed).collect();
            assert!(late.is_empty(), "{} checks failed after {noticed:?}: {fault:?}", late.len());
        }
    }
}

#[test]
fn one_fault_alone_costs_nobody_an_answer() {
    for fault in [FAILED, LedgerFault::Error(LedgerError::Retryable)] {
        for freshness in [BOUNDED, Strong] {
            let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
            platform.ledger_faults.borrow_mut().extend([fault, LedgerFault::Takes(millis(50))]);
            let seen = clients(&platform, &isolate, freshness, Duration::from_secs(1));
            assert!(seen.iter().all(|seen| seen.is_active), "{fault:?} under {freshness:?}");
        }
    }
}

/// An isolate whose breaker is open, with the longest pause of two seconds.
fn failing() -> (TestPlatform, Isolate) {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_down.set(Some(FAILED));
    clients(&platform, &isolate, Strong, Duration::from_secs(10));
    // Whatever pause it is in by chance has ended then, and the probe begins the next one: at least a second.
    platform.pass(Duration::from_secs(2));
    assert!(refused(&platform, &isolate, &token("probe")));
    platform.asked.borrow_mut().clear();
    (platform, isolate)
}

fn refused(platform: &TestPlatform, isolate: &Isolate, token: &Matchable) -> bool {
    isolate.check(platform, token, Strong) == Err(AuthorityError::Ledger(LedgerError::Failed))
}

#[test]
fn a_probe_whose_request_is_gone_does_not_keep_others_out_for_ever() {
    let (platform, isolate) = failing();
    platform.ledger_down.set(Some(LedgerFault::Hangs));
    platform.pass(Duration::from_secs(2));
    let (authority, a) = (isolate.on(&platform), token("a"));
    // The runtime may drop the request, or never resume it.
    let mut frozen = Box::pin(authority.status(&a, Strong, LIMIT));
    assert_eq!(run(within::<TestPlatform, _>(millis(10), &mut frozen)), None);
    assert_eq!(platform.asked.borrow().len(), 1, "a probe");
    platform.ledger_down.set(None);
    assert!(refused(&platform, &isolate, &token("b")), "one at a time");
    platform.pass(Duration::from_secs(2));
    assert!(isolate.is_active(&platform, &token("b"), Strong));
    drop(frozen);

    let (platform, isolate) = failing();
    platform.ledger_down.set(Some(LedgerFault::Hangs));
    platform.pass(Duration::from_secs(2));
    let dropped = isolate.on(&platform);
    assert_eq!(run(within::<TestPlatform, _>(millis(10), dropped.status(&a, Strong, LIMIT))), None);
    platform.ledger_down.set(None);
    assert!(isolate.is_active(&platform, &token("b"), Strong), "at once when it was dropped");
}

#[test]
fn requests_that_are_gone_before_the_call_limit_do_not_hide_that_a_shard_hangs() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_down.set(Some(LedgerFault::Hangs));
    let (a, authority) = (token("a"), isolate.on(&platform));
    // Clients that give up after a second, and whose requests the runtime never resumes.
    let mut frozen = Vec::new();
    for _ in 0..10 {
        for _ in 0..CLIENTS {
            let mut check = Box::pin(authority.status(&a, Strong, LIMIT));
            let _ = run(within::<TestPlatform, _>(millis(10), &mut check));
            frozen.push(check);
        }
        platform.pass(Duration::from_secs(1));
    }
    let calls = platform.asked.borrow().len();
    assert!(calls <= CLIENTS + 10, "{calls} calls for {} checks", frozen.len());
}

#[test]
fn a_lone_request_that_went_away_costs_the_next_one_nothing() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let (a, authority) = (token("a"), isolate.on(&platform));
    let mut frozen = Box::pin(authority.status(&a, Strong, LIMIT));
    assert_eq!(run(within::<TestPlatform, _>(millis(10), &mut frozen)), None);
    for seconds in [1, 5, 60] {
        platform.pass(Duration::from_secs(seconds));
        assert!(isolate.is_active(&platform, &token("b"), Strong), "after {seconds} s");
    }
}

#[test]
fn one_lost_connection_among_answered_calls_opens_nothing() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    platform.ledger_faults.borrow_mut().push_back(LedgerFault::Hangs);
    let (a, b, authority) = (token("a"), token("b"), isolate.on(&platform));
    let others = async {
        for _ in 0..20 {
            clock::sleep(millis(100)).await;
            assert!(authority.status(&b, Strong, LIMIT).await.is_ok());
        }
    };
    let (lost, ()) = run(futures_util::future::join(authority.status(&a, Strong, LIMIT), others));
    assert!(lost.is_ok(), "the others have synced for it");
}

#[test]
fn one_shard_that_fails_is_no_matter_of_the_others() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(2));
    let tokens: Vec<_> = (0..40).map(|number| token(&number.to_string())).collect();
    // The first shard has the cut-offs of issuers.
    let needs_both = |token: &&Matchable| token.keys().last().unwrap().digest.shard(2) == 1;
    let (both, one): (Vec<_>, Vec<_>) = tokens.iter().partition(needs_both);
    assert!(isolate.is_active(&platform, one[0], Strong));
    platform.failing_shard.set(Some(1));
    let doubt = Err(AuthorityError::Ledger(LedgerError::Overloaded));
    assert_eq!(isolate.check(&platform, both[0], Strong), doubt);
    platform.asked.borrow_mut().clear();
    platform.failing_shard.set(None);
    assert!(both.iter().all(|token| isolate.check(&platform, token, Strong) == doubt));
    assert!(one.iter().all(|token| isolate.is_active(&platform, token, Strong)));
    assert!(platform.asked.borrow().iter().all(|(shard, _)| *shard == 0));
    platform.pass(millis(251));
    assert!(both.iter().all(|token| isolate.is_active(&platform, token, Strong)));
}

#[test]
fn a_logout_gets_its_try_while_checks_fail_fast() {
    let (platform, isolate) = failing();
    platform.ledger_down.set(None);
    assert!(refused(&platform, &isolate, &token("b")), "the breaker is open");
    let authority = isolate.on(&platform);
    let a = token("a");
    assert_eq!(run(authority.status_before_logout(&a, BOUNDED, LIMIT)).unwrap().status, Status::Active);
    assert_eq!(isolate.log_out(&platform, "a"), Ok(()));
    assert!(isolate.is_active(&platform, &token("b"), Strong), "and the ledger is known to be well again");
}

#[test]
fn a_failing_shard_is_not_stormed_by_logouts_either() {
    let (platform, isolate) = failing();
    let authority = isolate.on(&platform);
    let log_out = |number: usize| {
        let (authority, platform) = (&authority, &platform);
        async move {
            let ended = ending(&number.to_string(), platform.now());
            authority.revoke(&ended, LIMIT).await
        }
    };
    let begin = platform.now();
    let done = run(join_all((0..100).map(log_out)));
    assert!(done.iter().all(|done| *done == Err(AuthorityError::Ledger(LedgerError::Failed))));
    let most = platform.now().since(begin).as_millis() / 100 + 3;
    let calls = platform.asked.borrow().len();
    assert!(calls >= 1 && calls as u128 <= most, "{calls} calls, at most {most}");
}

#[test]
fn logouts_that_fail_do_not_put_off_the_probe_of_the_checks() {
    let (platform, isolate) = failing();
    for number in 0..30 {
        platform.pass(millis(100));
        let _ = isolate.log_out(&platform, &number.to_string());
    }
    platform.ledger_down.set(None);
    platform.pass(Duration::from_secs(2));
    assert!(isolate.is_active(&platform, &token("a"), Strong));
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_the_breaker_open() {
    let (platform, isolate) = failing();
    platform.ledger_down.set(None);
    platform.skew.set(-3_600_000);
    assert!(isolate.is_active(&platform, &token("a"), Strong));
}

#[test]
fn nothing_is_synced_behind_answers_while_the_breaker_is_open() {
    let (platform, isolate) = (TestPlatform::at(NOW), Isolate::new(1));
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED));
    platform.ledger_down.set(Some(LedgerFault::Error(LedgerError::Overloaded)));
    platform.pass(millis(700));
    let second = Duration::from_secs(1);
    run(isolate.on(&platform).refresh(second));
    assert!(isolate.is_active(&platform, &token("a"), BOUNDED), "within the bound memory answers");
    assert!(!isolate.replica.wants_refresh(second, platform.now()));
    platform.pass(millis(251));
    assert!(isolate.replica.wants_refresh(second, platform.now()));
}
