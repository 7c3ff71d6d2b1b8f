//! Waits for a single promise without an executor: `worker.js` resumes the request when the promise is settled. This
//! saves the tasks, closures and microtasks of `wasm-bindgen-futures`, which would dominate the cost of a check.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use js_sys::Promise;
use js_sys::futures::JsFuture;
use wasm_bindgen::JsValue;

use super::clock::{now, with_cached_time};
use crate::time::Timestamp;

/// The result of a promise.
pub(super) type Settled = Result<JsValue, JsValue>;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// The result of polling a future.
pub(super) enum Polled<T> {
    /// The future is complete.
    Ready(T),
    /// The future waits for this promise only. [`poll`] it again with the promise's result. `keeps_alive`: keep the
    /// request alive until then with `waitUntil`, because other requests depend on it.
    Paused { future: Boxed<T>, promise: Promise, keeps_alive: bool },
    /// The future waits for something else, so an executor has to run it.
    Pending(Boxed<T>),
}

/// How the future being polled waits for promises.
#[derive(Default)]
enum Mode {
    /// With an executor.
    #[default]
    Executor,
    /// With a pause. The value is the result of the previous pause's promise.
    Pause(Option<Settled>),
    /// A pause was requested for this promise. The flag is `keeps_alive`.
    PauseRequested(Promise, bool),
    /// The future waits for several promises, so it needs an executor.
    MultiplePromises,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Executor) };
}

/// A waker that counts its clones. A clone means that the future waits for something other than a pause.
struct CloneCounter;

impl Wake for CloneCounter {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future in which [`Awaited`] may request a pause. `settled` is the result of the previous pause's promise.
pub(super) fn poll<T>(mut future: Boxed<T>, settled: Option<Settled>) -> Polled<T> {
    let counter = Arc::new(CloneCounter);
    let waker = Waker::from(Arc::clone(&counter));
    MODE.set(Mode::Pause(settled));
    let polled = with_cached_time(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
    let mode = MODE.take();
    // Two references: `counter` and `waker`.
    let has_no_clones = Arc::strong_count(&counter) == 2;
    match (polled, mode) {
        (Poll::Ready(output), _) => Polled::Ready(output),
        (Poll::Pending, Mode::PauseRequested(promise, keeps_alive)) if has_no_clones => {
            Polled::Paused { future, promise, keeps_alive }
        }
        (Poll::Pending, _) => Polled::Pending(future),
    }
}

/// Waits for a promise: with a pause if possible, otherwise on the executor.
pub(super) struct Awaited {
    promise: Promise,
    keeps_alive: bool,
    has_paused: bool,
    on_executor: Option<JsFuture>,
}

impl Awaited {
    /// Keeps the request alive until the promise is settled, even if the client disconnects: the request may hold a
    /// permit that others wait for.
    pub(super) const fn new(promise: Promise) -> Self {
        Self { promise, keeps_alive: true, has_paused: false, on_executor: None }
    }

    /// As [`Self::new`], but lets the runtime cancel the request meanwhile. Only for work that nothing else depends on.
    pub(super) const fn cancelable(promise: Promise) -> Self {
        Self { promise, keeps_alive: false, has_paused: false, on_executor: None }
    }
}

impl Future for Awaited {
    type Output = Settled;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled> {
        if self.on_executor.is_none() {
            match MODE.take() {
                Mode::Pause(Some(settled)) if self.has_paused => {
                    MODE.set(Mode::Pause(None));
                    return Poll::Ready(settled);
                }
                Mode::Pause(_) => {
                    MODE.set(Mode::PauseRequested(self.promise.clone(), self.keeps_alive));
                    self.has_paused = true;
                    return Poll::Pending;
                }
                Mode::PauseRequested(..) | Mode::MultiplePromises => {
                    MODE.set(Mode::MultiplePromises);
                    return Poll::Pending;
                }
                Mode::Executor => {}
            }
        }
        let promise = self.promise.clone();
        Pin::new(self.on_executor.get_or_insert_with(|| JsFuture::from(promise))).poll(context)
    }
}

/// From this number of paused requests on, abandoned ones are removed.
const CLEANUP_THRESHOLD: usize = 64;
/// A request that is paused for this long was canceled by the runtime, because its client disconnected.
const ABANDONED_AFTER: Duration = Duration::from_mins(1);

/// Paused requests by ticket.
pub(super) struct Paused<T> {
    tickets: RefCell<BTreeMap<u32, (Timestamp, T)>>,
    next: Cell<u32>,
}

impl<T> Paused<T> {
    pub(super) const fn new() -> Self {
        Self { tickets: RefCell::new(BTreeMap::new()), next: Cell::new(0) }
    }

    /// Stores a request and returns its ticket.
    pub(super) fn keep(&self, request: T) -> u32 {
        let (ticket, now) = (self.next.get(), now());
        self.next.set(ticket.wrapping_add(1));
        let mut tickets = self.tickets.borrow_mut();
        // Tickets are in order of age.
        while tickets.len() >= CLEANUP_THRESHOLD
            && tickets.first_entry().is_some_and(|first| first.get().0.has_passed(ABANDONED_AFTER, now))
        {
            tickets.pop_first();
        }
        tickets.insert(ticket, (now, request));
        ticket
    }

    /// Removes and returns the request of a ticket.
    pub(super) fn take(&self, ticket: u32) -> Option<T> {
        self.tickets.borrow_mut().remove(&ticket).map(|(_, request)| request)
    }
}
