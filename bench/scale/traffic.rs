//! Who asks: customers at every location, logouts here and elsewhere, and clients that go on using a token after its
//! logout.

use std::cell::Cell;
use std::rc::Rc;

use edge_logout::revocation::{Freshness, Logout, Matchable, RevocableToken, Scope, logout_of};

use super::clock::{self, MILLISECOND, Micros, SECOND};
use super::isolate::Isolate;
use super::platform::Platform;
use super::world::{Customer, SETTLING, Venue, World, timestamp};

/// What the contracts of this service end: the token and its session.
const SCOPES: [Scope; 2] = [Scope::Session, Scope::Token];
/// So many isolates of a location have checked the token before its logout.
const USED_IN: usize = 8;

/// Begins all ordinary traffic.
pub fn begin(world: &Rc<World>) {
    for venue in &world.venues {
        clock::spawn(Rc::clone(venue).turn_over(Rc::clone(world)));
        clock::spawn(checks(Rc::clone(world), Rc::clone(venue)));
    }
    let here = world.scenario.logouts_per_second / world.scenario.alike;
    clock::spawn(logouts(Rc::clone(world), here));
    if world.scenario.alike > 1.0 {
        clock::spawn(logouts_elsewhere(Rc::clone(world), world.scenario.logouts_per_second - here));
    }
}

async fn checks(world: Rc<World>, venue: Rc<Venue>) {
    loop {
        clock::after(world.random.pause(venue.rate)).await;
        if world.random.unit() > world.begun() {
            continue;
        }
        let isolate = venue.isolate(&world);
        let token = isolate.token(&venue.active_customer(&world));
        isolate.check(token);
    }
}

async fn logouts(world: Rc<World>, per_second: f64) {
    loop {
        clock::after(world.random.pause(per_second)).await;
        let venue = busy_venue(&world);
        let (customer, place) = venue.any_customer(&world);
        venue.forget(place);
        let isolate = venue.isolate(&world);
        let world = Rc::clone(&world);
        clock::spawn(async move {
            let (token, logout) = logout(&world, &customer);
            isolate.revoke(&token, &logout).await;
        });
    }
}

pub fn logout(world: &World, customer: &Customer) -> (Matchable, Logout) {
    let (ended, rules) = (RevocableToken::Jwt(&customer.token), &world.mint.revocation);
    (Matchable::new(ended, rules), logout_of(ended, &SCOPES, rules, timestamp(clock::now())))
}

/// Of customers of locations that are not simulated.
async fn logouts_elsewhere(world: Rc<World>, per_second: f64) {
    let venue = Rc::clone(&world.venues[world.venues.len() / 2]);
    let isolate = Rc::new(Isolate::on(Platform { world: Rc::clone(&world), venue: Rc::clone(&venue), alike: 1.0 }));
    let mut number = 1 << 40;
    loop {
        clock::after(world.random.pause(per_second)).await;
        number += 1;
        let (token, logout) = logout(&world, &Customer::new(&world, number));
        let isolate = Rc::clone(&isolate);
        clock::spawn(async move {
            isolate.revoke(&token, &logout).await;
            isolate.refresh();
        });
    }
}

/// A location, the busy ones more often.
fn busy_venue(world: &World) -> Rc<Venue> {
    let whole: f64 = world.venues.iter().map(|venue| venue.rate).sum();
    let mut left = world.random.unit() * whole;
    let found = world.venues.iter().find(|venue| {
        left -= venue.rate;
        left < 0.0
    });
    Rc::clone(found.unwrap_or(&world.venues[0]))
}

/// How long a token is used after its logout, and how often.
fn persistence(world: &World) -> (Micros, Micros) {
    match world.promise.0 {
        Freshness::Strong => (500 * MILLISECOND, 20 * MILLISECOND),
        Freshness::Bounded(bound) => {
            let bound = bound.as_micros() as Micros;
            (bound + 500 * MILLISECOND, bound / 40)
        }
        Freshness::Eventual => (140 * SECOND, SECOND),
    }
}

/// When the last verdict may be active, counted from the logout's answer.
fn promised(world: &World) -> Micros {
    match world.promise.0 {
        Freshness::Strong => 0,
        Freshness::Bounded(bound) => bound.as_micros() as Micros,
        Freshness::Eventual => SETTLING.as_micros() as Micros,
    }
}

/// Begins logouts whose tokens are used on.
pub async fn watched_logouts(world: Rc<World>) {
    loop {
        clock::after(world.random.pause(world.scenario.watched_per_second)).await;
        clock::spawn(watched_logout(Rc::clone(&world)));
    }
}

async fn watched_logout(world: Rc<World>) {
    let home = busy_venue(&world);
    let (customer, place) = home.any_customer(&world);
    home.forget(place);
    let mut venues = vec![Rc::clone(&home)];
    while venues.len() < world.venues.len().min(3) {
        let venue = &world.venues[world.random.below(world.venues.len())];
        if !venues.iter().any(|known| Rc::ptr_eq(known, venue)) {
            venues.push(Rc::clone(venue));
        }
    }
    for venue in &venues {
        let isolates = venue.isolates.borrow().len();
        for _ in 0..isolates.min(USED_IN) {
            let isolate = venue.isolate(&world);
            let token = isolate.token(&customer);
            isolate.check(token);
        }
    }
    clock::after(5 * SECOND).await;
    let isolate = home.isolate(&world);
    let (token, logout) = logout(&world, &customer);
    if !isolate.revoke(&token, &logout).await {
        return;
    }
    for venue in venues {
        clock::spawn(use_on(Rc::clone(&world), venue, Rc::clone(&customer), clock::now()));
    }
}

/// Uses a token at a location after its logout was answered.
async fn use_on(world: Rc<World>, venue: Rc<Venue>, customer: Rc<Customer>, answered_at: Micros) {
    let (window, pause) = persistence(&world);
    let last = Rc::new(Cell::new(0));
    let mut used_at = answered_at;
    while used_at < answered_at + window {
        used_at += 1 + world.random.between(pause / 2, pause + pause / 2);
        clock::until(used_at).await;
        let isolate = venue.isolate(&world);
        let token = isolate.token(&customer);
        let (world, last) = (Rc::clone(&world), Rc::clone(&last));
        clock::spawn(async move {
            if isolate.ask(&token).await {
                let stale = used_at - answered_at;
                last.set(last.get().max(stale));
                let is_broken = stale > promised(&world);
                world.count(|counts| counts.broken_promises += u64::from(is_broken));
            }
        });
    }
    clock::after(10 * SECOND).await;
    world.count(|counts| counts.staleness.add(last.get()));
}
