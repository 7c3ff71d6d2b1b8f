//! An isolate: the shipped [`Authority`] over the shipped memory, and the tokens that it has verified.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use edge_logout::revocation::{Authority, Doubt, Ended, Known, Matchable, Memory, Revocation, Status};

use super::clock::{self, Micros};
use super::platform::Platform;
use super::scenario::TOKENS_AN_ISOLATE;
use super::tokens::ISSUER;
use super::world::{Customer, SETTLING, Venue, World};

/// How long a check and a logout may take.
const CHECK_LIMIT: Duration = Duration::from_secs(5);
const LOGOUT_LIMIT: Duration = Duration::from_secs(10);

pub struct Isolate {
    pub used_at: Cell<Micros>,
    platform: Platform,
    memory: Memory,
    tokens: RefCell<HashMap<u64, Rc<Matchable>>>,
    in_order: RefCell<VecDeque<u64>>,
}

impl Isolate {
    pub fn start(world: &Rc<World>, venue: &Rc<Venue>) -> Rc<Self> {
        let platform = Platform { world: Rc::clone(world), venue: Rc::clone(venue), alike: world.scenario.alike };
        Rc::new(Self::on(platform))
    }

    pub fn on(platform: Platform) -> Self {
        let shards = platform.world.ledger().map_or(0, |rules| rules.shards);
        Self {
            used_at: Cell::new(clock::now()),
            platform,
            memory: Memory::new(shards),
            tokens: RefCell::default(),
            in_order: RefCell::default(),
        }
    }

    fn authority(&self) -> Authority<'_, Platform> {
        Authority { platform: &self.platform, memory: &self.memory, ledger: self.platform.world.ledger(), settling: SETTLING }
    }

    /// What this isolate knows of a customer's token; the oldest gives way when there are too many.
    pub fn token(&self, customer: &Customer) -> Rc<Matchable> {
        if let Some(known) = self.tokens.borrow().get(&customer.number) {
            return Rc::clone(known);
        }
        let token = Rc::new(Matchable::new(Ended::Jwt(&customer.token), ISSUER));
        self.tokens.borrow_mut().insert(customer.number, Rc::clone(&token));
        let mut in_order = self.in_order.borrow_mut();
        in_order.push_back(customer.number);
        if in_order.len() > TOKENS_AN_ISOLATE {
            let oldest = in_order.pop_front();
            oldest.and_then(|oldest| self.tokens.borrow_mut().remove(&oldest));
        }
        token
    }

    /// A check of ordinary traffic: most of them end at once.
    pub fn check(self: &Rc<Self>, token: Rc<Matchable>) {
        let world = &self.platform.world;
        self.used_at.set(clock::now());
        if self.authority().remembered(&token, world.promise.0).is_some() {
            world.count(|counts| {
                counts.checks += self.platform.alike;
                counts.from_memory += self.platform.alike;
            });
            self.refresh();
            return;
        }
        let isolate = Rc::clone(self);
        clock::spawn(async move {
            isolate.ask(&token).await;
        });
    }

    /// A check. Gives whether the token is active.
    pub async fn ask(self: &Rc<Self>, token: &Matchable) -> bool {
        let world = &self.platform.world;
        let begun = clock::now();
        self.used_at.set(begun);
        let known = self.authority().status(token, world.promise.0, CHECK_LIMIT).await;
        world.count(|counts| self.note(counts, &known, clock::now() - begun));
        self.refresh();
        known.is_ok_and(|known| known.status == Status::Active)
    }

    fn note(&self, counts: &mut super::measure::Counts, known: &Result<Known, Doubt>, took: Micros) {
        let alike = self.platform.alike;
        counts.checks += alike;
        match known {
            Err(_) => counts.doubts += alike,
            Ok(known) if known.freshness != self.platform.world.promise.0 => counts.fell_back += alike,
            Ok(_) => {}
        }
        counts.waits.add(took);
    }

    /// What a request does after its answer.
    fn refresh(self: &Rc<Self>) {
        if let edge_logout::revocation::Freshness::Bounded(bound) = self.platform.world.promise.0 {
            let isolate = Rc::clone(self);
            clock::spawn(async move { isolate.authority().refresh(bound).await });
        }
    }

    /// Records revocations. Gives whether that is durable.
    pub async fn revoke(&self, revocations: &[Revocation]) -> bool {
        let world = &self.platform.world;
        let begun = clock::now();
        let is_done = self.authority().revoke(revocations, LOGOUT_LIMIT).await.is_ok();
        world.count(|counts| {
            counts.logouts += 1.0;
            counts.logouts_failed += if is_done { 0.0 } else { 1.0 };
            counts.logout_waits.add(clock::now() - begun);
        });
        is_done
    }
}
