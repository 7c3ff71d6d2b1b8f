//! A platform whose clock, ledger, index and directory the test holds in its hand.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use edge_logout::ports::{
    Bindings, Clock, Directory, Index, IndexError, LedgerError, RateLimits, SessionStore, Signatures, Unavailable,
};
use edge_logout::ports::{KvEntry, KvLifetime};
use edge_logout::revocation::ledger::{Call, Ledger, Sizes};
use edge_logout::time::Timestamp;
use edge_logout::token::{PrivateKey, PublicKey, Secret, SigningInput};

use super::rows::MemoryRows;
use super::{clock, crypto};

/// What the next operation on the index does instead of its work.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It fails, and nothing is written.
    Error(IndexError),
    /// It fails, and the value is written all the same: the answer is lost.
    WrittenBut(IndexError),
    /// It never ends.
    Hangs,
    /// It answers about one key less than it was asked for.
    Short,
}

/// What a call to the ledger does instead of its work.
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
    /// It is done at once, and the answer takes so long.
    AnswersAfter(Duration),
    /// It answers this.
    Says(&'static [u8]),
}

/// The platform of a test.
#[derive(Default)]
pub struct TestPlatform {
    /// What is in the index.
    pub index: RefCell<BTreeMap<String, KvEntry>>,
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
    /// How many signatures were checked.
    pub verified: Cell<usize>,
    /// The keys of all puts that were tried, in order.
    pub puts: RefCell<Vec<String>>,
    /// The keys of all reads that were tried, in order.
    pub finds: RefCell<Vec<Vec<String>>>,
    /// The shards of the ledger.
    pub ledger: RefCell<BTreeMap<u32, Rc<RefCell<Ledger<MemoryRows>>>>>,
    /// When each shard's alarm goes off.
    pub alarms: RefCell<BTreeMap<u32, Timestamp>>,
    /// How large the runs of new shards are, where they are not as large as those of a real ledger.
    pub sizes: Cell<Option<Sizes>>,
    /// Whether a new shard has imported everything already that is in the index.
    pub imported: Cell<bool>,
    /// What the next listings of the index do.
    pub list_faults: RefCell<VecDeque<Fault>>,
    /// What the shards have noted of the index, and of what it has refused.
    pub failures: RefCell<Vec<(&'static str, IndexError)>>,
    /// The published segments.
    pub segments: RefCell<BTreeMap<String, Vec<u8>>>,
    /// How often somebody looked for a published segment.
    pub segment_reads: Cell<usize>,
    /// What the next calls to the ledger do.
    pub ledger_faults: RefCell<VecDeque<LedgerFault>>,
    /// What all calls to the ledger do.
    pub ledger_down: Cell<Option<LedgerFault>>,
    /// The shard that fails whatever it is asked.
    pub failing_shard: Cell<Option<u32>>,
    /// All calls to the ledger that were tried, in order.
    pub asked: RefCell<Vec<(u32, Call)>>,
    /// What isolates of this location share.
    pub shared: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Whether sharing never ends.
    pub sharing_hangs: Cell<bool>,
    /// How often somebody looked for what is shared.
    pub recalls: Cell<usize>,
    /// All that was ever written to the index, and when.
    pub written: RefCell<Vec<(Timestamp, KvEntry)>>,
    /// How long this location does not see what was written to the index.
    pub stale: Cell<Duration>,
    /// How far this machine's clock is off, in milliseconds.
    pub skew: Cell<i64>,
    /// The servers elsewhere.
    pub web: super::web::TestWeb,
    /// What the log was told of keys.
    pub journal: RefCell<Vec<super::web::Noted>>,
    /// The limit of look-ups of unverified tokens for each address; `None` for no limit.
    pub rate_limit: Option<usize>,
    /// The addresses whose look-ups were counted, in order.
    pub counted: RefCell<Vec<String>>,
    /// The slots whose keys were forgotten.
    pub forgotten: RefCell<Vec<u32>>,
}

impl TestPlatform {
    /// A platform at this time.
    pub fn at(now: Timestamp) -> Self {
        clock::set(now);
        Self::default()
    }

    /// A platform at this time, whose ledger has imported everything that was in the index before.
    pub fn imported_at(now: Timestamp) -> Self {
        let platform = Self::at(now);
        platform.imported.set(true);
        platform
    }

    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        clock::set(clock::now().plus(duration));
    }

    /// What this location sees of a key of the index.
    pub fn seen(&self, key: &str) -> Option<KvEntry> {
        if self.stale.get().is_zero() {
            return self.index.borrow().get(key).cloned();
        }
        let upto = clock::now().minus(self.stale.get());
        let written = self.written.borrow();
        written.iter().rev().find(|(at, entry)| entry.key == key && *at <= upto).map(|(_, entry)| entry.clone())
    }

    /// The scopes of what is in the index.
    pub fn scopes(&self) -> Vec<String> {
        self.index.borrow().keys().map(|key| scope_of(key)).collect()
    }

    /// How many calls went out: to the ledger, to the index, to what is shared, and for signatures.
    pub fn calls(&self) -> [usize; 4] {
        [self.asked.borrow().len(), self.finds.borrow().len(), self.recalls.get(), self.verified.get()]
    }
}

/// The scope that a key has.
pub fn scope_of(key: &str) -> String {
    key.split(':').nth(2).unwrap().to_owned()
}

impl Bindings for TestPlatform {
    fn is_bound(&self, _name: &str) -> bool {
        !self.unbound
    }
}

impl Clock for TestPlatform {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(clock::now().as_millis() + self.skew.get())
    }

    async fn sleep(duration: Duration) {
        clock::sleep(duration).await;
    }
}

pub async fn fail(fault: Option<Fault>) -> Result<Option<IndexError>, IndexError> {
    match fault {
        None | Some(Fault::Short) => Ok(None),
        Some(Fault::Error(error)) => Err(error),
        Some(Fault::WrittenBut(error)) => Ok(Some(error)),
        Some(Fault::Hangs) => std::future::pending().await,
    }
}

impl Index for TestPlatform {
    async fn find(&self, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
        assert!((1..=100).contains(&keys.len()), "Workers KV reads 1 to 100 keys, not {}", keys.len());
        self.finds.borrow_mut().push(keys.to_vec());
        let fault = self.find_faults.borrow_mut().pop_front();
        fail(fault).await?;
        let now = self.now();
        let is_live = |entry: &KvEntry| match entry.lifetime {
            KvLifetime::Until(second) => Timestamp::from_seconds(second.into()) > now,
            KvLifetime::Seconds(_) => true,
        };
        let read = |key: &String| self.seen(key).filter(is_live).map(|entry| entry.value);
        let short = usize::from(matches!(fault, Some(Fault::Short)));
        Ok(keys.iter().skip(short).map(read).collect())
    }

    async fn put(&self, entry: &KvEntry) -> Result<(), IndexError> {
        self.puts.borrow_mut().push(entry.key.clone());
        let fault = self.put_faults.borrow_mut().pop_front();
        let lost_answer = fail(fault).await?;
        self.index.borrow_mut().insert(entry.key.clone(), entry.clone());
        self.written.borrow_mut().push((clock::now(), entry.clone()));
        lost_answer.map_or(Ok(()), Err)
    }

    async fn segment(&self, key: &str) -> Result<Option<Vec<u8>>, IndexError> {
        self.segment_reads.set(self.segment_reads.get() + 1);
        let fault = self.find_faults.borrow_mut().pop_front();
        fail(fault).await?;
        Ok(self.segments.borrow().get(key).cloned())
    }
}

impl Signatures for TestPlatform {
    async fn verify(&self, key: &PublicKey, input: SigningInput<'_>, signature: &[u8]) -> Result<bool, Unavailable> {
        self.verified.set(self.verified.get() + 1);
        if let Some(left) = self.crypto_fails.get().checked_sub(1) {
            self.crypto_fails.set(left);
            return Err(Unavailable);
        }
        Ok(crypto::verify(key, input.0, signature))
    }

    fn forget(&self, slot: u32) {
        self.forgotten.borrow_mut().push(slot);
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

impl RateLimits for TestPlatform {
    async fn is_within_limit(&self, address: &str) -> bool {
        let mut counted = self.counted.borrow_mut();
        counted.push(address.to_owned());
        self.rate_limit.is_none_or(|limit| counted.iter().filter(|own| *own == address).count() <= limit)
    }
}

impl Directory for TestPlatform {
    async fn look_up(&self, _binding: &str, subject: &str) -> Result<Option<String>, Unavailable> {
        self.directory.as_ref().map(|users| users.get(subject).cloned()).ok_or(Unavailable)
    }
}
