//! The ledger's database as a map, and what breaks in it when a mutation says so.

use std::collections::BTreeMap;
use std::convert::Infallible;

use edge_logout::revocation::ledger::{Head, NEVER, Row, Rows, Untold};
use edge_logout::time::Timestamp;

use crate::mutations::Mutation;

/// More than any world keeps in the feed that has settled.
const MOST_KEPT: usize = 10;

/// A shard's tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tables {
    pub rows: BTreeMap<String, Row>,
    pub head: Head,
    pub untold: Option<Untold>,
    /// How many of the newest changes are told again. The service has 64, which would hide every gap of a model.
    pub overlap: usize,
    pub broken: Option<Mutation>,
}

impl Tables {
    pub fn new(epoch: &str, overlap: usize, broken: Option<Mutation>) -> Self {
        let head = Head {
            epoch: epoch.to_owned(),
            latest: 0,
            trimmed: 0,
            swept_at: Timestamp::from_seconds(0),
            first_expiry: None,
        };
        Self { rows: BTreeMap::new(), head, untold: None, overlap, broken }
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.broken == Some(mutation)
    }

    /// The feed, in the order of versions.
    fn feed(&self) -> Vec<&Row> {
        let mut feed: Vec<_> = self.rows.values().filter(|row| row.in_feed).collect();
        feed.sort_by_key(|row| row.version);
        feed
    }
}

impl Rows for Tables {
    type Error = Infallible;

    fn head(&self) -> Result<Head, Infallible> {
        Ok(self.head.clone())
    }

    fn set_head(&mut self, head: &Head) -> Result<(), Infallible> {
        let trimmed = if self.is(Mutation::TrimmedIsNotKept) { 0 } else { head.trimmed };
        self.head = Head { trimmed, ..head.clone() };
        Ok(())
    }

    fn find(&self, key: &str) -> Result<Option<Row>, Infallible> {
        Ok(self.rows.get(key).cloned())
    }

    fn store(&mut self, row: &Row) -> Result<(), Infallible> {
        let contested_until = row.contested_until.filter(|_| !self.is(Mutation::LateWritesAreIgnored));
        let at_once = row.indexed_at.filter(|_| self.is(Mutation::LeavesTheFeedAtOnce));
        let row = Row { contested_until, due_at: at_once.unwrap_or(row.due_at), ..row.clone() };
        self.rows.insert(row.revocation.key.clone(), row);
        Ok(())
    }

    fn feed_after(&self, version: u64, limit: usize) -> Result<Vec<Row>, Infallible> {
        Ok(self.feed().into_iter().filter(|row| row.version > version).take(limit).cloned().collect())
    }

    fn version_before_newest(&self, count: usize) -> Result<u64, Infallible> {
        // Whoever keeps more than a few in the feed is the service, which tells the newest again.
        let count = if count > MOST_KEPT { self.overlap } else { count };
        let newest_first = self.feed().into_iter().rev().map(|row| row.version);
        Ok(newest_first.chain([0]).nth(count).unwrap_or(0))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Row>, Infallible> {
        let is_due = |row: &&Row| row.in_feed && row.indexed_at.is_none() && row.due_at <= now;
        let mut due: Vec<_> = self.rows.values().filter(is_due).cloned().collect();
        due.sort_by_key(|row| row.due_at);
        due.truncate(limit);
        Ok(due)
    }

    fn next_due(&self) -> Result<Option<Timestamp>, Infallible> {
        let due = self.rows.values().filter(|row| row.in_feed).map(|row| row.due_at).min();
        Ok(due.filter(|_| !self.is(Mutation::NobodyWakesTheOutbox)))
    }

    fn highest_settled(&self, now: Timestamp) -> Result<Option<u64>, Infallible> {
        Ok(self.rows.values().filter(|row| is_settled(row, now)).map(|row| row.version).max())
    }

    fn leave_feed(&mut self, now: Timestamp) -> Result<(), Infallible> {
        for row in self.rows.values_mut().filter(|row| is_settled(row, now)) {
            row.in_feed = false;
        }
        Ok(())
    }

    fn rest(&mut self, now: Timestamp) -> Result<(), Infallible> {
        self.rows.values_mut().filter(|row| is_settled(row, now)).for_each(|row| row.due_at = NEVER);
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
        let known = self.untold.filter(|_| self.is(Mutation::UntoldIsNotKept));
        self.untold = known.zip(untold).map(|(known, untold)| Untold { until: known.until, ..untold }).or(untold);
        Ok(())
    }

    fn remove_expired(&mut self, moment: Timestamp, _limit: usize) -> Result<bool, Infallible> {
        let early = self.is(Mutation::SweptBeforeExpiry);
        let never = self.is(Mutation::NeverSwept);
        self.rows.retain(|_, row| never || (!early && row.revocation.expires_at > moment));
        Ok(true)
    }

    fn first_expiry(&self) -> Result<Option<Timestamp>, Infallible> {
        Ok(self.rows.values().map(|row| row.revocation.expires_at).min())
    }
}

fn is_settled(row: &Row, now: Timestamp) -> bool {
    row.in_feed && row.indexed_at.is_some() && row.due_at <= now
}

/// What has settled and stays in the feed, up to a version.
fn is_resting(row: &Row, upto: u64) -> bool {
    row.in_feed && row.indexed_at.is_some() && row.due_at == NEVER && row.version <= upto
}
