//! Guards: which requests need an active token, and where to forward them.

use std::rc::Rc;

use super::freshness::{NEEDS_LEDGER, Storage, freshness};
use super::issuer::{Issuer, Tokens};
use super::route_settings::{find_issuer, host, paths_of};
use super::section::Section;
use super::{Environment, LEDGER, RATE_LIMITER, REVOCATIONS, TABLE_NAME};
use crate::http::{Url, is_override, is_reserved, is_unambiguous_path, is_unchanged_by_url_parser};
use crate::json::quoted;
use crate::revocation::Freshness;

/// A guard: paths of an API and the rules for calling them.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Guard {
    /// The host; `None` for every host.
    pub host: Option<String>,
    /// The paths. A path that ends with `/*` covers everything below it.
    pub paths: Vec<String>,
    /// The accepted issuers.
    pub issuers: Vec<Rc<Issuer>>,
    /// The freshness of checks; `None` for the freshness of the token's issuer.
    pub freshness: Option<Freshness>,
    /// The upstream; `None` if the guard only applies to `/check`.
    pub upstream: Option<Upstream>,
    /// Methods for which checks are always `strong`.
    pub strong_for: Vec<String>,
    /// Whether to accept a verified token whose revocation status is unknown.
    pub fail_open: bool,
    /// Whether to forward CORS preflights, which have no token.
    pub passes_preflights: bool,
    /// Whether to forward ambiguous paths, which servers may read differently.
    pub passes_ambiguous_paths: bool,
    /// Whether each path also covers all paths that a server could serve as it: descendants, a trailing slash, other
    /// letter case, extensions.
    pub subtree: bool,
    /// Headers to forward although they can override method, host or path, in lower case.
    pub passed_headers: Rc<[String]>,
}

impl Guard {
    /// Whether checks for a method are always `strong`. Ignores letter case, as some servers do.
    #[must_use]
    pub fn is_strong_for(&self, method: &str) -> bool {
        self.strong_for.iter().any(|strong| strong.eq_ignore_ascii_case(method))
    }

    /// Whether this guard rejects every request that another one rejects.
    #[must_use]
    pub fn is_as_strict_as(&self, other: &Self) -> bool {
        let takes = |issuer: &Rc<Issuer>| other.issuers.iter().any(|own| Rc::ptr_eq(own, issuer));
        self.issuers.iter().all(takes)
            && is_as_fresh(self.freshness, other.freshness)
            && other.strong_for.iter().all(|method| self.is_strong_for(method))
            && (!self.fail_open || other.fail_open)
            && (!self.passes_ambiguous_paths || other.passes_ambiguous_paths)
            && (!self.passes_preflights || other.passes_preflights)
    }

    /// The freshness of a check for a method; `None` for the freshness of the token's issuer.
    #[must_use]
    pub fn freshness_for(&self, method: &str) -> Option<Freshness> {
        if self.is_strong_for(method) { Some(Freshness::Strong) } else { self.freshness }
    }
}

/// The upstream of a guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// Another Worker, by service binding.
    Service(String),
    /// A server, by its base URL without a trailing slash.
    Url(String),
}

pub(super) fn read(
    section: &mut Section<'_>,
    issuers: &[Option<Rc<Issuer>>],
    storage: Storage,
    environment: &impl Environment,
) -> Guard {
    section.refuse_each(&["contract"], "is for logouts: a guard has none");
    section.require("issuers", "write the `name` of each issuer whose tokens are good");
    let names = section.texts("issuers");
    if names.as_ref().is_some_and(Vec::is_empty) {
        section.refuse("issuers", "is empty, so that no token would be good: write the `name` of an issuer");
    }
    let names = names.unwrap_or_default();
    let good: Vec<_> = names.iter().filter_map(|name| find_issuer(section, "issuers", name, issuers)).collect();
    if good.iter().any(|issuer| matches!(issuer.tokens, Tokens::Opaque)) {
        section.refuse("issuers", "must be issuers of kind \"jwt\": any text at all would pass as an opaque token");
    }
    section.require("paths", "write those to guard, such as [\"/api/*\"]");
    for setting in ["fail_open", "pass_preflights", "pass_ambiguous_paths", "pass_headers"] {
        if section.has(setting) && !section.has("upstream") {
            section.refuse(setting, "is for guards with an `upstream`: this one only answers `/check`");
        }
    }
    let upstream = section.section("upstream", |section| upstream(section, environment)).flatten();
    let (freshness, fail_open) = (freshness(section, storage), section.flag("fail_open"));
    if fail_open && freshness == Some(Freshness::Strong) {
        section.refuse("fail_open", "cannot be combined with freshness = \"strong\", which never answers on doubt");
    }
    Guard {
        host: host(section),
        paths: paths_of(section, true).unwrap_or_default(),
        issuers: good,
        freshness,
        strong_for: strong_for(section, storage),
        upstream,
        fail_open,
        passes_preflights: section.flag("pass_preflights"),
        passes_ambiguous_paths: section.flag("pass_ambiguous_paths"),
        subtree: section.flag("subtree"),
        passed_headers: passed_headers(section),
    }
}

/// Whether a freshness is at least as strong as another. `None` is that of the issuer, which is unknown here.
fn is_as_fresh(one: Option<Freshness>, other: Option<Freshness>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.is_at_least(other),
        _ => one == other,
    }
}

fn passed_headers(section: &mut Section<'_>) -> Rc<[String]> {
    let names = section.texts("pass_headers").unwrap_or_default();
    let names: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    for name in names.iter().filter(|name| !is_override(name)) {
        let problem = if is_reserved(name) { " is never passed on" } else { " is passed on without it" };
        section.refuse("pass_headers", [&quoted(name), problem].concat());
    }
    names.into()
}

fn strong_for(section: &mut Section<'_>, storage: Storage) -> Vec<String> {
    let methods = section.texts("strong_for").unwrap_or_default();
    if methods.iter().any(|method| !method.bytes().all(|byte| byte.is_ascii_uppercase())) {
        section.refuse("strong_for", "must be methods in upper case, such as [\"POST\", \"DELETE\"]");
    }
    if !methods.is_empty() && storage.ledger.is_none() {
        section.refuse("strong_for", NEEDS_LEDGER);
    }
    methods
}

fn upstream(section: &mut Section<'_>, environment: &impl Environment) -> Option<Upstream> {
    section.require_any(&["service", "url"], "write the name of a service binding here, or a URL in `url`");
    match (section.text("service"), section.text("url")) {
        (Some(service), None) => {
            if [REVOCATIONS, LEDGER, RATE_LIMITER, TABLE_NAME].contains(&service.as_str())
                || !service.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                section.refuse("service", "must be the name of a service binding of your own: letters, digits and _");
            }
            Some(Upstream::Service(service))
        }
        (None, Some(url)) => {
            if !is_base_url(&url, environment.is_development()) {
                section
                    .refuse("url", "must be https://host[:port][/path], without a query and without . and .. segments");
            }
            Some(Upstream::Url(url.trim_end_matches('/').to_owned()))
        }
        (Some(_), Some(_)) => {
            section.refuse("", "must have `service` or `url`, not both");
            None
        }
        (None, None) => None,
    }
}

/// Whether a text is a valid base URL: HTTPS, or HTTP in development, and a path to which others can be appended.
fn is_base_url(url: &str, in_development: bool) -> bool {
    Url::read(url).is_some_and(|read| {
        let path = read.target.path;
        (read.is_secure || in_development)
            && !url.contains('?')
            && is_unambiguous_path(path)
            && is_unchanged_by_url_parser(path)
    })
}
