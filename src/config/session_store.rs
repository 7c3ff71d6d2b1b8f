//! A vendor's session store in Redis, from which a logout deletes the session.

use super::Environment;
use super::route_settings::NOT_OF_CONTRACT;
use super::secret_text::secret_text;
use super::section::Section;
use crate::contracts::Contract;
use crate::http::Authority;
use crate::token::Secret;

/// A vendor's session store.
#[derive(Clone, Debug)]
pub struct SessionStoreRules {
    /// The URL, `redis://` or `rediss://`. A secret, because it may contain a password.
    pub url: Secret,
    /// The prefix of keys, before the session token.
    pub key_prefix: String,
}

/// Parses `session_store`, for contracts whose requests name a session.
pub(super) fn read(
    section: &mut Section<'_>,
    contract: &dyn Contract,
    environment: &impl Environment,
) -> Option<SessionStoreRules> {
    const URL: &str = "url_secret";
    if !contract.ends_session_of_body() {
        section.refuse_each(&["session_store"], NOT_OF_CONTRACT);
        return None;
    }
    let read = |section: &mut Section<'_>| {
        // Without a prefix, a session token could be any key of the store.
        section.require("key_prefix", "write what stands before the session token in the store's keys");
        let key_prefix = section.text("key_prefix");
        section.require(URL, "write the name of the Worker secret that holds the store's URL");
        let name = section.text(URL)?;
        let url = secret_text(section, URL, &name, environment)?;
        if !is_redis_url(url.expose()) {
            let no_url = " is not redis[s]://[user:password@]host[:port][/number]";
            section.refuse(URL, ["the Worker secret ", &name, no_url].concat());
        }
        Some(SessionStoreRules { url, key_prefix: key_prefix? })
    };
    section.section("session_store", read).flatten()
}

/// Whether a text is a URL of a Redis server with an optional database number.
fn is_redis_url(text: &str) -> bool {
    let Some(rest) = ["redis://", "rediss://"].iter().find_map(|scheme| text.strip_prefix(scheme)) else {
        return false;
    };
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let server = authority.rsplit_once('@').map_or(authority, |(_user, server)| server);
    // A query could select another database, which is not supported.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#'));
    is_plain && Authority::read(server).is_some() && database.bytes().all(|byte| byte.is_ascii_digit())
}
