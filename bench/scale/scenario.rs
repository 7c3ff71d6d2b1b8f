//! What is simulated: who asks, from where, how often, and under which configuration.
//!
//! Round trips, isolates and what Workers KV takes are assumptions; `docs/scale.md` says so and where they come from.

use std::time::Duration;

use edge_logout::revocation::Freshness;

use super::clock::{MILLISECOND, Micros, SECOND};

/// So many checks a second keep one isolate busy enough for the platform to start another one.
pub const CHECKS_AN_ISOLATE: f64 = 250.0;
/// How long an isolate lives on average, and how long it is kept without a request.
pub const ISOLATE_LIFE_SECONDS: f64 = 1_200.0;
pub const IDLE_LIFE: Micros = 300 * SECOND;
/// How many tokens an isolate keeps verified.
pub const TOKENS_AN_ISOLATE: usize = 10_000;
/// An object serves one request after the other, and about a thousand a second.
pub const SERVICE: Micros = MILLISECOND;
/// Longer than this nobody waits in an object's queue: it answers that it is overloaded.
pub const LONGEST_QUEUE: Micros = SECOND;
/// Until what an object has written is durable and its answer may leave.
pub const OUTPUT_GATE: Micros = 10 * MILLISECOND;
/// The Cache API.
pub const CACHE_LATENCY: Micros = 2 * MILLISECOND;
/// How many tokens' worth of use the most active customers have: Zipf's exponent.
pub const SKEW: f64 = 0.8;

/// A kind of location: how many of Cloudflare's 330 are like it, and the round trip from there to a ledger in western
/// Europe.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    pub name: &'static str,
    pub locations: usize,
    pub round_trip_ms: u64,
}

/// Plausible round trips, no measurements.
pub const REGIONS: [Region; 10] = [
    Region { name: "western Europe", locations: 50, round_trip_ms: 15 },
    Region { name: "northern and eastern Europe", locations: 40, round_trip_ms: 35 },
    Region { name: "Middle East", locations: 20, round_trip_ms: 90 },
    Region { name: "Africa", locations: 30, round_trip_ms: 130 },
    Region { name: "eastern North America", locations: 40, round_trip_ms: 90 },
    Region { name: "western North America", locations: 35, round_trip_ms: 145 },
    Region { name: "Latin America", locations: 50, round_trip_ms: 200 },
    Region { name: "southern Asia", locations: 25, round_trip_ms: 140 },
    Region { name: "eastern Asia", locations: 30, round_trip_ms: 220 },
    Region { name: "Oceania", locations: 10, round_trip_ms: 270 },
];

/// A location that is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub round_trip: Micros,
    pub checks_per_second: f64,
    pub customers: usize,
}

impl Place {
    const fn new(round_trip_ms: u64, checks_per_second: f64, customers: usize) -> Self {
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

    pub fn bound(self) -> Option<Micros> {
        match self.0 {
            Freshness::Bounded(bound) => Some(bound.as_micros() as Micros),
            Freshness::Strong | Freshness::Eventual => None,
        }
    }

    pub fn name(self) -> String {
        match self.0 {
            Freshness::Strong => "strong".to_owned(),
            Freshness::Bounded(bound) if bound.as_millis() < 1_000 => format!("bounded {} ms", bound.as_millis()),
            Freshness::Bounded(bound) => format!("bounded {} s", bound.as_secs()),
            Freshness::Eventual => "eventual".to_owned(),
        }
    }
}

/// Until memories are as full as they get: what the index said counts for five minutes.
const UNTIL_FULL: Micros = 330 * SECOND;
/// Where nothing is remembered of what the index said.
const UNTIL_STEADY: Micros = 5 * SECOND;

impl Scenario {
    pub const ALL: [fn() -> Self; 4] = [Self::night, Self::small, Self::marketplace, Self::worldwide];

    pub fn checks_per_second(&self) -> f64 {
        self.places.iter().map(|place| place.checks_per_second).sum::<f64>() * self.alike
    }

    /// With the shards that a promise needs, as far as there may be so many.
    #[must_use]
    pub fn configured_for(mut self, promise: Promise) -> Self {
        if promise.0 == Freshness::Strong {
            self.shards = match self.name {
                "marketplace" => 32,
                "worldwide" => 64,
                _ => self.shards,
            };
        }
        self
    }

    pub fn warm_up(&self, promise: Promise) -> Micros {
        match promise.0 {
            Freshness::Eventual => UNTIL_STEADY,
            Freshness::Strong if self.name == "worldwide" => UNTIL_STEADY,
            _ => UNTIL_FULL,
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
            measured: 7_200 * SECOND,
        }
    }

    /// A large marketplace: 50 locations, five in each region, 5,000 checks and 20 logouts a second.
    pub fn marketplace() -> Self {
        let shares: Vec<f64> = (1..=REGIONS.len()).map(|rank| (rank as f64).powf(-0.7)).collect();
        let whole: f64 = shares.iter().sum();
        let place = |(region, share): (&Region, &f64)| {
            let checks = 1_000.0 * share / whole;
            Place::new(region.round_trip_ms, checks, (checks * 30.0) as usize)
        };
        Self {
            name: "marketplace",
            title: "A large marketplace",
            places: REGIONS.iter().zip(&shares).map(place).collect(),
            alike: 5.0,
            logouts_per_second: 20.0,
            watched_per_second: 1.0,
            shards: 2,
            measured: 60 * SECOND,
        }
    }

    /// A million checks a second: three locations in full, each standing for 110 of its like.
    pub fn worldwide() -> Self {
        Self {
            name: "worldwide",
            title: "1 million checks a second",
            places: vec![
                Place::new(15, 5_450.0, 110_000),
                Place::new(90, 2_730.0, 55_000),
                Place::new(220, 910.0, 18_000),
            ],
            alike: 110.0,
            logouts_per_second: 300.0,
            watched_per_second: 2.0,
            shards: 24,
            measured: 20 * SECOND,
        }
    }
}
