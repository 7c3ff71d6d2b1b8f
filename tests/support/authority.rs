//! Isolates to order: their memory, and what they know of tokens that need no signature.

use std::rc::Rc;
use std::time::Duration;

use edge_logout::revocation::ledger::LedgerRules;
use edge_logout::revocation::{
    Authority, AuthorityError, CheckedStatus, DigestRules, Freshness, Logout, Matchable, Replica, RevocableToken,
    Revocation, RevocationRules, Scope, Status, logout_of,
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
    pub replica: Replica,
    pub ledger: Option<LedgerRules>,
}

impl Isolate {
    /// With a ledger of so many shards.
    pub fn new(shards: u32) -> Self {
        Self { replica: Replica::new(shards), ledger: Some(LedgerRules { shards, kv_written_until: None }) }
    }

    /// Without a ledger.
    pub fn on_kv_alone() -> Self {
        Self { replica: Replica::new(0), ledger: None }
    }

    /// Its authority.
    pub fn on<'a>(&'a self, platform: &'a TestPlatform) -> Authority<'a, TestPlatform> {
        Authority { platform, replica: &self.replica, ledger: self.ledger, settling: SETTLING }
    }

    /// What a check says.
    pub fn check(
        &self,
        platform: &TestPlatform,
        token: &Matchable,
        freshness: Freshness,
    ) -> Result<CheckedStatus, AuthorityError> {
        run(self.on(platform).status(token, freshness, LIMIT))
    }

    /// Whether a check says that the token is active; a doubt fails the test.
    pub fn is_active(&self, platform: &TestPlatform, token: &Matchable, freshness: Freshness) -> bool {
        self.check(platform, token, freshness).unwrap().status == Status::Active
    }

    /// Logs out.
    pub fn log_out(&self, platform: &TestPlatform, name: &str) -> Result<(), AuthorityError> {
        run(self.on(platform).revoke(&ending(name, now(platform)), LIMIT))
    }

    /// Does what is done behind an answer.
    pub fn refresh(&self, platform: &TestPlatform, bound: Duration) {
        run(self.on(platform).refresh(bound));
    }
}

fn now(platform: &TestPlatform) -> Timestamp {
    edge_logout::ports::Clock::now(platform)
}

/// What is known of the opaque token of this name.
pub fn token(name: &str) -> Matchable {
    Matchable::new(RevocableToken::Opaque(OpaqueToken(name)), &rules())
}

/// What its logout records.
pub fn ending(name: &str, now: Timestamp) -> Logout {
    logout_of(RevocableToken::Opaque(OpaqueToken(name)), &[Scope::Token], &rules(), now)
}

/// The rules of the issuer.
pub fn rules() -> RevocationRules {
    let (leeway, longest_lifetime) = (Duration::from_secs(5), Duration::from_hours(1));
    RevocationRules { issuer: ISSUER.to_owned(), leeway, longest_lifetime, digests: Rc::default() }
}

/// A revocation of any scope.
pub fn revocation(scope: Scope, name: &str, cut_off: Option<Timestamp>, expires_at: Timestamp) -> Revocation {
    Revocation {
        digest: DigestRules::default().recorded(ISSUER, scope, name),
        issuer: ISSUER.to_owned(),
        scope,
        revoked_at: Timestamp::from_millis(0),
        cut_off,
        expires_at,
        duplicate_window: Duration::ZERO,
    }
}

/// A logout of nothing else.
pub fn only(widest: Revocation) -> Logout {
    Logout { widest, token: None }
}
