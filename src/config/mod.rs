//! The configuration: one table in `wrangler.toml`, parsed once per isolate, all or nothing.
//!
//! `docs/configuration.md` explains every setting. There is no default that weakens security: no algorithm, key,
//! audience or issuer is assumed.

mod cors;
mod issuer;
mod minting;
mod refusals;
mod route;
mod section;

use std::rc::Rc;

use crate::contracts;
use crate::token::Secret;

pub use cors::{Cors, Origins};
pub use issuer::{Issuer, Tokens};
pub use refusals::{Refusal, Refusals, TABLE_NAME};
pub use route::{Route, SessionStoreRules};

use section::Section;

/// A configuration in which everything is in order.
#[derive(Debug)]
pub struct Config {
    /// Who signs tokens.
    pub issuers: Vec<Rc<Issuer>>,
    /// What answers where.
    pub routes: Vec<Route>,
}

/// What stands outside the table: Worker secrets and whether this is a development machine.
pub trait Environment {
    /// The Worker secret of this name.
    fn secret(&self, name: &str) -> Lookup;

    /// Whether the keys in `dev/keys` may be used: `EDGE_LOGOUT_DEVELOPMENT` is `"true"`, which only `.dev.vars` says.
    fn allows_development_keys(&self) -> bool;
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

/// The KV namespace that holds the revocations.
pub const REVOCATIONS: &str = "REVOCATIONS";

impl Config {
    /// The bindings that it needs, each once.
    #[must_use]
    pub fn bindings(&self) -> Vec<&str> {
        let mut names = vec![REVOCATIONS];
        for name in self.routes.iter().filter_map(|route| route.user_directory.as_deref()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// Reads the table, given as JSON.
    ///
    /// # Errors
    /// Every setting that is refused, by its name in `wrangler.toml` and why.
    pub fn parse(json: &str, environment: &impl Environment) -> Result<Self, Refusals> {
        let value = serde_json::from_str(json).map_err(|_| Refusals::one("", "is no JSON"))?;
        let mut refusals = Refusals::default();
        let Some(mut table) = Section::open(String::new(), value, &mut refusals) else { return Err(refusals) };
        let issuers = issuer::read_all(&mut table, environment);
        let routes = route::read_all(&mut table, &issuers, contracts::ALL, environment);
        table.close();
        refusals.or(Self {
            issuers: issuers.into_iter().flatten().collect(),
            routes: routes.into_iter().flatten().collect(),
        })
    }
}
