//! The configuration: one table in `wrangler.toml`, parsed once per isolate, all or nothing.
//!
//! `docs/reference/configuration.md` explains every setting. There is no default that weakens security: no algorithm,
//! key, audience or issuer is assumed.

mod check_rules;
mod client;
mod cookie;
mod cors;
mod digests;
mod freshness;
mod guard;
mod hints;
mod issuer;
mod keys;
mod minting;
mod parts;
mod refusals;
mod route;
mod section;
mod session_store;

use std::rc::Rc;
use std::time::Duration;

use crate::contracts;
use crate::revocation::Freshness;
use crate::token::Secret;

pub use check_rules::CheckRules;
pub use client::Client;
pub use cookie::CookieRules;
pub use cors::{Cors, Origins};
pub use freshness::{DEFAULT_SETTLING, Storage, named as freshness_named};
pub use guard::{Guard, Upstream};
pub use issuer::{Issuer, Tokens};
pub use refusals::{Refusal, Refusals, TABLE_NAME};
pub use route::{AnyRoute, Route};
pub use session_store::SessionStoreRules;

use route::Around;
use section::Section;

/// A configuration in which everything is in order.
#[derive(Debug)]
pub struct Config {
    /// Who signs tokens.
    pub issuers: Vec<Rc<Issuer>>,
    /// What answers where.
    pub routes: Vec<AnyRoute>,
    /// Who may ask for many verdicts at once.
    pub clients: Vec<Client>,
    /// What `/check` allows anonymous callers.
    pub check: CheckRules,
    /// Where revocations are kept.
    pub storage: Storage,
    /// Whether any issuer takes tokens from a cookie; otherwise no cookie is read.
    pub reads_cookies: bool,
}

/// What stands outside the table: Worker secrets and whether this is a development machine.
pub trait Environment {
    /// The Worker secret of this name.
    fn secret(&self, name: &str) -> Lookup;

    /// Whether the keys in `dev/keys` may be used: `EDGE_LOGOUT_DEVELOPMENT` is `"true"`, which only `.dev.vars` says.
    fn allows_development_keys(&self) -> bool;

    /// Whether this is a development machine, where nobody is harmed by what is too weak elsewhere: short settling times,
    /// upstreams without TLS.
    fn is_development(&self) -> bool {
        self.allows_development_keys()
    }

    /// Whether the ledger is bound.
    fn has_ledger(&self) -> bool;
}

/// What is known of a Worker secret.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// There is none of this name.
    Missing,
    /// It is set, and its text is not known here: so it is on a machine that deploys.
    Unknown,
    /// Its text.
    Known(Secret),
}

/// The refusal when no variable has the table.
const NO_TABLE: &str = "is missing: write at least one [[vars.EDGE_LOGOUT.issuers]] and one [[vars.EDGE_LOGOUT.routes]], also for each \
     environment, which does not inherit `vars`";
/// The KV namespace that holds the revocations.
pub const REVOCATIONS: &str = "REVOCATIONS";
/// The Durable Object namespace of the ledger.
pub const LEDGER: &str = "LEDGER";
/// The rate limiting binding for look-ups of unverified tokens.
pub const RATE_LIMITER: &str = "RATE_LIMITER";

impl Config {
    /// The bindings that it needs, each once.
    #[must_use]
    pub fn bindings(&self) -> Vec<&str> {
        let mut names = vec![REVOCATIONS];
        let needed = self.routes.iter().filter_map(|route| match route {
            AnyRoute::Logout(route) => route.user_directory.as_deref(),
            AnyRoute::Guard(Guard { upstream: Some(Upstream::Service(name)), .. }) => Some(name),
            AnyRoute::Guard(_) => None,
        });
        for name in needed {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The guard at a place among the routes.
    #[must_use]
    pub fn guard(&self, route: usize) -> Option<&Guard> {
        match self.routes.get(route)? {
            AnyRoute::Guard(guard) => Some(guard),
            AnyRoute::Logout(_) => None,
        }
    }

    /// The longest bound under which any check of an issuer's tokens is configured, `None` when none is bounded.
    #[must_use]
    pub fn longest_bound(&self, issuer: &Rc<Issuer>) -> Option<Duration> {
        let of_routes = self.routes.iter().filter_map(|route| match route {
            AnyRoute::Logout(route) => Rc::ptr_eq(&route.issuer, issuer).then_some(route.freshness),
            AnyRoute::Guard(guard) => {
                guard.freshness.filter(|_| guard.issuers.iter().any(|own| Rc::ptr_eq(own, issuer)))
            }
        });
        std::iter::once(issuer.freshness).chain(of_routes).filter_map(Freshness::bound).max()
    }

    /// Whether any requests are guarded.
    #[must_use]
    pub fn has_guards(&self) -> bool {
        self.routes.iter().any(|route| matches!(route, AnyRoute::Guard(_)))
    }

    /// The logouts.
    pub fn logouts(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter_map(|route| match route {
            AnyRoute::Logout(route) => Some(&**route),
            AnyRoute::Guard(_) => None,
        })
    }

    /// Reads the table, given as JSON.
    ///
    /// # Errors
    /// Every setting that is refused, by its name in `wrangler.toml` and why.
    pub fn parse(text: &str, environment: &impl Environment) -> Result<Self, Refusals> {
        Self::parse_parts(&[(TABLE_NAME, text)], environment)
    }

    /// Reads a table from one or several variables, each a name and JSON text, in the order of their names. The lists
    /// `issuers`, `routes` and `clients` are joined.
    ///
    /// # Errors
    /// Every setting that is refused, by its name in `wrangler.toml` and why.
    pub fn parse_parts(parts: &[(&str, &str)], environment: &impl Environment) -> Result<Self, Refusals> {
        if parts.is_empty() {
            return Err(Refusals::one(TABLE_NAME, NO_TABLE));
        }
        let mut refusals = Refusals::default();
        let (settings, places) = parts::join(parts, &mut refusals);
        if settings.is_empty() && !refusals.0.is_empty() {
            return Err(refusals);
        }
        let mut table = Section::outermost(settings, places, &mut refusals);
        let storage = freshness::storage(&mut table, environment);
        let digests = digests::read(&mut table, environment);
        let issuers = issuer::read_all(&mut table, storage, &digests, environment);
        let around = Around { issuers: &issuers, contracts: contracts::ALL, storage, environment };
        let routes = route::read_all(&mut table, &around);
        let clients = client::read_all(&mut table, environment);
        let check = check_rules::read(&mut table);
        table.close();
        let issuers: Vec<_> = issuers.into_iter().flatten().collect();
        refusals.or(Self {
            reads_cookies: issuers.iter().any(|issuer| issuer.cookie.is_some()),
            issuers,
            routes: routes.into_iter().flatten().collect(),
            clients,
            check,
            storage,
        })
    }
}
