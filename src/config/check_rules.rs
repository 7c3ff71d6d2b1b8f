//! The rules for callers of `/check`.

use super::section::Section;

/// The settings of the table `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRules {
    /// Whether anonymous callers may request a stronger freshness or a shorter bound than configured.
    pub stronger_by_query: bool,
    /// Whether one runtime response without a body may serve several requests.
    pub share_responses: bool,
    /// The header with the client address that a trusted caller sends, in lower case.
    pub client_address_header: Option<String>,
}

impl Default for CheckRules {
    fn default() -> Self {
        Self { stronger_by_query: false, share_responses: true, client_address_header: None }
    }
}

pub(super) fn read(table: &mut Section<'_>) -> CheckRules {
    let read = |section: &mut Section<'_>| {
        let header = section.text("client_address_header");
        let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if header.as_ref().is_some_and(|name| !is_name(name)) {
            section.refuse("client_address_header", "must be the name of a header: letters, digits and -");
        }
        CheckRules {
            stronger_by_query: section.flag("stronger_by_query"),
            share_responses: section.flag_or("share_responses", true),
            client_address_header: header.map(|name| name.to_ascii_lowercase()),
        }
    };
    table.section("check", read).unwrap_or_default()
}
