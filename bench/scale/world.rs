//! The world: locations with their isolates and caches, the shards of the ledger, Workers KV, and the counting.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use edge_logout::revocation::Freshness;
use edge_logout::revocation::ledger::LedgerRules;
use edge_logout::time::Timestamp;
use edge_logout::token::VerifiedToken;

use super::archive::Archive;
use super::clock::{self, Micros, SECOND};
use super::index::{Cached, Central, Lanes};
use super::isolate::Isolate;
use super::measure::{Counts, Held};
use super::random::{Random, Zipf};
use super::scenario::{IDLE_LIFE, ISOLATE_LIFE_SECONDS, Place, Promise, SKEW, Scenario};
use super::shard::Shard;
use super::tokens::{BEGINNING, Mint};

pub const SETTLING: Duration = Duration::from_mins(2);
/// How long it takes until a new version has all the traffic of a large service.
pub const TAKE_OVER: Micros = 60 * SECOND;

/// The moment of the core's clock.
pub fn timestamp(at: Micros) -> Timestamp {
    BEGINNING.plus(Duration::from_micros(at))
}

pub struct World {
    pub scenario: Scenario,
    pub promise: Promise,
    pub random: Random,
    pub shards: Vec<Rc<Shard>>,
    pub venues: Vec<Rc<Venue>>,
    pub central: Central,
    pub mint: Mint,
    /// Whether isolates do not tell each other that they poll, as if the Cache API had no room for it.
    pub polls_alone: Cell<bool>,
    /// Whose connections the outbox of an object uses.
    pub lanes: Cell<Lanes>,
    numbers: Cell<u64>,
    counts: RefCell<Counts>,
    is_measured: Cell<bool>,
}

/// A customer's token.
pub struct Customer {
    /// As long as a token is.
    pub name: String,
    pub token: VerifiedToken,
}

impl Customer {
    pub fn new(world: &World, number: u64) -> Self {
        Self { name: format!("{number:0>400}"), token: world.mint.token(number) }
    }
}

/// An answer that a location keeps, and since when.
type Kept = (Micros, Rc<[u8]>);

/// A location.
pub struct Venue {
    pub round_trip: Micros,
    pub rate: f64,
    pub isolates: RefCell<Vec<Rc<Isolate>>>,
    pub cached: Cached,
    shared: RefCell<HashMap<String, Kept>>,
    customers: RefCell<Vec<Option<Rc<Customer>>>>,
    activity: Zipf,
}

impl World {
    pub fn new(scenario: &Scenario, promise: Promise, seed: u64) -> Rc<Self> {
        clock::reset();
        let shards = if promise.0 == Freshness::Eventual { 0 } else { scenario.shards };
        let random = Random::new(seed);
        let (live, spread) = (scenario.live() as u64 / u64::from(shards.max(1)), scenario.spread(promise));
        let shard = |number| Rc::new(Shard::new(live, scenario.lifetime, (number, shards), spread, &random));
        let world = Rc::new(Self {
            scenario: scenario.clone(),
            promise,
            shards: (0..shards).map(shard).collect(),
            random,
            venues: scenario.places.iter().map(|place| Rc::new(Venue::new(place))).collect(),
            central: Central::default(),
            mint: Mint::new(scenario.lifetime),
            polls_alone: Cell::new(false),
            lanes: Cell::default(),
            numbers: Cell::new(0),
            counts: RefCell::default(),
            is_measured: Cell::new(false),
        });
        if shards > 0 {
            Archive::of(live, scenario.lifetime).publish(&world.central);
        }
        for (venue, place) in world.venues.iter().zip(&scenario.places) {
            let isolates = (0..place.isolates()).map(|_| Isolate::start(&world, venue));
            *venue.isolates.borrow_mut() = isolates.collect();
        }
        world
    }

    /// The ledger's rules; there is none where KV alone is asked.
    pub fn ledger(&self) -> Option<LedgerRules> {
        let shards = u32::try_from(self.shards.len()).unwrap_or(u32::MAX);
        (shards > 0).then_some(LedgerRules { shards, kv_written_until: None })
    }

    /// How much of the traffic there is already: a new version takes over step by step.
    pub fn begun(&self) -> f64 {
        if self.scenario.alike > 1.0 { (clock::now() as f64 / TAKE_OVER as f64).min(1.0) } else { 1.0 }
    }

    /// Whether more than one check in a hundred cannot be told.
    pub fn fails(&self) -> bool {
        let counts = self.counts.borrow();
        counts.checks > 1_000.0 && counts.doubts / counts.checks > 0.01
    }

    /// Begins to count anew.
    pub fn begin_measuring(&self) {
        self.counts.take();
        self.is_measured.set(true);
    }

    pub fn count(&self, add: impl FnOnce(&mut Counts)) {
        if self.is_measured.get() {
            add(&mut self.counts.borrow_mut());
        }
    }

    /// Writes to Workers KV.
    pub fn put(&self, key: &str, value: &[u8], written_at: Micros) {
        self.central.put(key, value, written_at, &self.random);
        self.count(|counts| counts.kv_writes += 1.0);
    }

    fn number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    /// What an isolate holds of all shards once it is up to date.
    pub fn note_held(&self) {
        let mut held = Held::default();
        self.shards.iter().for_each(|shard| shard.add_held(&mut held));
        self.count(|counts| counts.held = held);
    }

    /// Ends everything and gives what was counted.
    pub fn end(&self) -> Counts {
        clock::reset();
        for venue in &self.venues {
            venue.isolates.take();
        }
        self.counts.take()
    }
}

impl Venue {
    fn new(place: &Place) -> Self {
        Self {
            round_trip: place.round_trip,
            rate: place.checks_per_second,
            isolates: RefCell::default(),
            cached: Cached::default(),
            shared: RefCell::default(),
            customers: RefCell::new(vec![None; place.customers]),
            activity: Zipf::new(place.customers, SKEW),
        }
    }

    pub fn recall(&self, name: &str) -> Option<Vec<u8>> {
        let answers = self.shared.borrow();
        answers.get(name).filter(|(until, _)| clock::now() < *until).map(|(_, bytes)| bytes.to_vec())
    }

    pub fn share(&self, name: &str, bytes: &[u8], seconds: u32) {
        let until = clock::now() + Micros::from(seconds) * SECOND;
        self.shared.borrow_mut().insert(name.to_owned(), (until, Rc::from(bytes)));
    }

    /// Any isolate; one that has been idle for long is another one by now.
    pub fn isolate(self: &Rc<Self>, world: &Rc<World>) -> Rc<Isolate> {
        let begun = (self.isolates.borrow().len() as f64 * world.begun()).ceil().max(1.0);
        let place = world.random.below(begun as usize);
        let isolate = Rc::clone(&self.isolates.borrow()[place]);
        if isolate.used_at.get() + IDLE_LIFE >= clock::now() {
            return isolate;
        }
        self.replace(world, place)
    }

    fn replace(self: &Rc<Self>, world: &Rc<World>, place: usize) -> Rc<Isolate> {
        let fresh = Isolate::start(world, self);
        self.isolates.borrow_mut()[place] = Rc::clone(&fresh);
        fresh
    }

    /// Isolates come and go.
    pub async fn turn_over(self: Rc<Self>, world: Rc<World>) {
        let isolates = self.isolates.borrow().len();
        loop {
            clock::after(world.random.pause(isolates as f64 / ISOLATE_LIFE_SECONDS)).await;
            self.replace(&world, world.random.below(isolates));
        }
    }

    /// A customer who is active now: some are more often than others.
    pub fn active_customer(&self, world: &World) -> Rc<Customer> {
        self.customer(world, self.activity.draw(&world.random))
    }

    /// Any customer, and the place that the next one takes.
    pub fn any_customer(&self, world: &World) -> (Rc<Customer>, usize) {
        let place = world.random.below(self.customers.borrow().len());
        (self.customer(world, place), place)
    }

    fn customer(&self, world: &World, place: usize) -> Rc<Customer> {
        let mut customers = self.customers.borrow_mut();
        let new = || {
            let number = world.number();
            Rc::new(Customer::new(world, number))
        };
        Rc::clone(customers[place].get_or_insert_with(new))
    }

    /// The customer has logged out; the next token is another one.
    pub fn forget(&self, place: usize) {
        self.customers.borrow_mut()[place] = None;
    }
}
