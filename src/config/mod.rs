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
    pub issuers: Vec<Issuer>,
    /// What answers where.
    pub routes: Vec<Route>,
}

/// What stands outside the table: Worker secrets and whether this is a development machine.
pub trait Environment {
    /// The text of the Worker secret of this name.
    fn secret(&self, name: &str) -> Option<Secret>;

    /// Whether the keys in `dev/keys` may be used: `EDGE_LOGOUT_DEVELOPMENT` is `"true"`, which only `.dev.vars` says.
    fn allows_development_keys(&self) -> bool;
}

impl Config {
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
