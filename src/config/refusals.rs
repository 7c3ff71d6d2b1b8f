//! Refusals: which setting, in `wrangler.toml`'s own words, and what is wrong with it.

use std::fmt;

/// The table's name below `[vars]`, and the prefix of its other parts' names.
pub const TABLE_NAME: &str = "EDGE_LOGOUT";

/// One refused setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The setting's path below `vars`, such as `EDGE_LOGOUT.issuers[1].algorithms`.
    pub setting: String,
    /// The issuer, route or client that it belongs to, such as `issuer "worth"`; empty when it belongs to none.
    pub owner: String,
    /// What is wrong with it. Never the value of a secret.
    pub problem: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, owner, problem } = self;
        let (open, close) = if owner.is_empty() { ("", "") } else { (" (", ")") };
        write!(formatter, "vars.{setting}{open}{owner}{close}: {problem}")
    }
}

/// All refused settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl Refusals {
    /// A single refusal.
    #[must_use]
    pub fn one(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        let mut refusals = Self::default();
        refusals.add(setting, "", problem);
        refusals
    }

    /// Notes a refusal.
    pub fn add(&mut self, setting: impl Into<String>, owner: &str, problem: impl Into<String>) {
        self.0.push(Refusal { setting: setting.into(), owner: owner.to_owned(), problem: problem.into() });
    }

    /// `value` when nothing was refused.
    ///
    /// # Errors
    /// These refusals.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{refusal}")?;
        }
        Ok(())
    }
}
