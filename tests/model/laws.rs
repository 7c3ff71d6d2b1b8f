//! What must hold in every state, and what must be reached in some.

use std::time::Duration;

use edge_logout::revocation::ledger::{Answer, Call, Position, Question};
use edge_logout::revocation::steps::Lookup;
use edge_logout::revocation::{Limits, Logout, Status};
use stateright::{Model, Property};

use crate::isolate::{bounded as bounded_check, strongest, weakest};
use crate::mutations::Mutation;
use crate::shard::is_unwritten;
use crate::steps::Step;
use crate::world::{Progress, Scene, World, revocations};

/// How long an isolate remembers what it has answered itself.
const OWN: Duration = Duration::from_mins(5);

macro_rules! laws {
    ($($name:literal,)*) => {
        vec![$(Property::always($name, |_: &Scene, world: &World| world.broken != Some($name))),*]
    };
}

impl Model for Scene {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.begin()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.steps(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut next = self.take(world, step);
        self.judge_all(&mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut laws = laws![
            "no false success",
            "one log, no gaps",
            "strong",
            "bounded",
            "eventual",
            "own logouts",
            "from before the ledger",
            "nobody else",
            "recording twice is recording once",
            "order of each key",
            "the outbox wakes",
            "in the end Workers KV has the widest",
            "in the end the ledger is empty",
        ];
        // Who looks for a counterexample need not look for these as well.
        if self.mutation.is_none() {
            laws.extend(self.sights.iter().map(|(name, condition)| Property::sometimes(name, *condition)));
        }
        laws
    }
}

/// What a check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    Active,
    Revoked,
    /// Active, unless Workers KV has a revocation.
    AsksIndex,
}

/// Judges the verdict of a strong check that relies on a sync which was asked for when these logouts were answered.
pub fn judge(scene: &Scene, world: &mut World, token: usize, answered: u32, says: Says) {
    if let Some(law) = broken_by(scene, world, token, answered, says) {
        world.break_law(law);
    }
}

fn broken_by(scene: &Scene, world: &World, token: usize, answered: u32, says: Says) -> Option<&'static str> {
    let token = &scene.tokens[token];
    let ends = |logout: &Logout| token.is_ended_by_logout(logout) && logout.widest.expires_at > world.now;
    if says == Says::Revoked {
        let mut recorded =
            scene.logouts.iter().zip(&world.logouts).filter(|(_, progress)| **progress != Progress::Idle);
        return if recorded.any(|(logout, _)| token.is_ended_by_logout(logout)) { None } else { Some("nobody else") };
    }
    if says == Says::AsksIndex && !kv_may_miss(scene, world, token) {
        return None;
    }
    for (place, (logout, progress)) in scene.logouts.iter().zip(&world.logouts).enumerate() {
        let Progress::Answered(at) = progress else { continue };
        if place < scene.before {
            if ends(logout) && at.plus(scene.settling) <= world.now {
                return Some("from before the ledger");
            }
        } else if ends(logout) && answered & (1 << place) != 0 {
            return Some("strong");
        }
    }
    None
}

/// Whether a reader of Workers KV may find nothing that ends a token.
fn kv_may_miss(scene: &Scene, world: &World, token: &crate::world::Token) -> bool {
    token.digests.iter().all(|(_, digest)| {
        let readable = world.kv.readable(digest, world.now, scene.settling);
        readable.into_iter().any(|entry| entry.is_none_or(|entry| !token.is_ended_by(digest, &entry.limits())))
    })
}

/// What a replica is that has synced: every live revocation that was answered before it asked is in its entries, its
/// cut-offs or its segments.
pub fn no_gaps(scene: &Scene, world: &mut World, isolate: usize) {
    let state = &world.isolates[isolate];
    let Some(asked) = weakest(state) else { return };
    let answered =
        |place: usize| asked.answered & (1 << place) != 0 && matches!(world.logouts[place], Progress::Answered(_));
    let is_known = |place: usize| {
        let widest = &scene.logouts[place].widest;
        let (upto, maybe) = state.memory.find(scene.shard_of(place, state.memory.shards()), &widest.digest);
        let covers = upto.is_some_and(|upto| widest.cut_off.is_none_or(|cut_off| cut_off <= upto));
        maybe || covers || widest.expires_at <= world.now
    };
    if !scene.of_ledger().filter(|place| answered(*place)).all(is_known) {
        world.break_law("one log, no gaps");
    }
}

fn covers(limits: Option<Limits>, other: &Limits) -> bool {
    limits.is_some_and(|limits| limits.cover(other, Duration::ZERO))
}

impl Scene {
    fn judge_all(&self, world: &mut World) {
        if world.broken.is_some() {
            return;
        }
        for isolate in 0..world.isolates.len() {
            self.judge_isolate(world, isolate);
        }
        if !self.is_durable(world) {
            world.break_law("no false success");
        }
        if !self.kv_keeps(world) {
            world.break_law("eventual");
        }
        if self.alarms {
            self.judge_alarms(world);
        }
    }

    fn judge_isolate(&self, world: &mut World, isolate: usize) {
        for token in 0..self.tokens.len() {
            if let Some((asked, lookup)) = strongest(self, world, isolate, token) {
                let says = match lookup {
                    Lookup::Known(Status::Active) => Some(Says::Active),
                    Lookup::Known(Status::Revoked(_)) => Some(Says::Revoked),
                    Lookup::ReadKv => Some(Says::AsksIndex),
                    Lookup::Confirm(_) => None,
                };
                if let Some(says) = says {
                    judge(self, world, token, asked.answered, says);
                }
                if self.is(Mutation::StrongByTheClock) && says == Some(Says::Active) {
                    self.judge_by_clock(world, isolate, token);
                }
            }
            self.judge_bounded(world, isolate, token);
        }
    }

    /// A strong check of now that takes any sync for good which bears the same millisecond.
    fn judge_by_clock(&self, world: &mut World, isolate: usize, token: usize) {
        use edge_logout::revocation::steps::{Required, look};
        let state = &world.isolates[isolate];
        let (replica, now) = (state.memory.replica(), world.clock(isolate));
        let matchable = self.tokens[token].matchable(&state.remembered[token]);
        if look(&replica, &matchable, Required::Since(now, u64::MAX), now) == Some(Lookup::Known(Status::Active)) {
            let answered = world.answered();
            judge(self, world, token, answered, Says::Active);
        }
    }

    /// What memory says under the bound, and of the isolate's own logouts.
    fn judge_bounded(&self, world: &mut World, isolate: usize, token: usize) {
        let known = bounded_check(self, world, isolate, token);
        let state = &world.isolates[isolate];
        let status = known.map(|known| known.status);
        let ends = |place: usize| {
            let logout = &self.logouts[place];
            self.tokens[token].is_ended_by_logout(logout) && logout.widest.expires_at > world.now
        };
        let is_own = |(place, at): &(usize, _)| ends(*place) && world.now.since(*at) < OWN;
        let is_judged = !self.is(Mutation::StepsBackAreNotSeen);
        if is_judged && state.own.iter().any(is_own) && !matches!(status, Some(Status::Revoked(_))) {
            return world.break_law("own logouts");
        }
        if status != Some(Status::Active) {
            return;
        }
        let clock = world.clock(isolate);
        let is_seen = clock < state.looked;
        let late = self.bound + if is_seen { Duration::ZERO } else { state.unseen };
        let is_missed = |place: usize| match world.logouts[place] {
            Progress::Answered(at) => {
                let late = if place < self.before { self.settling } else { late };
                ends(place) && world.now > at.plus(late)
            }
            _ => false,
        };
        let missed = (0..self.logouts.len()).find(|place| is_missed(*place));
        if let Some(place) = missed {
            world.break_law(if place < self.before { "from before the ledger" } else { "bounded" });
        } else if is_seen && !self.is(Mutation::StepsBackAreNotSeen) {
            // A clock that was set back says nothing.
            world.break_law("bounded");
        }
    }

    /// Answered means durable until it expires: whoever asks the shard is told of it.
    fn is_durable(&self, world: &World) -> bool {
        self.of_ledger().all(|place| {
            let widest = &self.logouts[place].widest;
            let is_promised = matches!(world.logouts[place], Progress::Answered(_) | Progress::Unanswered);
            if !is_promised || widest.expires_at <= world.now {
                return true;
            }
            let shards = self.layout(world);
            let shard = self.shard_of(place, shards);
            let question = Question::Confirm(Position::default(), vec![widest.digest]);
            let call = Call { setup: self.setup(shard, shards), question };
            match world.shards[shard].ledger.clone().answer(&call, world.now) {
                Ok(Answer::Confirmed(found)) => found[0].is_some_and(|upto| widest.cut_off.is_none_or(|at| at <= upto)),
                _ => false,
            }
        })
    }

    /// Once the ledger takes a revocation for written, Workers KV has it, and no write that is under way narrows it.
    fn kv_keeps(&self, world: &World) -> bool {
        self.of_ledger().all(|place| {
            let is_promised = matches!(world.logouts[place], Progress::Answered(_) | Progress::Unanswered);
            let shard = &world.shards[self.shard_of(place, self.layout(world))];
            !is_promised
                || revocations(&self.logouts[place]).all(|revocation| {
                    let (digest, limits) = (revocation.digest, revocation.limits());
                    let late = world.kv.late.iter().map(|(late, _)| late);
                    let under_way =
                        shard.batches.iter().filter(|batch| !batch.has_landed).flat_map(|batch| &batch.writes);
                    let mut writes = late.chain(under_way.map(|write| &write.revocation));
                    revocation.expires_at <= world.now
                        || is_unwritten(shard, &digest)
                        || covers(world.kv.latest(&digest), &limits)
                            && writes.all(|write| write.digest != digest || covers(Some(write.limits()), &limits))
                })
        })
    }

    fn judge_alarms(&self, world: &mut World) {
        for shard in &world.shards {
            let rows = &shard.ledger.rows.rows;
            let has_rest =
                !(rows.log.is_empty() && rows.pending.is_empty() && rows.runs.is_empty() && rows.cut_offs.is_empty());
            if has_rest && !shard.is_working && shard.alarm.is_none() {
                return world.break_law("the outbox wakes");
            }
        }
        let is_quiet = |shard: &std::sync::Arc<crate::world::Shard>| shard.batches.is_empty() && !shard.is_working;
        if world.moves > 0 || !world.shards.iter().all(is_quiet) {
            return;
        }
        let (settled, end) = self.play(world);
        let is_empty = |shard: &std::sync::Arc<crate::world::Shard>| {
            let rows = &shard.ledger.rows.rows;
            rows.log.is_empty()
                && rows.pending.is_empty()
                && rows.runs.is_empty()
                && rows.blocks.is_empty()
                && rows.cut_offs.is_empty()
        };
        let is_written = self.of_ledger().all(|place| {
            let is_promised = matches!(world.logouts[place], Progress::Answered(_) | Progress::Unanswered);
            !is_promised
                || revocations(&self.logouts[place]).all(|revocation| {
                    revocation.expires_at <= settled.now
                        || covers(settled.kv.latest(&revocation.digest), &revocation.limits())
                })
        });
        if !is_written {
            world.break_law("in the end Workers KV has the widest");
        }
        if !end.shards.iter().all(is_empty) {
            world.break_law("in the end the ledger is empty");
        }
    }
}
