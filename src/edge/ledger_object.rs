//! One shard of the ledger: a Durable Object. It loads, lets the core decide, stores and replies.
//!
//! The runtime holds an answer back until what was written before it is on disk, so answering right after a write is
//! safe. What is written between two awaits is one transaction.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::join_all;
use worker::kv::KvStore;
use worker::{DurableObject, Env, Error, Request, Response, State, durable_object};

use super::environment::settling;
use super::ledger_rows::SqlRows;
use super::platform::{EdgeClock, now};
use super::{kv, log};
use crate::config::REVOCATIONS;
use crate::ports::{IndexError, within};
use crate::revocation::ledger::{Ledger as Decisions, Row, WRITE_LIMIT};
use crate::revocation::{LedgerQuestion, answer_question};
use crate::time::Timestamp;

/// How many entries are written to the index at once: the runtime lets six calls wait at a time.
const WRITES_AT_ONCE: usize = 6;
/// How many entries one alarm writes at the most: an invocation has a thousand operations.
const WRITES_PER_ALARM: usize = 720;
/// When to try again what the database itself has failed at.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// One shard of the ledger.
#[durable_object(alarm)]
pub struct Ledger {
    state: State,
    env: Env,
    decisions: RefCell<Decisions<SqlRows>>,
    /// For when the alarm is known to be set.
    alarm_at: Cell<Option<Timestamp>>,
    is_prepared: Cell<bool>,
}

impl DurableObject for Ledger {
    fn new(state: State, env: Env) -> Self {
        let rows = SqlRows(state.storage().sql());
        let decisions = RefCell::new(Decisions { rows, settling: settling(&env) });
        Self { state, env, decisions, alarm_at: Cell::new(None), is_prepared: Cell::new(false) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let question = request.text().await?;
        let Ok(question) = serde_json::from_str::<LedgerQuestion>(&question) else {
            return Response::error("not a question to the ledger", 400);
        };
        match self.answer(&question).await {
            Ok(answer) => Response::ok(answer),
            Err(error) => {
                log("ledger_failed", &error.to_string());
                // What was stored before it failed is to be written all the same.
                self.wake_at(Some(now().plus(AFTER_FAILURE))).await?;
                Response::error("the ledger failed", 500)
            }
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.alarm_at.set(None);
        let next = match self.work_off().await {
            Ok(next) => next,
            Err(error) => {
                // An alarm that fails is given up after six tries: this one sets itself again instead.
                log("ledger_failed", &error.to_string());
                Some(now().plus(AFTER_FAILURE))
            }
        };
        self.wake_at(next).await?;
        Response::empty()
    }
}

impl Ledger {
    async fn answer(&self, question: &LedgerQuestion) -> worker::Result<String> {
        self.prepare()?;
        let (answer, next) = {
            let mut decisions = self.decisions.try_borrow_mut().map_err(|_| busy())?;
            let answer = answer_question(&mut *decisions, question, now())?;
            // An object that has just woken does not know whether its alarm is set: any question sets it again.
            let is_due = matches!(question, LedgerQuestion::Record(_)) || self.alarm_at.get().is_none();
            (answer, if is_due { decisions.next_alarm()? } else { None })
        };
        self.wake_at(next).await?;
        Ok(answer)
    }

    fn prepare(&self) -> worker::Result<()> {
        if !self.is_prepared.get() {
            self.decisions.try_borrow().map_err(|_| busy())?.rows.prepare()?;
            self.is_prepared.set(true);
        }
        Ok(())
    }

    /// Sets the alarm, unless it is set for as early already. It is stored with what was written just before.
    async fn wake_at(&self, next: Option<Timestamp>) -> worker::Result<()> {
        let Some(next) = next.filter(|next| self.alarm_at.get().is_none_or(|set| *next < set)) else { return Ok(()) };
        self.alarm_at.set(Some(next));
        let offset = i64::try_from(next.since(now()).as_millis()).unwrap_or(i64::MAX);
        self.state.storage().set_alarm(offset).await.inspect_err(|_| self.alarm_at.set(None))
    }

    /// Writes to the index what is due, and tidies up. Gives when there is next something to do.
    async fn work_off(&self) -> worker::Result<Option<Timestamp>> {
        self.prepare()?;
        let index = self.env.kv(REVOCATIONS).map_err(|error| Error::RustError(error.to_string()))?;
        let mut left = WRITES_PER_ALARM;
        while left > 0 {
            let due = self.decisions.try_borrow().map_err(|_| busy())?.due(now(), WRITES_AT_ONCE)?;
            if due.is_empty() {
                break;
            }
            left = left.saturating_sub(due.len());
            let sent_at = now();
            let written = join_all(due.iter().map(|row| put(&index, row))).await;
            self.note(&due, written, sent_at)?;
        }
        let mut decisions = self.decisions.try_borrow_mut().map_err(|_| busy())?;
        decisions.tidy(now())?;
        decisions.next_alarm()
    }

    fn note(&self, rows: &[Row], written: Vec<Result<(), IndexError>>, sent_at: Timestamp) -> worker::Result<()> {
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

async fn put(index: &KvStore, row: &Row) -> Result<(), IndexError> {
    let entry = row.revocation.entry(now());
    within::<EdgeClock, _>(WRITE_LIMIT, kv::put(index, &entry)).await.unwrap_or(Err(IndexError::TimedOut))
}

/// Nothing here waits while it holds the decisions, so this cannot be; a panic would cost every request in flight.
fn busy() -> Error {
    Error::RustError("the shard is busy with itself".to_owned())
}
