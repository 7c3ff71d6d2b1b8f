//! Worker secrets that are named in settings.

use super::section::Section;
use super::{Environment, Lookup};
use crate::token::Secret;

/// Reads the Worker secret that a setting names.
pub(super) fn secret_text(
    section: &mut Section<'_>,
    setting: &str,
    name: &str,
    environment: &impl Environment,
) -> Option<Secret> {
    // Do not show the value: it may be the secret itself, by mistake.
    if !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_') {
        section
            .refuse(setting, "must be the name of a Worker secret, never its text: upper-case letters, digits and _");
        return None;
    }
    match environment.secret(name) {
        Lookup::Known(secret) => Some(secret),
        Lookup::Unknown => None,
        Lookup::Missing => {
            section.refuse(
                setting,
                format!("the Worker secret {name} is not set: run `npx wrangler secret put {name}`; for `npm start` write it in .dev.vars"),
            );
            None
        }
    }
}
