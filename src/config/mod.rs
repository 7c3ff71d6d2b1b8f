//! The configuration: a table in `wrangler.toml`, parsed once per isolate. A single invalid setting rejects all of it.
//!
//! `docs/reference/configuration.md` documents every setting. Defaults never weaken security: algorithms, keys, audiences and
//! issuers have none.

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
mod route_settings;
mod secret_text;
mod section;
mod session_store;

use std::rc::Rc;
use std::time::Duration;

use crate::contracts;
use crate::revocation::Freshness;
use crate::route_table::RouteTable;
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

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// The issuers.
    pub issuers: Vec<Rc<Issuer>>,
    /// The routes.
    pub routes: Vec<AnyRoute>,
    /// The route table.
    pub table: RouteTable,
    /// The clients.
    pub clients: Vec<Client>,
    /// The rules for callers of `/check`.
    pub check: CheckRules,
    /// The storage of revocations.
    pub storage: Storage,
    /// Whether any issuer accepts tokens in a cookie. If not, cookies are not read.
    pub reads_cookies: bool,
}

/// The environment of the table: Worker secrets and bindings.
pub trait Environment {
    /// Looks up a Worker secret.
    fn secret(&self, name: &str) -> Lookup;

    /// Whether the keys in `dev/keys` may be used: `EDGE_LOGOUT_DEVELOPMENT` is `"true"`, as in `.dev.vars`.
    fn allows_development_keys(&self) -> bool;

    /// Whether this is a development machine, where insecure settings are allowed: short settling times, upstreams
    /// without TLS.
    fn is_development(&self) -> bool {
        self.allows_development_keys()
    }

    /// Whether the ledger binding exists.
    fn has_ledger(&self) -> bool;
}

/// The result of looking up a Worker secret.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// The secret does not exist.
    Missing,
    /// The secret exists, but its value is not available, as on a machine that deploys.
    Unknown,
    /// The value.
    Known(Secret),
}

/// The error message when there is no table.
const NO_TABLE: &str = "is missing: write at least one [[vars.EDGE_LOGOUT.issuers]] and one [[vars.EDGE_LOGOUT.routes]], also for each \
     environment, which does not inherit `vars`";
/// The name of the KV namespace of revocations.
pub const REVOCATIONS: &str = "REVOCATIONS";
/// The name of the ledger's Durable Object namespace.
pub const LEDGER: &str = "LEDGER";
/// The name of the rate limiting binding for lookups of unverified tokens.
pub const RATE_LIMITER: &str = "RATE_LIMITER";

impl Config {
    /// The names of the required bindings, without duplicates.
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

    /// The guard with an index among the routes.
    #[must_use]
    pub fn guard(&self, route: usize) -> Option<&Guard> {
        match self.routes.get(route)? {
            AnyRoute::Guard(guard) => Some(guard),
            AnyRoute::Logout(_) => None,
        }
    }

    /// The longest configured bound of checks of an issuer's tokens; `None` if no check is bounded.
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

    /// Whether any guards are configured.
    #[must_use]
    pub fn has_guards(&self) -> bool {
        self.routes.iter().any(|route| matches!(route, AnyRoute::Guard(_)))
    }

    /// The logout routes.
    pub fn logouts(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().filter_map(|route| match route {
            AnyRoute::Logout(route) => Some(&**route),
            AnyRoute::Guard(_) => None,
        })
    }

    /// Parses the table, given as JSON.
    ///
    /// # Errors
    /// Every invalid setting, with its name in `wrangler.toml` and the reason.
    pub fn parse(text: &str, environment: &impl Environment) -> Result<Self, Refusals> {
        Self::parse_parts(&[(TABLE_NAME, text)], environment)
    }

    /// Parses a table from several variables, given as names and JSON texts, in order of name. The lists `issuers`,
    /// `routes` and `clients` are concatenated.
    ///
    /// # Errors
    /// Every invalid setting, with its name in `wrangler.toml` and the reason.
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
        let (routes, route_table) = route::read_all(&mut table, &around);
        let clients = client::read_all(&mut table, environment);
        let check = check_rules::read(&mut table);
        table.close();
        let issuers: Vec<_> = issuers.into_iter().flatten().collect();
        refusals.or(Self {
            reads_cookies: issuers.iter().any(|issuer| issuer.cookie.is_some()),
            issuers,
            routes,
            table: route_table,
            clients,
            check,
            storage,
        })
    }
}
