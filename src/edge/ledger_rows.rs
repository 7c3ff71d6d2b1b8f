//! The rows of a shard in the SQLite of its Durable Object.

use serde::Deserialize;
use worker::{Error, SqlStorage, SqlStorageValue};

use crate::revocation::ledger::{Head, Row, Rows};
use crate::revocation::{Revocation, Scope};
use crate::time::Timestamp;

/// Two indices, of the feed alone: in the order of versions, and by what is due. Every row of an index that is written
/// costs as much as a row of the table, so there is none for what is rare.
const SCHEMA: [&str; 4] = [
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
];

const SETTLED: &str = "in_feed = 1 AND due_at <= ? AND indexed_at IS NOT NULL";

/// The database of a shard.
pub(super) struct SqlRows(pub SqlStorage);

/// A row as SQLite gives it.
#[derive(Deserialize)]
struct Stored {
    key: String,
    issuer: String,
    scope: Scope,
    revoked_at: Timestamp,
    cut_off: Option<Timestamp>,
    expires_at: Timestamp,
    version: u64,
    in_feed: u8,
    indexed_at: Option<Timestamp>,
    contested_until: Option<Timestamp>,
    failures: u32,
    due_at: Timestamp,
}

#[derive(Deserialize)]
struct StoredHead {
    epoch: String,
    latest: u64,
    trimmed: u64,
    swept_at: Timestamp,
    first_expiry: Option<Timestamp>,
}

/// The one number that a question is answered with.
#[derive(Deserialize)]
struct Number {
    number: Option<i64>,
}

impl SqlRows {
    /// Makes the tables where there are none, and gives a new shard an epoch of its own.
    pub(super) fn prepare(&self) -> Result<(), Error> {
        for statement in SCHEMA {
            self.run(statement, vec![])?;
        }
        let epoch = format!("{:016x}", getrandom::u64().map_err(|error| Error::RustError(error.to_string()))?);
        self.run(
            "INSERT OR IGNORE INTO head (id, epoch, latest, trimmed, swept_at) VALUES (1, ?, 0, 0, 0)",
            vec![epoch.into()],
        )
    }

    fn run(&self, statement: &str, values: Vec<SqlStorageValue>) -> Result<(), Error> {
        self.0.exec(statement, Some(values)).map(|_| ())
    }

    fn rows(&self, rest: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Row>, Error> {
        let found: Vec<Stored> = self.0.exec(&format!("SELECT * FROM revocations {rest}"), Some(values))?.to_array()?;
        Ok(found.into_iter().map(Stored::into_row).collect())
    }

    fn number(&self, question: &str, values: Vec<SqlStorageValue>) -> Result<Option<i64>, Error> {
        // Not `one()`, which hangs the object when there is not exactly one row.
        let found: Vec<Number> = self.0.exec(question, Some(values))?.to_array()?;
        Ok(found.first().and_then(|found| found.number))
    }

    fn moment(&self, question: &str) -> Result<Option<Timestamp>, Error> {
        Ok(self.number(question, vec![])?.map(Timestamp::from_millis))
    }
}

impl Rows for SqlRows {
    type Error = Error;

    fn head(&self) -> Result<Head, Error> {
        let found: Vec<StoredHead> = self.0.exec("SELECT * FROM head", None)?.to_array()?;
        let head = found.into_iter().next().ok_or_else(|| Error::RustError("the shard has no head".to_owned()))?;
        let StoredHead { epoch, latest, trimmed, swept_at, first_expiry } = head;
        Ok(Head { epoch, latest, trimmed, swept_at, first_expiry })
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Error> {
        let first_expiry = head.first_expiry.map(moment).into();
        let values = vec![number(head.latest), number(head.trimmed), moment(head.swept_at), first_expiry];
        self.run("UPDATE head SET latest = ?, trimmed = ?, swept_at = ?, first_expiry = ?", values)
    }

    fn find(&self, key: &str) -> Result<Option<Row>, Error> {
        Ok(self.rows("WHERE key = ?", vec![key.into()])?.into_iter().next())
    }

    fn store(&mut self, row: &Row) -> Result<(), Error> {
        let Revocation { key, issuer, scope, revoked_at, cut_off, expires_at, spare: _ } = &row.revocation;
        let values = vec![
            key.as_str().into(),
            issuer.as_str().into(),
            scope.name().into(),
            moment(*revoked_at),
            cut_off.map(moment).into(),
            moment(*expires_at),
            number(row.version),
            SqlStorageValue::Integer(i64::from(row.in_feed)),
            row.indexed_at.map(moment).into(),
            row.contested_until.map(moment).into(),
            number(row.failures.into()),
            moment(row.due_at),
        ];
        self.run("INSERT OR REPLACE INTO revocations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    }

    fn feed_after(&self, version: u64, limit: usize) -> Result<Vec<Row>, Error> {
        self.rows("WHERE in_feed = 1 AND version > ? ORDER BY version LIMIT ?", vec![number(version), count(limit)])
    }

    fn version_before_newest(&self, newest: usize) -> Result<u64, Error> {
        let question =
            "SELECT version AS number FROM revocations WHERE in_feed = 1 ORDER BY version DESC LIMIT 1 OFFSET ?";
        let found = self.number(question, vec![count(newest)])?;
        Ok(found.and_then(|version| u64::try_from(version).ok()).unwrap_or(0))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Error> {
        let due = "WHERE in_feed = 1 AND due_at <= ? AND indexed_at IS NULL ORDER BY due_at LIMIT ?";
        self.rows(due, vec![moment(now), count(limit)])
    }

    fn next_due(&self) -> Result<Option<Timestamp>, Error> {
        self.moment("SELECT min(due_at) AS number FROM revocations WHERE in_feed = 1")
    }

    fn highest_settled(&self, now: Timestamp) -> Result<Option<u64>, Error> {
        // The plus keeps SQLite from walking the index of versions, through the whole feed, for the one that is highest.
        let question = format!("SELECT max(+version) AS number FROM revocations WHERE {SETTLED}");
        Ok(self.number(&question, vec![moment(now)])?.and_then(|highest| u64::try_from(highest).ok()))
    }

    fn leave_feed(&mut self, now: Timestamp) -> Result<(), Error> {
        self.run(&format!("UPDATE revocations SET in_feed = 0 WHERE {SETTLED}"), vec![moment(now)])
    }

    fn remove_expired(&mut self, by: Timestamp, limit: usize) -> Result<bool, Error> {
        const EXPIRED: &str = "SELECT key FROM revocations WHERE expires_at <= ? LIMIT ?";
        let delete = format!("DELETE FROM revocations WHERE key IN ({EXPIRED})");
        self.run(&delete, vec![moment(by), count(limit)])?;
        let left = "SELECT 1 AS number FROM revocations WHERE expires_at <= ? LIMIT 1";
        Ok(self.number(left, vec![moment(by)])?.is_none())
    }

    fn first_expiry(&self) -> Result<Option<Timestamp>, Error> {
        self.moment("SELECT min(expires_at) AS number FROM revocations")
    }
}

impl Stored {
    fn into_row(self) -> Row {
        let Self { key, issuer, scope, revoked_at, cut_off, expires_at, .. } = self;
        Row {
            // What could be spared was judged when it was recorded.
            revocation: Revocation {
                key,
                issuer,
                scope,
                revoked_at,
                cut_off,
                expires_at,
                spare: std::time::Duration::ZERO,
            },
            version: self.version,
            in_feed: self.in_feed != 0,
            indexed_at: self.indexed_at,
            contested_until: self.contested_until,
            failures: self.failures,
            due_at: self.due_at,
        }
    }
}

fn moment(moment: Timestamp) -> SqlStorageValue {
    SqlStorageValue::Integer(moment.as_millis())
}

fn number(number: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn count(count: usize) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}
