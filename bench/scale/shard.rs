//! One object of the ledger, as `src/edge/ledger_object.rs` has it: the shipped decisions, a queue before them, and the
//! alarm that writes to the index.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use edge_logout::ports::LedgerError;
use edge_logout::revocation::feed::Changes;
use edge_logout::revocation::ledger::{Ledger, Row, Since};
use edge_logout::revocation::{LedgerQuestion, answer_question};
use edge_logout::time::Timestamp;
use futures_util::future::join_all;

use super::clock::{self, Micros, SECOND};
use super::index::write_latency;
use super::rows::Table;
use super::scenario::{LONGEST_QUEUE, OUTPUT_GATE, SERVICE};
use super::world::{World, timestamp};

/// As in the object.
const WRITES_AT_ONCE: usize = 6;
const WRITES_PER_ALARM: usize = 720;

/// Locations do not poll at the same moment: over so many microseconds are those spread that are not simulated.
const SPREAD: f64 = 10.0 * SECOND as f64;

pub struct Shard {
    ledger: RefCell<Ledger<Table>>,
    queue: Queue,
    alarm_at: Cell<Option<Timestamp>>,
    is_at_work: Cell<bool>,
}

/// Work that waits, in microseconds of service.
#[derive(Default)]
struct Queue {
    seen_at: Cell<Micros>,
    work: Cell<f64>,
    /// The work of locations that are not simulated: it arrives over some seconds after that of those that are.
    of_others: Cell<f64>,
    second: Cell<Micros>,
    in_second: Cell<f64>,
}

impl Queue {
    /// How long a request waits that comes now and is one of `alike`; `None` when there is too much.
    fn enter(&self, alike: f64) -> (Option<Micros>, f64) {
        let now = clock::now();
        let passed = (now - self.seen_at.replace(now)) as f64;
        let arrived = self.of_others.get() * (1.0 - (-passed / SPREAD).exp());
        self.of_others.set(self.of_others.get() - arrived);
        let work = (self.work.get() + arrived - passed).clamp(0.0, 2.0 * LONGEST_QUEUE as f64);
        self.work.set(work);
        let finished =
            if self.second.replace(now / SECOND) == now / SECOND { 0.0 } else { self.in_second.replace(0.0) };
        self.in_second.set(self.in_second.get() + alike);
        if work > LONGEST_QUEUE as f64 {
            return (None, finished);
        }
        self.work.set(work + SERVICE as f64);
        self.of_others.set(self.of_others.get() + (alike - 1.0) * SERVICE as f64);
        (Some(work as Micros), finished)
    }
}

impl Shard {
    pub fn new(settling: Duration) -> Self {
        Self {
            ledger: RefCell::new(Ledger { rows: Table::new(), settling, sole_writer: None }),
            queue: Queue::default(),
            alarm_at: Cell::new(None),
            is_at_work: Cell::new(false),
        }
    }

    /// What the feed tells a follower, at no cost to anybody.
    pub fn look(&self, since: &Since) -> Changes {
        let ledger = self.ledger.borrow();
        let Ok(changes) = ledger.changes(since, timestamp(clock::now()));
        ledger.rows.take_bill();
        changes
    }

    /// Answers a question that stands for `alike` questions.
    pub async fn serve(self: Rc<Self>, world: Rc<World>, question: String, alike: f64) -> Result<String, LedgerError> {
        let (wait, in_second) = self.queue.enter(alike);
        world.count(|counts| counts.busiest_second = counts.busiest_second.max(in_second));
        let Some(wait) = wait else { return Err(LedgerError::Overloaded) };
        clock::after(wait + SERVICE).await;
        let question = LedgerQuestion::read(&question).ok_or(LedgerError::Failed)?;
        let is_record = matches!(question, LedgerQuestion::Record(_));
        let (answer, next) = {
            let mut ledger = self.ledger.borrow_mut();
            let Ok(answer) = answer_question(&mut *ledger, &question, timestamp(clock::now()));
            let Ok(next) = if is_record || self.alarm_at.get().is_none() { ledger.next_alarm() } else { Ok(None) };
            (answer, next)
        };
        world.count(|counts| {
            match question {
                LedgerQuestion::Record(_) => counts.records += alike,
                LedgerQuestion::Contains(_) => counts.contains += alike,
                LedgerQuestion::Changes(_) => counts.polls += alike,
            }
            counts.object_time += (SERVICE + if is_record { OUTPUT_GATE } else { 0 }) as f64 * alike;
        });
        self.bill(&world, alike);
        self.wake_at(&world, next);
        if is_record {
            clock::after(OUTPUT_GATE).await;
        }
        Ok(answer)
    }

    fn bill(&self, world: &World, alike: f64) {
        let bill = self.ledger.borrow().rows.take_bill();
        world.count(|counts| {
            counts.rows_read += bill.read as f64 * alike;
            counts.rows_written += bill.written as f64 * alike;
        });
    }

    fn wake_at(self: &Rc<Self>, world: &Rc<World>, next: Option<Timestamp>) {
        let Some(next) = next.filter(|next| self.alarm_at.get().is_none_or(|set| *next < set)) else { return };
        self.alarm_at.set(Some(next));
        world.count(|counts| counts.alarms_set += 1.0);
        let (shard, world) = (Rc::clone(self), Rc::clone(world));
        clock::spawn(async move {
            clock::after(next.since(timestamp(clock::now())).as_micros() as Micros).await;
            while shard.is_at_work.get() {
                clock::after(1_000).await;
            }
            if shard.alarm_at.get() == Some(next) {
                shard.alarm(&world).await;
            }
        });
    }

    async fn alarm(self: &Rc<Self>, world: &Rc<World>) {
        self.alarm_at.set(None);
        self.is_at_work.set(true);
        let begun = clock::now();
        self.work_off(world).await;
        let next = {
            let mut ledger = self.ledger.borrow_mut();
            let Ok(()) = ledger.tidy(timestamp(clock::now()));
            let Ok(next) = ledger.next_alarm();
            next
        };
        self.bill(world, 1.0);
        world.count(|counts| {
            counts.alarms += 1.0;
            counts.object_time += (clock::now() - begun + SERVICE) as f64;
        });
        self.is_at_work.set(false);
        self.wake_at(world, next);
    }

    async fn work_off(&self, world: &World) {
        let mut left = WRITES_PER_ALARM;
        while left > 0 {
            let Ok(due) = self.ledger.borrow().due(timestamp(clock::now()), WRITES_AT_ONCE);
            if due.is_empty() {
                break;
            }
            left = left.saturating_sub(due.len());
            let sent_at = timestamp(clock::now());
            join_all(due.iter().map(|row| write(world, row))).await;
            let mut ledger = self.ledger.borrow_mut();
            for row in &due {
                let Ok(()) = ledger.indexed(&row.revocation.key, row.version, sent_at, timestamp(clock::now()));
            }
            let waiting = ledger.rows.waiting();
            world.count(|counts| counts.longest_backlog = counts.longest_backlog.max(waiting));
        }
    }
}

async fn write(world: &World, row: &Row) {
    let entry = row.revocation.entry(timestamp(clock::now()));
    clock::after(write_latency(&world.random)).await;
    world.put(&entry);
}
