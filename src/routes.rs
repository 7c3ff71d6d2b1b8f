//! The one route table: method, host and path, and what answers. It also gives 404, 405 with `Allow`, CORS, the
//! OpenAPI description and the tests.

use std::collections::HashMap;

use matchit::Router;

use crate::config::{Config, Route};

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A contract's logout: the place of its route in [`Config::routes`] and of its path in [`Route::paths`].
    Logout {
        /// The route.
        route: usize,
        /// The path of it that matched.
        path: usize,
    },
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
            Self::Logout { .. } => "POST, OPTIONS",
            Self::Health | Self::OpenApi => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether the method is answered (apart from `OPTIONS`, which always is).
    #[must_use]
    pub fn takes(self, method: &str) -> bool {
        match self {
            Self::Logout { .. } => method == "POST",
            Self::Health | Self::OpenApi => matches!(method, "GET" | "HEAD"),
        }
    }
}

/// Where the service says how it is.
pub const HEALTH: &str = "/healthz";

/// The endpoints that are the service's own, with their paths.
pub const OWN: [(&str, Endpoint); 2] = [(HEALTH, Endpoint::Health), ("/openapi.json", Endpoint::OpenApi)];

fn with_own() -> Router<Endpoint> {
    let mut router = Router::new();
    for (path, endpoint) in OWN {
        // The router is empty: these cannot conflict.
        let _ = router.insert(path, endpoint);
    }
    router
}

/// The table. A path of a host goes before the same path of every host.
#[derive(Debug)]
pub struct Routes {
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

    /// What answers a path of a host.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<Endpoint> {
        let of_host = if self.by_host.is_empty() { None } else { self.by_host.get(&host.to_ascii_lowercase()) };
        of_host
            .and_then(|router| router.at(path).ok())
            .or_else(|| self.any_host.at(path).ok())
            .map(|found| *found.value)
    }
}

/// The routes whose paths cannot stand beside the others, by their place, and why.
#[must_use]
pub fn conflicts(routes: &[(usize, &Route)]) -> Vec<(usize, String)> {
    build(routes).1
}

fn build(routes: &[(usize, &Route)]) -> (Routes, Vec<(usize, String)>) {
    let mut table = Routes { any_host: with_own(), by_host: HashMap::new() };
    let mut conflicts = Vec::new();
    for &(index, route) in routes {
        for (variant, path) in route.paths.iter().enumerate() {
            let slots = match &route.host {
                Some(host) => table.by_host.entry(host.clone()).or_insert_with(with_own),
                None => &mut table.any_host,
            };
            let endpoint = Endpoint::Logout { route: index, path: variant };
            if let Err(error) = slots.insert(path.as_str(), endpoint) {
                conflicts.push((index, format!("{path:?} cannot be routed: {error}")));
            }
        }
    }
    (table, conflicts)
}
