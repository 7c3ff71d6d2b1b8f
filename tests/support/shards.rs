//! The ledger of a test's platform, and what isolates of its location share.

use std::time::Duration;

use edge_logout::ports::{Index, LedgerError, LedgerShards, SharedMemory};
use edge_logout::revocation::ledger::Ledger;
use edge_logout::revocation::{LedgerQuestion, answer_question};

use super::clock::{self, run};
use super::platform::{LedgerFault, TestPlatform};
use super::rows::MemoryRows;

/// How long the index of a test takes to settle.
pub const SETTLING: Duration = Duration::from_mins(2);

impl TestPlatform {
    /// A shard of the ledger.
    pub fn with_shard<T>(&self, shard: u32, work: impl FnOnce(&mut Ledger<MemoryRows>) -> T) -> T {
        let mut ledger = self.ledger.borrow_mut();
        let fresh = || {
            let sole_writer = self.sole_writer.get();
            let mut ledger = Ledger { rows: MemoryRows::default(), settling: SETTLING, sole_writer };
            let Ok(()) = ledger.begin(clock::now());
            ledger
        };
        work(ledger.entry(shard).or_insert_with(fresh))
    }

    /// How many calls to the ledger were of a kind.
    pub fn asked(&self, kind: &str) -> usize {
        self.asked.borrow().iter().filter(|(_, question)| question.starts_with(&format!("{{\"{kind}\""))).count()
    }

    /// What every shard's alarm does: what is due goes into the index, and what is done with is tidied away.
    pub fn work_off(&self) {
        for ledger in self.ledger.borrow_mut().values_mut() {
            let now = clock::now();
            let Ok(due) = ledger.due(now, usize::MAX);
            for row in due {
                let Ok(()) = match run(self.put(&row.revocation.entry(now))) {
                    Ok(()) => ledger.indexed(&row.revocation.key, row.version, now, now),
                    Err(_) => ledger.not_indexed(&row.revocation.key, row.version, now),
                };
            }
            let Ok(()) = ledger.tidy(now);
        }
    }

    /// Lets so much time pass, with the shards' alarms going off when they say.
    pub fn live_on(&self, duration: Duration) {
        let end = clock::now().plus(duration);
        for _ in 0..100_000 {
            let next = |ledger: &Ledger<MemoryRows>| ledger.next_alarm().unwrap();
            let next = self.ledger.borrow().values().filter_map(next).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            clock::set(next.max(clock::now()));
            self.work_off();
        }
        clock::set(end);
    }

    async fn hang_when_sharing(&self) {
        if self.sharing_hangs.get() {
            std::future::pending::<()>().await;
        }
    }

    /// From now on this is another location, which shares nothing with the one before.
    pub fn move_elsewhere(&self) {
        self.shared.borrow_mut().clear();
    }
}

impl LedgerShards for TestPlatform {
    async fn ask(&self, shard: u32, question: &str) -> Result<String, LedgerError> {
        self.asked.borrow_mut().push((shard, question.to_owned()));
        let fault = self.ledger_faults.borrow_mut().pop_front().or(self.ledger_down.get());
        match fault {
            Some(LedgerFault::Error(error)) => return Err(error),
            Some(LedgerFault::Hangs) => std::future::pending().await,
            Some(LedgerFault::Takes(duration)) => clock::sleep(duration).await,
            Some(LedgerFault::Says(answer)) => return Ok(answer.to_owned()),
            Some(LedgerFault::DoneBut(_)) | None => {}
        }
        let question = LedgerQuestion::read(question).unwrap();
        let Ok(answer) = self.with_shard(shard, |ledger| answer_question(ledger, &question, clock::now()));
        match fault {
            Some(LedgerFault::DoneBut(error)) => Err(error),
            _ => Ok(answer),
        }
    }
}

impl SharedMemory for TestPlatform {
    async fn recall(&self, name: &str) -> Option<String> {
        self.recalls.set(self.recalls.get() + 1);
        self.hang_when_sharing().await;
        self.shared.borrow().get(name).cloned()
    }

    async fn share(&self, name: &str, text: &str, _seconds: u32) {
        self.hang_when_sharing().await;
        self.shared.borrow_mut().insert(name.to_owned(), text.to_owned());
    }
}
