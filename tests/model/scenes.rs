//! The worlds that are searched: small ones, each with all that matters to one part of the protocol.

use std::time::Duration;

use edge_logout::revocation::ledger::Sizes;
use edge_logout::revocation::{Digest, Logout, Revocation, Scope, TokenEntry};
use edge_logout::time::Timestamp;

use crate::reached::*;
use crate::steps::TINY;
use crate::world::{BEGIN, Faults, Scene, Token};

const HALF: Duration = Duration::from_millis(500);
const MINUTE: Duration = Duration::from_mins(1);
/// Far beyond the end of a world.
const LATER: Duration = Duration::from_hours(3);

/// A digest by its first bytes, which decide on shard and filter key, and its last ones.
fn digest(first: u32, last: u8) -> Digest {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&first.to_be_bytes());
    (bytes[15], bytes[31]) = (last, last);
    Digest::from_bytes(bytes)
}

/// A user, and somebody else whom a filter takes for the user.
const USER: (u32, u8) = (0x1000_0000, 1);
const ALIKE: (u32, u8) = (0x1000_0000, 2);
/// Others before and behind.
const LOW: (u32, u8) = (0x0800_0000, 3);
const HIGH: (u32, u8) = (0x8000_0000, 4);
/// In the other shard of two.
const ODD: (u32, u8) = (0x1000_0001, 5);
const ISSUER: (u32, u8) = (0x2000_0000, 6);
const TOKEN: (u32, u8) = (0x3000_0000, 7);

/// A cut-off of this rank: it ends the tokens of this rank and below.
fn cut_off(rank: i64) -> Timestamp {
    Timestamp::from_millis(BEGIN.as_millis() + (rank - 10) * 1_000)
}

fn ends(scope: Scope, name: (u32, u8), rank: Option<i64>, after: Duration) -> Logout {
    let widest = Revocation {
        digest: digest(name.0, name.1),
        issuer: "i".to_owned(),
        scope,
        revoked_at: BEGIN,
        cut_off: rank.map(cut_off),
        expires_at: BEGIN.plus(after),
        duplicate_window: Duration::ZERO,
    };
    Logout { widest, token: None }
}

fn session(name: (u32, u8)) -> Logout {
    ends(Scope::Session, name, None, LATER)
}

fn user(rank: i64) -> Logout {
    ends(Scope::Subject, USER, Some(rank), LATER)
}

fn with_token(logout: Logout, name: (u32, u8)) -> Logout {
    Logout { token: Some(TokenEntry { digest: digest(name.0, name.1), expires_at: BEGIN.plus(LATER / 2) }), ..logout }
}

/// A token with these, which was issued at a rank.
fn token(digests: &[(Scope, (u32, u8))], rank: i64) -> Token {
    let digests = digests.iter().map(|(scope, name)| (*scope, digest(name.0, name.1))).collect();
    Token { digests, issued_at: Some(cut_off(rank)) }
}

fn of_user(rank: i64) -> Token {
    token(&[(Scope::Subject, USER)], rank)
}

fn scene(name: &'static str) -> Scene {
    Scene {
        name,
        shards: 1,
        isolates: vec![1],
        sizes: TINY,
        settling: MINUTE,
        kv_written_until: None,
        bound: Duration::from_secs(1),
        ticks: vec![HALF],
        moves: 0,
        logouts: Vec::new(),
        in_order: true,
        is_new: false,
        is_synced: false,
        before: 0,
        tokens: Vec::new(),
        slow_kv: false,
        jobs: false,
        alarms: false,
        published: false,
        at_once: 1,
        ahead: Duration::ZERO,
        faults: Faults::default(),
        mutation: None,
        sights: Vec::new(),
    }
}

/// A user's cut-off that is widened, and somebody whom filters take for the user: sealed and confirmed.
pub fn strong() -> Scene {
    Scene {
        logouts: vec![session(ALIKE), user(1), user(2)],
        tokens: vec![of_user(2)],
        faults: Faults { syncs: 3, checks: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, MAYBE, CONFIRMED, SEALED],
        ..scene("strong")
    }
}

/// Four logouts in two runs, which are merged, bit by bit.
pub fn merges() -> Scene {
    Scene {
        logouts: vec![user(1), session(ALIKE), user(2), session(LOW)],
        tokens: vec![of_user(2)],
        jobs: true,
        faults: Faults { syncs: 1, checks: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, MAYBE, SEALED, MERGED],
        ..scene("merges")
    }
}

/// The storage is set back: replicas are ahead, level or behind.
pub fn restore() -> Scene {
    Scene {
        logouts: vec![user(1), session(ALIKE), user(2)],
        tokens: vec![of_user(2)],
        at_once: 2,
        faults: Faults { syncs: 2, restores: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, LINEAGES, RESTORED, LOST_BY_RESTORE, SEVERAL],
        ..scene("restore")
    }
}

/// The same with a check that waits for its confirmation.
pub fn restore_check() -> Scene {
    Scene {
        at_once: 1,
        faults: Faults { syncs: 2, checks: 1, restores: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, MAYBE, ANEW, LINEAGES, RESTORED, LOST_BY_RESTORE, WAITS],
        ..Scene { name: "restore_check", ..restore() }
    }
}

/// Logouts whose answers are lost, and that are sent again.
pub fn repeats() -> Scene {
    Scene {
        logouts: vec![user(2), session(LOW), ends(Scope::Subject, USER, Some(1), LATER * 2)],
        tokens: vec![of_user(2)],
        faults: Faults { crashes: 1, unanswered: 1, repeats: 2, ..Faults::default() },
        sights: vec![SEALED, LINEAGES, UNANSWERED],
        ..scene("repeats")
    }
}

/// A token that is remembered while the log is sealed, entry by entry.
pub fn remembered() -> Scene {
    Scene {
        sizes: Sizes { sealed: 1, ..TINY },
        logouts: vec![session(ALIKE), user(2)],
        tokens: vec![of_user(2)],
        faults: Faults { syncs: 2, checks: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, MAYBE, CONFIRMED, SEALED, MERGED],
        ..scene("remembered")
    }
}

/// Versions that a restore takes back are used again, while a token is remembered.
pub fn versions_again() -> Scene {
    Scene {
        sizes: Sizes { sealed: 1, ..TINY },
        logouts: vec![session(ALIKE), session(LOW), user(2)],
        tokens: vec![of_user(2)],
        faults: Faults { syncs: 2, checks: 1, restores: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, MAYBE, CONFIRMED, SEALED, RESTORED, LOST_BY_RESTORE, ANEW],
        ..scene("versions_again")
    }
}

/// What the restore keeps is in a segment, and the replica is ahead.
pub fn restore_sealed() -> Scene {
    Scene {
        logouts: vec![session(ALIKE), user(2), session(LOW)],
        tokens: vec![of_user(2)],
        faults: Faults { syncs: 2, checks: 1, restores: 1, ..Faults::default() },
        sights: vec![REVOKED, MAYBE, SEALED, RESTORED, LOST_BY_RESTORE, ANEW],
        ..scene("restore_sealed")
    }
}

/// The object ends in the middle of anything.
pub fn crash() -> Scene {
    Scene {
        logouts: vec![user(1), session(ALIKE), user(2)],
        tokens: vec![of_user(2)],
        jobs: true,
        faults: Faults { syncs: 1, crashes: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, SEALED, LINEAGES, UNFINISHED],
        ..scene("crash")
    }
}

/// Pages of one entry, and several syncs at once whose answers come in any order, or are lost.
pub fn pages() -> Scene {
    Scene {
        sizes: Sizes { page: 1, ..TINY },
        logouts: vec![user(1), session(LOW), user(2)],
        tokens: vec![of_user(2)],
        at_once: 2,
        faults: Faults { syncs: 2, lost: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, PARTLY, SEVERAL],
        ..scene("pages")
    }
}

/// Filters from Workers KV, of runs that are merged.
pub fn filters() -> Scene {
    Scene {
        logouts: vec![session(LOW), session(HIGH), user(1), user(2)],
        tokens: vec![of_user(2)],
        published: true,
        faults: Faults { syncs: 2, checks: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, MAYBE, MERGED],
        ..scene("filters")
    }
}

/// Two isolates that share answers, one of them ahead by what is allowed.
pub fn shared() -> Scene {
    Scene {
        isolates: vec![1, 1],
        ticks: vec![HALF],
        moves: 3,
        logouts: vec![user(2)],
        tokens: vec![of_user(2)],
        ahead: Duration::from_millis(250),
        is_synced: true,
        faults: Faults { syncs: 1, shares: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, BOUNDED, SHARED, CANNOT_TELL],
        ..scene("shared")
    }
}

/// Shared answers while the log is sealed.
pub fn shared_sealed() -> Scene {
    Scene {
        moves: 1,
        logouts: vec![session(LOW), user(2)],
        sights: vec![ACTIVE, REVOKED, BOUNDED, SHARED, SEALED],
        ..Scene { name: "shared_sealed", ..shared() }
    }
}

/// An isolate whose clock is set back, which it may see or not.
pub fn clocks() -> Scene {
    Scene {
        moves: 4,
        logouts: vec![user(2)],
        tokens: vec![of_user(2)],
        faults: Faults { syncs: 2, clocks: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, BOUNDED, EXCEEDED, CANNOT_TELL, OWN],
        ..scene("clocks")
    }
}

/// The outbox with a cut-off that is widened: slow, failed and late writes.
pub fn outbox() -> Scene {
    Scene {
        isolates: Vec::new(),
        ticks: vec![Duration::from_secs(5), MINUTE],
        moves: 3,
        logouts: vec![with_token(user(1), TOKEN), with_token(user(2), TOKEN)],
        slow_kv: true,
        alarms: true,
        faults: Faults { puts: 1, ..Faults::default() },
        sights: vec![PENDING, LATE],
        ..scene("outbox")
    }
}

/// The same with an object that ends in the middle, and a logout that is sent again.
pub fn outbox_crash() -> Scene {
    Scene {
        sizes: Sizes { sealed: 100, ..TINY },
        moves: 2,
        logouts: vec![user(1), user(2)],
        faults: Faults { puts: 1, crashes: 1, ..Faults::default() },
        sights: vec![LATE, PENDING],
        ..Scene { name: "outbox_crash", ..outbox() }
    }
}

/// Revocations that expire, in the log and in runs.
pub fn expiry() -> Scene {
    let first = ends(Scope::Subject, USER, Some(1), MINUTE * 30);
    Scene {
        ticks: vec![MINUTE * 70],
        moves: 3,
        logouts: vec![first, ends(Scope::Issuer, ISSUER, Some(1), MINUTE * 50)],
        tokens: vec![token(&[(Scope::Issuer, ISSUER), (Scope::Subject, USER)], 1)],
        alarms: true,
        faults: Faults { syncs: 1, ..Faults::default() },
        sights: vec![REVOKED, SEALED, DROPPED, EMPTY],
        ..scene("expiry")
    }
}

/// A ledger that begins with a Workers KV that has entries already, and gets more from a version without a ledger.
pub fn import() -> Scene {
    Scene {
        is_new: true,
        before: 1,
        kv_written_until: Some(BEGIN.plus(MINUTE)),
        ticks: vec![MINUTE],
        moves: 3,
        logouts: vec![session(LOW), user(1)],
        tokens: vec![token(&[(Scope::Session, LOW)], 1), of_user(1)],
        faults: Faults { syncs: 1, listings: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, ASKS_INDEX, IMPORTED, IMPORTED_ENTRY],
        ..scene("import")
    }
}

/// The same for what was in Workers KV alone.
pub fn import_alone() -> Scene {
    Scene {
        logouts: vec![session(LOW)],
        tokens: vec![token(&[(Scope::Session, LOW)], 1)],
        faults: Faults { syncs: 2, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, ASKS_INDEX, IMPORTED, IMPORTED_ENTRY],
        ..Scene { name: "import_alone", ..import() }
    }
}

/// A token with keys in two shards, and an issuer's cut-off that every check needs.
pub fn shards() -> Scene {
    Scene {
        shards: 2,
        isolates: vec![2],
        logouts: vec![
            ends(Scope::Issuer, ISSUER, Some(1), LATER),
            session(ODD),
            ends(Scope::Issuer, ISSUER, Some(2), LATER),
        ],
        tokens: vec![token(&[(Scope::Issuer, ISSUER), (Scope::Session, ODD)], 2)],
        faults: Faults { syncs: 3, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, CUT_OFF_LISTED],
        ..scene("shards")
    }
}

/// A new ledger whose callers are configured with different numbers of shards.
pub fn layout() -> Scene {
    Scene {
        is_new: true,
        settling: Duration::ZERO,
        shards: 2,
        isolates: vec![2, 1],
        logouts: vec![session(ODD)],
        tokens: vec![token(&[(Scope::Session, ODD)], 1)],
        faults: Faults { syncs: 4, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, LAYOUT, IMPORTED],
        ..scene("layout")
    }
}

/// Larger ones, for when nobody waits.
pub fn deep() -> Vec<Scene> {
    vec![
        versions_again(),
        Scene { at_once: 2, faults: Faults { syncs: 3, checks: 1, ..Faults::default() }, ..remembered() },
        Scene { faults: Faults { syncs: 3, checks: 1, restores: 1, ..Faults::default() }, ..restore() },
        Scene { faults: Faults { syncs: 3, lost: 1, crashes: 1, ..Faults::default() }, ..pages() },
        Scene { moves: 4, faults: Faults { syncs: 2, shares: 1, ..Faults::default() }, ..shared() },
        Scene { moves: 3, ..outbox_crash() },
        Scene { faults: Faults { puts: 2, ..Faults::default() }, ..outbox() },
        Scene { faults: Faults { syncs: 2, listings: 1, crashes: 1, ..Faults::default() }, ..import() },
    ]
}
