//! The CORS rules of a route (Fetch Standard, CORS protocol).

use super::section::Section;
use crate::http::Url;
use crate::json::quoted;

/// The default of `Access-Control-Max-Age`.
const DEFAULT_MAX_AGE_SECONDS: u32 = 600;

/// The CORS rules of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// The allowed origins.
    pub origins: Origins,
    /// Whether browsers may send credentials such as cookies.
    pub allow_credentials: bool,
    /// How long browsers may cache the response to a preflight, in seconds.
    pub max_age_seconds: u32,
}

/// Allowed origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin: `*`.
    Any,
    /// Only these origins.
    Listed(Vec<String>),
}

pub(super) fn read(section: &mut Section<'_>) -> Cors {
    const SETTING: &str = "allowed_origins";
    section
        .require(SETTING, "write the origins of the pages that may call, such as [\"https://shop.example\"], or \"*\"");
    let allowed = section.texts(SETTING);
    if allowed.as_ref().is_some_and(Vec::is_empty) {
        section.refuse(SETTING, "is empty: leave out `cors` when no page of another origin may call");
    }
    let allowed = allowed.unwrap_or_default();
    let allow_credentials = section.flag("allow_credentials");
    let any = allowed.iter().any(|origin| origin == "*");
    if any && (allowed.len() > 1 || allow_credentials) {
        section.refuse(SETTING, "\"*\" cannot be combined with other origins or with allow_credentials");
    }
    for origin in allowed.iter().filter(|origin| *origin != "*" && !is_origin(origin)) {
        section.refuse(
            SETTING,
            [
                &quoted(origin),
                " is not an origin such as https://shop.example: scheme and host, without path and final /",
            ]
            .concat(),
        );
    }
    Cors {
        origins: if any { Origins::Any } else { Origins::Listed(allowed) },
        allow_credentials,
        max_age_seconds: section.number("max_age_seconds").unwrap_or(DEFAULT_MAX_AGE_SECONDS),
    }
}

/// Whether a text is an ASCII-serialized origin (RFC 6454 section 6.2) of a web page.
pub(super) fn is_origin(text: &str) -> bool {
    let Some(url) = Url::read(text) else { return false };
    // Browsers omit default ports and paths, and write hosts in lower case.
    let default_port = if url.is_secure { 443 } else { 80 };
    let has_path = text.bytes().filter(|byte| *byte == b'/').count() > 2 || text.contains('?');
    !has_path && url.authority.port != Some(default_port) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}
