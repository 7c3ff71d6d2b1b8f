//! The one route table: method, host and path, and what answers. It also gives 404, 405 with `Allow`, CORS, the
//! OpenAPI description and the tests.

use std::collections::HashMap;

use matchit::Router;

use crate::config::{AnyRoute, Config, Guard};

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A contract's logout: the place of its route in [`Config::routes`] and of its path among the route's.
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
            Self::Health | Self::OpenApi => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether the method is answered (apart from `OPTIONS`, which always is).
    #[must_use]
    pub fn takes(self, method: &str) -> bool {
        match self {
            Self::Logout { .. } | Self::BatchCheck => method == "POST",
            Self::Check | Self::Guard { .. } => true,
            Self::Health | Self::OpenApi => matches!(method, "GET" | "HEAD"),
        }
    }
}

/// Where the service says how it is.
pub const HEALTH: &str = "/healthz";
/// Where the service describes its endpoints.
pub const OPENAPI: &str = "/openapi.json";
/// Where a check is asked for. What follows it is the path of the original request, as Envoy appends it.
pub const CHECK: &str = "/check";
/// Where many verdicts are asked for at once.
pub const BATCH_CHECK: &str = "/batch-check";

/// The endpoints that are the service's own, with their paths.
pub const OWN: [(&str, Endpoint); 4] = [
    (HEALTH, Endpoint::Health),
    (OPENAPI, Endpoint::OpenApi),
    (CHECK, Endpoint::Check),
    (BATCH_CHECK, Endpoint::BatchCheck),
];
/// What is below `/check`.
const BELOW_CHECK: [&str; 2] = ["/check/", "/check/{*original}"];

fn with_own() -> Router<Endpoint> {
    let mut router = Router::new();
    let below = BELOW_CHECK.map(|path| (path, Endpoint::Check));
    for (path, endpoint) in OWN.into_iter().chain(below) {
        // The router is empty: these cannot conflict.
        let _ = router.insert(path, endpoint);
    }
    router
}

/// The table. What a host has goes before what every host has, the service's own endpoints included: so an API that is
/// guarded as a whole keeps its `/healthz`.
#[derive(Debug)]
pub struct Routes {
    all: ByHost,
    /// The guards alone: what else answers under a guarded path must not hide its rule from `/check`.
    guards: ByHost,
}

#[derive(Debug)]
struct ByHost {
    any_host: Router<Endpoint>,
    by_host: HashMap<String, Router<Endpoint>>,
}

impl Routes {
    /// The table of a configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let routes: Vec<_> = config.routes.iter().enumerate().collect();
        // The configuration has refused conflicts already.
        build(&routes).0
    }

    /// The guard of a path of a host, whatever else answers there.
    #[must_use]
    pub fn guard<'a>(&self, config: &'a Config, host: &str, path: &str) -> Option<&'a Guard> {
        match self.guards.find(host, path)? {
            Endpoint::Guard { route, .. } => config.guard(route),
            _ => None,
        }
    }

    /// What answers a path of a host.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<Endpoint> {
        self.all.find(host, path)
    }
}

impl ByHost {
    fn find(&self, host: &str, path: &str) -> Option<Endpoint> {
        let of_host = if self.by_host.is_empty() { None } else { self.by_host.get(&canonical_host(host)) };
        of_host
            .and_then(|router| router.at(path).ok())
            .or_else(|| self.any_host.at(path).ok())
            .map(|found| *found.value)
    }

    fn of(&mut self, host: Option<&str>) -> &mut Router<Endpoint> {
        match host {
            Some(host) => self.by_host.entry(canonical_host(host)).or_default(),
            None => &mut self.any_host,
        }
    }
}

/// A host as it is compared: `API.example.` is `api.example`.
fn canonical_host(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// The routes whose paths cannot stand beside the others, by their place, and why.
#[must_use]
pub fn conflicts(routes: &[(usize, &AnyRoute)]) -> Vec<(usize, String)> {
    build(routes).1
}

fn build(routes: &[(usize, &AnyRoute)]) -> (Routes, Vec<(usize, String)>) {
    let mut table = Routes {
        all: ByHost { any_host: with_own(), by_host: HashMap::new() },
        guards: ByHost { any_host: Router::new(), by_host: HashMap::new() },
    };
    let mut conflicts = Vec::new();
    for &(index, route) in routes {
        for (variant, path) in route.paths().iter().enumerate() {
            let endpoint = match route {
                AnyRoute::Logout(_) => Endpoint::Logout { route: index, path: variant },
                AnyRoute::Guard(_) => Endpoint::Guard { route: index, path: variant },
            };
            for pattern in patterns(path) {
                let inserted = table.all.of(route.host()).insert(pattern.clone(), endpoint);
                if let Err(error) = inserted {
                    conflicts.push((index, format!("{path:?} cannot be routed: {error}")));
                }
                if matches!(route, AnyRoute::Guard(_)) {
                    // What cannot stand here cannot stand there either, and has been told.
                    let _ = table.guards.of(route.host()).insert(pattern, endpoint);
                }
            }
        }
    }
    add_parents(&mut table, routes);
    (table, conflicts)
}

/// `/api/*` is good for `/api` as well, where that has no route of its own.
fn add_parents(table: &mut Routes, routes: &[(usize, &AnyRoute)]) {
    for &(index, route) in routes.iter().filter(|(_, route)| matches!(route, AnyRoute::Guard(_))) {
        for (variant, path) in route.paths().iter().enumerate() {
            let Some(parent) = path.strip_suffix("/*").filter(|parent| !parent.is_empty()) else { continue };
            let endpoint = Endpoint::Guard { route: index, path: variant };
            let _ = table.all.of(route.host()).insert(parent, endpoint);
            let _ = table.guards.of(route.host()).insert(parent, endpoint);
        }
    }
}

/// The router's own patterns for a path: `/api/*` is `/api/` and everything below it.
fn patterns(path: &str) -> Vec<String> {
    match path.strip_suffix('*') {
        Some(prefix) => vec![prefix.to_owned(), format!("{prefix}{{*below}}")],
        None => vec![path.to_owned()],
    }
}
