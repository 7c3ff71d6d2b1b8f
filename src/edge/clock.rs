//! The runtime's clock.

use std::cell::Cell;
use std::time::Duration;

use crate::time::Timestamp;

/// The time as a poll that is under way knows it.
#[derive(Clone, Copy)]
enum Time {
    /// No such poll is under way.
    Moving,
    /// It has not asked yet.
    Unasked,
    Known(Timestamp),
}

thread_local! {
    static TIME: Cell<Time> = const { Cell::new(Time::Moving) };
}

/// The runtime's clock stands still while nothing is waited for: within one poll it is asked once.
pub(super) fn with_one_time<T>(poll: impl FnOnce() -> T) -> T {
    let before = TIME.replace(Time::Unasked);
    let given = poll();
    TIME.set(before);
    given
}

#[expect(clippy::cast_possible_truncation, reason = "milliseconds of any real date are whole and fit")]
pub(super) fn now() -> Timestamp {
    let asked = || Timestamp::from_millis(js_sys::Date::now() as i64);
    match TIME.get() {
        Time::Known(now) => now,
        Time::Moving => asked(),
        Time::Unasked => {
            let now = asked();
            TIME.set(Time::Known(now));
            now
        }
    }
}

/// A duration as the runtime takes it.
pub(super) const fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
