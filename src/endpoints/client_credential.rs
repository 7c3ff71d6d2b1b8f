//! Authenticates clients by their secret. It has its own header, because `Authorization` carries the user's token.

use crate::config::{Client, Config};
use crate::http::Request;

/// The header that carries a client's secret.
pub const CLIENT_HEADER: &str = "x-edge-logout-client";

/// The client whose secret is in the request's [`CLIENT_HEADER`], if any.
pub(super) fn client_of<'a>(config: &'a Config, request: &impl Request) -> Option<&'a Client> {
    client_with(config, &request.header(CLIENT_HEADER)?)
}

/// The client with this secret. Takes constant time: it compares all secrets.
pub(super) fn client_with<'a>(config: &'a Config, secret: &str) -> Option<&'a Client> {
    config.clients.iter().fold(None, |found, client| if client.secret.is(secret) { Some(client) } else { found })
}
