//! The freshness lifetime of a fetched JWK Set (RFC 9111 section 5.2.2), within configured limits.

use std::time::Duration;

use super::source::KeySource;

/// The default lifetime.
const DEFAULT_LIFETIME: Duration = Duration::from_hours(1);

/// The freshness lifetime of a response with these headers.
#[must_use]
pub fn freshness(source: &KeySource, cache_control: Option<&str>, age: Option<&str>) -> Duration {
    let lifetime_in_header = cache_control.map_or(CacheLifetime::Unspecified, read);
    let age = age.and_then(|age| age.trim().parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let lifetime = match lifetime_in_header {
        CacheLifetime::Unspecified => DEFAULT_LIFETIME,
        CacheLifetime::Uncacheable => Duration::ZERO,
        CacheLifetime::Seconds(seconds) => Duration::from_secs(seconds).saturating_sub(age),
    };
    lifetime.min(source.most).max(source.least)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CacheLifetime {
    Unspecified,
    Uncacheable,
    Seconds(u64),
}

/// The lifetime in `Cache-Control`. This is a shared cache, so `s-maxage` takes precedence over `max-age`.
fn read(cache_control: &str) -> CacheLifetime {
    let (mut max_age, mut s_maxage) = (None, None);
    for directive in cache_control.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let seconds = || value.trim().trim_matches('"').parse::<u64>().unwrap_or(0);
        let name = name.trim();
        if ["no-store", "no-cache"].iter().any(|not| name.eq_ignore_ascii_case(not)) {
            return CacheLifetime::Uncacheable;
        }
        // The first of several directives counts (section 4.2.1). A malformed value counts as 0 seconds.
        if name.eq_ignore_ascii_case("max-age") {
            max_age.get_or_insert_with(seconds);
        } else if name.eq_ignore_ascii_case("s-maxage") {
            s_maxage.get_or_insert_with(seconds);
        }
    }
    s_maxage.or(max_age).map_or(CacheLifetime::Unspecified, CacheLifetime::Seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_say() {
        let cases = [
            ("", CacheLifetime::Unspecified),
            ("public", CacheLifetime::Unspecified),
            ("public, max-age=600", CacheLifetime::Seconds(600)),
            ("MAX-AGE = \"600\" , must-revalidate", CacheLifetime::Seconds(600)),
            ("max-age=600, s-maxage=60", CacheLifetime::Seconds(60)),
            ("max-age=600, max-age=60", CacheLifetime::Seconds(600)),
            ("max-age=600, no-store", CacheLifetime::Uncacheable),
            ("No-Cache", CacheLifetime::Uncacheable),
            ("max-age=-1", CacheLifetime::Seconds(0)),
            ("max-age", CacheLifetime::Seconds(0)),
            ("max-age=99999999999999999999", CacheLifetime::Seconds(0)),
            ("x-max-age=5", CacheLifetime::Unspecified),
        ];
        for (text, lifetime_in_header) in cases {
            assert_eq!(read(text), lifetime_in_header, "{text}");
        }
    }
}
