//! Time that stands still until everybody waits: then it jumps to where the first one goes on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use edge_logout::time::Timestamp;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

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

/// A future that ends when it is woken.
pub fn signal() -> (Box<dyn FnOnce()>, LocalBoxFuture<'static, ()>) {
    let state = Rc::new(RefCell::new((false, None::<Waker>)));
    let shared = Rc::clone(&state);
    let wake = move || {
        let mut state = shared.borrow_mut();
        state.0 = true;
        state.1.take().into_iter().for_each(Waker::wake);
    };
    let woken = poll_fn(move |context| {
        let mut state = state.borrow_mut();
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    });
    (Box::new(wake), woken.boxed_local())
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
