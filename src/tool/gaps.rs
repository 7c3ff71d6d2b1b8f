//! Warnings about guards that a less strict guard undermines, for `npm run check`.

use crate::config::{AnyRoute, Config};
use crate::route_table::is_parameter;

/// A strict guard with an exact path, and a less strict guard that covers variants of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The index of the strict guard among the routes.
    pub route: usize,
    /// The path of the strict guard.
    pub path: String,
    /// The index of the less strict guard.
    pub other: usize,
    /// The path of the less strict guard that covers the variant.
    pub other_path: String,
    /// The host for which this holds, if only the less strict guard is limited to a host.
    pub host: Option<String>,
    /// A variant of the path, to which the less strict guard applies.
    pub example: String,
}

/// Finds exact paths of guards whose variants (a trailing slash, other letter case, an extension) are covered by a less
/// strict guard. A server may serve a variant as the path itself, which bypasses the strict guard.
#[must_use]
pub fn gaps(config: &Config) -> Vec<Gap> {
    let guards = config.routes.iter().enumerate().filter_map(|(index, route)| match route {
        AnyRoute::Guard(guard) => Some((index, route, guard)),
        AnyRoute::Logout(_) => None,
    });
    let mut gaps = Vec::new();
    for (index, route, guard) in guards {
        // A guard for every host applies to every configured host.
        let hosts: Vec<&str> = match route.host() {
            Some(host) => vec![host],
            None => config.routes.iter().filter_map(AnyRoute::host).chain([""]).collect(),
        };
        let asked = |path: &str| -> Vec<(&str, String)> {
            hosts.iter().flat_map(|host| variants(path).into_iter().map(|example| (*host, example))).collect()
        };
        for path in guard.paths.iter().filter(|path| !path.ends_with('*') && path.len() > 1) {
            gaps.extend(asked(path).into_iter().find_map(|(host, example)| {
                let (other, variant) = config.table.guard_as_written(host, &example)?;
                let laxer = config.guard(other).filter(|laxer| other != index && !laxer.is_as_strict_as(guard))?;
                let host = (!host.is_empty() && route.host().is_none()).then(|| host.to_owned());
                let other_path = laxer.paths.get(variant)?.clone();
                Some(Gap { route: index, path: path.clone(), other, other_path, host, example })
            }));
        }
    }
    gaps
}

/// Variants of a path that servers may serve as the path itself: with or without a trailing slash, in other letter
/// case, with an extension, and a path below it.
fn variants(path: &str) -> Vec<String> {
    let plain = example_of(path);
    let bare = plain.trim_end_matches('/');
    let slash = if plain.ends_with('/') { bare.to_owned() } else { [bare, "/"].concat() };
    let swapped = |character: char| {
        if character.is_ascii_lowercase() { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() }
    };
    let case = bare.chars().map(swapped).collect();
    vec![slash, case, [bare, ".json"].concat(), [bare, "/x"].concat()]
}

/// An example path for a pattern.
fn example_of(pattern: &str) -> String {
    let segments = pattern.split('/').map(|segment| if is_parameter(segment) { "x" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}
