//! A Redis session store: deletes one key, over a connection of its own.
//!
//! Workers cannot keep a socket beyond the request that opened it, so there is no pool, and three commands (RESP,
//! `AUTH`, `SELECT`, `DEL`) need no client library.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use web_sys::Url;
use worker::{ConnectionBuilder, SecureTransport, Socket};

use crate::ports::Unavailable;
use crate::token::Secret;

const DEFAULT_PORT: u16 = 6379;
/// More than a line is no answer to what was asked.
const MAX_REPLY_BYTES: usize = 1024;

/// Deletes a key of the store at `redis://` or `rediss://` `[user:password@]host[:port][/database]`. A key that is not
/// there counts as deleted.
pub(super) async fn delete(url: &Secret, key: &str) -> Result<(), Unavailable> {
    let server = Server::parse(url).ok_or(Unavailable)?;
    let commands = server.commands(key);
    let transport = if server.tls { SecureTransport::On } else { SecureTransport::Off };
    let connection = ConnectionBuilder::new().secure_transport(transport);
    let mut socket = connection.connect(server.host, server.port).map_err(|_| Unavailable)?;
    socket.opened().await.map_err(|_| Unavailable)?;
    for command in &commands {
        exchange(&mut socket, command).await?;
    }
    Ok(())
}

/// What a store's URL says.
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
        let url = Url::new(url.expose()).ok()?;
        let decoded = |text: String| js_sys::decode_uri_component(&text).ok().map(String::from);
        let host = url.hostname();
        let database = url.pathname().trim_matches('/').to_owned();
        if !database.bytes().all(|byte| byte.is_ascii_digit()) || !url.search().is_empty() || !url.hash().is_empty() {
            return None;
        }
        Some(Self {
            tls: url.protocol() == "rediss:",
            host: if host.is_empty() { return None } else { host },
            port: if url.port().is_empty() { DEFAULT_PORT } else { url.port().parse().ok()? },
            user: decoded(url.username())?,
            password: decoded(url.password())?,
            database,
        })
    }

    fn commands(&self, key: &str) -> Vec<Vec<u8>> {
        let mut commands = Vec::new();
        match (self.user.as_str(), self.password.as_str()) {
            (_, "") => {}
            ("", password) => commands.push(command(&["AUTH", password])),
            (user, password) => commands.push(command(&["AUTH", user, password])),
        }
        if !self.database.is_empty() {
            commands.push(command(&["SELECT", &self.database]));
        }
        commands.push(command(&["DEL", key]));
        commands
    }
}

/// A command as an array of bulk strings: lengths, not delimiters, so that no key can be a second command.
fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

/// Sends a command and reads its answer, a line: `+OK`, `:1`, or an error, which begins with `-`. The next command waits
/// for it: a key must not be deleted in another database because this one could not be selected.
async fn exchange(socket: &mut Socket, command: &[u8]) -> Result<(), Unavailable> {
    socket.write_all(command).await.map_err(|_| Unavailable)?;
    socket.flush().await.map_err(|_| Unavailable)?;
    let mut reply = Vec::new();
    let mut chunk = [0; 256];
    while reply.last() != Some(&b'\n') {
        let length = socket.read(&mut chunk).await.map_err(|_| Unavailable)?;
        if length == 0 || reply.len() > MAX_REPLY_BYTES {
            return Err(Unavailable);
        }
        reply.extend_from_slice(chunk.get(..length).unwrap_or_default());
    }
    if matches!(reply.first(), Some(b'+' | b':')) { Ok(()) } else { Err(Unavailable) }
}
