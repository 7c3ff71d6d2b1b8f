//! Virtual time and the tasks that live in it. One thread, one queue: the same seed gives the same run.

use std::cell::{Cell, RefCell};
use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Microseconds since the run began.
pub type Micros = u64;
pub const MILLISECOND: Micros = 1_000;
pub const SECOND: Micros = 1_000_000;

type Task = Pin<Box<dyn Future<Output = ()>>>;

thread_local! {
    static LOOM: Loom = Loom::default();
}

#[derive(Default)]
struct Loom {
    now: Cell<Micros>,
    sequence: Cell<u64>,
    timers: RefCell<BinaryHeap<Reverse<Timer>>>,
    tasks: RefCell<Vec<(u64, Option<Task>)>>,
    free: RefCell<Vec<usize>>,
    ready: RefCell<VecDeque<(usize, u64)>>,
}

struct Timer {
    at: Micros,
    sequence: u64,
    waker: Waker,
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timer {}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

/// Wakes a task of this thread, unless another one has its place by then.
struct Bell {
    slot: usize,
    generation: u64,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        LOOM.with(|loom| loom.ready.borrow_mut().push_back((self.slot, self.generation)));
    }
}

/// The time now.
pub fn now() -> Micros {
    LOOM.with(|loom| loom.now.get())
}

/// Ends all tasks and begins time anew.
pub fn reset() {
    let tasks = LOOM.with(|loom| {
        loom.timers.borrow_mut().clear();
        loom.ready.borrow_mut().clear();
        loom.free.borrow_mut().clear();
        loom.now.set(0);
        loom.tasks.take()
    });
    drop(tasks);
}

/// Begins a task, and runs it up to where it first waits.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    let mut task: Task = Box::pin(task);
    let (slot, generation) = LOOM.with(|loom| {
        let mut tasks = loom.tasks.borrow_mut();
        let slot = loom.free.borrow_mut().pop().unwrap_or_else(|| {
            tasks.push((0, None));
            tasks.len() - 1
        });
        (slot, tasks[slot].0)
    });
    poll(&mut task, slot, generation).map_or_else(|| retire(slot), |()| put_back(slot, task));
}

/// `None` when the task has ended.
fn poll(task: &mut Task, slot: usize, generation: u64) -> Option<()> {
    let waker = Waker::from(Arc::new(Bell { slot, generation }));
    task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending().then_some(())
}

fn put_back(slot: usize, task: Task) {
    LOOM.with(|loom| loom.tasks.borrow_mut()[slot].1 = Some(task));
}

fn retire(slot: usize) {
    LOOM.with(|loom| {
        loom.tasks.borrow_mut()[slot].0 += 1;
        loom.free.borrow_mut().push(slot);
    });
}

/// Lets time pass until then.
pub fn run_until(end: Micros) {
    loop {
        while let Some((slot, generation)) = LOOM.with(|loom| loom.ready.borrow_mut().pop_front()) {
            let task = LOOM.with(|loom| {
                let mut tasks = loom.tasks.borrow_mut();
                let place = &mut tasks[slot];
                if place.0 == generation { place.1.take() } else { None }
            });
            let Some(mut task) = task else { continue };
            poll(&mut task, slot, generation).map_or_else(|| retire(slot), |()| put_back(slot, task));
        }
        let next = LOOM.with(|loom| {
            let mut timers = loom.timers.borrow_mut();
            if timers.peek().is_some_and(|Reverse(timer)| timer.at <= end) { timers.pop() } else { None }
        });
        let Some(Reverse(timer)) = next else { break };
        LOOM.with(|loom| loom.now.set(timer.at));
        timer.waker.wake();
    }
    LOOM.with(|loom| loom.now.set(end));
}

/// Waits until a moment.
pub fn until(at: Micros) -> Until {
    Until { at, is_set: false }
}

/// Waits so long.
pub fn after(duration: Micros) -> Until {
    until(now() + duration)
}

/// What [`until`] gives.
pub struct Until {
    at: Micros,
    is_set: bool,
}

impl Future for Until {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        LOOM.with(|loom| {
            if loom.now.get() >= self.at {
                return Poll::Ready(());
            }
            if !self.is_set {
                self.is_set = true;
                let sequence = loom.sequence.get();
                loom.sequence.set(sequence + 1);
                let timer = Timer { at: self.at, sequence, waker: context.waker().clone() };
                loom.timers.borrow_mut().push(Reverse(timer));
            }
            Poll::Pending
        })
    }
}
