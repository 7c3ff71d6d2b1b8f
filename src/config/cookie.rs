//! Cookies that hold an issuer's tokens, as most storefronts keep them.

use super::cors::is_origin;
use super::section::Section;
use crate::json::quoted;

/// Longer than any real name.
const MAX_NAME_BYTES: usize = 128;

/// The cookie that holds an issuer's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieRules {
    /// Its name.
    pub name: String,
    /// The other origins whose pages may send it with a method that changes something.
    pub origins: Vec<String>,
    /// Whether a guard passes it on to the upstream.
    pub passes_on: bool,
}

/// Reads the table `cookie` of an issuer.
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

/// Whether a text is a `token`, as names of cookies are (RFC 6265 section 4.1.1).
fn is_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_token)
}
