//! The ledger of a test's platform, and what isolates of its location share.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use edge_logout::ports::{Index, IndexError, LedgerError, LedgerShards, SharedMemory, within};
use edge_logout::revocation::ledger::{
    Answer, Call, GATHERING, Ledger, Listed, ListedEntry, Outside, Publication, Question, Setup, Sizes, WRITE_LIMIT,
    work,
};
use edge_logout::revocation::{KvEntry, Logout, StoredRevocation};
use edge_logout::time::Timestamp;

use super::clock::{self, run};
use super::platform::{LedgerFault, TestPlatform, fail};
use super::rows::{MemoryRows, Unreadable};

/// How long the index of a test takes to settle.
pub const SETTLING: Duration = Duration::from_mins(2);
/// How many keys a page of a listing has.
const LISTED: usize = 10;

/// Runs that are small enough for a test to make many.
pub const SMALL: Sizes = Sizes { sealed: 8, run: 32, slice: 16, page: 4_000 };

/// What a caller says of a ledger of so many shards.
pub const fn setup(shard: u32, shards: u32) -> Setup {
    Setup { shard, shards, settling: SETTLING, kv_written_until: None }
}

/// A shard whose database has nothing but what an import of an empty index leaves.
fn imported(ledger: &mut Ledger<MemoryRows>, setup: Setup) {
    let long_ago = clock::now().minus(Duration::from_hours(1));
    let nothing = Call { setup, question: Question::Record(Vec::new()) };
    assert_eq!(ledger.answer(&nothing, long_ago), Ok(Answer::Recorded));
    let later = long_ago.plus(setup.settling).plus(Duration::from_mins(1));
    let import = ledger.take_import(later).unwrap().unwrap();
    assert_eq!(ledger.note_import(&import, Listed { entries: Vec::new(), cursor: None }, later), Ok(true));
}

impl TestPlatform {
    /// A shard of the ledger, which is new when nobody has asked it before.
    fn shard(&self, setup: Setup) -> Rc<RefCell<Ledger<MemoryRows>>> {
        let new = || {
            let mut ledger = Ledger::new(MemoryRows::default(), self.sizes.get().unwrap_or(Sizes::DEFAULT));
            // Random numbers of two shards, or of one that has lost its storage, are never the same.
            ledger.rows.seed = (u64::from(setup.shard) << 32) + 1_000 * self.asked.borrow().len() as u64;
            if self.imported.get() {
                imported(&mut ledger, setup);
            }
            Rc::new(RefCell::new(ledger))
        };
        Rc::clone(self.ledger.borrow_mut().entry(setup.shard).or_insert_with(new))
    }

    /// What a shard answers, without any faults of the way to it.
    pub fn answer(&self, call: &Call) -> Answer {
        let ledger = self.shard(call.setup);
        let answer = ledger.borrow_mut().answer(call, clock::now()).unwrap();
        let soon = clock::now().plus(GATHERING);
        let mut alarms = self.alarms.borrow_mut();
        let alarm = alarms.entry(call.setup.shard).or_insert(soon);
        *alarm = soon.min(*alarm);
        answer
    }

    /// Has a shard record logouts.
    pub fn record(&self, setup: Setup, logouts: Vec<Logout>) {
        let answer = self.answer(&Call { setup, question: Question::Record(logouts) });
        assert_eq!(answer, Answer::Recorded);
    }

    /// A shard that was asked before.
    pub fn with_shard<T>(&self, shard: u32, work: impl FnOnce(&mut Ledger<MemoryRows>) -> T) -> T {
        let ledger = Rc::clone(&self.ledger.borrow()[&shard]);
        let mut ledger = ledger.borrow_mut();
        work(&mut ledger)
    }

    /// How many calls to the ledger were of a kind.
    pub fn asked(&self, kind: &str) -> usize {
        self.asked.borrow().iter().filter(|(_, call)| kind_of(&call.question) == kind).count()
    }

    /// How many calls to each of so many shards were of a kind.
    pub fn asked_by_shard(&self, shards: u32, kind: &str) -> Vec<usize> {
        let asked = self.asked.borrow();
        let of = |shard| asked.iter().filter(|(own, call)| *own == shard && kind_of(&call.question) == kind).count();
        (0..shards).map(of).collect()
    }

    /// What the alarms do that are due: what is not in the index goes there, runs are made, the index is imported.
    pub fn work_off(&self) {
        let now = clock::now();
        let due: Vec<u32> =
            self.alarms.borrow().iter().filter(|(_, at)| **at <= now).map(|(shard, _)| *shard).collect();
        for shard in due {
            self.alarms.borrow_mut().remove(&shard);
            let ledger = Rc::clone(&self.ledger.borrow()[&shard]);
            if let Some(next) = run(work(&ledger, self)).unwrap() {
                self.alarms.borrow_mut().insert(shard, next);
            }
        }
    }

    /// Lets so much time pass, with the shards' alarms going off when they say.
    pub fn live_on(&self, duration: Duration) {
        let end = clock::now().plus(duration);
        for _ in 0..100_000 {
            let next = self.alarms.borrow().values().min().copied().filter(|next| *next <= end);
            let Some(next) = next else { break };
            clock::set(next.max(clock::now()));
            self.work_off();
        }
        clock::set(end.max(clock::now()));
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

/// The kind of a question.
pub fn kind_of(question: &Question) -> &'static str {
    match question {
        Question::Record(_) => "Record",
        Question::Sync(_) => "Sync",
        Question::Confirm(..) => "Confirm",
        Question::Segment(_) => "Segment",
    }
}

impl LedgerShards for TestPlatform {
    async fn ask(&self, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError> {
        within::<Self, _>(limit, self.answer_of(shard, call)).await.unwrap_or(Err(LedgerError::TimedOut))
    }
}

impl TestPlatform {
    async fn answer_of(&self, shard: u32, call: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let call = Call::read(call).unwrap();
        assert_eq!(call.setup.shard, shard);
        self.asked.borrow_mut().push((shard, call.clone()));
        if self.failing_shard.get() == Some(shard) {
            return Err(LedgerError::Overloaded);
        }
        let fault = self.ledger_faults.borrow_mut().pop_front().or(self.ledger_down.get());
        match fault {
            Some(LedgerFault::Error(error)) => return Err(error),
            Some(LedgerFault::Hangs) => std::future::pending().await,
            Some(LedgerFault::Takes(duration)) => clock::sleep(duration).await,
            Some(LedgerFault::Says(answer)) => return Ok(answer.to_vec()),
            Some(LedgerFault::DoneBut(_) | LedgerFault::AnswersAfter(_)) | None => {}
        }
        let answer = self.answer(&call);
        match fault {
            Some(LedgerFault::DoneBut(error)) => return Err(error),
            Some(LedgerFault::AnswersAfter(duration)) => clock::sleep(duration).await,
            _ => {}
        }
        Ok(answer.write())
    }
}

impl Outside for TestPlatform {
    type DatabaseError = Unreadable;

    async fn write(&self, entries: Vec<KvEntry>) -> Vec<Result<(), IndexError>> {
        let mut written = Vec::with_capacity(entries.len());
        for entry in entries {
            let put = within::<Self, _>(WRITE_LIMIT, self.put(&entry)).await;
            written.push(put.unwrap_or(Err(IndexError::TimedOut)));
        }
        written
    }

    async fn publish(&self, publication: &Publication) -> Result<(), IndexError> {
        self.segments.borrow_mut().insert(publication.name.key(), publication.filter.clone());
        Ok(())
    }

    async fn list(&self, cursor: Option<&str>) -> Result<Listed, IndexError> {
        let fault = self.list_faults.borrow_mut().pop_front();
        fail(fault).await?;
        let after = cursor.unwrap_or_default();
        let keys: Vec<String> = self.index.borrow().keys().filter(|key| key.as_str() > after).cloned().collect();
        let mut page = keys.iter().take(LISTED);
        let entry = |key: &String| {
            let stored = StoredRevocation::parse(&self.seen(key)?.value);
            Some(ListedEntry { key: key.clone(), stored, expires_at: None })
        };
        let entries = page.clone().filter_map(entry).collect();
        let cursor = (keys.len() > LISTED).then(|| page.next_back().cloned()).flatten();
        Ok(Listed { entries, cursor })
    }

    fn note_failure(&self, event: &'static str, error: IndexError) {
        self.failures.borrow_mut().push((event, error));
    }
}

impl SharedMemory for TestPlatform {
    async fn recall(&self, name: &str) -> Option<Vec<u8>> {
        self.recalls.set(self.recalls.get() + 1);
        self.hang_when_sharing().await;
        self.shared.borrow().get(name).cloned()
    }

    async fn share(&self, name: &str, bytes: &[u8], _seconds: u32) {
        self.hang_when_sharing().await;
        self.shared.borrow_mut().insert(name.to_owned(), bytes.to_vec());
    }
}

/// The time of the platform's ledger.
pub fn now() -> Timestamp {
    clock::now()
}
