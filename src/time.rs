//! Moments in time, as tokens (RFC 7519 section 2, `NumericDate`) and Workers KV mean them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in Unix time, in milliseconds. All arithmetic saturates: a hostile date cannot overflow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `millis` milliseconds after the Unix epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment `seconds` seconds after the Unix epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded up: what must still hold at this moment holds at that second.
    #[must_use]
    pub const fn as_seconds_rounded_up(self) -> i64 {
        let whole = self.0.div_euclid(1000);
        if self.0.rem_euclid(1000) == 0 { whole } else { whole.saturating_add(1) }
    }

    /// The last millisecond of this moment's second.
    #[must_use]
    pub const fn end_of_second(self) -> Self {
        Self(self.0.saturating_add(999_i64.saturating_sub(self.0.rem_euclid(1000))))
    }

    /// Seconds since the Unix epoch with a fraction, as JSON shows it to an operator.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of any real date are exact in an f64")]
    pub const fn as_seconds_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// The moment so many seconds after the Unix epoch, to the millisecond; what is no moment becomes the nearest one.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    pub const fn from_seconds_f64(seconds: f64) -> Self {
        Self((seconds * 1000.0).round() as i64)
    }

    /// This moment, `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This moment, `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long it is from `earlier` until this moment; nothing when it has passed.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
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
    fn saturates_instead_of_overflowing() {
        let end = Timestamp::from_seconds(i64::MAX);
        assert_eq!(end.plus(Duration::MAX), end);
        assert_eq!(Timestamp::from_millis(i64::MIN).minus(Duration::MAX), Timestamp::from_millis(i64::MIN));
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
        assert_eq!(end.since(Timestamp::from_millis(i64::MIN)), Duration::from_millis(i64::MAX.unsigned_abs()));
    }
}
