//! The worlds that are searched: small ones, each with all that matters to one part of the protocol.

use std::time::Duration;

use edge_logout::revocation::{Revocation, Scope};
use edge_logout::time::Timestamp;

use crate::laws::reached;
pub use crate::whole::*;
use crate::world::{BEGIN, Faults, Scene, Sight, Token};

pub const MINUTE: Duration = Duration::from_mins(1);
/// How long the ledger lets a write to the index take.
const PUT_LIMIT: Duration = Duration::from_secs(5);
/// Far beyond the end of a world.
pub const LATER: Duration = Duration::from_hours(1);

/// A key. The first differ in nothing but their digests; those with `other_shard` are in another shard, if there are two.
fn key(scope: Scope, place: char, other_shard: bool) -> String {
    let shard = if other_shard { "AAAAAQ" } else { "AAAAAA" };
    format!("v1:i:{}:{shard}{place}{}", scope.name(), "A".repeat(36))
}

pub fn subject() -> String {
    key(Scope::Subject, 'A', false)
}

pub fn token(place: char) -> String {
    key(Scope::Token, place, false)
}

/// A cut-off of this rank: it ends the tokens of this rank and below.
fn cut_off(rank: i64) -> Timestamp {
    BEGIN.minus(Duration::from_mins(10)).plus(Duration::from_secs(rank.unsigned_abs()))
}

pub fn ends(key: String, rank: Option<i64>, after: Duration) -> Revocation {
    Revocation {
        scope: if rank.is_some() { Scope::Subject } else { Scope::Token },
        key,
        issuer: "i".to_owned(),
        revoked_at: BEGIN,
        cut_off: rank.map(cut_off),
        expires_at: BEGIN.plus(after),
        spare: Duration::ZERO,
    }
}

pub const ACTIVE: Sight = ("active before", reached::active);
pub const REVOKED: Sight = ("revoked from memory", reached::revoked_from_memory);
const CANNOT_TELL: Sight = ("memory cannot tell", reached::memory_cannot_tell);
pub const LEFT: Sight = ("out of the feed", reached::out_of_the_feed);
pub const GAP: Sight = ("a gap", reached::gap);

fn one_token() -> Token {
    Token { keys: vec![token('A')], issued_at: None }
}

pub fn of_subject(rank: i64) -> Token {
    Token { keys: vec![subject()], issued_at: Some(cut_off(rank)) }
}

pub fn scene(name: &'static str) -> Scene {
    Scene {
        name,
        ticks: vec![MINUTE],
        moves: 4,
        settling: MINUTE,
        put_limit: Duration::ZERO,
        index_works: true,
        slow_writes: false,
        shards: 1,
        isolates: 1,
        logouts: vec![vec![ends(token('A'), None, LATER)]],
        in_order: false,
        tokens: vec![one_token()],
        sole_writer: None,
        page: 100,
        overlap: 0,
        capacity: 100,
        faults: Faults::default(),
        mutation: None,
        sights: Vec::new(),
    }
}

/// One token, one isolate, long enough for what has left the feed to be forgotten.
pub fn memory() -> Scene {
    Scene {
        moves: 6,
        sights: vec![ACTIVE, REVOKED, CANNOT_TELL, LEFT, GAP, ("forgotten", reached::forgotten)],
        ..scene("memory")
    }
}

/// Two isolates that share answers.
pub fn shared() -> Scene {
    Scene {
        isolates: 2,
        moves: 1,
        faults: Faults { shares: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, CANNOT_TELL, GAP, ("shared", reached::shared)],
        ..scene("shared")
    }
}

/// The outbox, with a cut-off that is widened: late writes, lost answers, crashes. Nobody follows the feed.
pub fn outbox() -> Scene {
    let narrow = ends(subject(), Some(1), LATER.saturating_mul(2));
    let wide = ends(subject(), Some(2), LATER);
    Scene {
        ticks: vec![PUT_LIMIT, MINUTE.saturating_sub(PUT_LIMIT)],
        moves: 5,
        put_limit: PUT_LIMIT,
        slow_writes: true,
        isolates: 0,
        logouts: vec![vec![narrow], vec![wide]],
        tokens: vec![of_subject(1), of_subject(2)],
        faults: Faults { puts: 1, ..Faults::default() },
        sights: vec![LEFT, ("a late write", reached::late_write)],
        ..scene("outbox")
    }
}

/// The same with a process that ends in the middle.
pub fn crash() -> Scene {
    Scene { name: "crash", faults: Faults { crashes: 1, ..Faults::default() }, ..outbox() }
}

/// Two keys, and a cut-off that is widened, followed by an isolate.
pub fn widening() -> Scene {
    let narrow = ends(subject(), Some(1), LATER.saturating_mul(2));
    let wide = ends(subject(), Some(2), LATER);
    Scene {
        moves: 2,
        logouts: vec![vec![narrow], vec![wide]],
        tokens: vec![of_subject(1), of_subject(2)],
        sights: vec![ACTIVE, REVOKED, CANNOT_TELL, LEFT, GAP],
        ..scene("widening")
    }
}

/// A feed of several pages, answers of others among them.
pub fn pages() -> Scene {
    let narrow = ends(subject(), Some(1), LATER);
    let wide = ends(subject(), Some(2), LATER);
    Scene {
        moves: 1,
        index_works: false,
        isolates: 2,
        logouts: vec![vec![narrow], vec![ends(token('B'), None, LATER)], vec![wide]],
        in_order: true,
        tokens: vec![of_subject(1)],
        page: 1,
        faults: Faults { shares: 1, polls: Some(5), ..Faults::default() },
        sights: vec![
            ACTIVE,
            REVOKED,
            CANNOT_TELL,
            ("half of the feed", reached::half_of_the_feed),
            ("shared", reached::shared),
        ],
        ..scene("pages")
    }
}

/// A feed of two pages, and two answers of others.
pub fn two_shared() -> Scene {
    let widened = |rank| vec![ends(subject(), Some(rank), LATER)];
    let others = vec![ends(token('B'), None, LATER), ends(token('C'), None, LATER)];
    Scene {
        logouts: vec![widened(1), widened(2), others, widened(3)],
        tokens: vec![of_subject(2)],
        page: 2,
        faults: Faults { shares: 2, polls: Some(4), ..Faults::default() },
        ..Scene { name: "two_shared", ..pages() }
    }
}

/// Storage that is lost.
pub fn loss() -> Scene {
    let narrow = ends(subject(), Some(1), LATER);
    let wide = ends(subject(), Some(2), LATER);
    Scene {
        moves: 2,
        logouts: vec![vec![narrow], vec![wide]],
        tokens: vec![of_subject(2)],
        in_order: true,
        faults: Faults { losses: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, LEFT, GAP, ("another life", reached::another_life)],
        ..scene("loss")
    }
}

/// Revocations that expire.
pub fn expiry() -> Scene {
    Scene {
        moves: 12,
        isolates: 0,
        logouts: vec![vec![ends(token('A'), None, MINUTE * 3)], vec![ends(token('B'), None, MINUTE)]],
        sights: vec![LEFT, ("empty again", reached::empty_again)],
        ..scene("expiry")
    }
}

/// A token with keys in two shards.
pub fn shards() -> Scene {
    let other = key(Scope::Token, 'A', true);
    Scene {
        shards: 2,
        moves: 1,
        logouts: vec![vec![ends(subject(), Some(1), LATER)], vec![ends(other.clone(), None, LATER)]],
        tokens: vec![Token { keys: vec![subject(), other], issued_at: Some(cut_off(1)) }],
        sights: vec![ACTIVE, REVOKED, CANNOT_TELL],
        ..scene("shards")
    }
}

/// More in the feed than an isolate remembers.
pub fn capacity() -> Scene {
    Scene {
        moves: 2,
        capacity: 1,
        logouts: vec![vec![ends(token('A'), None, LATER)], vec![ends(token('B'), None, LATER)]],
        sights: vec![ACTIVE, REVOKED, CANNOT_TELL, GAP],
        ..scene("capacity")
    }
}

/// An isolate that begins anew, and a write to the index that fails.
pub fn restart() -> Scene {
    Scene {
        moves: 3,
        faults: Faults { puts: 1, restarts: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, CANNOT_TELL, LEFT, GAP, ("a restart", reached::restart)],
        ..scene("restart")
    }
}

/// Some of them with more time and more faults, for when nobody waits.
pub fn deep() -> Vec<Scene> {
    vec![
        Scene { faults: Faults { polls: None, ..pages().faults }, ..pages() },
        Scene { moves: 6, faults: Faults { crashes: 1, puts: 1, ..Faults::default() }, ..outbox() },
        Scene { moves: 2, ..shared() },
        Scene { moves: 6, faults: Faults::default(), ..whole() },
        Scene { moves: 3, faults: Faults { restarts: 1, ..whole_pages().faults }, ..whole_pages() },
        Scene { faults: Faults { polls: Some(4), ..whole_shared().faults }, ..whole_shared() },
        Scene { moves: 8, faults: Faults { puts: 1, restarts: 1, ..Faults::default() }, ..memory() },
    ]
}
