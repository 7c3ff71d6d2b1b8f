//! One shard of the ledger: a Durable Object. It loads, lets the core decide, stores and replies.
//!
//! The runtime holds an answer back until what was written before it is on disk, so answering right after a write is
//! safe. What is written between two awaits is one transaction.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::{DurableObjectState, DurableObjectStorage};

use super::environment::of_ledger;
use super::ledger_rows::SqlRows;
use super::platform::{EdgeClock, now};
use super::{at_once, glue, kv, log, promise};
use crate::ports::{IndexError, all, within};
use crate::revocation::ledger::{GATHERING, Ledger as Decisions, Row, WRITE_LIMIT};
use crate::revocation::{LedgerQuestion, answer_question};
use crate::time::Timestamp;

/// How many entries are written to the index at once: the runtime lets six calls wait at a time.
const WRITES_AT_ONCE: usize = 6;
/// How many entries one alarm writes at the most: an invocation has a thousand operations.
const WRITES_PER_ALARM: usize = 720;
/// When to try again what the database itself has failed at.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// One shard of the ledger, as `worker.js` calls it.
#[wasm_bindgen]
pub struct Shard(Rc<Ledger>);

struct Ledger {
    storage: DurableObjectStorage,
    env: Env,
    decisions: RefCell<Decisions<SqlRows>>,
    /// For when the alarm is known to be set.
    alarm_at: Cell<Option<Timestamp>>,
    /// Whether it is known at all: an object that has just woken sets it again, whatever it is asked.
    knows_alarm: Cell<bool>,
    is_prepared: Cell<bool>,
}

#[wasm_bindgen]
impl Shard {
    /// The shard whose storage that is.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: &DurableObjectState, env: Env) -> Self {
        let storage = state.storage().unwrap_or_else(|_| JsValue::UNDEFINED.into());
        let rows = SqlRows::new(storage.sql().into());
        let (settling, sole_writer) = of_ledger(&env);
        let decisions = RefCell::new(Decisions { rows, settling, sole_writer });
        Self(Rc::new(Ledger {
            storage,
            env,
            decisions,
            alarm_at: Cell::new(None),
            knows_alarm: Cell::new(false),
            is_prepared: Cell::new(false),
        }))
    }

    /// The answer to a question, both JSON, or the promise of it.
    ///
    /// # Errors
    /// The database has failed, or it was no question.
    pub fn ask(&self, question: String) -> Result<JsValue, JsValue> {
        let ledger = Rc::clone(&self.0);
        at_once(async move { ledger.ask(&question).await.map(JsValue::from) })
    }

    /// Does what is due.
    pub fn alarm(&self) -> Promise {
        let ledger = Rc::clone(&self.0);
        promise(async move { ledger.alarm().await.map(|()| JsValue::UNDEFINED) })
    }
}

impl Ledger {
    async fn ask(&self, question: &str) -> Result<String, JsValue> {
        let question = LedgerQuestion::read(question).ok_or("not a question to the ledger")?;
        match self.answer(&question).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                log("ledger_failed", &text(&error));
                // What was stored before it failed is to be written all the same.
                self.wake_at(Some(now().plus(AFTER_FAILURE))).await?;
                Err("the ledger failed".into())
            }
        }
    }

    async fn alarm(&self) -> Result<(), JsValue> {
        self.alarm_at.set(None);
        let next = match self.work_off().await {
            Ok(next) => next,
            Err(error) => {
                // An alarm that fails is given up after six tries: this one sets itself again instead.
                log("ledger_failed", &text(&error));
                Some(now().plus(AFTER_FAILURE))
            }
        };
        self.wake_at(next).await
    }

    async fn answer(&self, question: &LedgerQuestion) -> Result<String, JsValue> {
        self.prepare()?;
        let (answer, next) = {
            let mut decisions = self.decisions.try_borrow_mut().map_err(|_| busy())?;
            let answer = answer_question(&mut *decisions, question, now())?;
            // What is recorded now is due a little later: an alarm that comes before will see to it.
            let is_late = |alarm: Timestamp| alarm > now().plus(GATHERING);
            let is_new = matches!(question, LedgerQuestion::Record(_)) && self.alarm_at.get().is_none_or(is_late);
            let is_due = is_new || !self.knows_alarm.get();
            (answer, if is_due { decisions.next_alarm()? } else { None })
        };
        self.wake_at(next).await?;
        self.knows_alarm.set(true);
        Ok(answer)
    }

    fn prepare(&self) -> Result<(), JsValue> {
        if !self.is_prepared.get() {
            let mut decisions = self.decisions.try_borrow_mut().map_err(|_| busy())?;
            decisions.rows.prepare()?;
            decisions.begin(now())?;
            self.is_prepared.set(true);
        }
        Ok(())
    }

    /// Sets the alarm, unless it is set for as early already. It is stored with what was written just before.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of any real date are exact in an f64")]
    async fn wake_at(&self, next: Option<Timestamp>) -> Result<(), JsValue> {
        let Some(next) = next.filter(|next| self.alarm_at.get().is_none_or(|set| *next < set)) else { return Ok(()) };
        self.alarm_at.set(Some(next));
        let set = glue::set_alarm(&self.storage, next.max(now()).as_millis() as f64).await;
        set.map(|_| ()).inspect_err(|_| self.alarm_at.set(None))
    }

    /// Writes to the index what is due, and tidies up. Gives when there is next something to do.
    async fn work_off(&self) -> Result<Option<Timestamp>, JsValue> {
        self.prepare()?;
        let mut left = WRITES_PER_ALARM;
        while left > 0 {
            let due = self.decisions.try_borrow().map_err(|_| busy())?.due(now(), WRITES_AT_ONCE)?;
            if due.is_empty() {
                break;
            }
            left = left.saturating_sub(due.len());
            let sent_at = now();
            let write = |row| -> Pin<Box<dyn Future<Output = _> + '_>> { Box::pin(put(&self.env, row)) };
            let written = all(due.iter().map(write).collect()).await;
            self.note(&due, written, sent_at)?;
        }
        let mut decisions = self.decisions.try_borrow_mut().map_err(|_| busy())?;
        decisions.tidy(now())?;
        decisions.next_alarm()
    }

    fn note(&self, rows: &[Row], written: Vec<Result<(), IndexError>>, sent_at: Timestamp) -> Result<(), JsValue> {
        let mut decisions = self.decisions.try_borrow_mut().map_err(|_| busy())?;
        let now = now();
        for (row, written) in rows.iter().zip(written) {
            let key = &row.revocation.key;
            match written {
                Ok(()) => decisions.indexed(key, row.version, sent_at, now)?,
                Err(error) => {
                    log("index_write_failed", error.reason());
                    decisions.not_indexed(key, row.version, now)?;
                }
            }
        }
        Ok(())
    }
}

async fn put(env: &Env, row: &Row) -> Result<(), IndexError> {
    let entry = row.revocation.entry(now());
    within::<EdgeClock, _>(WRITE_LIMIT, kv::put(env, &entry)).await.unwrap_or(Err(IndexError::TimedOut))
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
