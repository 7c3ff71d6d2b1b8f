//! Refusals: configuration errors, with the setting's name in `wrangler.toml` and the reason.

use std::fmt;

/// The name of the table below `[vars]`, and the prefix of the names of its other parts.
pub const TABLE_NAME: &str = "EDGE_LOGOUT";

/// One invalid setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The path of the setting below `vars`, such as `EDGE_LOGOUT.issuers[1].algorithms`.
    pub setting: String,
    /// The issuer, route or client with the setting, such as `issuer "worth"`; empty if there is none.
    pub owner: String,
    /// The reason. Never contains the value of a secret.
    pub problem: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, owner, problem } = self;
        let (open, close) = if owner.is_empty() { ("", "") } else { (" (", ")") };
        write!(formatter, "vars.{setting}{open}{owner}{close}: {problem}")
    }
}

/// All invalid settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl Refusals {
    /// Creates a list of one refusal.
    #[must_use]
    pub fn one(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        let mut refusals = Self::default();
        refusals.add(setting, "", problem);
        refusals
    }

    /// Adds a refusal.
    pub fn add(&mut self, setting: impl Into<String>, owner: &str, problem: impl Into<String>) {
        self.0.push(Refusal { setting: setting.into(), owner: owner.to_owned(), problem: problem.into() });
    }

    /// Returns `value` if there are no refusals.
    ///
    /// # Errors
    /// The refusals.
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
