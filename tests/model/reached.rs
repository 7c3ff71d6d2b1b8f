//! What must happen in some state for the laws to mean anything.

use edge_logout::revocation::Status;
use edge_logout::revocation::ledger::RunState;
use edge_logout::revocation::steps::Lookup;

use crate::isolate::{bounded, strongest};
use crate::world::{Progress, Scene, Sight, Waits, World};

fn any(scene: &Scene, world: &World, wanted: impl Fn(&Lookup) -> bool) -> bool {
    let tokens = 0..scene.tokens.len();
    (0..world.isolates.len()).any(|isolate| {
        tokens.clone().any(|token| strongest(scene, world, isolate, token).is_some_and(|(_, lookup)| wanted(&lookup)))
    })
}

fn is_answered(world: &World) -> bool {
    world.logouts.iter().any(|progress| matches!(progress, Progress::Answered(_)))
}

fn live_runs(world: &World) -> usize {
    let states = world.shards.iter().flat_map(|shard| shard.ledger.rows.rows.runs.values());
    states.filter(|(state, _)| *state == RunState::Live).count()
}

pub const ACTIVE: Sight =
    ("active", |scene, world| any(scene, world, |lookup| *lookup == Lookup::Known(Status::Active)));
pub const REVOKED: Sight =
    ("revoked", |scene, world| any(scene, world, |lookup| matches!(lookup, Lookup::Known(Status::Revoked(_)))));
pub const MAYBE: Sight = ("maybe", |scene, world| any(scene, world, |lookup| matches!(lookup, Lookup::Confirm(_))));
pub const ASKS_INDEX: Sight = ("asks Workers KV", |scene, world| any(scene, world, |lookup| *lookup == Lookup::ReadKv));
pub const CONFIRMED: Sight = ("confirmed", |_, world| {
    world.isolates.iter().any(|isolate| isolate.remembered.iter().any(|(_, confirmed)| !confirmed.is_empty()))
});
pub const WAITS: Sight = ("a check waits for a sync", |_, world| {
    world.isolates.iter().any(|isolate| isolate.check.as_ref().is_some_and(|check| check.waits == Waits::Sync))
});
pub const SEALED: Sight = ("a run", |_, world| live_runs(world) > 0);
pub const MERGED: Sight = ("merged", |_, world| {
    let shards = world.shards.iter().map(|shard| &shard.ledger.rows.rows);
    // The second byte of a run's description is its level.
    shards
        .flat_map(|rows| rows.runs.values())
        .any(|(state, about)| *state == RunState::Live && about.get(1) == Some(&1))
});
pub const UNFINISHED: Sight = ("an unfinished run after a start", |_, world| {
    let fresh = |shard: &std::sync::Arc<crate::world::Shard>| {
        let rows = &shard.ledger.rows.rows;
        rows.runs.values().any(|(state, _)| *state == RunState::Unfinished)
            && shard.ledger
                == edge_logout::revocation::ledger::Ledger::new(shard.ledger.rows.clone(), crate::steps::TINY)
    };
    world.shards.iter().any(fresh)
});
pub const ANEW: Sight = ("a replica begins anew", |_, world| {
    world.isolates.iter().any(|isolate| (0..isolate.memory.shards()).any(|shard| isolate.memory.generation(shard) > 0))
});
pub const LINEAGES: Sight =
    ("two lineages", |_, world| world.shards.iter().any(|shard| shard.ledger.rows.rows.lineages.len() > 1));
pub const RESTORED: Sight = ("a restore", |_, world| world.shards.iter().any(|shard| shard.restored));
pub const LOST_BY_RESTORE: Sight = ("lost by the restore", |_, world| world.logouts.contains(&Progress::Void));
pub const PARTLY: Sight = ("some pages", |_, world| {
    world.isolates.iter().any(|isolate| {
        isolate.syncs.iter().any(|sync| sync.question.at.version > 0) && isolate.memory.synced_number(0) == 0
    })
});
pub const SEVERAL: Sight =
    ("several syncs at once", |_, world| world.isolates.iter().any(|isolate| isolate.syncs.len() > 1));
pub const SHARED: Sight = ("shared", |_, world| world.shared.is_some());
pub const BOUNDED: Sight = ("active under the bound", |scene, world| {
    (0..world.isolates.len()).any(|isolate| {
        (0..scene.tokens.len())
            .any(|token| bounded(scene, world, isolate, token).is_some_and(|known| known.status == Status::Active))
    })
});
/// By a step back that nobody could see.
pub const EXCEEDED: Sight = ("the bound is exceeded", |scene, world| {
    (0..world.isolates.len()).any(|isolate| {
        (0..scene.tokens.len()).any(|token| {
            let says = bounded(scene, world, isolate, token).is_some_and(|known| known.status == Status::Active);
            says && scene.logouts.iter().zip(&world.logouts).any(|(logout, progress)| match progress {
                Progress::Answered(at) => {
                    scene.tokens[token].is_ended_by_logout(logout) && world.now > at.plus(scene.bound)
                }
                _ => false,
            })
        })
    })
});
pub const CANNOT_TELL: Sight = ("memory cannot tell", |scene, world| {
    is_answered(world)
        && (0..world.isolates.len()).any(|isolate| {
            world.isolates[isolate].memory.synced_number(0) > 0
                && (0..scene.tokens.len()).any(|token| bounded(scene, world, isolate, token).is_none())
        })
});
pub const PENDING: Sight =
    ("pending", |_, world| world.shards.iter().any(|shard| !shard.ledger.rows.rows.pending.is_empty()));
pub const LATE: Sight = ("a late write", |_, world| !world.kv.late.is_empty());
pub const EMPTY: Sight = ("empty again", |_, world| {
    world.logouts.iter().all(|progress| matches!(progress, Progress::Answered(_)))
        && world.shards.iter().all(|shard| {
            let rows = &shard.ledger.rows.rows;
            rows.log.is_empty() && rows.runs.is_empty() && rows.pending.is_empty() && rows.cut_offs.is_empty()
        })
});
pub const DROPPED: Sight = ("dropped", |_, world| {
    world.shards.iter().any(|shard| {
        let rows = &shard.ledger.rows.rows;
        rows.head.as_ref().is_some_and(|head| head.sealed > 0) && rows.runs.is_empty() && rows.log.is_empty()
    })
});
pub const IMPORTED: Sight = ("imported", |_, world| {
    world
        .shards
        .iter()
        .any(|shard| shard.ledger.rows.rows.head.as_ref().is_some_and(|head| head.imported_since.is_some()))
});
pub const IMPORTED_ENTRY: Sight = ("an imported entry", |_, world| {
    world.shards.iter().any(|shard| shard.ledger.rows.rows.log.values().any(|row| row.is_imported))
});
pub const CUT_OFF_LISTED: Sight = ("an issuer's cut-off in the directory", |_, world| {
    world.shards.iter().any(|shard| !shard.ledger.rows.rows.cut_offs.is_empty())
});
pub const LAYOUT: Sight = ("another layout", |scene, world| {
    world
        .isolates
        .iter()
        .zip(&scene.isolates)
        .any(|(isolate, configured)| isolate.memory.shards() != *configured as usize)
});
pub const OWN: Sight = ("own logouts alone", |scene, world| {
    world.isolates.iter().enumerate().any(|(place, isolate)| {
        !isolate.own.is_empty()
            && isolate.memory.synced_number(0) == 0
            && (0..scene.tokens.len()).any(|token| bounded(scene, world, place, token).is_some())
    })
});
pub const UNANSWERED: Sight = ("an answer is lost", |_, world| world.logouts.contains(&Progress::Unanswered));
