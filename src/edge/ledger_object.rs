//! One shard of the ledger: a Durable Object. It loads, lets the core decide, stores and replies.
//!
//! The runtime holds an answer back until what was written before it is on disk, so answering right after a write is
//! safe.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::{DurableObjectState, DurableObjectStorage};

use super::ledger_rows::SqlRows;
use super::platform::{EdgeClock, now};
use super::{glue, kv, log, promise};
use crate::ports::{Clock, IndexError, within};
use crate::revocation::KvEntry;
use crate::revocation::ledger::{
    Call, GATHERING, Ledger as Decisions, Listed, Outside, Publication, Question, Sizes, WRITE_LIMIT, work,
};
use crate::time::Timestamp;

/// The longest time between two alarms.
const LONGEST_SLEEP: Duration = Duration::from_hours(30 * 24);
/// When to try again what the database itself has failed at.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// How long a batch of writes is waited for: each of its entries has its own limit, and six are written at once.
const BATCH_LIMIT: Duration = Duration::from_secs(40);

/// One shard of the ledger, as `worker.js` calls it.
#[wasm_bindgen]
pub struct Shard(Rc<Ledger>);

struct Ledger {
    /// What writes a batch to Workers KV.
    writer: JsValue,
    storage: DurableObjectStorage,
    env: Env,
    decisions: RefCell<Decisions<SqlRows>>,
    /// For when the alarm is set, as far as this instance knows.
    alarm_at: Cell<Option<Timestamp>>,
    /// Whether an alarm is at work, which sees whatever is recorded meanwhile.
    is_working: Cell<bool>,
    is_prepared: Cell<bool>,
}

#[wasm_bindgen]
impl Shard {
    /// The shard whose storage that is.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: &DurableObjectState, env: Env, writer: JsValue) -> Self {
        let storage = state.storage().unwrap_or_else(|_| JsValue::UNDEFINED.into());
        let decisions = RefCell::new(Decisions::new(SqlRows::new(storage.sql().into()), Sizes::DEFAULT));
        Self(Rc::new(Ledger {
            writer,
            storage,
            env,
            decisions,
            alarm_at: Cell::new(None),
            is_working: Cell::new(false),
            is_prepared: Cell::new(false),
        }))
    }

    /// The answer to a call, as bytes.
    ///
    /// # Errors
    /// The database has failed, or it was no call that this version understands.
    pub fn ask(&self, call: &[u8]) -> Result<Vec<u8>, JsValue> {
        let call = Call::read(call).ok_or("not a call that this version understands")?;
        let ledger = &self.0;
        let is_first = !ledger.is_prepared.get();
        if !is_first {
            let read = ledger.decisions.try_borrow_mut().map_err(|_| busy())?.read(&call);
            if let Some(answer) = read.map_err(|error| ledger.fail(&error))? {
                return Ok(answer.write());
            }
        }
        let answered = ledger.atomically(|| {
            ledger.prepare()?;
            let mut decisions = ledger.decisions.try_borrow_mut().map_err(|_| busy())?;
            let answer = decisions.answer(&call, now())?;
            let looks = decisions.takes_new_work() || is_first;
            Ok((answer, if looks { decisions.next_due(now())? } else { None }))
        });
        let (answer, next) = answered.map_err(|error| ledger.fail(&error))?;
        let soon = now().plus(GATHERING);
        if matches!(call.question, Question::Record(_)) && !ledger.is_working.get() {
            ledger.wake_at(Some(soon));
        } else if let Some(next) = next {
            // Alarms are given up after six failures: the first call of an instance sees to it that there is one.
            glue::ensure_alarm(&ledger.storage, millis(next.max(soon)));
        }
        Ok(answer.write())
    }

    /// Does what is due.
    pub fn alarm(&self) -> Promise {
        let ledger = Rc::clone(&self.0);
        promise(async move {
            ledger.alarm().await;
            Ok(JsValue::UNDEFINED)
        })
    }
}

impl Ledger {
    async fn alarm(&self) {
        self.alarm_at.set(None);
        self.is_working.set(true);
        let done = match self.atomically(|| self.prepare()) {
            Ok(()) => work(&self.decisions, self).await,
            Err(error) => Err(error),
        };
        self.is_working.set(false);
        // An alarm that fails is given up after six tries: this one sets itself again instead.
        let next = done.unwrap_or_else(|error| {
            self.fail(&error);
            Some(now().plus(AFTER_FAILURE))
        });
        self.wake_at(next);
    }

    fn prepare(&self) -> Result<(), JsValue> {
        if !self.is_prepared.get() {
            self.decisions.try_borrow().map_err(|_| busy())?.rows.migrate()?;
            self.is_prepared.set(true);
        }
        Ok(())
    }

    /// Notes that the database has failed. What this instance knows may be of writes that were undone.
    fn fail(&self, error: &JsValue) -> JsValue {
        log("ledger_failed", &text(error));
        self.is_prepared.set(false);
        if let Ok(mut decisions) = self.decisions.try_borrow_mut() {
            decisions.forget_instance();
        }
        "the ledger failed".into()
    }

    /// Sets the alarm, unless it is set for as early already. It is stored with what was written just before.
    fn wake_at(&self, next: Option<Timestamp>) {
        if let Some(next) = next.filter(|next| self.alarm_at.get().is_none_or(|set| *next < set)) {
            self.alarm_at.set(Some(next));
            // The runtime refuses dates that are centuries ahead.
            glue::set_alarm(&self.storage, millis(next.max(now()).min(now().plus(LONGEST_SLEEP))));
        }
    }
}

impl Clock for Ledger {
    fn now(&self) -> Timestamp {
        now()
    }

    async fn sleep(duration: Duration) {
        EdgeClock::sleep(duration).await;
    }
}

impl Outside for Ledger {
    type DatabaseError = JsValue;

    fn atomically<T>(&self, act: impl FnOnce() -> Result<T, JsValue>) -> Result<T, JsValue> {
        let mut done = None;
        let mut act = Some(act);
        let undone = glue::transaction(&self.storage, &mut || {
            done = act.take().map(|act| act());
            matches!(done, Some(Ok(_)))
        });
        match (done, Some(undone).filter(|error| !error.is_undefined())) {
            (Some(Ok(done)), None) => Ok(done),
            (Some(Err(error)), _) | (_, Some(error)) => Err(error),
            (None, None) => Err(busy()),
        }
    }

    async fn write(&self, entries: Vec<KvEntry>) -> Vec<Result<(), IndexError>> {
        let count = entries.len();
        let written = within::<EdgeClock, _>(BATCH_LIMIT, kv::write(&self.writer, entries)).await;
        written.unwrap_or_else(|| vec![Err(IndexError::TimedOut); count])
    }

    async fn publish(&self, publication: &Publication) -> Result<(), IndexError> {
        let published = within::<EdgeClock, _>(WRITE_LIMIT, kv::publish(&self.env, publication)).await;
        published.unwrap_or(Err(IndexError::TimedOut))
    }

    async fn list(&self, cursor: Option<&str>) -> Result<Listed, IndexError> {
        within::<EdgeClock, _>(BATCH_LIMIT, kv::list(&self.env, cursor)).await.unwrap_or(Err(IndexError::TimedOut))
    }

    fn note_failure(&self, event: &'static str, error: IndexError) {
        log(event, error.reason());
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of any real date are exact in an f64")]
fn millis(moment: Timestamp) -> f64 {
    moment.as_millis() as f64
}

/// Nothing here waits while it holds the decisions, so this cannot be; a panic would cost every request in flight.
fn busy() -> JsValue {
    "the shard is busy with itself".into()
}

/// What an error says.
fn text(error: &JsValue) -> String {
    let message = js_sys::Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| error.as_string()).unwrap_or_default()
}
