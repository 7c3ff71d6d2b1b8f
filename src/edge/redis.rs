//! Deletes a key from a Redis session store.
//!
//! A Worker cannot keep a socket beyond the request that opened it, so there is no connection pool. The three commands
//! (`AUTH`, `SELECT`, `DEL`) are encoded in RESP here, without a client library.

use super::glue;
use crate::json::Array;
use crate::ports::Unavailable;
use crate::token::Secret;

const DEFAULT_PORT: u16 = 6379;

/// Deletes a key of the store at `redis://` or `rediss://` `[user:password@]host[:port][/database]`. A key that is not
/// there counts as deleted.
pub(super) async fn delete(url: &Secret, key: &str) -> Result<(), Unavailable> {
    let server = Server::parse(url).ok_or(Unavailable)?;
    let done = glue::exchange(&server.host, server.port, server.tls, &server.commands(key)).await;
    if done.is_ok_and(|done| done.is_truthy()) { Ok(()) } else { Err(Unavailable) }
}

/// A parsed `redis://` URL.
struct Server {
    tls: bool,
    host: String,
    port: u16,
    user: String,
    password: String,
    database: String,
}

impl Server {
    fn parse(url: &Secret) -> Option<Self> {
        let all = glue::url_parts(url.expose()).ok()??;
        let part = |place: u32| all.get(place).as_string().unwrap_or_default();
        let (host, numbered) = (part(1), part(2));
        let database = part(5).trim_matches('/').to_owned();
        if !database.bytes().all(|byte| byte.is_ascii_digit()) || !part(6).is_empty() {
            return None;
        }
        Some(Self {
            tls: part(0) == "rediss:",
            host: if host.is_empty() { return None } else { host },
            port: if numbered.is_empty() { DEFAULT_PORT } else { numbered.parse().ok()? },
            user: part(3),
            password: part(4),
            database,
        })
    }

    /// The commands as a JSON array.
    fn commands(&self, key: &str) -> String {
        let mut commands = Array::new();
        match (self.user.as_str(), self.password.as_str()) {
            (_, "") => {}
            ("", password) => commands.text(&command(&["AUTH", password])),
            (user, password) => commands.text(&command(&["AUTH", user, password])),
        }
        if !self.database.is_empty() {
            commands.text(&command(&["SELECT", &self.database]));
        }
        commands.text(&command(&["DEL", key]));
        commands.finish()
    }
}

/// Encodes a command as an array of bulk strings, which have lengths, so that a key cannot inject another command.
fn command(words: &[&str]) -> String {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        for part in ["$", &word.len().to_string(), "\r\n", word, "\r\n"] {
            text.push_str(part);
        }
    }
    text
}
