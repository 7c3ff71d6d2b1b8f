//! Time that stands still until everybody waits: then it jumps to where the first one goes on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use edge_logout::time::Timestamp;

#[derive(Default)]
struct Timers {
    now: i64,
    latest_id: u64,
    waiting: BTreeMap<(i64, u64), Waker>,
}

thread_local! {
    static TIMERS: RefCell<Timers> = RefCell::default();
}

/// The time.
pub fn now() -> Timestamp {
    Timestamp::from_millis(TIMERS.with_borrow(|timers| timers.now))
}

/// Sets the time.
pub fn set(now: Timestamp) {
    TIMERS.with_borrow_mut(|timers| timers.now = now.as_millis());
}

/// Waits.
pub fn sleep(duration: Duration) -> impl Future<Output = ()> {
    TIMERS.with_borrow_mut(|timers| {
        timers.latest_id += 1;
        let until = timers.now.saturating_add(i64::try_from(duration.as_millis()).unwrap());
        Sleep { place: (until, timers.latest_id) }
    })
}

struct Sleep {
    place: (i64, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        TIMERS.with_borrow_mut(|timers| {
            if timers.now >= self.place.0 {
                return Poll::Ready(());
            }
            timers.waiting.insert(self.place, context.waker().clone());
            Poll::Pending
        })
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        TIMERS.with_borrow_mut(|timers| timers.waiting.remove(&self.place));
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs a future to its end.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        if woken.0.swap(false, Ordering::Relaxed) {
            continue;
        }
        let next = TIMERS.with_borrow_mut(|timers| {
            let ((until, _), waker) = timers.waiting.pop_first().expect("waits for what never comes");
            timers.now = timers.now.max(until);
            waker
        });
        next.wake();
    }
}
