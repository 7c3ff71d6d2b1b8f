//! The rows of a shard of the ledger, in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;

use edge_logout::revocation::ledger::{Head, NEVER, Row, Rows, Untold};
use edge_logout::time::Timestamp;

/// The database of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRows {
    pub head: Head,
    pub rows: BTreeMap<String, Row>,
    pub untold: Option<Untold>,
}

impl Default for MemoryRows {
    fn default() -> Self {
        let swept_at = Timestamp::from_millis(0);
        let head = Head { epoch: "first".to_owned(), latest: 0, trimmed: 0, swept_at, first_expiry: None };
        Self { head, rows: BTreeMap::new(), untold: None }
    }
}

impl MemoryRows {
    fn in_feed(&self) -> Vec<&Row> {
        let mut rows: Vec<_> = self.rows.values().filter(|row| row.in_feed).collect();
        rows.sort_by_key(|row| row.version);
        rows
    }

    fn is_settled(row: &Row, now: Timestamp) -> bool {
        row.in_feed && row.indexed_at.is_some() && row.due_at <= now
    }
}

impl Rows for MemoryRows {
    type Error = Infallible;

    fn head(&self) -> Result<Head, Infallible> {
        Ok(self.head.clone())
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Infallible> {
        self.head = head.clone();
        Ok(())
    }

    fn find(&self, key: &str) -> Result<Option<Row>, Infallible> {
        Ok(self.rows.get(key).cloned())
    }

    fn store(&mut self, row: &Row) -> Result<(), Infallible> {
        self.rows.insert(row.revocation.key.clone(), row.clone());
        Ok(())
    }

    fn feed_after(&self, version: u64, limit: usize) -> Result<Vec<Row>, Infallible> {
        Ok(self.in_feed().into_iter().filter(|row| row.version > version).take(limit).cloned().collect())
    }

    fn version_before_newest(&self, count: usize) -> Result<u64, Infallible> {
        Ok(self.in_feed().iter().rev().nth(count).map_or(0, |row| row.version))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Infallible> {
        let mut due: Vec<_> =
            self.in_feed().into_iter().filter(|row| row.indexed_at.is_none() && row.due_at <= now).collect();
        due.sort_by_key(|row| row.due_at);
        Ok(due.into_iter().take(limit).cloned().collect())
    }

    fn next_due(&self) -> Result<Option<Timestamp>, Infallible> {
        Ok(self.in_feed().iter().map(|row| row.due_at).min())
    }

    fn highest_settled(&self, now: Timestamp) -> Result<Option<u64>, Infallible> {
        Ok(self.rows.values().filter(|row| Self::is_settled(row, now)).map(|row| row.version).max())
    }

    fn leave_feed(&mut self, now: Timestamp) -> Result<(), Infallible> {
        self.rows.values_mut().filter(|row| Self::is_settled(row, now)).for_each(|row| row.in_feed = false);
        Ok(())
    }

    fn rest(&mut self, now: Timestamp) -> Result<(), Infallible> {
        self.rows.values_mut().filter(|row| Self::is_settled(row, now)).for_each(|row| row.due_at = NEVER);
        Ok(())
    }

    fn last_resting(&self, upto: u64) -> Result<Option<(u64, Timestamp)>, Infallible> {
        let resting = self.rows.values().filter(|row| is_resting(row, upto));
        let last = resting.map(|row| (row.version, row.revocation.expires_at));
        Ok(last.reduce(|(version, expiry), (other, later)| (version.max(other), expiry.max(later))))
    }

    fn leave_feed_upto(&mut self, upto: u64) -> Result<(), Infallible> {
        self.rows.values_mut().filter(|row| is_resting(row, upto)).for_each(|row| row.in_feed = false);
        Ok(())
    }

    fn untold(&self) -> Result<Option<Untold>, Infallible> {
        Ok(self.untold)
    }

    fn set_untold(&mut self, untold: Option<Untold>) -> Result<(), Infallible> {
        self.untold = untold;
        Ok(())
    }

    fn remove_expired(&mut self, moment: Timestamp, limit: usize) -> Result<bool, Infallible> {
        let expired = self.rows.iter().filter(|(_, row)| row.revocation.expires_at <= moment);
        let expired: Vec<String> = expired.take(limit).map(|(key, _)| key.clone()).collect();
        self.rows.retain(|key, _| !expired.contains(key));
        Ok(expired.len() < limit)
    }

    fn first_expiry(&self) -> Result<Option<Timestamp>, Infallible> {
        Ok(self.rows.values().map(|row| row.revocation.expires_at).min())
    }
}

/// What has settled and stays in the feed, up to a version.
fn is_resting(row: &Row, upto: u64) -> bool {
    row.in_feed && row.indexed_at.is_some() && row.due_at == NEVER && row.version <= upto
}
