//! Timestamps, as used by tokens (RFC 7519 section 2, `NumericDate`) and Workers KV.

use std::time::Duration;

/// The assumed maximum clock difference between two requests of an isolate. A request's clock stands still between I/O.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// A Unix timestamp in milliseconds. Arithmetic saturates, so a hostile date cannot overflow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest timestamp, used as "never".
    pub const END: Self = Self(i64::MAX);

    /// Creates a timestamp from milliseconds since the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Creates a timestamp from seconds since the Unix epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch, rounded up.
    #[must_use]
    pub const fn as_seconds_rounded_up(self) -> i64 {
        let whole = self.0.div_euclid(1000);
        if self.0.rem_euclid(1000) == 0 { whole } else { whole.saturating_add(1) }
    }

    /// The last millisecond of the same second.
    #[must_use]
    pub const fn end_of_second(self) -> Self {
        Self(self.0.saturating_add(999_i64.saturating_sub(self.0.rem_euclid(1000))))
    }

    /// Formats the timestamp as a JSON number of seconds: `1800000000.0`, `1800000000.25`. Uses integer arithmetic,
    /// because formatting floats needs much code.
    #[must_use]
    pub fn as_seconds_text(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (seconds, millis) = (self.0.unsigned_abs() / 1000, self.0.unsigned_abs() % 1000);
        let mut text = format!("{sign}{seconds}.{millis:03}");
        for _ in 0..2 {
            if text.ends_with('0') {
                text.pop();
            }
        }
        text
    }

    /// Creates a timestamp from fractional seconds, rounded to milliseconds and saturated; NaN becomes 0.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    pub const fn from_seconds_f64(seconds: f64) -> Self {
        Self((seconds * 1000.0).round() as i64)
    }

    /// This timestamp plus a duration.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This timestamp minus a duration.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// The duration from `earlier` to this timestamp; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether at least `duration` has passed from this timestamp to `now`. Also true if this timestamp is later than
    /// `now` by more than [`CLOCK_SKEW`]: the clock was set back, so the real age is unknown.
    #[must_use]
    pub fn has_passed(self, duration: Duration, now: Self) -> bool {
        self > now.plus(CLOCK_SKEW) || now.since(self) >= duration
    }
}

/// Avoids the 128-bit arithmetic of [`Duration::as_millis`], which is slow in WebAssembly.
fn millis(duration: Duration) -> i64 {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    seconds.saturating_mul(1000).saturating_add(duration.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_to_the_second_in_which_it_still_holds() {
        assert_eq!(Timestamp::from_millis(1000).as_seconds_rounded_up(), 1);
        assert_eq!(Timestamp::from_millis(1001).as_seconds_rounded_up(), 2);
        assert_eq!(Timestamp::from_millis(-1).as_seconds_rounded_up(), 0);
        assert_eq!(Timestamp::from_millis(i64::MAX).as_seconds_rounded_up(), i64::MAX / 1000 + 1);
    }

    #[test]
    fn a_second_ends_before_the_next_begins() {
        for millis in [1000, 1001, 1999] {
            assert_eq!(Timestamp::from_millis(millis).end_of_second(), Timestamp::from_millis(1999));
        }
        assert_eq!(Timestamp::from_millis(-1).end_of_second(), Timestamp::from_millis(-1));
        assert_eq!(Timestamp::from_millis(i64::MAX).end_of_second(), Timestamp::from_millis(i64::MAX));
    }

    #[test]
    fn seconds_as_json_has_them() {
        let exact = [0, 1, 10, 100, 1_000, 1_800_000_000_000, 1_800_000_000_250, 1_800_000_000_009, -1, -1_500];
        for millis in exact {
            #[expect(clippy::cast_precision_loss, reason = "these are exact")]
            let expected = serde_json::to_string(&(millis as f64 / 1000.0)).unwrap();
            assert_eq!(Timestamp::from_millis(millis).as_seconds_text(), expected);
        }
        assert_eq!(Timestamp::from_millis(i64::MIN).as_seconds_text(), "-9223372036854775.808");
    }

    #[test]
    fn saturates_instead_of_overflowing() {
        let end = Timestamp::from_seconds(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        assert_eq!(Timestamp::from_millis(i64::MIN).minus(Duration::MAX), Timestamp::from_millis(i64::MIN));
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert_eq!(end.since(Timestamp::from_millis(i64::MIN)), Duration::from_millis(i64::MAX.unsigned_abs()));
    }

    #[test]
    fn a_moment_before_the_clock_was_set_back_has_passed() {
        let (now, second) = (Timestamp::from_seconds(100), Duration::from_secs(1));
        for (since, has_passed) in [(98, true), (99, true), (100, false), (105, false), (106, true)] {
            assert_eq!(Timestamp::from_seconds(since).has_passed(second, now), has_passed, "{since}");
        }
    }
}
