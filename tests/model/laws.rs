//! What must hold in every state, and what must be reached in some.

use edge_logout::revocation::feed::Follower;
use edge_logout::revocation::ledger::{Ledger, Row};
use edge_logout::revocation::{Limits, Revocation};
use edge_logout::time::Timestamp;
use stateright::{Model, Property};
use std::time::Duration;

use crate::rows::Tables;
use crate::steps::Step;
use crate::world::{Isolate, Progress, Says, Scene, World};

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
        Some(self.take(world, step))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut laws = vec![
            Property::always("no false success", no_false_success),
            Property::always("nothing between feed and index", nothing_between_feed_and_index),
            Property::always("strong", strong),
            Property::always("bounded", bounded),
            Property::always("eventual", eventual),
            Property::always("what the index has it keeps", the_index_keeps),
            Property::always("revoked stays revoked", revoked_stays_revoked),
            Property::always("recording twice is recording once", recording_twice),
            Property::always("the outbox wakes while there is work, and only then", the_outbox_wakes),
            Property::always("in the end the ledger is empty", empty_in_the_end),
        ];
        // Who looks for a counterexample need not look for these as well.
        if self.mutation.is_none() {
            laws.extend(self.sights.iter().map(|(name, condition)| Property::sometimes(name, *condition)));
        }
        laws
    }
}

fn covers(limits: Option<Limits>, revocation: &Revocation) -> bool {
    limits.is_some_and(|limits| limits.cover(&revocation.limits(), Duration::ZERO))
}

fn row<'a>(scene: &Scene, world: &'a World, key: &str) -> Option<&'a Row> {
    world.shards[scene.shard_of(key)].ledger.rows.rows.get(key)
}

fn index_has(world: &World, revocation: &Revocation) -> bool {
    world.index.readable(&revocation.key).into_iter().all(|limits| covers(limits, revocation))
}

/// Answered means durable: in the ledger, or, had that lost its storage, in the index.
fn no_false_success(scene: &Scene, world: &World) -> bool {
    let is_durable = |revocation: &Revocation| {
        covers(row(scene, world, &revocation.key).map(|row| row.revocation.limits()), revocation)
            || (scene.faults.losses > world.faults.losses && index_has(world, revocation))
    };
    let answered = scene.recorded(world).filter(|(_, progress)| matches!(progress, Progress::Answered(_)));
    answered.filter(|(revocation, _)| revocation.expires_at > world.now).all(|(revocation, _)| is_durable(revocation))
}

/// What the feed no longer tells, the index tells everywhere.
fn nothing_between_feed_and_index(scene: &Scene, world: &World) -> bool {
    let is_told = |row: &Row| row.in_feed || index_has(world, &row.revocation);
    let lost = scene.recorded(world).filter(|(revocation, progress)| {
        matches!(progress, Progress::Answered(_)) && row(scene, world, &revocation.key).is_none()
    });
    live_rows(world).all(is_told)
        && lost.filter(|(one, _)| one.expires_at > world.now).all(|(one, _)| index_has(world, one))
}

fn live_rows(world: &World) -> impl Iterator<Item = &Row> {
    let rows = world.shards.iter().flat_map(|shard| shard.ledger.rows.rows.values());
    rows.filter(|row| row.revocation.expires_at > world.now)
}

/// Asking the ledger is enough for what it has recorded.
fn strong(scene: &Scene, world: &World) -> bool {
    let is_ended = |token: &crate::world::Token| {
        token.keys.iter().any(|key| {
            let Ok(found) = world.shards[scene.shard_of(key)].ledger.contains(std::slice::from_ref(key));
            found.into_iter().any(|limits| token.is_ended_within(limits))
        })
    };
    let has_lost = scene.faults.losses > world.faults.losses;
    has_lost || scene.tokens.iter().all(|token| scene.ended_at(world, token).next().is_none() || is_ended(token))
}

/// Memory says active only as of when the feed was asked: nothing that was answered before is missing. A bound of so
/// many milliseconds only demands that this was not longer ago.
fn bounded(scene: &Scene, world: &World) -> bool {
    let holds = |isolate: &Isolate, number: usize| match isolate.says(scene, number, world) {
        Says::Active(synced_at) => scene.ended_at(world, &scene.tokens[number]).all(|answered| answered >= synced_at),
        Says::Revoked | Says::Nothing => true,
    };
    world.isolates.iter().all(|isolate| (0..scene.tokens.len()).all(|number| holds(isolate, number)))
}

/// Once the index had the settling time, nobody is told anything less.
fn eventual(_: &Scene, world: &World) -> bool {
    let settled = |row: &&Row| row.indexed_at.is_some();
    let mut rows = world
        .shards
        .iter()
        .flat_map(|shard| shard.ledger.rows.rows.values().filter(settled).map(|row| (row, shard.ledger.settling)));
    rows.all(|(row, settling)| {
        let is_young = row.indexed_at.is_some_and(|since| since.plus(settling) > world.now);
        is_young || row.revocation.expires_at <= world.now || index_has(world, &row.revocation)
    })
}

/// Once the ledger takes a revocation for indexed, no write that is still under way can take it back.
fn the_index_keeps(_: &Scene, world: &World) -> bool {
    live_rows(world).filter(|row| row.indexed_at.is_some()).all(|row| {
        let key = &row.revocation.key;
        let late = world.index.strays.iter().filter(|stray| stray.key == *key).map(|stray| Some(stray.limits));
        late.chain([world.index.latest(key)]).all(|limits| covers(limits, &row.revocation))
    })
}

/// Whatever was recorded, the ledger has it at its widest until it expires.
fn revoked_stays_revoked(scene: &Scene, world: &World) -> bool {
    let has_lost = scene.faults.losses > world.faults.losses;
    has_lost
        || scene.recorded(world).all(|(revocation, progress)| {
            progress == Progress::Idle
                || revocation.expires_at <= world.now
                || covers(row(scene, world, &revocation.key).map(|row| row.revocation.limits()), revocation)
        })
}

fn recording_twice(scene: &Scene, world: &World) -> bool {
    let has_lost = scene.faults.losses > world.faults.losses;
    let recorded =
        scene.recorded(world).filter(|(one, progress)| *progress != Progress::Idle && one.expires_at > world.now);
    has_lost
        || recorded.map(|(one, _)| one).all(|revocation| {
            let before = &world.shards[scene.shard_of(&revocation.key)].ledger;
            let mut after = before.clone();
            let Ok(()) = after.record(std::slice::from_ref(revocation), world.now);
            // A version may be spent on it, and nothing else.
            let stays = after.rows.head.first_expiry == before.rows.head.first_expiry;
            stays && after.rows.rows == before.rows.rows
        })
}

fn the_outbox_wakes(_: &Scene, world: &World) -> bool {
    world.shards.iter().all(|shard| {
        let ledger = &shard.ledger;
        let Ok(next) = ledger.next_alarm();
        let Ok(due) = ledger.due(world.now, usize::MAX);
        let mut tidied = ledger.clone();
        let Ok(()) = tidied.tidy(world.now);
        let Ok(after) = tidied.next_alarm();
        // While there is a row there is an alarm, in time; and one at which there is nothing to do sets none for at once.
        let mut in_feed = ledger.rows.rows.values().filter(|row| row.in_feed);
        next.is_some() != ledger.rows.rows.is_empty()
            && in_feed.all(|row| next.is_some_and(|at| at <= row.due_at))
            && (!due.is_empty() || after.is_none_or(|at| at > world.now))
    })
}

/// Where the world ends, the rest of the ledger's life is played with an index that takes every write.
fn empty_in_the_end(scene: &Scene, world: &World) -> bool {
    world.moves > 0 || world.shards.iter().all(|shard| empties(shard.ledger.clone(), scene, world.now))
}

fn empties(mut ledger: Ledger<Tables>, scene: &Scene, now: Timestamp) -> bool {
    let last = scene.logouts.iter().flatten().map(|revocation| revocation.expires_at).max();
    let latest = last.unwrap_or(now).max(now).plus(scene.settling * 12);
    for _ in 0..100 {
        let Ok(next) = ledger.next_alarm();
        let Some(now) = next.filter(|at| *at <= latest) else { break };
        let Ok(due) = ledger.due(now, usize::MAX);
        for row in due {
            let Ok(()) = ledger.indexed(&row.revocation.key, row.version, now, now);
        }
        let Ok(()) = ledger.tidy(now);
    }
    ledger.rows.rows.is_empty()
}

/// What must happen in some world for the laws to mean anything.
pub mod reached {
    use super::{Follower, Progress, Row, Says, Scene, Timestamp, World, live_rows};

    fn says(scene: &Scene, world: &World, wanted: fn(Says) -> bool) -> bool {
        let tokens = 0..scene.tokens.len();
        world.isolates.iter().any(|isolate| tokens.clone().any(|number| wanted(isolate.says(scene, number, world))))
    }

    fn any_feed(world: &World, wanted: impl Fn(&Follower, Option<Timestamp>) -> bool) -> bool {
        let mut feeds = world.isolates.iter().flat_map(|isolate| &isolate.feeds);
        feeds.any(|feed| feed.follower.as_ref().is_some_and(|follower| wanted(follower, feed.begun_at)))
    }

    pub fn active(scene: &Scene, world: &World) -> bool {
        says(scene, world, |says| matches!(says, Says::Active(_)))
    }

    pub fn revoked_from_memory(scene: &Scene, world: &World) -> bool {
        says(scene, world, |says| says == Says::Revoked)
    }

    pub fn memory_cannot_tell(scene: &Scene, world: &World) -> bool {
        let answered = world.logouts.iter().any(|progress| matches!(progress, Progress::Answered(_)));
        answered && says(scene, world, |says| says == Says::Nothing)
    }

    pub fn out_of_the_feed(_: &Scene, world: &World) -> bool {
        live_rows(world).any(|row| !row.in_feed)
    }

    pub fn forgotten(_: &Scene, world: &World) -> bool {
        any_feed(world, |follower, begun_at| begun_at.is_some_and(|begun_at| follower.floor() > begun_at))
    }

    pub fn gap(_: &Scene, world: &World) -> bool {
        world.isolates.iter().any(|isolate| isolate.feeds.iter().any(|feed| feed.has_gap))
    }

    pub fn half_of_the_feed(_: &Scene, world: &World) -> bool {
        any_feed(world, |follower, _| follower.synced_at().is_none())
    }

    pub fn restart(_: &Scene, world: &World) -> bool {
        world.isolates.iter().any(|isolate| isolate.has_restarted)
    }

    pub fn shared(_: &Scene, world: &World) -> bool {
        world.shared.is_some()
    }

    /// The index has less than it had been given.
    pub fn late_write(_: &Scene, world: &World) -> bool {
        let narrowed = |row: &Row| {
            let values = world.index.readable(&row.revocation.key);
            let wide = |limits: &Option<_>| *limits == Some(row.revocation.limits());
            values.iter().any(wide) && values.last().is_some_and(|last| !wide(last))
        };
        live_rows(world).any(narrowed)
    }

    pub fn empty_again(scene: &Scene, world: &World) -> bool {
        world.logouts.iter().all(|progress| matches!(progress, Progress::Answered(_)))
            && world.shards.iter().all(|shard| shard.ledger.rows.rows.is_empty())
            && scene.faults.losses == world.faults.losses
    }

    /// Memory says active, though the index was never asked.
    pub fn active_without_the_index(scene: &Scene, world: &World) -> bool {
        let tokens = 0..scene.tokens.len();
        world.isolates.iter().any(|isolate| {
            let is_unasked = isolate.asked.iter().all(Option::is_none);
            is_unasked && tokens.clone().any(|number| matches!(isolate.says(scene, number, world), Says::Active(_)))
        })
    }

    fn hears_that_it_is_whole(scene: &Scene, world: &World) -> impl Iterator<Item = bool> {
        let feeds = world.isolates.iter().flat_map(|isolate| &isolate.feeds);
        let known = feeds.filter(|feed| feed.follower.as_ref().is_some_and(|follower| follower.synced_at().is_some()));
        known.map(|feed| feed.is_whole(scene))
    }

    pub fn not_whole(scene: &Scene, world: &World) -> bool {
        hears_that_it_is_whole(scene, world).any(|is_whole| !is_whole)
    }

    /// Though something has left the feed.
    pub fn whole_again(scene: &Scene, world: &World) -> bool {
        let has_left = world.shards.iter().all(|shard| shard.ledger.rows.head.trimmed > 0);
        has_left && hears_that_it_is_whole(scene, world).any(|is_whole| is_whole)
    }

    pub fn another_life(_: &Scene, world: &World) -> bool {
        world.shards.iter().any(|shard| shard.lives > 0)
    }
}
