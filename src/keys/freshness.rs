//! How long a fetched set counts as fresh (RFC 9111 section 5.2.2), within limits.

use std::time::Duration;

use super::source::KeySource;

/// How long it is where nobody says so.
const UNSAID: Duration = Duration::from_hours(1);

/// How long an answer with these headers is fresh.
#[must_use]
pub fn freshness(source: &KeySource, cache_control: Option<&str>, age: Option<&str>) -> Duration {
    let said = cache_control.map_or(Said::Nothing, read);
    let age = age.and_then(|age| age.trim().parse().ok()).map_or(Duration::ZERO, Duration::from_secs);
    let lifetime = match said {
        Said::Nothing => UNSAID,
        Said::NotAtAll => Duration::ZERO,
        Said::Seconds(seconds) => Duration::from_secs(seconds).saturating_sub(age),
    };
    lifetime.min(source.most).max(source.least)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    NotAtAll,
    Seconds(u64),
}

/// What `Cache-Control` says. This is a cache that many share, so `s-maxage` goes before `max-age`.
fn read(cache_control: &str) -> Said {
    let (mut own, mut shared) = (None, None);
    for directive in cache_control.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let seconds = || value.trim().trim_matches('"').parse::<u64>().unwrap_or(0);
        let name = name.trim();
        if ["no-store", "no-cache"].iter().any(|not| name.eq_ignore_ascii_case(not)) {
            return Said::NotAtAll;
        }
        // Of two the first (section 4.2.1); one that cannot be read counts as none at all.
        if name.eq_ignore_ascii_case("max-age") {
            own.get_or_insert_with(seconds);
        } else if name.eq_ignore_ascii_case("s-maxage") {
            shared.get_or_insert_with(seconds);
        }
    }
    shared.or(own).map_or(Said::Nothing, Said::Seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_say() {
        let cases = [
            ("", Said::Nothing),
            ("public", Said::Nothing),
            ("public, max-age=600", Said::Seconds(600)),
            ("MAX-AGE = \"600\" , must-revalidate", Said::Seconds(600)),
            ("max-age=600, s-maxage=60", Said::Seconds(60)),
            ("max-age=600, max-age=60", Said::Seconds(600)),
            ("max-age=600, no-store", Said::NotAtAll),
            ("No-Cache", Said::NotAtAll),
            ("max-age=-1", Said::Seconds(0)),
            ("max-age", Said::Seconds(0)),
            ("max-age=99999999999999999999", Said::Seconds(0)),
            ("x-max-age=5", Said::Nothing),
        ];
        for (text, said) in cases {
            assert_eq!(read(text), said, "{text}");
        }
    }
}
