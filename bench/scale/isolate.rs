//! An isolate: the shipped [`Authority`] over the shipped memory, and the tokens that it has verified.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use edge_logout::ports::Clock;
use edge_logout::revocation::{
    Authority, AuthorityError, CheckedStatus, Freshness, Logout, Matchable, Replica, RevocableToken, Status,
};
use edge_logout::token::{Recent, RecentLimits};

use super::clock::{self, Micros};
use super::platform::Platform;
use super::world::{Customer, SETTLING, Venue, World};

/// As in `src/endpoints/judge.rs`.
const TOKENS_AN_ISOLATE: RecentLimits = RecentLimits { tokens: 5_000, bytes: 4 * 1024 * 1024 };
/// How long a check and a logout may take.
const CHECK_LIMIT: Duration = Duration::from_secs(3);
const LOGOUT_LIMIT: Duration = Duration::from_secs(3);

pub struct Isolate {
    pub used_at: Cell<Micros>,
    platform: Platform,
    replica: Replica,
    tokens: RefCell<Recent<Rc<Matchable>>>,
}

impl Isolate {
    pub fn start(world: &Rc<World>, venue: &Rc<Venue>) -> Rc<Self> {
        let platform = Platform { world: Rc::clone(world), venue: Rc::clone(venue), alike: world.scenario.alike };
        Rc::new(Self::on(platform))
    }

    pub fn on(platform: Platform) -> Self {
        let shards = platform.world.ledger().map_or(0, |rules| rules.shards);
        let seed = platform.world.random.between(0, u32::MAX.into());
        Self {
            used_at: Cell::new(clock::now()),
            platform,
            replica: Replica::seeded(shards, seed),
            tokens: RefCell::new(Recent::new(TOKENS_AN_ISOLATE)),
        }
    }

    fn authority(&self) -> Authority<'_, Platform> {
        let ledger = self.platform.world.ledger();
        Authority { platform: &self.platform, replica: &self.replica, ledger, settling: SETTLING }
    }

    /// What this isolate knows of a customer's token: the shipped memory of tokens, as bounded as it is there.
    pub fn token(&self, customer: &Customer) -> Rc<Matchable> {
        let mut tokens = self.tokens.borrow_mut();
        if let Some(known) = tokens.find(&customer.name) {
            return known;
        }
        let token = Rc::new(Matchable::new(RevocableToken::Jwt(&customer.token), &self.platform.world.mint.revocation));
        tokens.insert(&customer.name, Rc::clone(&token));
        self.platform.world.count(|counts| counts.colds += self.platform.alike);
        token
    }

    /// A check of ordinary traffic: most of them end at once.
    pub fn check(self: &Rc<Self>, token: Rc<Matchable>) {
        let world = &self.platform.world;
        self.used_at.set(clock::now());
        if self.authority().status_from_memory(&token, world.promise.0).is_some() {
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

    fn note(&self, counts: &mut super::measure::Counts, known: &Result<CheckedStatus, AuthorityError>, took: Micros) {
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
    pub fn refresh(self: &Rc<Self>) {
        let (isolate, now) = (Rc::clone(self), self.platform.now());
        match self.platform.world.promise.0 {
            Freshness::Bounded(bound) if self.replica.wants_refresh(bound, now) => {
                clock::spawn(async move { isolate.authority().refresh(bound).await });
            }
            Freshness::Strong if self.replica.wants_segments(now) => {
                clock::spawn(async move { isolate.authority().load_segments().await });
            }
            Freshness::Strong | Freshness::Bounded(_) | Freshness::Eventual => {}
        }
    }

    /// Logs a token out, as `src/endpoints/logout.rs` does. Gives whether that is durable.
    pub async fn revoke(&self, token: &Matchable, logout: &Logout) -> bool {
        let world = &self.platform.world;
        let begun = clock::now();
        let authority = self.authority();
        let known = authority.status_before_logout(token, world.promise.0, LOGOUT_LIMIT).await;
        let left = LOGOUT_LIMIT.saturating_sub(Duration::from_micros(clock::now() - begun));
        let is_done = known.is_ok() && authority.revoke(logout, left).await.is_ok();
        world.count(|counts| {
            counts.logouts += 1.0;
            counts.logouts_failed += if is_done { 0.0 } else { 1.0 };
            counts.logout_waits.add(clock::now() - begun);
        });
        is_done
    }
}
