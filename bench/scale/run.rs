//! Runs: one world each, for costs or for staleness, several at once on as many threads as there are.

use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use edge_logout::revocation::Freshness;

use super::clock::{self, Micros, SECOND};
use super::measure::Counts;
use super::prices::Bill;
use super::scenario::{Place, Promise, Scenario};
use super::traffic;
use super::world::{TAKE_OVER, World};

const SEED: u64 = 1;

/// What became of a scenario under a promise.
pub struct Outcome {
    pub scenario: Scenario,
    pub promise: Promise,
    pub seconds: f64,
    pub counts: Counts,
    pub staleness: Counts,
    pub bill: Bill,
}

/// How isolates of one location poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polling {
    /// While one of them polls the others wait for its answer.
    Shipped,
    /// Each for itself, unless a recent answer is shared already.
    Alone,
}

/// Ordinary traffic alone: what it costs.
pub fn costs(scenario: &Scenario, promise: Promise, polling: Polling) -> Counts {
    if scenario.is_too_much(promise, polling) {
        return Counts { checks: 1.0, doubts: 1.0, ..Counts::default() };
    }
    let world = World::new(scenario, promise, SEED);
    world.polls_alone.set(polling == Polling::Alone);
    traffic::begin(&world);
    let warm_up = Scenario::warm_up();
    world.begin_measuring();
    if let Some(collapsed) = run_until(&world, warm_up) {
        return collapsed;
    }
    world.begin_measuring();
    clock::run_until(warm_up + scenario.measured);
    world.note_held();
    world.end()
}

/// Runs on while what is promised is kept; otherwise gives what was counted until then.
fn run_until(world: &World, end: Micros) -> Option<Counts> {
    let slice = end / 40;
    for number in 1..=40 {
        clock::run_until(slice * number);
        if world.fails() {
            return Some(world.end());
        }
    }
    None
}

/// Ordinary traffic, and logouts whose tokens are used on.
pub fn staleness(scenario: &Scenario, promise: Promise, polling: Polling) -> Counts {
    if scenario.is_too_much(promise, polling) {
        return Counts::default();
    }
    let world = World::new(scenario, promise, SEED);
    world.polls_alone.set(polling == Polling::Alone);
    traffic::begin(&world);
    let taken_over = if scenario.alike > 1.0 { TAKE_OVER } else { 0 };
    world.begin_measuring();
    if let Some(collapsed) = run_until(&world, taken_over) {
        return collapsed;
    }
    clock::spawn(traffic::watched_logouts(Rc::clone(&world)));
    world.begin_measuring();
    if let Some(collapsed) = run_until(&world, taken_over + watched_for(scenario, promise)) {
        return collapsed;
    }
    world.end()
}

fn watched_for(scenario: &Scenario, promise: Promise) -> Micros {
    let enough = (120.0 / scenario.watched_per_second) as Micros * SECOND;
    enough + if promise.0 == Freshness::Eventual { 200 * SECOND } else { 20 * SECOND }
}

/// Polls a second from one location, by how many isolates it has.
pub fn polls_of_location(isolates: usize, bound: Promise, polling: Polling) -> f64 {
    let checks_per_second = isolates as f64 * super::scenario::CHECKS_AN_ISOLATE;
    let place = Place { round_trip: 70_000, checks_per_second, customers: 1_000 };
    let scenario = Scenario {
        name: "location",
        title: "One location",
        places: vec![place],
        alike: 1.0,
        logouts_per_second: 1.0,
        watched_per_second: 0.0,
        shards: 1,
        lifetime: Duration::from_hours(12),
        measured: 10 * SECOND,
    };
    let world = World::new(&scenario, bound, SEED);
    world.polls_alone.set(polling == Polling::Alone);
    traffic::begin(&world);
    clock::run_until(5 * SECOND);
    world.begin_measuring();
    clock::run_until(5 * SECOND + scenario.measured);
    world.end().polls * SECOND as f64 / scenario.measured as f64
}

/// Does all of the work, on as many threads as the machine has.
pub fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        break;
                    }
                    let result = work(number);
                    done.lock().expect("nobody panics").push((number, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("nobody panics");
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Every scenario under every promise.
fn jobs() -> Vec<(Scenario, Promise, Polling)> {
    let mut jobs = Vec::new();
    for scenario in Scenario::ALL {
        let scenario = scenario();
        for promise in scenario.promises() {
            jobs.push((scenario.clone(), *promise, Polling::Shipped));
        }
    }
    jobs
}

/// Runs the scenarios of these names, or all of them.
pub fn all(names: &[String]) -> Vec<Outcome> {
    let mut jobs = jobs();
    jobs.retain(|(scenario, ..)| names.is_empty() || names.iter().any(|name| name == scenario.name));
    // Each is two runs; the last ones take longest, so they come first.
    let last = jobs.len().saturating_sub(1);
    let mut counted = in_parallel(jobs.len() * 2, |number| {
        let (scenario, promise, polling) = &jobs[last - number / 2];
        let is_costs = number % 2 == 0;
        let counts = if is_costs { costs } else { staleness }(scenario, *promise, *polling);
        eprintln!("{}, {}: {}", scenario.title, promise.name(), if is_costs { "costs" } else { "staleness" });
        counts
    });
    let outcome = |(scenario, promise, _): (Scenario, Promise, Polling)| {
        let (staleness, counts) = (counted.pop().expect("two a job"), counted.pop().expect("two a job"));
        let seconds = scenario.measured as f64 / SECOND as f64;
        let shards = if promise.0 == Freshness::Eventual { 0 } else { scenario.shards };
        let bill = Bill::of(&counts, seconds, &scenario, shards);
        Outcome { scenario, promise, seconds, counts, staleness, bill }
    };
    jobs.into_iter().map(outcome).collect()
}

impl Outcome {
    /// Whether what is promised is kept: a check that cannot tell is no answer.
    pub fn holds(&self) -> bool {
        self.counts.doubts / self.counts.checks <= 0.01
    }

    pub fn name(&self) -> String {
        self.promise.name()
    }
}
