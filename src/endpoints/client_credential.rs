//! A client's secret in a header of its own, where `Authorization` is somebody else's.

use crate::config::{Client, Config};

/// The header.
pub(super) const CLIENT_HEADER: &str = "x-edge-logout-client";

/// The client whose secret that is, in a time that says nothing of which client's it is.
pub(super) fn client_of<'a>(config: &'a Config, sent: Option<&str>) -> Option<&'a Client> {
    let sent = sent?;
    config.clients.iter().fold(None, |found, client| if client.secret.is(sent) { Some(client) } else { found })
}
