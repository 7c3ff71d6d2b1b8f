//! The route table: maps method, host and path to an endpoint. 404, 405 with `Allow`, CORS and the OpenAPI document are
//! derived from it.

mod subtree;

use std::cmp::Ordering;

use crate::http::{is_unambiguous_path, lenient_path};
use crate::json::quoted;

use subtree::is_within;

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A contract's logout.
    Logout {
        /// The index of the route in the configuration.
        route: usize,
        /// The index of the matching path in the route.
        path: usize,
    },
    /// A guarded API.
    Guard {
        /// The index of the route in the configuration.
        route: usize,
        /// The index of the matching path in the route.
        path: usize,
    },
    /// `/check`, and everything below it.
    Check,
    /// `/batch-check`.
    BatchCheck,
    /// `/healthz`.
    Health,
    /// `/readyz`.
    Ready,
    /// `/openapi.json`.
    OpenApi,
}

impl Endpoint {
    /// The value of `Allow`.
    #[must_use]
    pub const fn methods(self) -> &'static str {
        match self {
            Self::Logout { .. } | Self::BatchCheck => "POST, OPTIONS",
            // Any method: the original request or the upstream decides.
            Self::Check | Self::Guard { .. } => "*",
            Self::Health | Self::Ready | Self::OpenApi => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether a method is allowed. `OPTIONS` always is.
    #[must_use]
    pub fn takes(self, method: &str) -> bool {
        match self {
            Self::Logout { .. } | Self::BatchCheck => method == "POST",
            Self::Check | Self::Guard { .. } => true,
            Self::Health | Self::Ready | Self::OpenApi => matches!(method, "GET" | "HEAD"),
        }
    }
}

/// The path of the health endpoint.
pub const HEALTH: &str = "/healthz";
/// The path of the readiness endpoint.
pub const READY: &str = "/readyz";
/// The path of the OpenAPI document.
pub const OPENAPI: &str = "/openapi.json";
/// The path of the check endpoint. Envoy appends the path of the original request.
pub const CHECK: &str = "/check";
/// The path of the batch endpoint.
pub const BATCH_CHECK: &str = "/batch-check";

/// The service's own endpoints.
pub const OWN: [(&str, Endpoint); 5] = [
    (HEALTH, Endpoint::Health),
    (READY, Endpoint::Ready),
    (OPENAPI, Endpoint::OpenApi),
    (CHECK, Endpoint::Check),
    (BATCH_CHECK, Endpoint::BatchCheck),
];
/// The pattern below `/check`.
const BELOW_CHECK: &str = "/check/*";

/// A configured route.
#[derive(Clone, Copy, Debug)]
pub struct Routed<'a> {
    /// The index in the configuration.
    pub route: usize,
    /// The host; `None` for every host.
    pub host: Option<&'a str>,
    /// The paths.
    pub paths: &'a [String],
    /// The kind of the route.
    pub kind: Kind,
}

/// The kind of a configured route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A contract's logout.
    Logout,
    /// A guard.
    Guard {
        /// Whether each path also covers all paths that a server could serve as it.
        subtree: bool,
    },
}

impl Routed<'_> {
    fn endpoint(&self, path: usize) -> Endpoint {
        match self.kind {
            Kind::Logout => Endpoint::Logout { route: self.route, path },
            Kind::Guard { .. } => Endpoint::Guard { route: self.route, path },
        }
    }

    fn host(&self) -> Option<String> {
        self.host.map(|host| canonical(host).to_ascii_lowercase())
    }
}

/// The route table. Routes of a host precede those of every host, including the service's own endpoints. So a fully
/// guarded API keeps its own `/healthz`.
///
/// A linear search, which is fast for a few dozen short patterns.
#[derive(Debug)]
pub struct RouteTable {
    /// Entries with a host first, then by specificity.
    entries: Vec<Entry>,
    /// Whether any entry covers a subtree.
    has_subtrees: bool,
}

/// One entry of the table.
#[derive(Debug)]
struct Entry {
    /// The normalized host; `None` for every host.
    host: Option<String>,
    /// The pattern: `{name}` matches one segment, a final `*` matches one or more characters.
    pattern: String,
    /// The length of the literal prefix of the pattern.
    fixed: usize,
    /// Whether the pattern also covers descendants, other letter case and extensions.
    is_subtree: bool,
    endpoint: Endpoint,
}

impl RouteTable {
    /// Creates the table. Also returns the conflicting routes with the reasons.
    #[must_use]
    pub fn fill(routed: &[Routed<'_>]) -> (Self, Vec<(usize, String)>) {
        let mut table = Self { entries: Vec::new(), has_subtrees: false };
        for (path, endpoint) in OWN.into_iter().chain([(BELOW_CHECK, Endpoint::Check)]) {
            for pattern in patterns(path) {
                table.insert(Entry::new(None, pattern, endpoint));
            }
        }
        let mut conflicts = Vec::new();
        for one in routed {
            for (variant, path) in one.paths.iter().enumerate() {
                if let Err(problem) = table.add(one, path, one.endpoint(variant)) {
                    conflicts.push((one.route, [&quoted(path), " cannot be routed: ", &problem].concat()));
                }
            }
        }
        table.add_parents(routed);
        conflicts.extend(table.add_subtrees(routed));
        (table, conflicts)
    }

    /// The guard for a host and path, even if another endpoint has precedence: the indices of its route and path.
    #[must_use]
    pub fn guard(&self, host: &str, path: &str) -> Option<(usize, usize)> {
        self.guard_read_by(host, path, self.lenient(path).as_deref())
    }

    /// As above, for the literal path only.
    #[must_use]
    pub fn guard_as_written(&self, host: &str, path: &str) -> Option<(usize, usize)> {
        self.guard_read_by(host, path, None)
    }

    fn guard_read_by(&self, host: &str, path: &str, lenient: Option<&str>) -> Option<(usize, usize)> {
        let is_for = |entry: &&Entry| entry.is_guard() && entry.is_for(host, path, lenient);
        match self.entries.iter().find(is_for)?.endpoint {
            Endpoint::Guard { route, path } => Some((route, path)),
            _ => None,
        }
    }

    /// The endpoint for a host and path.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<Endpoint> {
        let lenient = self.lenient(path);
        self.entries.iter().find(|entry| entry.is_for(host, path, lenient.as_deref())).map(|entry| entry.endpoint)
    }

    /// The path as the most lenient server reads it, if it differs and subtrees are configured.
    fn lenient(&self, path: &str) -> Option<String> {
        (self.has_subtrees && !is_unambiguous_path(path)).then(|| lenient_path(path))
    }

    /// The entry that matches the same requests as another one would.
    fn like(&self, entry: &Entry) -> Option<&Entry> {
        let is_alike = |own: &&Entry| {
            own.host == entry.host
                && own.is_subtree == entry.is_subtree
                && if own.is_subtree {
                    own.pattern.eq_ignore_ascii_case(&entry.pattern)
                } else {
                    stand_for_the_same(&own.pattern, &entry.pattern)
                }
        };
        self.entries.iter().find(is_alike)
    }

    /// Adds a path, unless it conflicts with another entry.
    fn add(&mut self, routed: &Routed<'_>, path: &str, endpoint: Endpoint) -> Result<(), String> {
        if !is_well_formed(path) {
            return Err("{ and } enclose the name of a whole segment".to_owned());
        }
        for pattern in patterns(path) {
            let entry = Entry::new(routed.host(), pattern, endpoint);
            if let Some(other) = self.like(&entry) {
                return Err(
                    [&quoted(&other.pattern), " of another route or of the service matches the same requests"].concat()
                );
            }
            self.insert(entry);
        }
        Ok(())
    }

    /// Lets `/api/*` match `/api` too, if that has no guard of its own. Other endpoints for `/api` have precedence.
    fn add_parents(&mut self, routed: &[Routed<'_>]) {
        for guard in routed.iter().filter(|one| one.kind != Kind::Logout) {
            for (variant, path) in guard.paths.iter().enumerate() {
                let Some(parent) = path.strip_suffix("/*").filter(|parent| !parent.is_empty()) else { continue };
                let entry = Entry::new(guard.host(), parent.to_owned(), guard.endpoint(variant));
                if self.like(&entry).is_none_or(|other| !other.is_guard()) {
                    self.insert(entry);
                }
            }
        }
    }

    /// Adds the subtrees of guards with `subtree`. Returns conflicts: the route and the problem.
    fn add_subtrees(&mut self, routed: &[Routed<'_>]) -> Vec<(usize, String)> {
        let mut conflicts = Vec::new();
        for guard in routed.iter().filter(|one| one.kind == Kind::Guard { subtree: true }) {
            for (variant, path) in guard.paths.iter().enumerate() {
                let root = path.strip_suffix('*').unwrap_or(path).trim_end_matches('/');
                let entry = Entry::subtree(guard.host(), root.to_owned(), guard.endpoint(variant));
                match self.like(&entry) {
                    // `/admin` and `/admin/*` of a guard have the same subtree.
                    Some(other) if matches!(other.endpoint, Endpoint::Guard { route, .. } if route == guard.route) => {}
                    Some(other) => {
                        let problem = ["its subtree is that of ", &quoted(&other.pattern), " as well"].concat();
                        conflicts.push((guard.route, [&quoted(path), " cannot be routed: ", &problem].concat()));
                    }
                    // The subtree of `/` is the whole host, like `/*`.
                    None if root.is_empty() => {}
                    None => self.insert(entry),
                }
            }
        }
        conflicts
    }

    /// Inserts an entry before less specific ones.
    fn insert(&mut self, entry: Entry) {
        self.has_subtrees |= entry.is_subtree;
        let place = self.entries.iter().position(|own| own.precedence(&entry) == Ordering::Greater);
        self.entries.insert(place.unwrap_or(self.entries.len()), entry);
    }
}

impl Entry {
    fn new(host: Option<String>, pattern: String, endpoint: Endpoint) -> Self {
        let fixed = pattern.find(['{', '*']).unwrap_or(pattern.len());
        Self { host, pattern, fixed, is_subtree: false, endpoint }
    }

    fn subtree(host: Option<String>, pattern: String, endpoint: Endpoint) -> Self {
        Self { fixed: 0, is_subtree: true, ..Self::new(host, pattern, endpoint) }
    }

    fn is_guard(&self) -> bool {
        matches!(self.endpoint, Endpoint::Guard { .. })
    }

    /// Whether the entry matches a host and path. `lenient` is the path as the most lenient server reads it.
    fn is_for(&self, host: &str, path: &str, lenient: Option<&str>) -> bool {
        let (fixed, variable) = self.pattern.split_at_checked(self.fixed).unwrap_or_default();
        let is_path = if self.is_subtree {
            is_within(&self.pattern, path) || lenient.is_some_and(|path| is_within(&self.pattern, path))
        } else {
            path.strip_prefix(fixed).is_some_and(|rest| matches(variable, rest))
        };
        is_path && self.host.as_deref().is_none_or(|own| own.eq_ignore_ascii_case(canonical(host)))
    }

    fn precedence(&self, other: &Self) -> Ordering {
        let by_host = self.host.is_none().cmp(&other.host.is_none());
        by_host.then_with(|| self.kinds().cmp(other.kinds()))
    }

    /// The sort key by specificity. A subtree comes after every pattern below it, and before every wildcard above it.
    fn kinds(&self) -> impl Iterator<Item = u8> {
        kinds(&self.pattern).chain(self.is_subtree.then_some(SUBTREE))
    }
}

/// The kind, as in [`kinds`], for the rest of a subtree.
const SUBTREE: u8 = 3;

/// Normalizes a host: lower case, without a final dot.
fn canonical(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether a pattern matches a path.
fn matches(mut pattern: &str, mut path: &str) -> bool {
    loop {
        if pattern == path {
            return true;
        }
        if pattern == "*" {
            return !path.is_empty();
        }
        let (Some((wanted, later)), Some((segment, rest))) = (pattern.split_once('/'), path.split_once('/')) else {
            return is_parameter(pattern) && !path.is_empty() && !path.contains('/');
        };
        if wanted != segment && (!is_parameter(wanted) || segment.is_empty()) {
            return false;
        }
        (pattern, path) = (later, rest);
    }
}

/// Whether a segment of a pattern is a parameter: `{name}`.
pub(crate) fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}') && !segment.contains('/')
}

/// The specificity of each segment of a pattern; lower is more specific. The first difference decides.
fn kinds(pattern: &str) -> impl Iterator<Item = u8> {
    pattern.split('/').map(|segment| match segment {
        "*" => 2,
        _ if is_parameter(segment) => 1,
        _ => 0,
    })
}

fn stand_for_the_same(one: &str, other: &str) -> bool {
    kinds(one).eq(kinds(other))
        && one.split('/').zip(other.split('/')).all(|(one, other)| one == other || is_parameter(one))
}

/// Whether braces are only used for parameters that are whole segments.
fn is_well_formed(pattern: &str) -> bool {
    pattern.split('/').all(|segment| {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        !name.unwrap_or(segment).contains(['{', '}']) && name.is_none_or(|name| !name.is_empty())
    })
}

/// The patterns of a configured path: `/api/*` becomes `/api/` and `/api/*`.
fn patterns(path: &str) -> Vec<String> {
    let itself = path.strip_suffix('*').map(str::to_owned);
    itself.into_iter().chain([path.to_owned()]).collect()
}

#[cfg(test)]
mod tests;
