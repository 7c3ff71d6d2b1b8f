//! Waiting for a single promise without an executor: `worker.js` goes on with the request once it is settled. Tasks,
//! closures and turns of the microtask queue would cost a third of a check whose signature WebCrypto verifies.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use js_sys::Promise;
use js_sys::futures::JsFuture;
use wasm_bindgen::JsValue;

use super::platform::{now, with_one_time};
use crate::time::Timestamp;

/// What a promise has given.
pub(super) type Settled = Result<JsValue, JsValue>;

type Boxed<T> = Pin<Box<dyn Future<Output = T>>>;

/// What came of polling a future.
pub(super) enum Polled<T> {
    /// It has ended.
    Ready(T),
    /// It waits for this promise and nothing else: [`poll`] it again with what that gives. `is_kept`: the request has to
    /// live until then, since others count on what it waits for.
    Paused { future: Boxed<T>, promise: Promise, is_kept: bool },
    /// It waits for something else, so an executor has to run it.
    Pending(Boxed<T>),
}

/// How the future that is being polled may wait for a promise.
#[derive(Default)]
enum Mode {
    /// By an executor.
    #[default]
    Executor,
    /// By a pause.
    Pause(Option<Settled>),
    /// It has asked for a pause, and whether to be kept alive meanwhile.
    Asked(Promise, bool),
    /// It waits for two promises at once.
    AskedTwice,
}

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Executor) };
}

/// Counts the clones of its waker: whoever keeps one waits for something that only an executor can tell of.
struct Witness;

impl Wake for Witness {
    fn wake(self: Arc<Self>) {}
}

/// Polls a future, in which [`Awaited`] may ask for a pause. `settled`: what the promise of its last pause has given.
pub(super) fn poll<T>(mut future: Boxed<T>, settled: Option<Settled>) -> Polled<T> {
    let witness = Arc::new(Witness);
    let waker = Waker::from(Arc::clone(&witness));
    MODE.set(Mode::Pause(settled));
    let polled = with_one_time(|| future.as_mut().poll(&mut Context::from_waker(&waker)));
    let mode = MODE.take();
    // This one and the one of `waker`.
    let is_alone = Arc::strong_count(&witness) == 2;
    match (polled, mode) {
        (Poll::Ready(given), _) => Polled::Ready(given),
        (Poll::Pending, Mode::Asked(promise, is_kept)) if is_alone => Polled::Paused { future, promise, is_kept },
        (Poll::Pending, _) => Polled::Pending(future),
    }
}

/// A promise that is waited for: by a pause where that is possible, otherwise by the executor.
pub(super) struct Awaited {
    promise: Promise,
    is_kept: bool,
    has_asked: bool,
    running: Option<JsFuture>,
}

impl Awaited {
    pub(super) const fn new(promise: Promise) -> Self {
        Self { promise, is_kept: false, has_asked: false, running: None }
    }

    /// The request is kept alive until the promise is settled, also when its client goes away.
    pub(super) const fn kept(promise: Promise) -> Self {
        Self { promise, is_kept: true, has_asked: false, running: None }
    }
}

impl Future for Awaited {
    type Output = Settled;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled> {
        if self.running.is_none() {
            match MODE.take() {
                Mode::Pause(Some(settled)) if self.has_asked => {
                    MODE.set(Mode::Pause(None));
                    return Poll::Ready(settled);
                }
                Mode::Pause(_) => {
                    MODE.set(Mode::Asked(self.promise.clone(), self.is_kept));
                    self.has_asked = true;
                    return Poll::Pending;
                }
                Mode::Asked(..) | Mode::AskedTwice => {
                    MODE.set(Mode::AskedTwice);
                    return Poll::Pending;
                }
                Mode::Executor => {}
            }
        }
        let promise = self.promise.clone();
        Pin::new(self.running.get_or_insert_with(|| JsFuture::from(promise))).poll(context)
    }
}

/// How many requests may be paused before it is looked whether some were given up.
const MANY: usize = 64;
/// Whoever is paused for so long was given up: the runtime drops the requests of clients that go away.
const GIVEN_UP: Duration = Duration::from_mins(1);

/// Requests that are paused, by their tickets.
pub(super) struct Paused<T> {
    tickets: RefCell<BTreeMap<u32, (Timestamp, T)>>,
    next: Cell<u32>,
}

impl<T> Paused<T> {
    pub(super) const fn new() -> Self {
        Self { tickets: RefCell::new(BTreeMap::new()), next: Cell::new(0) }
    }

    /// Keeps a request, and gives its ticket.
    pub(super) fn keep(&self, request: T) -> u32 {
        let (ticket, now) = (self.next.get(), now());
        self.next.set(ticket.wrapping_add(1));
        let mut tickets = self.tickets.borrow_mut();
        // The first ones have been there longest.
        while tickets.len() >= MANY
            && tickets.first_entry().is_some_and(|first| first.get().0.has_passed(GIVEN_UP, now))
        {
            tickets.pop_first();
        }
        tickets.insert(ticket, (now, request));
        ticket
    }

    /// The request of a ticket, once.
    pub(super) fn take(&self, ticket: u32) -> Option<T> {
        self.tickets.borrow_mut().remove(&ticket).map(|(_, request)| request)
    }
}
