//! The one route table: method, host and path, and what answers. It also gives 404, 405 with `Allow`, CORS, the
//! OpenAPI description and the tests.

mod subtree;

use std::cmp::Ordering;

use crate::http::{is_clear_path, lenient_path};
use crate::json::quoted;

use subtree::is_within;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A contract's logout: the place of its route in the configuration and of its path among the route's.
    Logout {
        /// The route.
        route: usize,
        /// The path of it that matched.
        path: usize,
    },
    /// A guarded API: the same of its guard.
    Guard {
        /// The route.
        route: usize,
        /// The path of it that matched.
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
            // Any: what is asked about, or passed on, is another's.
            Self::Check | Self::Guard { .. } => "*",
            Self::Health | Self::Ready | Self::OpenApi => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether the method is answered (apart from `OPTIONS`, which always is).
    #[must_use]
    pub fn takes(self, method: &str) -> bool {
        match self {
            Self::Logout { .. } | Self::BatchCheck => method == "POST",
            Self::Check | Self::Guard { .. } => true,
            Self::Health | Self::Ready | Self::OpenApi => matches!(method, "GET" | "HEAD"),
        }
    }
}

/// Where the service says how it is.
pub const HEALTH: &str = "/healthz";
/// Where the service says whether its dependencies answer.
pub const READY: &str = "/readyz";
/// Where the service describes its endpoints.
pub const OPENAPI: &str = "/openapi.json";
/// Where a check is asked for. What follows it is the path of the original request, as Envoy appends it.
pub const CHECK: &str = "/check";
/// Where many verdicts are asked for at once.
pub const BATCH_CHECK: &str = "/batch-check";

/// The endpoints that are the service's own, with their paths.
pub const OWN: [(&str, Endpoint); 5] = [
    (HEALTH, Endpoint::Health),
    (READY, Endpoint::Ready),
    (OPENAPI, Endpoint::OpenApi),
    (CHECK, Endpoint::Check),
    (BATCH_CHECK, Endpoint::BatchCheck),
];
/// What is below `/check`.
const BELOW_CHECK: &str = "/check/*";

/// What is routed by the configuration: where it answers, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Routed<'a> {
    /// Its place in the configuration.
    pub route: usize,
    /// The host that it answers on; every host when there is none.
    pub host: Option<&'a str>,
    /// Its paths.
    pub paths: &'a [String],
    /// What it is.
    pub kind: Kind,
}

/// What a configured route is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A contract's logout.
    Logout,
    /// A guard.
    Guard {
        /// Whether each path also covers what a server could serve as it.
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

/// The table. What a host has goes before what every host has, the service's own endpoints included: so an API that is
/// guarded as a whole keeps its `/healthz`.
///
/// A list that is gone through for every request: of a few dozen short texts, which takes less time than a tree would.
#[derive(Debug)]
pub struct RouteTable {
    /// Those of hosts before those of every host, and the more specific ones first.
    entries: Vec<Entry>,
    /// Whether any of them stands for a subtree.
    has_subtrees: bool,
}

/// One line of the table.
#[derive(Debug)]
struct Entry {
    /// The host as it is compared; every host when there is none.
    host: Option<String>,
    /// `{name}` is any one segment, `*` at the end is whatever follows, one character or more.
    pattern: String,
    /// How long the part of it is that stands for nothing but itself.
    fixed: usize,
    /// Whether it also covers what a server could serve as it: descendants, other letter case, extensions.
    is_subtree: bool,
    endpoint: Endpoint,
}

impl RouteTable {
    /// The table of what is routed, and the routes whose paths cannot stand beside the others, by their place, and why.
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

    /// The guard of a path of a host, whatever else answers there: the places of its route and of its path.
    #[must_use]
    pub fn guard(&self, host: &str, path: &str) -> Option<(usize, usize)> {
        self.guard_read_by(host, path, self.lenient(path).as_deref())
    }

    /// The same of the path as it is written, however servers may read it.
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

    /// What answers a path of a host.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<Endpoint> {
        let lenient = self.lenient(path);
        self.entries.iter().find(|entry| entry.is_for(host, path, lenient.as_deref())).map(|entry| entry.endpoint)
    }

    /// A path as the most lenient server reads it, where that is another one and a subtree could hold it.
    fn lenient(&self, path: &str) -> Option<String> {
        (self.has_subtrees && !is_clear_path(path)).then(|| lenient_path(path))
    }

    /// The line that stands for the same requests as another would.
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

    /// Adds a path, unless it cannot stand beside the others.
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

    /// `/api/*` is good for `/api` as well, where that has no guard of its own. Whatever else answers there stands before
    /// it.
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

    /// Adds the subtrees of guards with `subtree`. Returns those that two guards claim: the route and the problem.
    fn add_subtrees(&mut self, routed: &[Routed<'_>]) -> Vec<(usize, String)> {
        let mut conflicts = Vec::new();
        for guard in routed.iter().filter(|one| one.kind == Kind::Guard { subtree: true }) {
            for (variant, path) in guard.paths.iter().enumerate() {
                let root = path.strip_suffix('*').unwrap_or(path).trim_end_matches('/');
                let entry = Entry::subtree(guard.host(), root.to_owned(), guard.endpoint(variant));
                match self.like(&entry) {
                    // `/admin` and `/admin/*` of one guard have the same subtree.
                    Some(other) if matches!(other.endpoint, Endpoint::Guard { route, .. } if route == guard.route) => {}
                    Some(other) => {
                        let problem = ["its subtree is that of ", &quoted(&other.pattern), " as well"].concat();
                        conflicts.push((guard.route, [&quoted(path), " cannot be routed: ", &problem].concat()));
                    }
                    // A subtree of `/` is the whole host, as `/*` is.
                    None if root.is_empty() => {}
                    None => self.insert(entry),
                }
            }
        }
        conflicts
    }

    /// Adds a line before those that are less specific.
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

    /// Whether it stands for a path of a host; `lenient` is what a lenient server reads instead of the path.
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

    /// How specific it is. A subtree comes after every pattern below it, and before every wildcard above it.
    fn kinds(&self) -> impl Iterator<Item = u8> {
        kinds(&self.pattern).chain(self.is_subtree.then_some(SUBTREE))
    }
}

/// The kind of what follows the last segment of a subtree, among those of [`kinds`].
const SUBTREE: u8 = 3;

/// A host as it is compared, in whatever case: `api.example.` is `api.example`.
fn canonical(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Whether a pattern stands for a path.
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

/// Whether a segment of a pattern is `{name}`, which stands for any one segment.
pub(crate) fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}') && !segment.contains('/')
}

/// How specific a pattern is, segment by segment: what is less is more specific. Of two patterns for one path the first
/// segments that differ in this decide.
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

/// Whether braces enclose nothing but the names of whole segments.
fn is_well_formed(pattern: &str) -> bool {
    pattern.split('/').all(|segment| {
        let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        !name.unwrap_or(segment).contains(['{', '}']) && name.is_none_or(|name| !name.is_empty())
    })
}

/// The patterns for a path: `/api/*` is `/api/` and everything below it.
fn patterns(path: &str) -> Vec<String> {
    let itself = path.strip_suffix('*').map(str::to_owned);
    itself.into_iter().chain([path.to_owned()]).collect()
}

#[cfg(test)]
mod tests;
