//! A database that fails in the middle.

use std::cell::Cell;

use edge_logout::revocation::ledger::{Head, Row, Rows, Untold};
use edge_logout::time::Timestamp;

use super::rows::MemoryRows;

/// Rows of which only so many more writes succeed.
#[derive(Clone, Debug, Default)]
pub struct FragileRows {
    pub rows: MemoryRows,
    pub writes_left: Cell<usize>,
}

/// The database's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl FragileRows {
    fn write(&mut self) -> Result<&mut MemoryRows, Broken> {
        let left = self.writes_left.get().checked_sub(1).ok_or(Broken)?;
        self.writes_left.set(left);
        Ok(&mut self.rows)
    }
}

fn broken(never: std::convert::Infallible) -> Broken {
    match never {}
}

impl Rows for FragileRows {
    type Error = Broken;

    fn head(&self) -> Result<Head, Broken> {
        self.rows.head().map_err(broken)
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Broken> {
        self.write()?.set_head(head).map_err(broken)
    }

    fn find(&self, key: &str) -> Result<Option<Row>, Broken> {
        self.rows.find(key).map_err(broken)
    }

    fn store(&mut self, row: &Row) -> Result<(), Broken> {
        self.write()?.store(row).map_err(broken)
    }

    fn feed_after(&self, version: u64, limit: usize) -> Result<Vec<Row>, Broken> {
        self.rows.feed_after(version, limit).map_err(broken)
    }

    fn version_before_newest(&self, count: usize) -> Result<u64, Broken> {
        self.rows.version_before_newest(count).map_err(broken)
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Broken> {
        self.rows.due(now, limit).map_err(broken)
    }

    fn next_due(&self) -> Result<Option<Timestamp>, Broken> {
        self.rows.next_due().map_err(broken)
    }

    fn highest_settled(&self, now: Timestamp) -> Result<Option<u64>, Broken> {
        self.rows.highest_settled(now).map_err(broken)
    }

    fn leave_feed(&mut self, now: Timestamp) -> Result<(), Broken> {
        self.write()?.leave_feed(now).map_err(broken)
    }

    fn rest(&mut self, now: Timestamp) -> Result<(), Broken> {
        self.write()?.rest(now).map_err(broken)
    }

    fn last_resting(&self, upto: u64) -> Result<Option<(u64, Timestamp)>, Broken> {
        self.rows.last_resting(upto).map_err(broken)
    }

    fn leave_feed_upto(&mut self, upto: u64) -> Result<(), Broken> {
        self.write()?.leave_feed_upto(upto).map_err(broken)
    }

    fn untold(&self) -> Result<Option<Untold>, Broken> {
        self.rows.untold().map_err(broken)
    }

    fn set_untold(&mut self, untold: Option<Untold>) -> Result<(), Broken> {
        self.write()?.set_untold(untold).map_err(broken)
    }

    fn remove_expired(&mut self, moment: Timestamp, limit: usize) -> Result<bool, Broken> {
        self.write()?.remove_expired(moment, limit).map_err(broken)
    }

    fn first_expiry(&self) -> Result<Option<Timestamp>, Broken> {
        self.rows.first_expiry().map_err(broken)
    }
}
