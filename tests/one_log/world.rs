//! Random sequences of what happens to a shard, beside a map that does the same.

use std::collections::BTreeMap;
use std::time::Duration;

use edge_logout::revocation::ledger::{Answer, Ledger, Question, RunState, Sizes, Step};
use edge_logout::revocation::{Digest, Limits, Logout, Scope};
use edge_logout::time::Timestamp;
use proptest::prelude::*;

use super::watched::{Watched, transaction};
use super::{Model, SETTLING, ask, at, confirm, digest, issuer, record, session_of, settle, subject, write_all};
use crate::support::rows::MemoryRows;

/// What happens to a shard.
#[derive(Clone, Copy, Debug)]
pub enum Happening {
    Record { key: u64, scope: u8, cut_off: i64, lifetime: i64 },
    Step(u8),
    Write,
    Restart,
    Fail { after: u32, late: bool },
    Pass(u16),
}

pub fn happenings() -> impl Strategy<Value = Happening> {
    prop_oneof![
        12 => (0..60_u64, 0..8_u8, 0..40_i64, 1..4_000_i64)
            .prop_map(|(key, scope, cut_off, lifetime)| Happening::Record { key, scope, cut_off, lifetime }),
        8 => (1..12_u8).prop_map(Happening::Step),
        3 => Just(Happening::Write),
        1 => Just(Happening::Restart),
        2 => (0..30_u32, any::<bool>()).prop_map(|(after, late)| Happening::Fail { after, late }),
        1 => (1..1_500_u16).prop_map(Happening::Pass),
    ]
}

/// A shard, and what it has acknowledged.
pub struct World {
    pub ledger: Ledger<Watched>,
    sizes: Sizes,
    pub now: i64,
    pub acknowledged: BTreeMap<Digest, Limits>,
    /// The latest cut-off of each, also of those that are over.
    latest: BTreeMap<Digest, Timestamp>,
    directories: Vec<(u64, usize)>,
}

impl World {
    pub fn new(sizes: Sizes) -> Self {
        let ledger = Ledger::new(Watched::default(), sizes);
        Self { ledger, sizes, now: 0, acknowledged: BTreeMap::new(), latest: BTreeMap::new(), directories: Vec::new() }
    }

    pub fn now(&self) -> Timestamp {
        at(self.now)
    }

    fn logout(&self, key: u64, scope: u8, cut_off: i64, lifetime: i64) -> Logout {
        let expires_at = at(self.now + lifetime);
        match scope {
            0 => issuer(100 + key % 3, at(cut_off), expires_at),
            1..=3 => subject(200 + key, at(cut_off), expires_at),
            4 => {
                // Four digests that begin alike.
                let mut logout = session_of(300, 700, expires_at);
                let mut bytes = *digest(300).bytes();
                bytes[31] = u8::try_from(key % 4).unwrap();
                logout.widest.digest = Digest::from_bytes(bytes);
                Logout { token: None, ..logout }
            }
            _ => session_of(400 + key, 800 + key, expires_at),
        }
    }

    pub fn happen(&mut self, happening: Happening) {
        let now = self.now();
        match happening {
            Happening::Record { key, scope, cut_off, lifetime } => {
                let logout = self.logout(key, scope, cut_off, lifetime);
                let recorded =
                    transaction(&mut self.ledger, |ledger| record(ledger, std::slice::from_ref(&logout), now));
                if recorded.is_ok() {
                    self.acknowledge(&logout);
                }
            }
            Happening::Step(count) => {
                for _ in 0..count {
                    let _ = transaction(&mut self.ledger, |ledger| ledger.step(now));
                }
            }
            Happening::Write => {
                let _ = transaction(&mut self.ledger, |ledger| write_all(ledger, now));
            }
            Happening::Restart => self.restart(),
            Happening::Fail { after, late } => {
                self.ledger.rows.fails_after.set(Some(after));
                self.ledger.rows.fails_late = late;
            }
            Happening::Pass(seconds) => self.now += i64::from(seconds),
        }
    }

    pub fn restart(&mut self) {
        self.ledger = Ledger::new(self.ledger.rows.clone(), self.sizes);
    }

    fn acknowledge(&mut self, logout: &Logout) {
        let limits = logout.widest.limits();
        let upto = limits.cut_off.unwrap_or(Timestamp::END);
        let latest = self.latest.entry(logout.widest.digest).or_insert(upto);
        *latest = upto.max(*latest);
        let now = self.now();
        let known = self.acknowledged.entry(logout.widest.digest).or_insert(limits);
        if known.expires_at <= now {
            *known = limits;
        }
        // Two that are a moment apart are one.
        let expires_at = if known.cover(&limits, super::SPARE) { known.expires_at } else { limits.expires_at };
        *known = Limits { expires_at: known.expires_at.max(expires_at), ..known.widened_by(&limits) };
    }

    fn live(&self) -> impl Iterator<Item = (&Digest, &Limits)> {
        self.acknowledged.iter().filter(|(_, limits)| limits.expires_at > self.now())
    }

    /// Everything that was acknowledged and lives is found, by the shard and by a replica of it.
    pub fn check(&mut self) {
        self.ledger.rows.fails_after.set(None);
        let now = self.now();
        let live: Vec<(Digest, Limits)> = self.live().map(|(digest, limits)| (*digest, *limits)).collect();
        let model = Model::of(&mut self.ledger, now);
        for (digest, limits) in live {
            let upto = limits.cut_off.unwrap_or(Timestamp::END);
            let possible = upto..=self.latest[&digest];
            let found = confirm(&mut self.ledger, digest, now);
            assert!(found.is_some_and(|found| possible.contains(&found)), "{found:?}, not {possible:?}");
            let (known, may_be) = model.find(&digest);
            assert!(may_be || known.is_some_and(|known| possible.contains(&known)), "{known:?}, not {possible:?}");
        }
        self.check_never_acknowledged(&model);
        self.check_segments(&model);
        self.check_restart_changes_nothing();
    }

    fn check_never_acknowledged(&mut self, model: &Model) {
        let now = self.now();
        for key in 0..60 {
            for digest in [digest(100 + key % 3), digest(200 + key), digest(400 + key)] {
                if !self.acknowledged.contains_key(&digest) {
                    assert_eq!(confirm(&mut self.ledger, digest, now), None);
                    assert_eq!(model.find(&digest).0, None);
                }
            }
        }
    }

    fn check_segments(&mut self, model: &Model) {
        let segments = &model.directory.segments;
        for segment in segments {
            let spanning = segments.iter().filter(|other| other.spans(segment.first)).count();
            assert!(spanning <= 8, "{spanning}");
            assert!(segment.upto <= model.directory.sealed);
            assert!(segment.entries > 0);
        }
        let seen = self.directories.iter().find(|(id, _)| *id == model.directory_id);
        if let Some((_, count)) = seen {
            assert_eq!(*count, segments.len(), "a directory has changed and kept its id");
        } else {
            self.directories.push((model.directory_id, segments.len()));
        }
        for issuer in 100..103 {
            assert!(!model.find(&digest(issuer)).1, "the cut-off of an issuer is in a segment");
        }
    }

    /// What an instance remembers is what the database has.
    fn check_restart_changes_nothing(&mut self) {
        let now = self.now();
        let mut other = Ledger::new(self.ledger.rows.clone(), self.sizes);
        for digest in self.acknowledged.keys() {
            assert_eq!(confirm(&mut other, *digest, now), confirm(&mut self.ledger, *digest, now));
        }
        let (one, two) = (Model::of(&mut self.ledger, now), Model::of(&mut other, now));
        assert_eq!((one.position, one.directory_id, &one.entries), (two.position, two.directory_id, &two.entries));
        let names = |model: &Model| {
            model.directory.segments.iter().map(|segment| segment.name).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(names(&one), names(&two));
    }

    /// Nothing is stored of runs but what is in the directory.
    pub fn check_no_orphans(&mut self) {
        self.ledger.rows.fails_after.set(None);
        let now = self.now();
        write_all(&mut self.ledger, now).unwrap();
        settle(&mut self.ledger, now).unwrap();
        let MemoryRows { runs, blocks, .. } = &self.ledger.rows.rows;
        assert!(runs.values().all(|(state, _)| *state == RunState::Live));
        assert!(blocks.keys().all(|(run, _)| runs.contains_key(run)));
        let model = Model::of(&mut self.ledger, at(self.now));
        assert_eq!(model.directory.segments.len(), self.ledger.rows.rows.runs.len());
    }

    /// When everything is over, nothing is left.
    pub fn check_end(&mut self) {
        self.now += 4_000 + 600 + 3_600 + i64::try_from(SETTLING.as_secs()).unwrap() + 10;
        self.check_no_orphans();
        let rows = &self.ledger.rows.rows;
        assert!(rows.log.is_empty() && rows.runs.is_empty() && rows.blocks.is_empty(), "{rows:?}");
        assert!(rows.cut_offs.is_empty() && rows.pending.is_empty(), "{rows:?}");
        let now = self.now();
        let step = self.ledger.step(now).unwrap();
        // Nothing to wait for but the import.
        let Step::Idle(next) = step else { panic!("{step:?}") };
        let import = rows_import(&self.ledger.rows.rows);
        assert!(next.is_none() || import, "{next:?}");
    }
}

fn rows_import(rows: &MemoryRows) -> bool {
    rows.head.as_ref().is_some_and(|head| head.imported_since.is_none())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn nothing_acknowledged_is_ever_missed_and_in_the_end_nothing_is_left(
        sealed in 1..6_usize, run in 1..8_usize, slice in 1..5_usize, page in 1..9_usize,
        happenings in proptest::collection::vec(happenings(), 1..250),
    ) {
        let mut world = World::new(Sizes { sealed, run, slice, page });
        for (place, happening) in happenings.into_iter().enumerate() {
            world.happen(happening);
            if place % 5 == 4 {
                let failing = (world.ledger.rows.fails_after.take(), world.ledger.rows.fails_late);
                world.check();
                world.ledger.rows.fails_after.set(failing.0);
            }
        }
        world.check();
        world.check_no_orphans();
        world.check();
        world.check_end();
    }
}

#[test]
fn a_shard_that_knows_nothing_is_asked_nothing() {
    let mut world = World::new(super::SMALL);
    assert_eq!(world.ledger.step(world.now()), Ok(Step::Idle(None)));
    assert_eq!(world.ledger.take_batch(world.now()), Ok(Vec::new()));
    assert_eq!(world.ledger.take_import(world.now()), Ok(None));
    let answer = ask(&mut world.ledger, Question::Confirm(super::Position::default(), Vec::new()), at(0)).unwrap();
    assert_eq!(answer, Answer::Confirmed(Vec::new()));
    let _ = (Scope::ALL, Duration::ZERO);
}
