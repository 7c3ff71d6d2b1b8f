//! Workers KV: writes in the order in which they arrive, which readers may see as late as settling allows.

use std::collections::BTreeMap;
use std::time::Duration;

use edge_logout::revocation::ledger::SegmentName;
use edge_logout::revocation::{Limits, Revocation};
use edge_logout::time::Timestamp;

use crate::world::ByDigest;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kv {
    /// What was written of each digest, and when.
    pub writes: ByDigest<Vec<(Revocation, Timestamp)>>,
    /// Writes that were given up and may still arrive, with the last moment at which they may.
    pub late: Vec<(Revocation, Timestamp)>,
    /// The filters of segments.
    pub filters: BTreeMap<SegmentName, Vec<u8>>,
}

impl Kv {
    pub fn write(&mut self, revocation: &Revocation, now: Timestamp, settling: Duration) {
        let writes = self.writes.entry(revocation.digest).or_default();
        let is_same = writes.last().is_some_and(|(last, _)| last.limits() == revocation.limits());
        if !is_same {
            writes.push((revocation.clone(), now));
        }
        self.forget(now, settling);
    }

    /// What nobody can read any more makes no difference.
    pub fn forget(&mut self, now: Timestamp, settling: Duration) {
        for writes in self.writes.values_mut() {
            while writes.get(1).is_some_and(|(_, at)| at.plus(settling) <= now) {
                writes.remove(0);
            }
            // When the last one has settled it does not matter since when.
            if let [(_, at)] = writes.as_mut_slice()
                && at.plus(settling) <= now
            {
                *at = Timestamp::from_millis(0);
            }
        }
        self.late.retain(|(_, until)| *until >= now);
        self.late.sort_by_key(|(revocation, until)| (revocation.digest, revocation.limits(), *until));
        self.late.dedup();
    }

    /// Everything that a reader may be told.
    pub fn readable(
        &self,
        digest: &edge_logout::revocation::Digest,
        now: Timestamp,
        settling: Duration,
    ) -> Vec<Option<&Revocation>> {
        let Some(writes) = self.writes.get(digest) else { return vec![None] };
        let mut readable: Vec<_> = writes.iter().map(|(revocation, _)| Some(revocation)).collect();
        if writes.first().is_some_and(|(_, at)| at.plus(settling) > now) {
            readable.push(None);
        }
        for entry in &mut *readable {
            *entry = entry.filter(|entry| entry.expires_at > now);
        }
        readable
    }

    /// What everybody is told once it has settled.
    pub fn latest(&self, digest: &edge_logout::revocation::Digest) -> Option<Limits> {
        Some(self.writes.get(digest)?.last()?.0.limits())
    }
}
