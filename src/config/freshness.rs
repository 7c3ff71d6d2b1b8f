//! The freshness of checks, and the ledger.

use std::time::Duration;

use super::Environment;
use super::section::Section;
use crate::json::quoted;
use crate::revocation::Freshness;
use crate::revocation::ledger::LedgerRules;
use crate::time::Timestamp;

/// The default settling time of Workers KV: how long a write takes to be visible in every location. Cloudflare
/// documents "60 seconds or more".
pub const DEFAULT_SETTLING: Duration = Duration::from_mins(2);
const SHORTEST_SETTLING_SECONDS: u32 = 60;
const LONGEST_SETTLING_SECONDS: u32 = 3600;
/// The maximum number of shards. A batch check may call all of them.
const MAX_SHARDS: u32 = 64;
/// The minimum bound. A shorter one would cause continuous syncs.
const SHORTEST_BOUND_MILLISECONDS: u32 = 100;
const LONGEST_BOUND_MILLISECONDS: u32 = 60_000;
pub(super) const NEEDS_LEDGER: &str = "needs the ledger: bind the Durable Object `Ledger` as LEDGER in wrangler.toml";

/// The storage of revocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The ledger's rules; `None` without a ledger, when revocations are stored in Workers KV alone.
    pub ledger: Option<LedgerRules>,
    /// How long a Workers KV write takes to be visible in every location.
    pub settling: Duration,
}

impl Storage {
    /// The default freshness: `eventual` without a ledger.
    const fn default_freshness(self) -> Freshness {
        if self.ledger.is_some() { Freshness::DEFAULT } else { Freshness::Eventual }
    }
}

pub(super) fn storage(table: &mut Section<'_>, environment: &impl Environment) -> Storage {
    let settings = table.section("ledger", |section| {
        let (shards, settling) = (section.number("shards"), section.number("settling_seconds"));
        if shards.is_some_and(|shards| shards == 0 || shards > MAX_SHARDS) {
            section.refuse("shards", must_be(1, MAX_SHARDS));
        }
        let shortest = if environment.is_development() { 0 } else { SHORTEST_SETTLING_SECONDS };
        if settling.is_some_and(|seconds| seconds < shortest || seconds > LONGEST_SETTLING_SECONDS) {
            section.refuse("settling_seconds", must_be(shortest, LONGEST_SETTLING_SECONDS));
        }
        let kv_written_until = section.number("kv_written_until");
        if kv_written_until.is_some() && !environment.has_ledger() {
            section.refuse("kv_written_until", NEEDS_LEDGER);
        }
        (shards, settling, kv_written_until)
    });
    let (shards, settling, kv_written_until) = settings.unwrap_or_default();
    let settling = settling.map_or(DEFAULT_SETTLING, |seconds| Duration::from_secs(seconds.into()));
    let kv_written_until = kv_written_until.map(|seconds| Timestamp::from_seconds(seconds.into()));
    let rules = LedgerRules { shards: shards.unwrap_or(1).clamp(1, MAX_SHARDS), kv_written_until };
    Storage { ledger: environment.has_ledger().then_some(rules), settling }
}

/// Parses `freshness` and `bound_milliseconds`; `None` if both are missing.
pub(super) fn freshness(section: &mut Section<'_>, storage: Storage) -> Option<Freshness> {
    let name = section.choice("freshness", &["strong", "bounded", "eventual"]);
    let bound = section.number("bound_milliseconds");
    if bound.is_some_and(|bound| !is_bound(bound)) {
        section.refuse("bound_milliseconds", must_be(SHORTEST_BOUND_MILLISECONDS, LONGEST_BOUND_MILLISECONDS));
        return None;
    }
    let name = name.ok()?;
    if name.is_none() && bound.is_none() {
        return None;
    }
    let Some(freshness) = named(name.as_deref().unwrap_or("bounded"), bound) else {
        section.refuse("bound_milliseconds", "is for freshness = \"bounded\" only");
        return None;
    };
    if storage.ledger.is_none() && freshness != Freshness::Eventual {
        section.refuse("freshness", [&quoted(freshness.name()), " ", NEEDS_LEDGER].concat());
    }
    Some(freshness)
}

fn must_be(least: u32, most: u32) -> String {
    ["must be ", &least.to_string(), " to ", &most.to_string()].concat()
}

/// The freshness of an issuer's checks.
pub(super) fn of_issuer(section: &mut Section<'_>, storage: Storage) -> Freshness {
    freshness(section, storage).unwrap_or(storage.default_freshness())
}

/// Whether a bound in milliseconds is valid.
const fn is_bound(milliseconds: u32) -> bool {
    milliseconds >= SHORTEST_BOUND_MILLISECONDS && milliseconds <= LONGEST_BOUND_MILLISECONDS
}

/// The freshness with a name and a bound in milliseconds, as in the configuration and in queries.
#[must_use]
pub fn named(name: &str, bound: Option<u32>) -> Option<Freshness> {
    match (name, bound) {
        ("strong", None) => Some(Freshness::Strong),
        ("eventual", None) => Some(Freshness::Eventual),
        ("bounded", None) => Some(Freshness::DEFAULT),
        ("bounded", Some(bound)) if is_bound(bound) => Some(Freshness::Bounded(Duration::from_millis(bound.into()))),
        _ => None,
    }
}
