//! Clients: services with a secret, which may use `/batch-check`.

use super::Environment;
use super::secret_text::secret_text;
use super::section::Section;
use crate::token::{Secret, is_token};

/// The minimum length of a secret, in bytes: 24 random bytes in base64.
const SHORTEST_SECRET: usize = 32;
/// The secret that `npm start` sets. Rejected outside of development.
const DEVELOPMENT: &str = "development-";

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    /// The name in the configuration and in the log.
    pub name: String,
    /// The secret.
    pub secret: Secret,
}

pub(super) fn read_all(table: &mut Section<'_>, environment: &impl Environment) -> Vec<Client> {
    if !table.has("clients") {
        return Vec::new();
    }
    let (mut names, mut secrets): (Vec<String>, Vec<Secret>) = (Vec::new(), Vec::new());
    let clients = table.sections("clients", |section| {
        section.require("name", "write a name of your own for it, which logs use");
        section.require("secret", "write the name of the Worker secret that it sends");
        let (name, of_secret) = (section.text("name"), section.text("secret"));
        let (name, of_secret) = (name?, of_secret?);
        if names.contains(&name) {
            section.refuse("name", "is the name of another client as well");
        }
        names.push(name.clone());
        let secret = secret_text(section, "secret", &of_secret, environment)?;
        let mut refuse = |problem: &str| section.refuse("secret", ["the Worker secret ", &of_secret, problem].concat());
        if !is_token(secret.expose()) {
            refuse(" must not contain spaces, commas or line ends");
        }
        if secrets.iter().any(|other: &Secret| other.is(secret.expose())) {
            refuse(" is that of another client as well: each needs its own");
        }
        secrets.push(secret.clone());
        if secret.expose().len() < SHORTEST_SECRET {
            refuse(
                &[" must have ", &SHORTEST_SECRET.to_string(), " characters or more: run `openssl rand -base64 32`"]
                    .concat(),
            );
        }
        if secret.expose().starts_with(DEVELOPMENT) && !environment.allows_development_keys() {
            refuse(" is for development only: set one of your own");
        }
        Some(Client { name, secret })
    });
    clients.into_iter().flatten().collect()
}
