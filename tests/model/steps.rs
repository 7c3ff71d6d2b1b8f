//! What can happen next in a world.

use std::time::Duration;

use edge_logout::revocation::ledger::Sizes;
use edge_logout::revocation::steps::Lookup;

use crate::isolate::strongest;
use crate::mutations::Mutation;
use crate::world::{Isolate, Progress, Scene, Shard, Waits, World};

/// One step. Numbers are places in the world's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Time passes.
    Tick {
        by: Duration,
    },
    /// A logout is recorded by a ledger, and answered or not.
    LogOut {
        logout: usize,
        isolate: usize,
        is_answered: bool,
    },
    /// A version without a ledger writes a logout to Workers KV.
    LogOutBefore {
        logout: usize,
    },
    /// A logout that was recorded is sent again.
    Repeat {
        logout: usize,
    },
    /// The alarm begins.
    Alarm {
        shard: usize,
    },
    /// The shard seals, merges, drops or trims a bit.
    Work {
        shard: usize,
    },
    /// The outbox hands out a batch.
    TakeBatch {
        shard: usize,
    },
    /// The writes of a batch take effect; the shard does not know yet.
    Land {
        shard: usize,
        batch: usize,
    },
    /// The shard hears that a batch is written.
    BatchDone {
        shard: usize,
        batch: usize,
    },
    /// The shard hears that a batch was refused.
    BatchFails {
        shard: usize,
        batch: usize,
    },
    /// The shard gives up waiting. What has not landed may land later.
    BatchTimesOut {
        shard: usize,
        batch: usize,
    },
    /// A write takes effect that was given up.
    LandLate {
        late: usize,
    },
    /// A page of Workers KV is listed, as the newest or the oldest that a reader may see.
    List {
        shard: usize,
        newest: bool,
    },
    /// The shard takes in a page.
    NoteListing {
        shard: usize,
    },
    LoseListing {
        shard: usize,
    },
    Crash {
        shard: usize,
    },
    Backup {
        shard: usize,
    },
    Restore {
        shard: usize,
    },
    BeginSync {
        isolate: usize,
        shard: usize,
    },
    /// A shard answers a sync.
    AnswerSync {
        isolate: usize,
        sync: usize,
    },
    /// An instance that was replaced answers it.
    ReplacedAnswers {
        isolate: usize,
        sync: usize,
    },
    ReceiveSync {
        isolate: usize,
        sync: usize,
        is_shared: bool,
    },
    LoseSync {
        isolate: usize,
        sync: usize,
    },
    TakeShared {
        isolate: usize,
    },
    /// An isolate loads the filter of a segment.
    Load {
        isolate: usize,
        published: bool,
    },
    /// A check from memory, whose traces are kept.
    Look {
        isolate: usize,
        token: usize,
    },
    /// A strong check that needs a confirmation.
    BeginCheck {
        isolate: usize,
        token: usize,
    },
    AnswerCheck {
        isolate: usize,
    },
    ReceiveCheck {
        isolate: usize,
    },
    /// A check that has waited for a sync goes on.
    LookAgain {
        isolate: usize,
    },
    ClockBack {
        isolate: usize,
    },
    RestartIsolate {
        isolate: usize,
    },
}

impl Scene {
    /// Everything that can happen now.
    pub fn steps(&self, world: &World, steps: &mut Vec<Step>) {
        if world.broken.is_some() {
            return;
        }
        if world.moves > 0 {
            steps.extend(self.ticks.iter().map(|by| Step::Tick { by: *by }));
        }
        self.steps_of_logouts(world, steps);
        for (shard, state) in world.shards.iter().enumerate() {
            self.steps_of_shard(world, shard, state, steps);
        }
        steps.extend((0..world.kv.late.len()).map(|late| Step::LandLate { late }));
        for (isolate, state) in world.isolates.iter().enumerate() {
            self.steps_of_syncs(world, isolate, state, steps);
            self.steps_of_checks(world, isolate, state, steps);
        }
    }

    fn steps_of_logouts(&self, world: &World, steps: &mut Vec<Step>) {
        let mut is_first = true;
        for (logout, progress) in world.logouts.iter().enumerate() {
            match progress {
                Progress::Idle if logout < self.before => {
                    if self.kv_written_until.is_none_or(|until| world.now <= until)
                        && world.shards[0].ledger.rows.rows.head.is_none()
                        || self.kv_written_until.is_some_and(|until| world.now <= until)
                    {
                        steps.push(Step::LogOutBefore { logout });
                    }
                }
                Progress::Idle if !self.in_order || is_first => {
                    is_first = false;
                    // Behind the last one: elsewhere.
                    let isolates = 0..world.isolates.len() + usize::from(world.isolates.is_empty() || self.moves > 0);
                    steps.extend(isolates.map(|isolate| Step::LogOut { logout, isolate, is_answered: true }));
                    if world.faults.unanswered > 0 {
                        steps.push(Step::LogOut { logout, isolate: 0, is_answered: false });
                    }
                }
                Progress::Answered(_) | Progress::Unanswered if world.faults.repeats > 0 && logout >= self.before => {
                    steps.push(Step::Repeat { logout });
                }
                _ => {}
            }
        }
    }

    fn steps_of_shard(&self, world: &World, shard: usize, state: &Shard, steps: &mut Vec<Step>) {
        let rows = &state.ledger.rows.rows;
        if state.is_working && rows.head.is_some() {
            if self.does_something(state, world) {
                steps.push(Step::Work { shard });
            }
            if (self.slow_kv || self.jobs) && has_unwritten(state, world) {
                steps.push(Step::TakeBatch { shard });
            }
            if state.listing.is_none() && self.imports(world, state) {
                steps.push(Step::List { shard, newest: true });
                steps.push(Step::List { shard, newest: false });
            }
        } else if state.alarm.is_some_and(|at| at <= world.now) {
            steps.push(Step::Alarm { shard });
        }
        for (place, batch) in state.batches.iter().enumerate() {
            if batch.has_landed {
                steps.push(Step::BatchDone { shard, batch: place });
            } else {
                steps.push(Step::Land { shard, batch: place });
            }
            if world.faults.puts > 0 {
                if !batch.has_landed {
                    steps.push(Step::BatchFails { shard, batch: place });
                }
                steps.push(Step::BatchTimesOut { shard, batch: place });
            }
        }
        if state.listing.is_some() {
            steps.push(Step::NoteListing { shard });
            if world.faults.listings > 0 {
                steps.push(Step::LoseListing { shard });
            }
        }
        if world.faults.crashes > 0 && rows.head.is_some() {
            steps.push(Step::Crash { shard });
        }
        if world.faults.restores > 0 {
            let is_other = state.backup.as_ref().is_none_or(|backup| backup.0 != state.ledger.rows);
            if state.backup.is_none() && rows.head.is_some() {
                steps.push(Step::Backup { shard });
            } else if state.backup.is_some() && is_other {
                steps.push(Step::Restore { shard });
            }
        }
    }

    /// Whether a step of the shard's work changes anything; otherwise it only says when there is more to do.
    fn does_something(&self, state: &Shard, world: &World) -> bool {
        let mut ledger = state.ledger.clone();
        let next = ledger.step(self.work_clock(world));
        self.alarms || !matches!(next, Ok(edge_logout::revocation::ledger::Step::Idle(_)))
    }

    fn imports(&self, world: &World, state: &Shard) -> bool {
        matches!(state.ledger.clone().take_import(world.now), Ok(Some(_)))
    }

    fn steps_of_syncs(&self, world: &World, isolate: usize, state: &Isolate, steps: &mut Vec<Step>) {
        if world.faults.syncs > 0 && state.syncs.len() < self.at_once {
            let is_known = state.memory.is_layout_known() || self.is(Mutation::LayoutIsNotWaitedFor);
            let shards = if is_known { state.memory.shards() } else { 1 };
            steps.extend((0..shards.min(world.shards.len())).map(|shard| Step::BeginSync { isolate, shard }));
        }
        for (place, sync) in state.syncs.iter().enumerate() {
            if sync.answer.is_none() {
                steps.push(Step::AnswerSync { isolate, sync: place });
                if self.is(Mutation::ReplacedInstanceAnswers) && world.shards[sync.shard].replaced.is_some() {
                    steps.push(Step::ReplacedAnswers { isolate, sync: place });
                }
            } else {
                steps.push(Step::ReceiveSync { isolate, sync: place, is_shared: false });
                if world.faults.shares > 0 {
                    steps.push(Step::ReceiveSync { isolate, sync: place, is_shared: true });
                }
            }
            if world.faults.lost > 0 {
                steps.push(Step::LoseSync { isolate, sync: place });
            }
        }
        if world.shared.is_some() {
            steps.push(Step::TakeShared { isolate });
        }
        let now = world.clock(isolate);
        if let Some((_, segment)) = edge_logout::revocation::steps::next_to_load(&state.memory.replica(), now) {
            steps.push(Step::Load { isolate, published: false });
            let is_there = if self.takes_any_filter() {
                !world.kv.filters.is_empty()
            } else {
                world.kv.filters.contains_key(&segment.name)
            };
            if self.published && is_there {
                steps.push(Step::Load { isolate, published: true });
            }
        }
        if world.faults.clocks > 0 {
            steps.push(Step::ClockBack { isolate });
        }
        if world.faults.isolates > 0 {
            steps.push(Step::RestartIsolate { isolate });
        }
    }

    fn steps_of_checks(&self, world: &World, isolate: usize, state: &Isolate, steps: &mut Vec<Step>) {
        match &state.check {
            Some(check) => match &check.waits {
                Waits::Confirmation(_, None) => steps.push(Step::AnswerCheck { isolate }),
                Waits::Confirmation(_, Some(_)) => steps.push(Step::ReceiveCheck { isolate }),
                Waits::Sync => steps.push(Step::LookAgain { isolate }),
            },
            None => {
                for token in 0..self.tokens.len() {
                    let Some((_, Lookup::Confirm(_))) = strongest(self, world, isolate, token) else { continue };
                    if world.faults.checks > 0 {
                        steps.push(Step::BeginCheck { isolate, token });
                    }
                }
            }
        }
        steps.extend((0..self.tokens.len()).map(|token| Step::Look { isolate, token }));
    }

    pub fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    pub fn takes_any_filter(&self) -> bool {
        self.is(Mutation::NamesAreUsedAgain) || self.is(Mutation::FilterOfAnother)
    }
}

pub const TINY: Sizes = Sizes { sealed: 2, run: 2, slice: 1, page: 100 };

fn has_unwritten(shard: &Shard, world: &World) -> bool {
    shard.ledger.clone().take_batch(world.now).is_ok_and(|batch| !batch.is_empty())
}
