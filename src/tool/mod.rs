//! The code behind `npm run check`, which runs the Worker's own validation: configuration errors, published keys, and
//! verdicts on a sample token. Input and output are JSON.

mod gaps;
mod keys;
mod token;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::{Config, Environment, Lookup, Refusals};
use crate::json::{self, Array, Object};
use crate::ports::{Clock, Journal, SharedMemory, Signatures, Web};
use crate::token::Secret;

pub use self::gaps::{Gap, gaps};

/// The input about a table and its environment.
struct Question {
    /// The variables with the table, by name.
    parts: Vec<(String, String)>,
    /// The secrets by name; `null` for a secret that is set, but whose value is not available.
    secrets: BTreeMap<String, Option<String>>,
    development: bool,
    deployment: bool,
    ledger: bool,
    wanted: Wanted,
}

/// The input about published keys and a sample token.
struct Wanted {
    /// Whether published keys may be fetched.
    online: bool,
    /// The sample token.
    token: Option<String>,
}

impl Question {
    fn read(text: &str) -> Result<Self, String> {
        let mut members = json::read_object(text).ok_or("the question is no JSON object")?;
        let mut secrets = BTreeMap::new();
        if let Some(Value::Object(given)) = members.remove("secrets") {
            for (name, value) in given {
                let text = match value {
                    Value::Null => None,
                    Value::String(text) => Some(text),
                    _ => return Err(format!("the secret {name} is no text")),
                };
                secrets.insert(name, text);
            }
        }
        let flag = |name: &str| members.get(name) == Some(&Value::Bool(true));
        let (development, deployment) = (flag("development"), flag("deployment"));
        let (ledger, online) = (flag("ledger"), flag("online"));
        let wanted = Wanted { online, token: json::take_text(&mut members, "token") };
        let Some(Value::Object(parts)) = members.remove("parts") else { return Err("there are no `parts`".to_owned()) };
        let parts = parts.into_iter().map(|(name, table)| (name, json::text(&table))).collect();
        Ok(Self { parts, secrets, development, deployment, ledger, wanted })
    }

    fn parse(&self) -> Result<Config, Refusals> {
        let parts: Vec<_> = self.parts.iter().map(|(name, table)| (name.as_str(), table.as_str())).collect();
        Config::parse_parts(&parts, self)
    }
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

/// Whether the input allows fetching keys.
#[must_use]
pub fn is_online(question: &str) -> bool {
    Question::read(question).is_ok_and(|question| question.wanted.online)
}

/// The configuration errors: a JSON list of strings.
///
/// # Errors
/// The input is malformed.
pub fn findings(question: &str) -> Result<String, String> {
    let mut findings = Array::new();
    if let Err(refusals) = Question::read(question)?.parse() {
        refusals.0.iter().for_each(|refusal| findings.text(&refusal.to_string()));
    }
    Ok(findings.finish())
}

/// Warnings about settings that are accepted, but probably not meant: a JSON list of texts. Empty for a refused table.
///
/// # Errors
/// The input is malformed.
pub fn warnings(question: &str) -> Result<String, String> {
    let mut warnings = Array::new();
    if let Ok(config) = Question::read(question)?.parse() {
        for Gap { path, other_path, host, example, .. } in gaps(&config) {
            let begin = format!(
                "the guard of \"{path}\" is stricter than that of \"{other_path}\", which also takes \"{example}\""
            );
            warnings.text(&match host {
                Some(host) => {
                    format!("{begin} on {host}: add a guard of \"{path}\" for that host, with `subtree = true`")
                }
                None => {
                    format!("{begin}: if the API reads both alike, add `subtree = true` to the guard of \"{path}\"")
                }
            });
        }
    }
    Ok(warnings.finish())
}

/// Reports on issuers' published keys, when `online` is set, and on a sample token: `{"keys": [...], "token": [...]}`,
/// or `{"refused": true}` when the table is refused.
///
/// # Errors
/// The input is malformed.
pub async fn judge<P: Clock + Journal + SharedMemory + Signatures + Web>(
    question: &str,
    platform: &P,
) -> Result<String, String> {
    let question = Question::read(question)?;
    let Ok(config) = question.parse() else { return Ok(Object::new().flag("refused", true).finish()) };
    let mut answer = Object::new();
    let Wanted { online, token } = &question.wanted;
    if *online {
        answer = answer.raw("keys", &keys::fetch_all(&config, platform).await);
    }
    if let Some(text) = token {
        answer = answer.raw("token", &token::judge(text, &config, *online, platform).await);
    }
    Ok(answer.finish())
}
