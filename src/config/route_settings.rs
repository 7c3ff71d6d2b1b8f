//! The common settings of logout routes and guards.

use std::rc::Rc;

use super::issuer::Issuer;
use super::section::Section;
use crate::http::is_host;
use crate::json::quoted;

/// The error message for a setting of another contract.
pub(super) const NOT_OF_CONTRACT: &str = "is not for this contract: remove it";

/// Finds the issuer that a setting names.
pub(super) fn find_issuer(
    section: &mut Section<'_>,
    setting: &str,
    name: &str,
    issuers: &[Option<Rc<Issuer>>],
) -> Option<Rc<Issuer>> {
    let found = issuers.iter().flatten().find(|issuer| issuer.name == name);
    // The issuer is invalid and reported, so do not report its routes.
    if found.is_none() && !issuers.is_empty() && issuers.iter().all(Option::is_some) {
        let names: Vec<_> = issuers.iter().flatten().map(|issuer| issuer.name.as_str()).collect();
        section.refuse_unknown(setting, "issuer", name, &names);
    }
    found.cloned()
}

/// Parses the host of a route.
pub(super) fn host(section: &mut Section<'_>) -> Option<String> {
    let host = section.text("host")?.to_ascii_lowercase();
    if !is_host(&host) {
        section.refuse("host", "must be a host name in ASCII, such as api.example.com, without scheme, port and path");
    }
    Some(host)
}

/// The paths of a route; those of a guard may end with `/*`.
pub(super) fn paths_of(section: &mut Section<'_>, takes_wildcard: bool) -> Option<Vec<String>> {
    let paths = section.texts("paths")?;
    if paths.is_empty() {
        section.refuse("paths", "is empty: write at least one path");
    }
    for path in &paths {
        let fixed = if takes_wildcard { path.strip_suffix('*').filter(|rest| rest.ends_with('/')) } else { None };
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'*' | b'\\');
        let all_plain = fixed.unwrap_or(path).bytes().all(is_plain);
        if !path.starts_with('/') || !all_plain || path.split('/').any(|segment| matches!(segment, "." | "..")) {
            let wildcard = if takes_wildcard { " except for /* at its end" } else { "" };
            let rule = " must begin with / and be percent-encoded, without . and .. segments, \\, ?, # and *";
            section.refuse("paths", [&quoted(path), rule, wildcard].concat());
        }
    }
    Some(paths)
}
