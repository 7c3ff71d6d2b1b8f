//! Says what the Worker would refuse of a configuration, before it is deployed: the Worker's own code, run natively.
//!
//! Reads JSON from standard input: `{"config": TABLE or null, "secrets": {NAME: TEXT or null}, "development": BOOL, "deployment": BOOL,
//! "ledger": BOOL}`, where a secret that is `null` is set, but not known here. Prints one line a refusal to standard error and exits with
//! 1, or prints nothing and exits with 0.

use std::collections::BTreeMap;
use std::process::ExitCode;

use edge_logout::config::{Config, Environment, Lookup, Refusals};
use edge_logout::token::Secret;
use serde::Deserialize;

#[derive(Deserialize)]
struct Question {
    config: Option<serde_json::Value>,
    secrets: BTreeMap<String, Option<String>>,
    development: bool,
    #[serde(default)]
    deployment: bool,
    ledger: bool,
}

impl Environment for Question {
    fn secret(&self, name: &str) -> Lookup {
        match self.secrets.get(name) {
            None => Lookup::Missing,
            Some(None) => Lookup::Unknown,
            Some(Some(text)) => Lookup::Known(Secret::new(text.clone())),
        }
    }

    fn allows_development_keys(&self) -> bool {
        self.development
    }

    fn is_development(&self) -> bool {
        self.development && !self.deployment
    }

    fn has_ledger(&self) -> bool {
        self.ledger
    }
}

fn refusals(question: &Question) -> Refusals {
    let Some(table) = &question.config else { return Config::parse_parts(&[], question).err().unwrap_or_default() };
    Config::parse(&table.to_string(), question).err().unwrap_or_default()
}

fn main() -> ExitCode {
    let question: Question = match serde_json::from_reader(std::io::stdin()) {
        Ok(question) => question,
        Err(error) => {
            eprintln!("standard input is no question: {error}");
            return ExitCode::from(2);
        }
    };
    let refusals = refusals(&question);
    if refusals.0.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{refusals}");
    ExitCode::FAILURE
}
