//! What the outbox of one shard writes, what a burst of logouts does, and what a logout writes in the long run.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use edge_logout::revocation::ledger::{Call, Question, Setup};

use super::clock::{self, Micros, SECOND};
use super::index::Lanes;
use super::isolate::Isolate;
use super::measure::Counts;
use super::rows::Written;
use super::scenario::{Place, Promise, Scenario};
use super::shard::{Shard, any_logout};
use super::traffic::logout;
use super::world::{Customer, SETTLING, World, timestamp};

const SEED: u64 = 1;
/// More than any outbox writes: the backlog never ends.
const OVERLOAD: u64 = 200;

/// A shard alone.
fn alone(places: Vec<Place>) -> Rc<World> {
    let scenario = Scenario {
        name: "alone",
        title: "One shard",
        places,
        alike: 1.0,
        logouts_per_second: 20.0,
        watched_per_second: 0.0,
        shards: 1,
        lifetime: Duration::from_hours(12),
        measured: 0,
    };
    World::new(&scenario, Promise::ALL[2], SEED)
}

fn record(world: &Rc<World>) {
    let shard: Rc<Shard> = Rc::clone(&world.shards[0]);
    let logout = any_logout(world.scenario.lifetime, timestamp(clock::now()), &world.random);
    let setup = Setup { shard: 0, shards: 1, settling: SETTLING, kv_written_until: None };
    let (world, call) = (Rc::clone(world), Call { setup, question: Question::Record(vec![logout]) });
    clock::spawn(async move {
        let _ = shard.serve(world, call, 1.0).await;
    });
}

async fn records(world: Rc<World>, per_second: u64) {
    loop {
        clock::after(SECOND / per_second).await;
        record(&world);
    }
}

/// Entries a second that the outbox of one shard writes to Workers KV at the most.
pub fn throughput(lanes: Lanes) -> f64 {
    let world = alone(Vec::new());
    world.lanes.set(lanes);
    clock::spawn(records(Rc::clone(&world), OVERLOAD));
    clock::run_until(20 * SECOND);
    world.begin_measuring();
    clock::run_until(80 * SECOND);
    world.end().kv_writes / 60.0
}

/// What became of a burst.
pub struct Burst {
    pub counts: Counts,
    /// When Workers KV had all of it, in microseconds.
    pub written_after: Micros,
}

/// So many logouts within a second, from ten isolates at five locations.
pub fn burst(logouts: u64, lanes: Lanes) -> Burst {
    let places = [15, 35, 90, 140, 220].map(|round_trip| Place::new(round_trip, 500.0, 1));
    let world = alone(places.to_vec());
    world.lanes.set(lanes);
    clock::run_until(SECOND);
    world.begin_measuring();
    let random = &world.random;
    for number in 0..logouts {
        let venue = &world.venues[random.below(world.venues.len())];
        let isolate: Rc<Isolate> = venue.isolate(&world);
        let (world, at) = (Rc::clone(&world), SECOND + random.between(0, SECOND));
        clock::spawn(async move {
            clock::until(at).await;
            let (token, logout) = logout(&world, &Customer::new(&world, number));
            isolate.revoke(&token, &logout).await;
        });
    }
    let mut end = 4 * SECOND;
    clock::run_until(end);
    while world.shards[0].backlog() > 0 && end < 600 * SECOND {
        end += SECOND / 10;
        clock::run_until(end);
    }
    Burst { counts: world.end(), written_after: end - 2 * SECOND }
}

/// What a logout writes in rows, all that follows included, over hours of twenty logouts a second.
pub struct LongRun {
    pub logouts: f64,
    pub written: Written,
    pub counts: Counts,
}

/// Eighteen hours, of which the last six are counted: then as much expires as is added.
pub fn long_run(hours: u64, counted: u64) -> LongRun {
    let world = alone(Vec::new());
    let before: RefCell<Written> = RefCell::default();
    clock::spawn(records(Rc::clone(&world), 20));
    clock::run_until((hours - counted) * 3_600 * SECOND);
    before.replace(world.shards[0].written());
    world.begin_measuring();
    clock::run_until(hours * 3_600 * SECOND);
    let written = world.shards[0].written().since(&before.take());
    world.note_held();
    LongRun { logouts: (counted * 3_600 * 20) as f64, written, counts: world.end() }
}
