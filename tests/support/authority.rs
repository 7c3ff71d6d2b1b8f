//! Isolates to order: their memory, and what they know of tokens that need no signature.

use std::time::Duration;

use edge_logout::revocation::ledger::LedgerRules;
use edge_logout::revocation::{
    Authority, Digest, Doubt, Ended, Freshness, Known, Matchable, Memory, Revocation, RevocationRules, Scope, Status,
    revocations_for,
};
use edge_logout::time::Timestamp;
use edge_logout::token::OpaqueToken;

use super::platform::TestPlatform;
use super::run;
use super::shards::SETTLING;

/// The issuer of these tokens.
pub const ISSUER: &str = "sessions";
/// How long a check may take.
pub const LIMIT: Duration = Duration::from_secs(3);
/// The bound that holds unless configured otherwise.
pub const BOUNDED: Freshness = Freshness::DEFAULT;

/// An isolate that knows nothing yet.
pub struct Isolate {
    pub memory: Memory,
    ledger: Option<LedgerRules>,
}

impl Isolate {
    /// With a ledger of so many shards.
    pub fn new(shards: u32) -> Self {
        Self {
            memory: Memory::new(shards),
            ledger: Some(LedgerRules { shards, settling: SETTLING, sole_writer: false }),
        }
    }

    /// With a ledger that is promised to be the sole writer of the index.
    pub fn trusting(shards: u32) -> Self {
        Self { memory: Memory::new(shards).trusting(true), ..Self::new(shards) }
    }

    /// Without a ledger.
    pub fn on_kv_alone() -> Self {
        Self { memory: Memory::new(0), ledger: None }
    }

    /// Its authority.
    pub fn on<'a>(&'a self, platform: &'a TestPlatform) -> Authority<'a, TestPlatform> {
        Authority { platform, memory: &self.memory, ledger: self.ledger }
    }

    /// What a check says.
    pub fn check(&self, platform: &TestPlatform, token: &Matchable, freshness: Freshness) -> Result<Known, Doubt> {
        run(self.on(platform).status(token, freshness, LIMIT))
    }

    /// Whether a check says that the token is active; a doubt is told.
    pub fn is_active(&self, platform: &TestPlatform, token: &Matchable, freshness: Freshness) -> bool {
        self.check(platform, token, freshness).unwrap().status == Status::Active
    }

    /// Logs out.
    pub fn log_out(&self, platform: &TestPlatform, name: &str) -> Result<(), Doubt> {
        run(self.on(platform).revoke(&ending(name, now(platform)), LIMIT))
    }
}

fn now(platform: &TestPlatform) -> Timestamp {
    edge_logout::ports::Clock::now(platform)
}

/// What is known of the opaque token of this name.
pub fn token(name: &str) -> Matchable {
    Matchable::new(Ended::Opaque(OpaqueToken(name)), ISSUER)
}

/// What its logout records.
pub fn ending(name: &str, now: Timestamp) -> Vec<Revocation> {
    revocations_for(Ended::Opaque(OpaqueToken(name)), &[Scope::Token], &rules(), now)
}

/// The rules of the issuer.
pub fn rules() -> RevocationRules {
    let (leeway, longest_lifetime) = (Duration::from_secs(5), Duration::from_hours(1));
    RevocationRules { issuer: ISSUER.to_owned(), leeway, longest_lifetime }
}

/// A revocation of any scope.
pub fn revocation(scope: Scope, name: &str, cut_off: Option<Timestamp>, expires_at: Timestamp) -> Revocation {
    Revocation {
        key: Digest::of(ISSUER, scope, name).key(ISSUER, scope),
        issuer: ISSUER.to_owned(),
        scope,
        revoked_at: Timestamp::from_millis(0),
        cut_off,
        expires_at,
        spare: Duration::ZERO,
    }
}
