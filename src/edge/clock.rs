//! The runtime's clock.

use std::cell::Cell;
use std::time::Duration;

use crate::time::Timestamp;

/// The cached time of the poll in progress.
#[derive(Clone, Copy)]
enum Time {
    /// No poll is in progress.
    Outside,
    /// The poll has not read the clock yet.
    Unread,
    Cached(Timestamp),
}

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::Outside) };
}

/// Runs a poll that reads the clock at most once. The runtime's clock does not advance between I/O operations.
pub(super) fn with_cached_time<T>(poll: impl FnOnce() -> T) -> T {
    let before = TIME.replace(Time::Unread);
    let output = poll();
    TIME.set(before);
    output
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds of any real date are whole and fit")]
pub(super) fn now() -> Timestamp {
    let asked = || Timestamp::from_millis(js_sys::Date::now() as i64);
    match TIME.get() {
        Time::Cached(now) => now,
        Time::Outside => asked(),
        Time::Unread => {
            let now = asked();
            TIME.set(Time::Cached(now));
            now
        }
    }
}

/// A duration in milliseconds, for JavaScript.
pub(super) const fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
