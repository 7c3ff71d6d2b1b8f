//! A client's secret has its own header, because `Authorization` holds the shopper's token.

use crate::config::{Client, Config};
use crate::http::Request;

/// The header that carries a client's secret.
pub const CLIENT_HEADER: &str = "x-edge-logout-client";

/// The client whose secret a request carries in that header; `None` without one.
pub(super) fn client_of<'a>(config: &'a Config, request: &impl Request) -> Option<&'a Client> {
    client_with(config, &request.header(CLIENT_HEADER)?)
}

/// The client that has this secret. The time does not depend on which client it is.
pub(super) fn client_with<'a>(config: &'a Config, secret: &str) -> Option<&'a Client> {
    config.clients.iter().fold(None, |found, client| if client.secret.is(secret) { Some(client) } else { found })
}
