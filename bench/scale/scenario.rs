//! What is simulated: who asks, from where, how often, and under which configuration.
//!
//! Round trips, isolates and what Workers KV takes are assumptions; `docs/explanation/scale.md` says where they
//! come from.

use std::time::Duration;

use edge_logout::revocation::Freshness;

use super::clock::{MILLISECOND, Micros, SECOND};
use super::run::Polling;

/// So many checks a second keep one isolate busy enough for the platform to start another one.
pub const CHECKS_AN_ISOLATE: f64 = 250.0;
/// How long an isolate lives on average, and how long it is kept without a request.
pub const ISOLATE_LIFE_SECONDS: f64 = 1_200.0;
pub const IDLE_LIFE: Micros = 300 * SECOND;
/// An object serves one request after the other, and about a thousand a second.
pub const SERVICE: Micros = MILLISECOND;
/// Longer than this nobody waits in an object's queue: it answers that it is overloaded.
pub const LONGEST_QUEUE: Micros = SECOND;
/// How long an object takes to read a block of a run, and to write one with its share of the filter, in microseconds.
pub const BLOCK_READ: f64 = 50.0;
pub const BLOCK_WRITTEN: f64 = 200.0;
/// Until another object near it has its call, and its alarm runs.
pub const OBJECT_CALL: Micros = 20 * MILLISECOND;
/// Until what an object has written is durable and its answer may leave.
pub const OUTPUT_GATE: Micros = 10 * MILLISECOND;
/// The Cache API.
pub const CACHE_LATENCY: Micros = 2 * MILLISECOND;
/// How many tokens' worth of use the most active customers have: Zipf's exponent.
pub const SKEW: f64 = 0.8;

/// Round trips in milliseconds from Cloudflare's regions to a ledger in western Europe: plausible, not measured.
const ROUND_TRIPS: [u64; 10] = [
    15,  // western Europe
    35,  // northern and eastern Europe
    90,  // Middle East
    130, // Africa
    90,  // eastern North America
    145, // western North America
    200, // Latin America
    140, // southern Asia
    220, // eastern Asia
    270, // Oceania
];

/// A location that is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub round_trip: Micros,
    pub checks_per_second: f64,
    pub customers: usize,
}

impl Place {
    pub const fn new(round_trip_ms: u64, checks_per_second: f64, customers: usize) -> Self {
        Self { round_trip: round_trip_ms * MILLISECOND, checks_per_second, customers }
    }

    /// How many isolates serve it.
    pub fn isolates(&self) -> usize {
        (self.checks_per_second / CHECKS_AN_ISOLATE).ceil().max(1.0) as usize
    }
}

/// One scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub title: &'static str,
    pub places: Vec<Place>,
    /// How many locations like each of these there are: all that is counted there counts so often.
    pub alike: f64,
    /// Of the whole service.
    pub logouts_per_second: f64,
    /// For staleness: so many logouts a second, each followed by clients that go on using the token.
    pub watched_per_second: f64,
    pub shards: u32,
    /// How long revocations live.
    pub lifetime: Duration,
    pub measured: Micros,
}

/// What is promised to every check of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise(pub Freshness);

impl Promise {
    pub const ALL: [Self; 5] = [
        Self(Freshness::Strong),
        Self(Freshness::Bounded(Duration::from_millis(250))),
        Self(Freshness::Bounded(Duration::from_secs(1))),
        Self(Freshness::Bounded(Duration::from_secs(5))),
        Self(Freshness::Eventual),
    ];

    /// The two that a shop chooses from first.
    pub const WITHOUT_OPTIONS: [Self; 2] = [Self::ALL[0], Self::ALL[2]];

    pub fn name(self) -> String {
        match self.0 {
            Freshness::Strong => "strong".to_owned(),
            Freshness::Bounded(bound) if bound.as_millis() < 1_000 => format!("bounded {} ms", bound.as_millis()),
            Freshness::Bounded(bound) => format!("bounded {} s", bound.as_secs()),
            Freshness::Eventual => "eventual".to_owned(),
        }
    }
}

/// Until isolates have seen the tokens that are in use, and the location's cache of Workers KV is full.
const UNTIL_STEADY: Micros = 65 * SECOND;
/// What the contracts' tokens live for at the most, unless said otherwise.
const HALF_A_DAY: Duration = Duration::from_hours(12);

impl Scenario {
    pub const ALL: [fn() -> Self; 5] =
        [Self::night, Self::small, Self::marketplace, Self::marketplace_month, Self::worldwide];

    pub const fn warm_up() -> Micros {
        UNTIL_STEADY
    }

    /// The revocations that are alive once as many expire as are made: one for each logout.
    pub fn live(&self) -> f64 {
        self.logouts_per_second * self.lifetime.as_secs_f64()
    }

    /// What it is simulated under.
    pub fn promises(&self) -> &'static [Promise] {
        if self.name == "month" { &Promise::WITHOUT_OPTIONS } else { &Promise::ALL }
    }

    /// In what time locations that are not simulated do what those do that are.
    pub fn spread(&self, promise: Promise) -> Micros {
        // Isolates of hundreds of locations do not all start in the same moment.
        let least = if self.alike > 100.0 { 10 * SECOND } else { SECOND / 5 };
        promise.0.bound().map_or(0, |bound| bound.as_micros() as Micros / 2).max(least)
    }

    pub fn checks_per_second(&self) -> f64 {
        self.places.iter().map(|place| place.checks_per_second).sum::<f64>() * self.alike
    }

    /// Whether it is plain beforehand that a shard is asked thousands of times a second: then nothing is simulated.
    pub fn is_too_much(&self, promise: Promise, polling: Polling) -> bool {
        self.name == "worldwide"
            && match promise.0 {
                Freshness::Strong => true,
                Freshness::Bounded(_) => polling == Polling::Alone,
                Freshness::Eventual => false,
            }
    }

    /// A small shop at night: a check every half minute.
    pub fn night() -> Self {
        Self {
            name: "night",
            title: "A small shop at night",
            places: vec![Place::new(15, 0.02, 200), Place::new(35, 0.01, 100), Place::new(90, 0.003, 50)],
            alike: 1.0,
            logouts_per_second: 0.000_1,
            watched_per_second: 0.01,
            shards: 1,
            lifetime: HALF_A_DAY,
            measured: 36_000 * SECOND,
        }
    }

    /// A small shop by day: five locations, 2 checks a second in all, 500 logouts a day.
    pub fn small() -> Self {
        Self {
            name: "small",
            title: "A small shop",
            places: vec![
                Place::new(15, 1.0, 1_000),
                Place::new(15, 0.5, 500),
                Place::new(35, 0.3, 300),
                Place::new(90, 0.15, 200),
                Place::new(145, 0.05, 100),
            ],
            alike: 1.0,
            logouts_per_second: 500.0 / 86_400.0,
            watched_per_second: 0.1,
            shards: 1,
            lifetime: HALF_A_DAY,
            measured: 7_200 * SECOND,
        }
    }

    /// A large marketplace: 50 locations, five in each region, 5,000 checks and 20 logouts a second.
    pub fn marketplace() -> Self {
        let shares: Vec<f64> = (1..=ROUND_TRIPS.len()).map(|rank| (rank as f64).powf(-0.7)).collect();
        let whole: f64 = shares.iter().sum();
        let place = |(round_trip_ms, share): (&u64, &f64)| {
            let checks = 1_000.0 * share / whole;
            Place::new(*round_trip_ms, checks, (checks * 30.0) as usize)
        };
        Self {
            name: "marketplace",
            title: "A large marketplace",
            places: ROUND_TRIPS.iter().zip(&shares).map(place).collect(),
            alike: 5.0,
            logouts_per_second: 20.0,
            watched_per_second: 1.0,
            shards: 1,
            lifetime: HALF_A_DAY,
            measured: 410 * SECOND,
        }
    }

    /// The same with tokens that live for 30 days: 52 million live revocations.
    pub fn marketplace_month() -> Self {
        let lifetime = Duration::from_hours(24 * 30);
        Self { name: "month", title: "The marketplace, lifetimes of 30 days", lifetime, ..Self::marketplace() }
    }

    /// A million checks a second: one location of average size and distance in full, standing for all 330.
    pub fn worldwide() -> Self {
        Self {
            name: "worldwide",
            title: "1 million checks a second",
            places: vec![Place::new(70, 3_030.0, 60_000)],
            alike: 330.0,
            logouts_per_second: 300.0,
            watched_per_second: 6.0,
            shards: 8,
            lifetime: HALF_A_DAY,
            measured: 60 * SECOND,
        }
    }
}
