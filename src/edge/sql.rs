//! What crosses to the SQLite of a Durable Object and back: the values of a statement, and rows.

use std::time::Duration;

use serde_json::Value;

use crate::json::Array;
use crate::revocation::ledger::{Head, Row, Untold};
use crate::revocation::{Revocation, Scope};
use crate::time::Timestamp;

/// A row as SQLite gives it: its columns in order.
pub(super) struct Columns(pub(super) std::vec::IntoIter<Value>);

impl Columns {
    pub(super) fn text(&mut self) -> Option<String> {
        match self.0.next()? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn number(&mut self) -> Option<i64> {
        self.0.next()?.as_i64()
    }

    pub(super) fn version(&mut self) -> Option<u64> {
        u64::try_from(self.number()?).ok()
    }

    pub(super) fn moment(&mut self) -> Option<Timestamp> {
        self.number().map(Timestamp::from_millis)
    }

    /// A moment, or none where there is a null.
    pub(super) fn optional_moment(&mut self) -> Option<Timestamp> {
        self.moment()
    }

    pub(super) fn into_row(mut self) -> Option<Row> {
        Some(Row {
            revocation: Revocation {
                key: self.text()?,
                issuer: self.text()?,
                scope: {
                    let name = self.text()?;
                    Scope::ALL.into_iter().find(|scope| scope.name() == name)?
                },
                revoked_at: self.moment()?,
                cut_off: self.optional_moment(),
                expires_at: self.moment()?,
                // What could be spared was judged when it was recorded.
                spare: Duration::ZERO,
            },
            version: self.version()?,
            in_feed: self.number()? != 0,
            indexed_at: self.optional_moment(),
            contested_until: self.optional_moment(),
            failures: u32::try_from(self.number()?).ok()?,
            due_at: self.moment()?,
        })
    }

    pub(super) fn untold(&mut self) -> Option<Untold> {
        let shards = u32::try_from(self.number()?).ok()?;
        Some(Untold { shards, trimmed: self.version()?, until: self.moment()? })
    }

    pub(super) fn into_head(mut self) -> Option<Head> {
        let _id = self.number()?;
        Some(Head {
            epoch: self.text()?,
            latest: self.version()?,
            trimmed: self.version()?,
            swept_at: self.moment()?,
            first_expiry: self.optional_moment(),
        })
    }
}

/// The values of a statement.
pub(super) struct Values(pub(super) Array);

impl Values {
    pub(super) const fn none() -> Self {
        Self(Array::new())
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.text(text);
        self
    }

    pub(super) fn number(mut self, number: i64) -> Self {
        self.0.raw(&number.to_string());
        self
    }

    pub(super) fn version(self, version: u64) -> Self {
        self.number(i64::try_from(version).unwrap_or(i64::MAX))
    }

    pub(super) fn count(self, count: usize) -> Self {
        self.number(i64::try_from(count).unwrap_or(i64::MAX))
    }

    pub(super) fn moment(self, moment: Timestamp) -> Self {
        self.number(moment.as_millis())
    }

    pub(super) fn optional_moment(mut self, moment: Option<Timestamp>) -> Self {
        match moment {
            Some(moment) => self.moment(moment),
            None => {
                self.0.raw("null");
                self
            }
        }
    }
}
