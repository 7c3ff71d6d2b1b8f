//! A shard of the ledger as a Durable Object. It connects [`crate::revocation::ledger`] with storage, alarms and KV.
//!
//! The output gate holds an answer back until earlier writes are durable, so answering right after a write is safe.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::{DurableObjectState, DurableObjectStorage};

use super::clock::now;
use super::ledger_rows::SqlRows;
use super::platform::EdgeClock;
use super::{glue, kv, log, promise};
use crate::ports::KvEntry;
use crate::ports::{Clock, IndexError};
use crate::revocation::ledger::{
    BackgroundIo, Call, GATHERING, KvListPage, Ledger as LedgerShard, Publication, Question, Sizes, WRITE_LIMIT,
    run_background_work,
};
use crate::time::Timestamp;
use crate::wait::within;

/// The longest delay of an alarm.
const MAX_ALARM_DELAY: Duration = Duration::from_hours(30 * 24);
/// The retry delay after a database error.
const RETRY_DELAY: Duration = Duration::from_secs(10);
/// Timeout of a batch of KV writes. Each write has its own timeout, and six run concurrently.
const BATCH_LIMIT: Duration = Duration::from_secs(40);

/// A shard of the ledger, called by `worker.js`.
#[wasm_bindgen]
pub struct Shard(Rc<Ledger>);

struct Ledger {
    /// The JavaScript object that writes batches to Workers KV.
    writer: JsValue,
    storage: DurableObjectStorage,
    env: Env,
    shard: RefCell<LedgerShard<SqlRows>>,
    /// The time of the alarm, if this instance has set one.
    alarm_at: Cell<Option<Timestamp>>,
    /// Whether the alarm handler is running. It also handles logouts that are recorded meanwhile.
    is_alarm_running: Cell<bool>,
    is_migrated: Cell<bool>,
}

#[wasm_bindgen]
impl Shard {
    /// Creates the shard of a Durable Object. `writer` has the method `write(namespace, entries)`.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: &DurableObjectState, env: Env, writer: JsValue) -> Self {
        let storage = state.storage().unwrap_or_else(|_| JsValue::UNDEFINED.into());
        let shard = RefCell::new(LedgerShard::new(SqlRows::new(storage.sql().into()), Sizes::DEFAULT));
        Self(Rc::new(Ledger {
            writer,
            storage,
            env,
            shard,
            alarm_at: Cell::new(None),
            is_alarm_running: Cell::new(false),
            is_migrated: Cell::new(false),
        }))
    }

    /// Answers an encoded call.
    ///
    /// # Errors
    /// A database error, or a call that is malformed or of another format version.
    pub fn ask(&self, call: &[u8]) -> Result<Vec<u8>, JsValue> {
        let call = Call::read(call).ok_or("not a call that this version understands")?;
        let object = &self.0;
        let is_first = !object.is_migrated.get();
        if !is_first {
            let read = object.shard.try_borrow_mut().map_err(|_| already_borrowed())?.read(&call);
            if let Some(answer) = read.map_err(|error| object.fail(&error))? {
                return Ok(answer.write());
            }
        }
        let answered = object.atomically(|| {
            object.migrate()?;
            let mut shard = object.shard.try_borrow_mut().map_err(|_| already_borrowed())?;
            let answer = shard.answer(&call, now())?;
            let looks = shard.take_new_work() || is_first;
            Ok((answer, if looks { shard.next_due(now())? } else { None }))
        });
        let (answer, next) = answered.map_err(|error| object.fail(&error))?;
        let soon = now().plus(GATHERING);
        if matches!(call.question, Question::Record(_)) && !object.is_alarm_running.get() {
            object.set_alarm_at(Some(soon));
        } else if let Some(next) = next {
            // The runtime drops an alarm after six failed retries, so the first call of an instance restores it.
            glue::ensure_alarm(&object.storage, millis(next.max(soon)));
        }
        Ok(answer.write())
    }

    /// The alarm handler.
    pub fn alarm(&self) -> Promise {
        let object = Rc::clone(&self.0);
        promise(async move {
            object.alarm().await;
            Ok(JsValue::UNDEFINED)
        })
    }
}

impl Ledger {
    async fn alarm(&self) {
        self.alarm_at.set(None);
        self.is_alarm_running.set(true);
        let done = match self.atomically(|| self.migrate()) {
            Ok(()) => run_background_work(&self.shard, self).await,
            Err(error) => Err(error),
        };
        self.is_alarm_running.set(false);
        // Do not throw: the runtime drops an alarm after six failed retries. Set a new one instead.
        let next = done.unwrap_or_else(|error| {
            self.fail(&error);
            Some(now().plus(RETRY_DELAY))
        });
        self.set_alarm_at(next);
    }

    fn migrate(&self) -> Result<(), JsValue> {
        if !self.is_migrated.get() {
            self.shard.try_borrow().map_err(|_| already_borrowed())?.rows.migrate()?;
            self.is_migrated.set(true);
        }
        Ok(())
    }

    /// Logs a database error and drops the in-memory state, which may include writes that were rolled back.
    fn fail(&self, error: &JsValue) -> JsValue {
        log("ledger_failed", &text(error));
        self.is_migrated.set(false);
        if let Ok(mut shard) = self.shard.try_borrow_mut() {
            shard.forget_instance();
        }
        "the ledger failed".into()
    }

    /// Sets the alarm unless an earlier one is set. It is stored atomically with the preceding writes.
    fn set_alarm_at(&self, next: Option<Timestamp>) {
        if let Some(next) = next.filter(|next| self.alarm_at.get().is_none_or(|set| *next < set)) {
            self.alarm_at.set(Some(next));
            // The runtime rejects dates in the far future.
            glue::set_alarm(&self.storage, millis(next.max(now()).min(now().plus(MAX_ALARM_DELAY))));
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

impl BackgroundIo for Ledger {
    type DatabaseError = JsValue;

    fn atomically<T>(&self, act: impl FnOnce() -> Result<T, JsValue>) -> Result<T, JsValue> {
        let mut done = None;
        let mut act = Some(act);
        let rollback_error = glue::transaction(&self.storage, &mut || {
            done = act.take().map(|act| act());
            matches!(done, Some(Ok(_)))
        });
        match (done, Some(rollback_error).filter(|error| !error.is_undefined())) {
            (Some(Ok(done)), None) => Ok(done),
            (Some(Err(error)), _) | (_, Some(error)) => Err(error),
            (None, None) => Err(already_borrowed()),
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

    async fn list(&self, cursor: Option<&str>) -> Result<KvListPage, IndexError> {
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

/// The error for a failed `RefCell` borrow. No borrow is held across an await, so this does not happen; it avoids a
/// panic, which would fail every request in flight.
fn already_borrowed() -> JsValue {
    "the shard is busy with itself".into()
}

/// The message of an error.
fn text(error: &JsValue) -> String {
    let message = js_sys::Reflect::get(error, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| error.as_string()).unwrap_or_default()
}
