//! Cookies with an issuer's tokens.

use super::cors::is_origin;
use super::section::Section;
use crate::json::quoted;

/// The maximum length of a name.
const MAX_NAME_BYTES: usize = 128;

/// The cookie with an issuer's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieRules {
    /// The name.
    pub name: String,
    /// Additional origins that may send it with unsafe methods.
    pub origins: Vec<String>,
    /// Whether guards forward it to the upstream.
    pub passes_on: bool,
}

/// Parses the table `cookie` of an issuer.
pub(super) fn read(section: &mut Section<'_>) -> Option<CookieRules> {
    let name = section.required_text("name");
    if name.as_deref().is_some_and(|name| !is_name(name)) {
        section.refuse("name", "must be the name of a cookie: letters, digits and !#$%&'*+-.^_`|~");
    }
    let origins = section.texts("origins").unwrap_or_default();
    for origin in origins.iter().filter(|origin| !is_origin(origin)) {
        section.refuse("origins", [&quoted(origin), " is no origin such as https://shop.example"].concat());
    }
    let passes_on = section.flag("pass_on");
    Some(CookieRules { name: name?, origins, passes_on })
}

/// Whether a text is a valid cookie name (RFC 6265 section 4.1.1).
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_token)
}
