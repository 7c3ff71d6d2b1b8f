//! The secret of a client, in a header of its own: `Authorization` holds the shopper's token.

use crate::config::{Client, Config};
use crate::http::Request;

/// The header of a client's secret.
pub const CLIENT_HEADER: &str = "x-edge-logout-client";

/// The client whose secret a request carries, compared in constant time; `None` for everybody else.
pub(super) fn client_of<'a>(config: &'a Config, request: &impl Request) -> Option<&'a Client> {
    let secret = request.header(CLIENT_HEADER)?;
    config.clients.iter().find(|client| client.secret.is(&secret))
}
