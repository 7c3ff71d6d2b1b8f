//! A shard's database: [`Rows`] on the SQLite storage of its Durable Object.

use js_sys::{Array, ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};

use super::glue;
use crate::revocation::ledger::{
    Head, Import, LONGEST_WAIT, Lineage, LogEntry, LogRow, PendingEntry, Position, Rows, RunState,
};
use crate::revocation::{Digest, Limits, Logout, Revocation, Scope, TokenEntry};
use crate::time::Timestamp;

/// The schema migrations. Each list of statements upgrades the schema by one version. Every index adds a billed row to
/// each write, so only `pending` has one.
const MIGRATIONS: [&[&str]; 1] = [&[
    // Tables of releases without migrations. Their data is not used.
    "DROP TABLE IF EXISTS revocations",
    "DROP TABLE IF EXISTS head",
    "DROP TABLE IF EXISTS untold",
    "CREATE TABLE head (
        id INTEGER PRIMARY KEY CHECK (id = 1), sealed INTEGER NOT NULL, directory INTEGER NOT NULL,
        written INTEGER NOT NULL, shard INTEGER NOT NULL, shards INTEGER NOT NULL, complete_since INTEGER NOT NULL,
        import_after INTEGER NOT NULL, imported_since INTEGER, import_began_at INTEGER, import_cursor TEXT,
        foreign_lineage INTEGER NOT NULL, foreign_version INTEGER NOT NULL
    )",
    "CREATE TABLE log (
        version INTEGER PRIMARY KEY, digest BLOB NOT NULL, cut_off INTEGER, expires_at INTEGER NOT NULL,
        scope INTEGER NOT NULL, issuer TEXT NOT NULL, revoked_at INTEGER NOT NULL, token BLOB,
        token_expires_at INTEGER, is_imported INTEGER NOT NULL
    )",
    "CREATE TABLE lineages (first INTEGER PRIMARY KEY, id INTEGER NOT NULL)",
    "CREATE TABLE runs (id INTEGER PRIMARY KEY, state INTEGER NOT NULL, about BLOB NOT NULL)",
    "CREATE TABLE blocks (id INTEGER PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE cut_offs (
        digest BLOB PRIMARY KEY, cut_off INTEGER, expires_at INTEGER NOT NULL
    ) WITHOUT ROWID",
    "CREATE TABLE pending (
        digest BLOB PRIMARY KEY, issuer TEXT NOT NULL, scope INTEGER NOT NULL, revoked_at INTEGER NOT NULL,
        cut_off INTEGER, expires_at INTEGER NOT NULL, failures INTEGER NOT NULL, due_at INTEGER NOT NULL,
        uncertain_until INTEGER NOT NULL
    ) WITHOUT ROWID",
    "CREATE INDEX pending_by_due_at ON pending (due_at)",
]];

/// The maximum number of blocks of a run. The id of a block is the run's id times this number, plus its index.
const MAX_BLOCKS: u64 = 1 << 20;
/// The largest safe integer of JavaScript.
const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// A shard's database.
pub(super) struct SqlRows {
    /// The runtime's `SqlStorage`.
    sql: JsValue,
}

impl SqlRows {
    pub(super) const fn new(sql: JsValue) -> Self {
        Self { sql }
    }

    /// Upgrades the schema to the current version.
    ///
    /// # Errors
    /// A database error, or a schema of a later version.
    pub(super) fn migrate(&self) -> Result<(), JsValue> {
        self.ask("CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY)", Values::none())?;
        let found = self.ask("SELECT max(version) FROM migrations", Values::none())?;
        let version = found.into_iter().next().and_then(|mut row| row.optional_number()).unwrap_or(0);
        let version = usize::try_from(version).unwrap_or(usize::MAX);
        let Some(left) = MIGRATIONS.get(version..) else {
            return Err("the tables of the ledger are of a later version".into());
        };
        for (number, statements) in (version.saturating_add(1)..).zip(left) {
            for statement in *statements {
                self.ask(statement, Values::none())?;
            }
            self.ask("INSERT INTO migrations VALUES (?)", Values::none().count(number))?;
        }
        Ok(())
    }

    fn ask(&self, statement: &str, values: Values) -> Result<Vec<Columns>, JsValue> {
        let rows = glue::query(&self.sql, statement, values.0)?;
        Ok(rows.iter().map(|row| Columns { row: row.unchecked_into(), next: 0 }).collect())
    }

    fn all<T>(
        &self,
        statement: &str,
        values: Values,
        read: impl Fn(&mut Columns) -> Option<T>,
    ) -> Result<Vec<T>, JsValue> {
        let rows = self.ask(statement, values)?;
        rows.into_iter().map(|mut row| read(&mut row).ok_or_else(|| self.unreadable())).collect()
    }

    fn one<T>(
        &self,
        statement: &str,
        values: Values,
        read: impl Fn(&mut Columns) -> Option<T>,
    ) -> Result<Option<T>, JsValue> {
        Ok(self.all(statement, values, read)?.pop())
    }

    fn run(&self, statement: &str, values: Values) -> Result<(), JsValue> {
        self.ask(statement, values).map(|_| ())
    }
}

impl Rows for SqlRows {
    type Error = JsValue;

    fn head(&self) -> Result<Option<Head>, JsValue> {
        const HEAD: &str = "SELECT coalesce((SELECT max(version) FROM log), sealed),
            coalesce((SELECT id FROM lineages ORDER BY first DESC LIMIT 1), 0),
            sealed, directory, written, shard, shards, complete_since, import_after, imported_since, import_began_at,
            import_cursor, foreign_lineage, foreign_version FROM head";
        self.one(HEAD, Values::none(), |row| {
            Some(Head {
                latest: row.number()?,
                lineage: row.number()?,
                sealed: row.number()?,
                directory: row.number()?,
                written: row.number()?,
                shard: row.number()?.try_into().ok()?,
                shards: row.number()?.try_into().ok()?,
                complete_since: row.moment()?,
                import_after: row.moment()?,
                imported_since: row.optional_moment(),
                import: {
                    let (began_at, cursor) = (row.optional_moment(), row.optional_text());
                    began_at.map(|began_at| Import { began_at, cursor })
                },
                unknown_position: Position { lineage: row.number()?, version: row.number()? },
            })
        })
    }

    fn set_head(&mut self, head: &Head) -> Result<(), JsValue> {
        let import = head.import.as_ref();
        let values = Values::none().number(head.sealed).number(head.directory).number(head.written);
        let values = values.number(head.shard.into()).number(head.shards.into()).moment(head.complete_since);
        let values = values.moment(head.import_after).optional_moment(head.imported_since);
        let values = values.optional_moment(import.map(|import| import.began_at));
        let values = values.optional_text(import.and_then(|import| import.cursor.as_deref()));
        let values = values.number(head.unknown_position.lineage).number(head.unknown_position.version);
        self.run("INSERT OR REPLACE INTO head VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    }

    fn append(&mut self, row: &LogRow) -> Result<(), JsValue> {
        let Logout { widest, token } = &row.logout;
        let values = Values::none().number(row.version).bytes(widest.digest.bytes());
        let values = values.optional_moment(widest.cut_off).moment(widest.expires_at);
        let values = values.number(widest.scope.number().into()).text(&widest.issuer).moment(widest.revoked_at);
        let values = match token {
            Some(TokenEntry { digest, expires_at }) => values.bytes(digest.bytes()).moment(*expires_at),
            None => values.null().null(),
        };
        self.run("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values.flag(row.is_imported))
    }

    fn log_after(&self, version: u64, limit: usize) -> Result<Vec<LogEntry>, JsValue> {
        let statement = "SELECT digest, cut_off, expires_at, scope FROM log WHERE version > ? ORDER BY version LIMIT ?";
        self.all(statement, Values::none().number(version).count(limit), |row| {
            let (digest, limits) = (row.digest()?, row.limits()?);
            Some(LogEntry { digest, limits, scope: row.scope()? })
        })
    }

    fn rows_after(&self, version: u64, limit: usize) -> Result<Vec<LogRow>, JsValue> {
        const ROWS: &str = "SELECT version, digest, cut_off, expires_at, scope, issuer, revoked_at, token,
            token_expires_at, is_imported FROM log WHERE version > ? ORDER BY version LIMIT ?";
        self.all(ROWS, Values::none().number(version).count(limit), |row| {
            let version = row.number()?;
            let (digest, limits) = (row.digest()?, row.limits()?);
            let widest = row.revocation(digest, limits)?;
            let (token, expires_at) = (row.digest(), row.optional_moment());
            let token = token.zip(expires_at).map(|(digest, expires_at)| TokenEntry { digest, expires_at });
            Some(LogRow { version, logout: Logout { widest, token }, is_imported: row.number()? != 0 })
        })
    }

    fn remove_log(&mut self, upto: u64) -> Result<(), JsValue> {
        self.run("DELETE FROM log WHERE version <= ?", Values::none().number(upto))
    }

    fn lineages(&self) -> Result<Vec<Lineage>, JsValue> {
        self.all("SELECT first, id FROM lineages ORDER BY first", Values::none(), |row| {
            Some(Lineage { first: row.number()?, id: row.number()? })
        })
    }

    fn add_lineage(&mut self, lineage: Lineage) -> Result<(), JsValue> {
        let values = Values::none().number(lineage.first).number(lineage.id);
        self.run("INSERT OR REPLACE INTO lineages VALUES (?, ?)", values)
    }

    fn remove_lineages(&mut self, before: u64) -> Result<(), JsValue> {
        self.run("DELETE FROM lineages WHERE first < ?", Values::none().number(before))
    }

    fn runs(&self) -> Result<Vec<(u64, RunState, Vec<u8>)>, JsValue> {
        self.all("SELECT id, state, about FROM runs ORDER BY id", Values::none(), |row| {
            let id = row.number()?;
            let state = match row.number()? {
                0 => RunState::Unfinished,
                1 => RunState::Live,
                2 => RunState::Removed,
                _ => return None,
            };
            Some((id, state, row.bytes()?))
        })
    }

    fn set_run(&mut self, id: u64, state: RunState, about: &[u8]) -> Result<(), JsValue> {
        let state = match state {
            RunState::Unfinished => 0,
            RunState::Live => 1,
            RunState::Removed => 2,
        };
        let values = Values::none().number(id).number(state).bytes(about);
        self.run("INSERT OR REPLACE INTO runs VALUES (?, ?, ?)", values)
    }

    fn remove_run(&mut self, id: u64) -> Result<(), JsValue> {
        self.run("DELETE FROM runs WHERE id = ?", Values::none().number(id))
    }

    fn block(&self, run: u64, place: u32) -> Result<Option<Vec<u8>>, JsValue> {
        let values = Values::none().number(block_id(run, place));
        self.one("SELECT data FROM blocks WHERE id = ?", values, Columns::bytes)
    }

    fn add_block(&mut self, run: u64, place: u32, block: &[u8]) -> Result<(), JsValue> {
        let values = Values::none().number(block_id(run, place)).bytes(block);
        self.run("INSERT INTO blocks VALUES (?, ?)", values)
    }

    fn remove_blocks(&mut self, run: u64, limit: usize) -> Result<bool, JsValue> {
        const REMOVE: &str = "DELETE FROM blocks WHERE id IN (SELECT id FROM blocks WHERE id >= ? AND id < ? LIMIT ?)";
        const LEFT: &str = "SELECT count(*) FROM (SELECT 1 FROM blocks WHERE id >= ? AND id < ? LIMIT 1)";
        let range = || Values::none().number(block_id(run, 0)).number(block_id(run.saturating_add(1), 0));
        self.run(REMOVE, range().count(limit))?;
        Ok(self.one(LEFT, range(), Columns::number)? == Some(0))
    }

    fn cut_offs(&self) -> Result<Vec<LogEntry>, JsValue> {
        self.all("SELECT digest, cut_off, expires_at FROM cut_offs", Values::none(), |row| {
            Some(LogEntry { digest: row.digest()?, limits: row.limits()?, scope: Scope::Issuer })
        })
    }

    fn set_cut_off(&mut self, entry: &LogEntry) -> Result<(), JsValue> {
        let Limits { cut_off, expires_at } = entry.limits;
        let values = Values::none().bytes(entry.digest.bytes()).optional_moment(cut_off).moment(expires_at);
        self.run("INSERT OR REPLACE INTO cut_offs VALUES (?, ?, ?)", values)
    }

    fn remove_cut_off(&mut self, digest: &Digest) -> Result<(), JsValue> {
        self.run("DELETE FROM cut_offs WHERE digest = ?", Values::none().bytes(digest.bytes()))
    }

    fn pending(&self, digest: &Digest) -> Result<Option<PendingEntry>, JsValue> {
        let statement = [PENDING, "WHERE digest = ?"].concat();
        self.one(&statement, Values::none().bytes(digest.bytes()), Columns::pending)
    }

    fn pending_due(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEntry>, JsValue> {
        let statement = [PENDING, "WHERE due_at <= ? OR due_at > ? ORDER BY due_at LIMIT ?"].concat();
        let values = Values::none().moment(now).moment(now.plus(LONGEST_WAIT)).count(limit);
        self.all(&statement, values, Columns::pending)
    }

    fn next_pending(&self) -> Result<Option<Timestamp>, JsValue> {
        let statement = "SELECT due_at FROM pending ORDER BY due_at LIMIT 1";
        self.one(statement, Values::none(), Columns::moment)
    }

    fn set_pending(&mut self, entry: &PendingEntry) -> Result<(), JsValue> {
        let Revocation { digest, issuer, scope, revoked_at, cut_off, expires_at, duplicate_window: _ } =
            &entry.revocation;
        let values = Values::none().bytes(digest.bytes()).text(issuer).number(scope.number().into());
        let values = values.moment(*revoked_at).optional_moment(*cut_off).moment(*expires_at);
        let values = values.number(entry.failures.into()).moment(entry.due_at).moment(entry.uncertain_until);
        self.run("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    }

    fn remove_pending(&mut self, digest: &Digest) -> Result<(), JsValue> {
        self.run("DELETE FROM pending WHERE digest = ?", Values::none().bytes(digest.bytes()))
    }

    fn unreadable(&self) -> JsValue {
        "what the ledger has stored cannot be read".into()
    }

    fn random(&mut self) -> Result<[u8; 16], JsValue> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| JsValue::from("there is no randomness"))?;
        Ok(bytes)
    }

    fn size(&self) -> Result<u64, JsValue> {
        Ok(whole(glue::database_size(&self.sql)).and_then(|size| u64::try_from(size).ok()).unwrap_or(u64::MAX))
    }
}

const PENDING: &str = "SELECT digest, cut_off, expires_at, scope, issuer, revoked_at, failures, due_at,
    uncertain_until FROM pending ";

const fn block_id(run: u64, place: u32) -> u64 {
    // A cast: `From` cannot be used in a constant.
    run.saturating_mul(MAX_BLOCKS).saturating_add(place as u64)
}

#[expect(clippy::cast_possible_truncation, reason = "whole numbers within the exact range")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then_some(number as i64)
}

/// A result row: its columns in order.
struct Columns {
    row: Array,
    next: u32,
}

impl Columns {
    fn value(&mut self) -> JsValue {
        let value = self.row.get(self.next);
        self.next = self.next.saturating_add(1);
        value
    }

    fn optional_number(&mut self) -> Option<i64> {
        self.value().as_f64().and_then(whole)
    }

    fn number(&mut self) -> Option<u64> {
        u64::try_from(self.optional_number()?).ok()
    }

    fn moment(&mut self) -> Option<Timestamp> {
        self.optional_number().map(Timestamp::from_millis)
    }

    /// A timestamp; `None` for `NULL`.
    fn optional_moment(&mut self) -> Option<Timestamp> {
        self.moment()
    }

    fn optional_text(&mut self) -> Option<String> {
        self.value().as_string()
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let buffer: ArrayBuffer = self.value().dyn_into().ok()?;
        Some(Uint8Array::new(&buffer).to_vec())
    }

    fn digest(&mut self) -> Option<Digest> {
        Some(Digest::from_bytes(self.bytes()?.try_into().ok()?))
    }

    fn scope(&mut self) -> Option<Scope> {
        Scope::numbered(self.number()?.try_into().ok()?)
    }

    fn limits(&mut self) -> Option<Limits> {
        let cut_off = self.optional_moment();
        Some(Limits { cut_off, expires_at: self.moment()? })
    }

    fn revocation(&mut self, digest: Digest, Limits { cut_off, expires_at }: Limits) -> Option<Revocation> {
        let scope = self.scope()?;
        let (issuer, revoked_at) = (self.optional_text()?, self.moment()?);
        // `duplicate_window` is only used while recording.
        let duplicate_window = std::time::Duration::ZERO;
        Some(Revocation { digest, issuer, scope, revoked_at, cut_off, expires_at, duplicate_window })
    }

    fn pending(&mut self) -> Option<PendingEntry> {
        let (digest, limits) = (self.digest()?, self.limits()?);
        Some(PendingEntry {
            revocation: self.revocation(digest, limits)?,
            failures: self.number()?.try_into().ok()?,
            due_at: self.moment()?,
            uncertain_until: self.moment()?,
        })
    }
}

/// The parameters of a statement.
struct Values(Array);

impl Values {
    fn none() -> Self {
        Self(Array::new())
    }

    fn push(self, value: &JsValue) -> Self {
        self.0.push(value);
        self
    }

    fn null(self) -> Self {
        self.push(&JsValue::NULL)
    }

    #[expect(clippy::cast_precision_loss, reason = "the number is limited to what is exact")]
    fn exact(self, number: i64) -> Self {
        let number = number.clamp(MAX_SAFE_INTEGER.saturating_neg(), MAX_SAFE_INTEGER) as f64;
        self.push(&JsValue::from_f64(number))
    }

    fn number(self, number: u64) -> Self {
        self.exact(i64::try_from(number).unwrap_or(MAX_SAFE_INTEGER))
    }

    fn count(self, count: usize) -> Self {
        self.exact(i64::try_from(count).unwrap_or(MAX_SAFE_INTEGER))
    }

    fn flag(self, flag: bool) -> Self {
        self.exact(flag.into())
    }

    fn text(self, text: &str) -> Self {
        self.push(&JsValue::from_str(text))
    }

    fn optional_text(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.null(),
        }
    }

    fn bytes(self, bytes: &[u8]) -> Self {
        self.push(&Uint8Array::from(bytes))
    }

    fn moment(self, moment: Timestamp) -> Self {
        self.exact(moment.as_millis())
    }

    fn optional_moment(self, moment: Option<Timestamp>) -> Self {
        match moment {
            Some(moment) => self.moment(moment),
            None => self.null(),
        }
    }
}
