//! The ledger's table in memory, counting what the statements of `src/edge/ledger_rows.rs` read and write in SQLite.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::rc::Rc;

use edge_logout::revocation::ledger::{Head, NEVER, Row, Rows, Untold};
use edge_logout::time::Timestamp;

/// A row that is stored whole is written to the table and, while it is in the feed, to both partial indices.
const STORED_IN_FEED: u64 = 3;
/// The row, and its entries in both indices, which are deleted.
const LEAVING_FEED: u64 = 3;
/// The row, and its place in the agenda, which is another one.
const RESTING: u64 = 2;
/// A row that has left the feed is in no index.
pub const SWEPT: u64 = 1;

/// Rows as the platform bills them.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowBill {
    pub read: u64,
    pub written: u64,
}

/// One shard's table.
pub struct Table {
    rows: HashMap<Rc<str>, Row>,
    feed: BTreeMap<u64, Rc<str>>,
    agenda: BTreeSet<(Timestamp, u64)>,
    expiry: BTreeSet<(Timestamp, Rc<str>)>,
    waiting: usize,
    head: Head,
    untold: Option<Untold>,
    bill: Cell<RowBill>,
}

impl Table {
    pub fn new() -> Self {
        let start = Timestamp::from_millis(0);
        Self {
            rows: HashMap::new(),
            feed: BTreeMap::new(),
            agenda: BTreeSet::new(),
            expiry: BTreeSet::new(),
            waiting: 0,
            head: Head { epoch: "simulated".to_owned(), latest: 0, trimmed: 0, swept_at: start, first_expiry: None },
            untold: None,
            bill: Cell::default(),
        }
    }

    /// What has been read and written since this was asked last.
    pub fn take_bill(&self) -> RowBill {
        self.bill.take()
    }

    /// How many revocations wait to be written to the index.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    fn reads(&self, count: usize) {
        let bill = self.bill.get();
        self.bill.set(RowBill { read: bill.read + count as u64, ..bill });
    }

    fn writes(&self, count: u64) {
        let bill = self.bill.get();
        self.bill.set(RowBill { written: bill.written + count, ..bill });
    }

    fn remove(&mut self, key: &str) {
        let Some(row) = self.rows.remove(key) else { return };
        self.expiry.remove(&(row.revocation.expires_at, Rc::from(key)));
        if row.in_feed {
            self.feed.remove(&row.version);
            self.agenda.remove(&(row.due_at, row.version));
            self.waiting -= usize::from(row.indexed_at.is_none());
        }
    }

    fn resting(&self, upto: u64) -> Vec<Row> {
        let rows = self.feed.range(..=upto).filter_map(|(_, key)| self.rows.get(key));
        let rows: Vec<Row> = rows.filter(|row| row.due_at == NEVER).cloned().collect();
        self.reads(rows.len().max(1));
        rows
    }

    fn due_rows(&self, now: Timestamp) -> impl Iterator<Item = &Row> {
        let due = self.agenda.iter().take_while(move |(at, _)| *at <= now);
        due.filter_map(|(_, version)| self.rows.get(self.feed.get(version)?))
    }
}

impl Rows for Table {
    type Error = Infallible;

    fn head(&self) -> Result<Head, Infallible> {
        self.reads(1);
        Ok(self.head.clone())
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Infallible> {
        self.writes(1);
        self.head = head.clone();
        Ok(())
    }

    fn find(&self, key: &str) -> Result<Option<Row>, Infallible> {
        self.reads(1);
        Ok(self.rows.get(key).cloned())
    }

    fn store(&mut self, row: &Row) -> Result<(), Infallible> {
        self.writes(if row.in_feed { STORED_IN_FEED } else { 1 });
        let key: Rc<str> = Rc::from(&*row.revocation.key);
        self.remove(&key);
        self.expiry.insert((row.revocation.expires_at, Rc::clone(&key)));
        if row.in_feed {
            self.feed.insert(row.version, Rc::clone(&key));
            self.agenda.insert((row.due_at, row.version));
            self.waiting += usize::from(row.indexed_at.is_none());
        }
        self.rows.insert(key, row.clone());
        Ok(())
    }

    fn feed_after(&self, version: u64, limit: usize) -> Result<Vec<Row>, Infallible> {
        let keys = self.feed.range(version + 1..).take(limit);
        let rows: Vec<Row> = keys.filter_map(|(_, key)| self.rows.get(key).cloned()).collect();
        self.reads(rows.len().max(1));
        Ok(rows)
    }

    fn version_before_newest(&self, count: usize) -> Result<u64, Infallible> {
        self.reads(self.feed.len().min(count + 1));
        Ok(self.feed.keys().rev().nth(count).copied().unwrap_or(0))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Infallible> {
        let due = self.due_rows(now).filter(|row| row.indexed_at.is_none()).take(limit);
        let rows: Vec<Row> = due.cloned().collect();
        self.reads(rows.len().max(1));
        Ok(rows)
    }

    fn next_due(&self) -> Result<Option<Timestamp>, Infallible> {
        self.reads(1);
        Ok(self.agenda.first().map(|(at, _)| *at))
    }

    fn highest_settled(&self, now: Timestamp) -> Result<Option<u64>, Infallible> {
        let settled: Vec<u64> =
            self.due_rows(now).filter(|row| row.indexed_at.is_some()).map(|row| row.version).collect();
        self.reads(settled.len().max(1));
        Ok(settled.into_iter().max())
    }

    fn leave_feed(&mut self, now: Timestamp) -> Result<(), Infallible> {
        let settled: Vec<Row> = self.due_rows(now).filter(|row| row.indexed_at.is_some()).cloned().collect();
        self.reads(settled.len().max(1));
        for row in settled {
            self.writes(LEAVING_FEED);
            self.feed.remove(&row.version);
            self.agenda.remove(&(row.due_at, row.version));
            if let Some(row) = self.rows.get_mut(&*row.revocation.key) {
                row.in_feed = false;
            }
        }
        Ok(())
    }

    fn rest(&mut self, now: Timestamp) -> Result<(), Infallible> {
        let settled: Vec<Row> = self.due_rows(now).filter(|row| row.indexed_at.is_some()).cloned().collect();
        self.reads(settled.len().max(1));
        for row in settled {
            self.writes(RESTING);
            self.agenda.remove(&(row.due_at, row.version));
            self.agenda.insert((NEVER, row.version));
            if let Some(row) = self.rows.get_mut(&*row.revocation.key) {
                row.due_at = NEVER;
            }
        }
        Ok(())
    }

    fn last_resting(&self, upto: u64) -> Result<Option<(u64, Timestamp)>, Infallible> {
        let resting = self.resting(upto);
        let expiries = resting.iter().map(|row| row.revocation.expires_at);
        Ok(resting.iter().map(|row| row.version).max().zip(expiries.max()))
    }

    fn leave_feed_upto(&mut self, upto: u64) -> Result<(), Infallible> {
        for row in self.resting(upto) {
            self.writes(LEAVING_FEED);
            self.feed.remove(&row.version);
            self.agenda.remove(&(row.due_at, row.version));
            if let Some(row) = self.rows.get_mut(&*row.revocation.key) {
                row.in_feed = false;
            }
        }
        Ok(())
    }

    fn untold(&self) -> Result<Option<Untold>, Infallible> {
        self.reads(1);
        Ok(self.untold)
    }

    fn set_untold(&mut self, untold: Option<Untold>) -> Result<(), Infallible> {
        self.writes(1);
        self.untold = untold;
        Ok(())
    }

    fn remove_expired(&mut self, by: Timestamp, limit: usize) -> Result<bool, Infallible> {
        self.reads(self.rows.len());
        for _ in 0..limit {
            let Some((_, key)) = self.expiry.first().filter(|(at, _)| *at <= by).cloned() else { return Ok(true) };
            self.remove(&key);
            self.writes(SWEPT);
        }
        Ok(self.expiry.first().is_none_or(|(at, _)| *at > by))
    }

    fn first_expiry(&self) -> Result<Option<Timestamp>, Infallible> {
        self.reads(self.rows.len());
        Ok(self.expiry.first().map(|(at, _)| *at))
    }
}
