//! The rows of a shard in the SQLite of its Durable Object.

use std::cell::RefCell;

use serde_json::Value;
use wasm_bindgen::JsValue;

use super::glue;
use super::sql::{Columns, Values};
use crate::json::{self, Array};
use crate::revocation::ledger::{Head, NEVER, Row, Rows, Untold};
use crate::revocation::{Limits, Revocation};
use crate::time::Timestamp;

/// Two indices, of the feed alone: in the order of versions, and by what is due. Every row of an index that is written
/// costs as much as a row of the table, so there is none for what is rare.
const SCHEMA: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS revocations (
        key TEXT PRIMARY KEY, issuer TEXT NOT NULL, scope TEXT NOT NULL, revoked_at INTEGER NOT NULL, cut_off INTEGER,
        expires_at INTEGER NOT NULL, version INTEGER NOT NULL, in_feed INTEGER NOT NULL, indexed_at INTEGER,
        contested_until INTEGER, failures INTEGER NOT NULL, due_at INTEGER NOT NULL
    ) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS feed ON revocations (version) WHERE in_feed = 1",
    "CREATE INDEX IF NOT EXISTS agenda ON revocations (due_at) WHERE in_feed = 1",
    "CREATE TABLE IF NOT EXISTS head (
        id INTEGER PRIMARY KEY CHECK (id = 1), epoch TEXT NOT NULL, latest INTEGER NOT NULL, trimmed INTEGER NOT NULL,
        swept_at INTEGER NOT NULL, first_expiry INTEGER
    )",
    "CREATE TABLE IF NOT EXISTS untold (
        id INTEGER PRIMARY KEY CHECK (id = 1), shards INTEGER NOT NULL, trimmed INTEGER NOT NULL, until INTEGER NOT NULL
    )",
];

const SETTLED: &str = "in_feed = 1 AND due_at <= ? AND indexed_at IS NOT NULL";
/// The plus keeps SQLite from walking all that rests: older than what is kept there is but little.
const RESTING: &str = "in_feed = 1 AND version <= ? AND +due_at = ? AND indexed_at IS NOT NULL";

/// The database of a shard. Statements, their values and rows cross as JSON, in one call.
pub(super) struct SqlRows {
    /// The runtime's `SqlStorage`.
    sql: JsValue,
    /// The head as it is stored: nobody else writes it.
    head: RefCell<Option<Head>>,
}

impl SqlRows {
    pub(super) const fn new(sql: JsValue) -> Self {
        Self { sql, head: RefCell::new(None) }
    }

    /// Makes the tables where there are none, and gives a new shard an epoch of its own.
    pub(super) fn prepare(&self) -> Result<(), JsValue> {
        for statement in SCHEMA {
            self.ask(statement, Values::none())?;
        }
        let epoch = format!("{:016x}", getrandom::u64().map_err(|_| JsValue::from("there is no randomness"))?);
        let fresh = "INSERT OR IGNORE INTO head (id, epoch, latest, trimmed, swept_at) VALUES (1, ?, 0, 0, 0)";
        self.ask(fresh, Values::none().text(&epoch)).map(|_| ())
    }

    fn ask(&self, statement: &str, values: Values) -> Result<Vec<Columns>, JsValue> {
        let rows = json::read(&glue::query(&self.sql, statement, &values.0.finish())?);
        let Some(Value::Array(rows)) = rows else { return Err(unreadable()) };
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            let Value::Array(columns) = row else { return Err(unreadable()) };
            read.push(Columns(columns.into_iter()));
        }
        Ok(read)
    }

    fn rows(&self, rest: &str, values: Values) -> Result<Vec<Row>, JsValue> {
        let found = self.ask(&["SELECT * FROM revocations ", rest].concat(), values)?;
        found.into_iter().map(|columns| columns.into_row().ok_or_else(unreadable)).collect()
    }

    /// The one number that a question is answered with.
    fn number(&self, question: &str, values: Values) -> Result<Option<i64>, JsValue> {
        Ok(self.ask(question, values)?.first_mut().and_then(Columns::number))
    }

    fn moment(&self, question: &str) -> Result<Option<Timestamp>, JsValue> {
        Ok(self.number(question, Values::none())?.map(Timestamp::from_millis))
    }
}

/// A row that this version has not written.
fn unreadable() -> JsValue {
    JsValue::from("a row cannot be read")
}

impl Rows for SqlRows {
    type Error = JsValue;

    fn head(&self) -> Result<Head, JsValue> {
        if let Some(head) = &*self.head.borrow() {
            return Ok(head.clone());
        }
        let found = self.ask("SELECT id, epoch, latest, trimmed, swept_at, first_expiry FROM head", Values::none())?;
        let head = found.into_iter().next().and_then(Columns::into_head);
        let head = head.ok_or_else(|| JsValue::from("the shard has no head"))?;
        *self.head.borrow_mut() = Some(head.clone());
        Ok(head)
    }

    fn set_head(&mut self, head: &Head) -> Result<(), JsValue> {
        let values = Values::none().version(head.latest).version(head.trimmed).moment(head.swept_at);
        let values = values.optional_moment(head.first_expiry);
        *self.head.borrow_mut() = None;
        self.ask("UPDATE head SET latest = ?, trimmed = ?, swept_at = ?, first_expiry = ?", values)?;
        *self.head.borrow_mut() = Some(head.clone());
        Ok(())
    }

    fn find(&self, key: &str) -> Result<Option<Row>, JsValue> {
        Ok(self.rows("WHERE key = ?", Values::none().text(key))?.into_iter().next())
    }

    fn limits(&self, keys: &[String]) -> Result<Vec<Option<Limits>>, JsValue> {
        const FIND: &str = "SELECT asked.key, cut_off, expires_at FROM json_each(?) AS asked
            JOIN revocations ON revocations.key = asked.value";
        let mut asked = Array::new();
        for key in keys {
            asked.text(key);
        }
        let mut limits = vec![None; keys.len()];
        for mut found in self.ask(FIND, Values::none().text(&asked.finish()))? {
            let place = found.number().and_then(|place| limits.get_mut(usize::try_from(place).ok()?));
            let cut_off = found.optional_moment();
            let (Some(place), Some(expires_at)) = (place, found.moment()) else { return Err(unreadable()) };
            *place = Some(Limits { cut_off, expires_at });
        }
        Ok(limits)
    }

    fn store(&mut self, row: &Row) -> Result<(), JsValue> {
        let Revocation { key, issuer, scope, revoked_at, cut_off, expires_at, spare: _ } = &row.revocation;
        let values = Values::none().text(key).text(issuer).text(scope.name());
        let values = values.moment(*revoked_at).optional_moment(*cut_off).moment(*expires_at);
        let values = values.version(row.version).number(row.in_feed.into()).optional_moment(row.indexed_at);
        let values = values.optional_moment(row.contested_until).number(row.failures.into()).moment(row.due_at);
        self.ask("INSERT OR REPLACE INTO revocations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values).map(|_| ())
    }

    fn feed_after(&self, version: u64, limit: usize) -> Result<Vec<Row>, JsValue> {
        let values = Values::none().version(version).count(limit);
        self.rows("WHERE in_feed = 1 AND version > ? ORDER BY version LIMIT ?", values)
    }

    fn version_before_newest(&self, newest: usize) -> Result<u64, JsValue> {
        let question = "SELECT version FROM revocations WHERE in_feed = 1 ORDER BY version DESC LIMIT 1 OFFSET ?";
        let found = self.number(question, Values::none().count(newest))?;
        Ok(found.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, JsValue> {
        let due = "WHERE in_feed = 1 AND due_at <= ? AND indexed_at IS NULL ORDER BY due_at LIMIT ?";
        self.rows(due, Values::none().moment(now).count(limit))
    }

    fn next_due(&self) -> Result<Option<Timestamp>, JsValue> {
        self.moment("SELECT min(due_at) FROM revocations WHERE in_feed = 1")
    }

    fn highest_settled(&self, now: Timestamp) -> Result<Option<u64>, JsValue> {
        // The plus keeps SQLite from walking the index of versions, through the whole feed, for the one that is highest.
        let question = ["SELECT max(+version) FROM revocations WHERE ", SETTLED].concat();
        let highest = self.number(&question, Values::none().moment(now))?;
        Ok(highest.and_then(|highest| u64::try_from(highest).ok()))
    }

    fn leave_feed(&mut self, now: Timestamp) -> Result<(), JsValue> {
        let statement = ["UPDATE revocations SET in_feed = 0 WHERE ", SETTLED].concat();
        self.ask(&statement, Values::none().moment(now)).map(|_| ())
    }

    fn rest(&mut self, now: Timestamp) -> Result<(), JsValue> {
        let statement = ["UPDATE revocations SET due_at = ? WHERE ", SETTLED].concat();
        self.ask(&statement, Values::none().moment(NEVER).moment(now)).map(|_| ())
    }

    fn last_resting(&self, upto: u64) -> Result<Option<(u64, Timestamp)>, JsValue> {
        let question = ["SELECT max(+version), max(expires_at) FROM revocations WHERE ", RESTING].concat();
        let mut found = self.ask(&question, Values::none().version(upto).moment(NEVER))?;
        Ok(found.first_mut().and_then(|last| Some((last.version()?, last.moment()?))))
    }

    fn leave_feed_upto(&mut self, upto: u64) -> Result<(), JsValue> {
        let statement = ["UPDATE revocations SET in_feed = 0 WHERE ", RESTING].concat();
        self.ask(&statement, Values::none().version(upto).moment(NEVER)).map(|_| ())
    }

    fn untold(&self) -> Result<Option<Untold>, JsValue> {
        let mut found = self.ask("SELECT shards, trimmed, until FROM untold", Values::none())?;
        Ok(found.first_mut().and_then(Columns::untold))
    }

    fn set_untold(&mut self, untold: Option<Untold>) -> Result<(), JsValue> {
        let Some(Untold { shards, trimmed, until }) = untold else {
            return self.ask("DELETE FROM untold", Values::none()).map(|_| ());
        };
        let values = Values::none().number(shards.into()).version(trimmed).moment(until);
        self.ask("INSERT OR REPLACE INTO untold VALUES (1, ?, ?, ?)", values).map(|_| ())
    }

    fn remove_expired(&mut self, by: Timestamp, limit: usize) -> Result<bool, JsValue> {
        const DELETE: &str = "DELETE FROM revocations WHERE key IN
            (SELECT key FROM revocations WHERE expires_at <= ? LIMIT ?)";
        self.ask(DELETE, Values::none().moment(by).count(limit))?;
        let left = "SELECT 1 FROM revocations WHERE expires_at <= ? LIMIT 1";
        Ok(self.number(left, Values::none().moment(by))?.is_none())
    }

    fn first_expiry(&self) -> Result<Option<Timestamp>, JsValue> {
        self.moment("SELECT min(expires_at) FROM revocations")
    }
}
