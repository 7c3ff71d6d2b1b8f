//! Worlds in which the ledger is the sole writer of the index, so that a feed that is whole needs no index beside it.

use std::time::Duration;

use edge_logout::revocation::ledger::SoleWriter;

use crate::laws::reached;
use crate::scenes::{ACTIVE, GAP, LATER, LEFT, MINUTE, REVOKED, ends, of_subject, scene, subject, token};
use crate::world::{Faults, Scene};

/// What is promised of one shard that keeps so many settled revocations in its feed, and that knows that so much time
/// before nothing was revoked.
const fn sole(kept: usize, history: Duration) -> SoleWriter {
    SoleWriter { shards: 1, kept, history }
}

/// A feed that keeps one settled revocation of two or three: whole, not any more, and again when what has left it is gone.
pub fn whole() -> Scene {
    Scene {
        moves: 4,
        sole_writer: Some(sole(1, Duration::ZERO)),
        faults: Faults { polls: Some(3), ..Faults::default() },
        logouts: vec![vec![ends(token('A'), None, MINUTE * 2)], vec![ends(token('B'), None, LATER)]],
        sights: vec![
            REVOKED,
            LEFT,
            ("whole", reached::active_without_the_index),
            ("not whole", reached::not_whole),
            ("whole again", reached::whole_again),
        ],
        ..scene("whole")
    }
}

/// The same with two isolates, of which one shares what it has heard.
pub fn whole_shared() -> Scene {
    Scene {
        isolates: 2,
        moves: 2,
        sole_writer: Some(sole(0, Duration::ZERO)),
        faults: Faults { shares: 1, polls: Some(3), ..Faults::default() },
        logouts: vec![vec![ends(token('A'), None, LATER)]],
        sights: vec![ACTIVE, REVOKED, LEFT, ("shared", reached::shared), ("not whole", reached::not_whole)],
        ..scene("whole_shared")
    }
}

/// A feed of pages, of which what settles stays or leaves while it is read.
pub fn whole_pages() -> Scene {
    let narrow = ends(subject(), Some(1), LATER);
    let wide = ends(subject(), Some(2), LATER);
    Scene {
        moves: 2,
        sole_writer: Some(sole(1, Duration::ZERO)),
        logouts: vec![vec![narrow], vec![ends(token('B'), None, LATER)], vec![wide]],
        in_order: true,
        tokens: vec![of_subject(1)],
        page: 1,
        faults: Faults { polls: Some(4), ..Faults::default() },
        sights: vec![
            ACTIVE,
            REVOKED,
            LEFT,
            GAP,
            ("half of the feed", reached::half_of_the_feed),
            ("not whole", reached::not_whole),
        ],
        ..scene("whole_pages")
    }
}

/// Less room in the isolate than there is in the feed and what has left it.
pub fn whole_capacity() -> Scene {
    Scene {
        moves: 3,
        capacity: 1,
        sole_writer: Some(sole(1, Duration::ZERO)),
        logouts: vec![vec![ends(token('A'), None, MINUTE * 2)], vec![ends(token('B'), None, LATER)]],
        sights: vec![ACTIVE, REVOKED, ("whole", reached::active_without_the_index)],
        ..scene("whole_capacity")
    }
}

/// Storage that is lost: what had settled is known to the index alone, and the new one does not know that.
pub fn whole_loss() -> Scene {
    Scene {
        moves: 3,
        sole_writer: Some(sole(1, LATER)),
        faults: Faults { losses: 1, ..Faults::default() },
        sights: vec![ACTIVE, REVOKED, GAP, ("another life", reached::another_life)],
        ..scene("whole_loss")
    }
}
