//! A platform whose clock, index and directory the test holds in its hand.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use edge_logout::ports::{
    Bindings, Clock, Directory, Index, IndexError, LedgerError, LedgerShards, SessionStore, SharedMemory, Signatures,
    Unavailable,
};
use edge_logout::revocation::ledger::Ledger;
use edge_logout::revocation::{Entry, KvLifetime, answer_question};
use edge_logout::time::Timestamp;
use edge_logout::token::{PrivateKey, PublicKey, Secret, SigningInput};

use super::crypto;
use super::rows::MemoryRows;

thread_local! {
    static NOW_MILLIS: Cell<i64> = const { Cell::new(0) };
}

/// What the next operation on the index does instead of its work.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It fails, and nothing is written.
    Error(IndexError),
    /// It fails, and the value is written all the same: the answer is lost.
    WrittenBut(IndexError),
    /// It never ends.
    Hangs,
}

/// The platform of a test. Sleeping moves its clock.
#[derive(Default)]
pub struct TestPlatform {
    /// What is in the index.
    pub index: RefCell<BTreeMap<String, Entry>>,
    /// What the next puts do.
    pub put_faults: RefCell<VecDeque<Fault>>,
    /// What the next reads do.
    pub find_faults: RefCell<VecDeque<Fault>>,
    /// The users of the directory; none at all when it fails.
    pub directory: Option<BTreeMap<String, String>>,
    /// The keys that are in the session store; none at all when it fails.
    pub sessions: Option<RefCell<Vec<String>>>,
    /// Whether nothing is bound.
    pub unbound: bool,
    /// How many of the next signatures cannot be checked.
    pub crypto_fails: Cell<usize>,
    /// The keys of all puts that were tried, in order.
    pub puts: RefCell<Vec<String>>,
    /// The shards of the ledger.
    pub ledger: RefCell<BTreeMap<u32, Ledger<MemoryRows>>>,
    /// What the next calls to the ledger do.
    pub ledger_faults: RefCell<VecDeque<LedgerFault>>,
    /// All calls to the ledger that were tried, in order.
    pub asked: RefCell<Vec<(u32, String)>>,
    /// What isolates of this location share.
    pub shared: Rc<RefCell<BTreeMap<u32, String>>>,
}

/// What the next call to the ledger does instead of its work.
#[derive(Clone, Copy, Debug)]
pub enum LedgerFault {
    /// It fails, and nothing is done.
    Error(LedgerError),
    /// It is done, and the answer is lost.
    DoneBut(LedgerError),
    /// It never ends.
    Hangs,
    /// It takes so long.
    Takes(Duration),
}

/// How long the index of a test takes to settle.
pub const SETTLING: Duration = Duration::from_secs(120);

impl TestPlatform {
    /// A platform at this time.
    pub fn at(now: Timestamp) -> Self {
        NOW_MILLIS.set(now.as_millis());
        Self::default()
    }

    /// A shard of the ledger.
    pub fn with_shard<T>(&self, shard: u32, work: impl FnOnce(&mut Ledger<MemoryRows>) -> T) -> T {
        let mut ledger = self.ledger.borrow_mut();
        let fresh = || Ledger { rows: MemoryRows::default(), settling: SETTLING };
        work(ledger.entry(shard).or_insert_with(fresh))
    }

    /// How many calls to the ledger were of a kind.
    pub fn asked(&self, kind: &str) -> usize {
        self.asked.borrow().iter().filter(|(_, question)| question.contains(kind)).count()
    }

    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        NOW_MILLIS.set(NOW_MILLIS.get() + i64::try_from(duration.as_millis()).unwrap());
    }

    /// The scopes of what is in the index.
    pub fn scopes(&self) -> Vec<String> {
        self.index.borrow().keys().map(|key| key.split(':').nth(2).unwrap().to_owned()).collect()
    }
}

impl Bindings for TestPlatform {
    fn is_bound(&self, _name: &str) -> bool {
        !self.unbound
    }
}

impl Clock for TestPlatform {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW_MILLIS.get())
    }

    async fn sleep(duration: Duration) {
        NOW_MILLIS.set(NOW_MILLIS.get() + i64::try_from(duration.as_millis()).unwrap());
    }
}

impl LedgerShards for TestPlatform {
    async fn ask(&self, shard: u32, question: &str) -> Result<String, LedgerError> {
        self.asked.borrow_mut().push((shard, question.to_owned()));
        let fault = self.ledger_faults.borrow_mut().pop_front();
        match fault {
            Some(LedgerFault::Error(error)) => return Err(error),
            Some(LedgerFault::Hangs) => std::future::pending().await,
            Some(LedgerFault::Takes(duration)) => Self::sleep(duration).await,
            Some(LedgerFault::DoneBut(_)) | None => {}
        }
        let question = serde_json::from_str(question).unwrap();
        let Ok(answer) = self.with_shard(shard, |ledger| answer_question(ledger, &question, self.now()));
        match fault {
            Some(LedgerFault::DoneBut(error)) => Err(error),
            _ => Ok(answer),
        }
    }
}

impl SharedMemory for TestPlatform {
    async fn recall(&self, shard: u32) -> Option<String> {
        self.shared.borrow().get(&shard).cloned()
    }

    async fn share(&self, shard: u32, text: &str, _seconds: u32) {
        self.shared.borrow_mut().insert(shard, text.to_owned());
    }
}

async fn fail(fault: Option<Fault>) -> Result<Option<IndexError>, IndexError> {
    match fault {
        None => Ok(None),
        Some(Fault::Error(error)) => Err(error),
        Some(Fault::WrittenBut(error)) => Ok(Some(error)),
        Some(Fault::Hangs) => std::future::pending().await,
    }
}

impl Index for TestPlatform {
    async fn find(&self, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
        let fault = self.find_faults.borrow_mut().pop_front();
        fail(fault).await?;
        let now = NOW_MILLIS.get();
        let index = self.index.borrow();
        let is_live = |entry: &&Entry| match entry.lifetime {
            KvLifetime::Until(second) => i64::from(second) * 1000 > now,
            KvLifetime::Seconds(_) => true,
        };
        Ok(keys.iter().map(|key| index.get(key).filter(is_live).map(|entry| entry.value.clone())).collect())
    }

    async fn put(&self, entry: &Entry) -> Result<(), IndexError> {
        self.puts.borrow_mut().push(entry.key.clone());
        let fault = self.put_faults.borrow_mut().pop_front();
        let lost_answer = fail(fault).await?;
        self.index.borrow_mut().insert(entry.key.clone(), entry.clone());
        lost_answer.map_or(Ok(()), Err)
    }
}

impl Signatures for TestPlatform {
    async fn verify(&self, key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, Unavailable> {
        if let Some(left) = self.crypto_fails.get().checked_sub(1) {
            self.crypto_fails.set(left);
            return Err(Unavailable);
        }
        Ok(crypto::verify(key, input.0, signature))
    }

    async fn sign(&self, key: &PrivateKey, input: SigningInput<'_>) -> Result<Vec<u8>, Unavailable> {
        let jwk = serde_json::from_str(key.jwk.expose()).unwrap();
        Ok(crypto::sign(key.algorithm, &jwk, input.0))
    }
}

impl SessionStore for TestPlatform {
    async fn delete(&self, _url: &Secret, key: &str) -> Result<(), Unavailable> {
        let sessions = self.sessions.as_ref().ok_or(Unavailable)?;
        sessions.borrow_mut().retain(|own| own != key);
        Ok(())
    }
}

impl Directory for TestPlatform {
    async fn look_up(&self, _binding: &str, subject: &str) -> Result<Option<String>, Unavailable> {
        self.directory.as_ref().map(|users| users.get(subject).cloned()).ok_or(Unavailable)
    }
}
