//! The law of checks, against a reference that remembers everything: what was logged out before a strong check began, or
//! more than the bound before a bounded one, is never active; what nobody has logged out always is.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::authority::{BOUNDED, Isolate, token};
use crate::support::clock;
use crate::support::platform::{LedgerFault, TestPlatform};
use crate::support::shards::SMALL;
use edge_logout::ports::LedgerError;
use edge_logout::revocation::Freshness::Strong;
use edge_logout::revocation::{Freshness, Status};
use edge_logout::time::Timestamp;
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
const ISOLATES: usize = 3;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
enum Step {
    LogOut(usize, u16),
    Pass(u64),
    /// Time passes, and the shards do what is due.
    LiveOn(u64),
    Check(usize, u16, Freshness),
    /// What is done behind an answer.
    Refresh(usize),
    Restart(usize),
    /// The shards' objects start anew; their rows stay.
    RestartLedger,
    /// The location forgets what it shares.
    Forget,
    /// Workers KV loses the segments.
    LoseSegments,
    Fault(LedgerFault),
}

fn step() -> impl Strategy<Value = Step> {
    let isolate = 0..ISOLATES;
    let name = 0_u16..200;
    let fault = prop_oneof![
        Just(LedgerFault::Error(LedgerError::Retryable)),
        Just(LedgerFault::DoneBut(LedgerError::Failed)),
        Just(LedgerFault::Hangs),
        (0_u64..900).prop_map(|millis| LedgerFault::AnswersAfter(Duration::from_millis(millis))),
        (0_u64..900).prop_map(|millis| LedgerFault::Takes(Duration::from_millis(millis))),
    ];
    prop_oneof![
        12 => (isolate.clone(), name.clone()).prop_map(|(isolate, name)| Step::LogOut(isolate, name)),
        6 => (0_u64..1_500).prop_map(Step::Pass),
        6 => (0_u64..20_000).prop_map(Step::LiveOn),
        10 => (isolate.clone(), name.clone()).prop_map(|(isolate, name)| Step::Check(isolate, name, BOUNDED)),
        6 => (isolate.clone(), name).prop_map(|(isolate, name)| Step::Check(isolate, name, Strong)),
        4 => isolate.clone().prop_map(Step::Refresh),
        1 => isolate.prop_map(Step::Restart),
        1 => Just(Step::RestartLedger),
        1 => Just(Step::Forget),
        1 => Just(Step::LoseSegments),
        2 => fault.prop_map(Step::Fault),
    ]
}

struct World {
    platform: TestPlatform,
    shards: u32,
    isolates: Vec<Isolate>,
    /// When each logout was answered, and when it was tried first.
    answered: BTreeMap<u16, Timestamp>,
    tried: BTreeMap<u16, Timestamp>,
}

impl World {
    fn new(shards: u32) -> Self {
        let platform = TestPlatform::at(NOW);
        platform.sizes.set(Some(SMALL));
        let isolates = (0..ISOLATES).map(|_| Isolate::new(shards)).collect();
        Self { platform, shards, isolates, answered: BTreeMap::new(), tried: BTreeMap::new() }
    }

    fn take(&mut self, step: &Step) {
        let platform = &self.platform;
        match *step {
            Step::LogOut(isolate, name) => {
                self.tried.entry(name).or_insert(clock::now());
                if self.isolates[isolate].log_out(platform, &name.to_string()).is_ok() {
                    self.answered.entry(name).or_insert(clock::now());
                }
            }
            Step::Pass(millis) => platform.pass(Duration::from_millis(millis)),
            Step::LiveOn(millis) => platform.live_on(Duration::from_millis(millis)),
            Step::Check(isolate, name, freshness) => self.check(isolate, name, freshness),
            Step::Refresh(isolate) => self.isolates[isolate].refresh(platform, SECOND),
            Step::Restart(isolate) => self.isolates[isolate] = Isolate::new(self.shards),
            Step::RestartLedger => {
                platform.ledger.borrow().values().for_each(|shard| shard.borrow_mut().forget_instance());
            }
            Step::Forget => platform.move_elsewhere(),
            Step::LoseSegments => platform.segments.borrow_mut().clear(),
            Step::Fault(fault) => platform.ledger_faults.borrow_mut().push_back(fault),
        }
    }

    fn check(&self, isolate: usize, name: u16, freshness: Freshness) {
        let begin = clock::now();
        let Ok(known) = self.isolates[isolate].check(&self.platform, &token(&name.to_string()), freshness) else {
            return;
        };
        match (known.status, self.answered.get(&name)) {
            (Status::Active, Some(at)) => {
                let until = at.plus(freshness.bound().unwrap_or_default());
                assert!(freshness != Strong && begin <= until, "{name} is active at {begin:?}, logged out at {at:?}");
            }
            (Status::Revoked(_), _) => assert!(self.tried.contains_key(&name), "{name} was never logged out"),
            (Status::Active, None) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_logged_out_is_never_active_and_nothing_else_is_revoked(
        shards in 1_u32..3,
        steps in proptest::collection::vec(step(), 1..250),
    ) {
        let mut world = World::new(shards);
        for step in &steps {
            world.take(step);
        }
    }
}
