//! The keys of identifier digests.

use std::rc::Rc;

use super::Environment;
use super::secret_text::secret_text;
use super::section::Section;
use crate::revocation::{DigestKey, DigestRules};

/// The minimum length of a secret, in bytes: 24 random bytes in base64.
const SHORTEST_SECRET: usize = 32;
/// The value of `second_secret` for digests without a key.
const NONE: &str = "none";

pub(super) fn read(table: &mut Section<'_>, environment: &impl Environment) -> Rc<DigestRules> {
    let rules = table.section("digests", |section| {
        let key = |section: &mut Section<'_>, setting: &str| {
            let name = section.text(setting)?;
            if name == NONE {
                return Some(DigestKey::None);
            }
            let secret = secret_text(section, setting, &name, environment)?;
            if secret.expose().len() < SHORTEST_SECRET {
                let least = SHORTEST_SECRET.to_string();
                let problem = [" must have ", &least, " characters or more: run `openssl rand -base64 32`"].concat();
                section.refuse(setting, ["the Worker secret ", &name, &problem].concat());
            }
            Some(DigestKey::Secret(Rc::new(secret)))
        };
        let (first, second) = (key(section, "secret"), key(section, "second_secret"));
        DigestRules::new(first.unwrap_or_default(), second)
    });
    Rc::new(rules.unwrap_or_default())
}
