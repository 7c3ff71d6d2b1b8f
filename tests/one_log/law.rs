//! The law of checks: whenever one says *active*, no revocation of the token that is still kept was acknowledged before
//! the check began, or, where it is bounded, longer ago than the bound. Checks wait side by side; calls to the shard are
//! answered late, out of order or never.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use edge_logout::ports::{Clock, Index, IndexError, LedgerError, LedgerShards, SharedMemory, within};
use edge_logout::revocation::ledger::{Answer, Call, Ledger, LedgerRules, Listed, ListedEntry, Sizes, Step};
use edge_logout::revocation::{
    Authority, Digest, Doubt, Ended, Freshness, Known, KvEntry, Logout, Matchable, Replica, RevocationRules, Scope,
    Status, StoredRevocation,
};
use edge_logout::time::Timestamp;
use edge_logout::token::OpaqueToken;
use proptest::prelude::*;

use super::{SETTLING, at, record, revocation, settle, write_all};
use crate::support::clock;
use crate::support::rows::MemoryRows;

const LIMIT: Duration = Duration::from_secs(3);
const BOUND: Duration = Duration::from_secs(1);
const TOKENS: usize = 8;

/// A call on its way: to the shard, and then back.
struct Sent {
    call: Vec<u8>,
    answer: Option<Result<Vec<u8>, LedgerError>>,
    is_delivered: bool,
    waker: Option<Waker>,
}

type Wire = Rc<RefCell<Vec<Rc<RefCell<Sent>>>>>;

/// What an isolate sees of the world.
#[derive(Clone, Default)]
struct Platform {
    wire: Wire,
    kv: Rc<RefCell<BTreeMap<String, String>>>,
    segments: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    cache: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
}

impl Clock for Platform {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    async fn sleep(duration: Duration) {
        clock::sleep(duration).await;
    }
}

impl LedgerShards for Platform {
    async fn ask(&self, shard: u32, call: &[u8], limit: Duration) -> Result<Vec<u8>, LedgerError> {
        within::<Self, _>(limit, self.answer_of(shard, call)).await.unwrap_or(Err(LedgerError::TimedOut))
    }
}

impl Platform {
    async fn answer_of(&self, _shard: u32, call: &[u8]) -> Result<Vec<u8>, LedgerError> {
        let sent = Sent { call: call.to_vec(), answer: None, is_delivered: false, waker: None };
        let sent = Rc::new(RefCell::new(sent));
        self.wire.borrow_mut().push(Rc::clone(&sent));
        std::future::poll_fn(|context| {
            let mut sent = sent.borrow_mut();
            sent.waker = Some(context.waker().clone());
            if sent.is_delivered { Poll::Ready(sent.answer.take().unwrap()) } else { Poll::Pending }
        })
        .await
    }
}

impl Index for Platform {
    async fn find(&self, keys: &[String]) -> Result<Vec<Option<String>>, IndexError> {
        Ok(keys.iter().map(|key| self.kv.borrow().get(key).cloned()).collect())
    }

    async fn put(&self, _entry: &KvEntry) -> Result<(), IndexError> {
        Err(IndexError::Permanent)
    }

    async fn segment(&self, key: &str) -> Result<Option<Vec<u8>>, IndexError> {
        Ok(self.segments.borrow().get(key).cloned())
    }
}

impl SharedMemory for Platform {
    async fn recall(&self, name: &str) -> Option<Vec<u8>> {
        self.cache.borrow().get(name).cloned()
    }

    async fn share(&self, name: &str, bytes: &[u8], _seconds: u32) {
        self.cache.borrow_mut().insert(name.to_owned(), bytes.to_vec());
    }
}

fn rules() -> RevocationRules {
    RevocationRules {
        issuer: "shop".to_owned(),
        leeway: Duration::ZERO,
        longest_lifetime: Duration::from_hours(1),
        digests: Rc::default(),
    }
}

fn name(token: usize) -> String {
    format!("token-{token}")
}

fn matchable(token: usize) -> Matchable {
    Matchable::new(Ended::Opaque(OpaqueToken(&name(token))), &rules())
}

fn logout(token: usize) -> Logout {
    let matchable = matchable(token);
    let digest = matchable.keys().find(|key| key.scope == Scope::Token).map(|key| *key.digest).unwrap();
    Logout { widest: revocation(digest, Scope::Token, None, at(1_000_000)), token: None }
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    Check {
        token: usize,
        isolate: usize,
        is_strong: bool,
    },
    /// The shard answers a call.
    Serve(usize),
    /// The answer arrives.
    Deliver(usize),
    Fail(usize),
    Lose(usize),
    /// A request is cancelled.
    Drop(usize),
    Record(usize),
    Noise(u8),
    Refresh(usize),
    Step(u8),
    Write,
    Import,
    Restart,
    Backup,
    Restore,
    Pass(u16),
    SetBack(u16),
}

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let one = prop_oneof![
        10 => (0..TOKENS, 0..2_usize, any::<bool>())
            .prop_map(|(token, isolate, is_strong)| Happening::Check { token, isolate, is_strong }),
        14 => (0..4_usize).prop_map(Happening::Serve),
        14 => (0..4_usize).prop_map(Happening::Deliver),
        1 => (0..4_usize).prop_map(Happening::Fail),
        1 => (0..4_usize).prop_map(Happening::Lose),
        1 => (0..4_usize).prop_map(Happening::Drop),
        4 => (0..TOKENS).prop_map(Happening::Record),
        3 => (1..6_u8).prop_map(Happening::Noise),
        2 => (0..2_usize).prop_map(Happening::Refresh),
        4 => (1..20_u8).prop_map(Happening::Step),
        2 => Just(Happening::Write),
        1 => Just(Happening::Import),
        1 => Just(Happening::Restart),
        1 => Just(Happening::Backup),
        1 => Just(Happening::Restore),
        4 => (1..900_u16).prop_map(Happening::Pass),
        1 => (1..3_000_u16).prop_map(Happening::SetBack),
    ];
    proptest::collection::vec(one, 1..160)
}

/// When a logout was acknowledged, in true time, in events and as the shard's version.
struct Acknowledged {
    token: usize,
    event: usize,
    true_time: u64,
    version: u64,
}

struct Running {
    future: Pin<Box<dyn Future<Output = Result<Known, Doubt>>>>,
    token: usize,
    is_strong: bool,
    event: usize,
    true_time: u64,
    isolate: usize,
}

struct World {
    ledger: Ledger<MemoryRows>,
    sizes: Sizes,
    platforms: [Platform; 2],
    replicas: [Rc<Replica>; 2],
    tokens: Vec<[Rc<Matchable>; 2]>,
    running: Vec<Running>,
    background: Vec<Pin<Box<dyn Future<Output = ()>>>>,
    acknowledged: Vec<Acknowledged>,
    backup: Option<(MemoryRows, u64)>,
    events: usize,
    /// Time as it is, whatever clocks say, and by how much the clock has been set back since.
    true_time: u64,
    noise: u64,
    verdicts: [u64; 3],
}

impl World {
    fn new(sizes: Sizes) -> Self {
        clock::set(at(0));
        let mut ledger = Ledger::new(MemoryRows::default(), sizes);
        record(&mut ledger, &[], at(0)).unwrap();
        // It has imported everything.
        clock::set(at(100));
        let import = ledger.take_import(at(100)).unwrap().unwrap();
        ledger.note_import(&import, Listed { entries: Vec::new(), cursor: None }, at(100)).unwrap();
        let shared = Platform::default();
        let platform = || Platform { wire: Rc::default(), ..shared.clone() };
        Self {
            ledger,
            sizes,
            platforms: [platform(), platform()],
            replicas: [Rc::new(Replica::seeded(1, 1)), Rc::new(Replica::seeded(1, 2))],
            tokens: (0..TOKENS).map(|token| [Rc::new(matchable(token)), Rc::new(matchable(token))]).collect(),
            running: Vec::new(),
            background: Vec::new(),
            acknowledged: Vec::new(),
            backup: None,
            events: 0,
            true_time: 0,
            noise: 0,
            verdicts: [0; 3],
        }
    }

    fn latest(&self) -> u64 {
        use edge_logout::revocation::ledger::Rows;
        self.ledger.rows.head().unwrap().unwrap().latest
    }

    fn record(&mut self, logout: &Logout, token: Option<usize>) {
        record(&mut self.ledger, std::slice::from_ref(logout), clock::now()).unwrap();
        if let Some(token) = token {
            let version = self.latest();
            let (event, true_time) = (self.events, self.true_time);
            self.acknowledged.push(Acknowledged { token, event, true_time, version });
        }
    }

    fn begin(&mut self, token: usize, isolate: usize, is_strong: bool) {
        let (platform, replica) = (self.platforms[isolate].clone(), Rc::clone(&self.replicas[isolate]));
        let matchable = Rc::clone(&self.tokens[token][isolate]);
        let freshness = if is_strong { Freshness::Strong } else { Freshness::Bounded(BOUND) };
        let future = Box::pin(async move {
            let ledger = Some(LedgerRules { shards: 1, kv_written_until: None });
            let authority = Authority { platform: &platform, replica: &replica, ledger, settling: SETTLING };
            authority.status(&matchable, freshness, LIMIT).await
        });
        let (event, true_time) = (self.events, self.true_time);
        self.running.push(Running { future, token, is_strong, event, true_time, isolate });
    }

    fn refresh(&mut self, isolate: usize) {
        let (platform, replica) = (self.platforms[isolate].clone(), Rc::clone(&self.replicas[isolate]));
        self.background.push(Box::pin(async move {
            let ledger = Some(LedgerRules { shards: 1, kv_written_until: None });
            let authority = Authority { platform: &platform, replica: &replica, ledger, settling: SETTLING };
            authority.refresh(BOUND).await;
        }));
    }

    fn sent(&self, place: usize, is_answered: bool) -> Option<Rc<RefCell<Sent>>> {
        let all = self.platforms.iter().flat_map(|platform| platform.wire.borrow().clone());
        let open: Vec<_> =
            all.filter(|sent| !sent.borrow().is_delivered && sent.borrow().answer.is_some() == is_answered).collect();
        open.get(place).cloned()
    }

    fn serve(&mut self, place: usize) {
        let Some(sent) = self.sent(place, false) else { return };
        let call = Call::read(&sent.borrow().call).unwrap();
        let answer: Answer = self.ledger.answer(&call, clock::now()).unwrap();
        sent.borrow_mut().answer = Some(Ok(answer.write()));
    }

    fn deliver(&mut self, place: usize) {
        let Some(sent) = self.sent(place, true) else { return };
        sent.borrow_mut().is_delivered = true;
    }

    fn happen(&mut self, happening: Happening) {
        self.events += 1;
        match happening {
            Happening::Check { token, isolate, is_strong } => self.begin(token, isolate, is_strong),
            Happening::Serve(place) => self.serve(place),
            Happening::Deliver(place) => self.deliver(place),
            Happening::Fail(place) => {
                if let Some(sent) = self.sent(place, false) {
                    sent.borrow_mut().answer = Some(Err(LedgerError::Retryable));
                }
            }
            Happening::Lose(place) => {
                for platform in &self.platforms {
                    let mut wire = platform.wire.borrow_mut();
                    if place < wire.len() {
                        wire.remove(place);
                    }
                }
            }
            Happening::Drop(place) => {
                if place < self.running.len() {
                    drop(self.running.remove(place));
                }
            }
            Happening::Record(token) => self.record(&logout(token), Some(token)),
            Happening::Noise(count) => {
                for _ in 0..count {
                    self.noise += 1;
                    let digest = super::digest(1_000 + self.noise);
                    let widest = revocation(digest, Scope::Session, None, at(1_000_000));
                    self.record(&Logout { widest, token: None }, None);
                }
            }
            Happening::Refresh(isolate) => self.refresh(isolate),
            Happening::Step(count) => self.step(count),
            Happening::Write => self.write(),
            Happening::Import => self.import(),
            Happening::Restart => self.ledger = Ledger::new(self.ledger.rows.clone(), self.sizes),
            Happening::Backup => self.backup = Some((self.ledger.rows.clone(), self.latest())),
            Happening::Restore => self.restore(),
            Happening::Pass(millis) => {
                self.true_time += u64::from(millis);
                clock::set(clock::now().plus(Duration::from_millis(millis.into())));
            }
            Happening::SetBack(millis) => clock::set(clock::now().minus(Duration::from_millis(millis.into()))),
        }
        self.poll();
    }

    fn step(&mut self, count: u8) {
        for _ in 0..count {
            match self.ledger.step(clock::now()).unwrap() {
                // Every other segment is not published.
                Step::Publish(publication) if publication.name.0[8] % 2 == 0 => {
                    self.platforms[0].segments.borrow_mut().insert(publication.name.key(), publication.filter);
                }
                Step::Publish(_) | Step::More => {}
                Step::Idle(_) => break,
            }
        }
    }

    /// Workers KV takes everything; here it is written with the limits that the log says.
    fn write(&mut self) {
        let now = clock::now();
        loop {
            let batch = self.ledger.take_batch(now).unwrap();
            if batch.is_empty() {
                return;
            }
            for write in &batch {
                let entry = KvEntry::of(&write.revocation, now);
                self.platforms[0].kv.borrow_mut().insert(entry.key, entry.value);
            }
            self.ledger.note_batch(batch.into_iter().map(|write| (write, Ok(()))).collect(), now).unwrap();
        }
    }

    fn import(&mut self) {
        let now = clock::now().plus(SETTLING);
        if let Some(import) = self.ledger.take_import(now).unwrap() {
            let kv = self.platforms[0].kv.borrow();
            let entry = |(key, value): (&String, &String)| {
                let stored = StoredRevocation::parse(value);
                ListedEntry { key: key.clone(), stored, expires_at: None }
            };
            let entries = kv.iter().map(entry).collect();
            self.ledger.note_import(&import, Listed { entries, cursor: None }, now).unwrap();
        }
    }

    /// What was acknowledged after the backup is not kept.
    fn restore(&mut self) {
        if let Some((rows, latest)) = self.backup.clone() {
            // Random numbers are never the same again.
            let rows = MemoryRows { seed: self.ledger.rows.seed + 1, ..rows };
            self.ledger = Ledger::new(rows, self.sizes);
            self.acknowledged.retain(|acknowledged| acknowledged.version <= latest);
        }
    }

    fn poll(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..3 {
            self.background.retain_mut(|future| future.as_mut().poll(&mut context).is_pending());
            let mut running = std::mem::take(&mut self.running);
            running.retain_mut(|check| match check.future.as_mut().poll(&mut context) {
                Poll::Pending => true,
                Poll::Ready(verdict) => {
                    self.judge(check, verdict);
                    false
                }
            });
            self.running = running;
        }
    }

    fn judge(&mut self, check: &Running, verdict: Result<Known, Doubt>) {
        let Ok(known) = verdict else {
            self.verdicts[2] += 1;
            return;
        };
        let is_active = known.status == Status::Active;
        self.verdicts[usize::from(!is_active)] += 1;
        let mut of_token = self.acknowledged.iter().filter(|acknowledged| acknowledged.token == check.token);
        if is_active {
            let is_missed = |acknowledged: &Acknowledged| {
                if check.is_strong {
                    acknowledged.event < check.event
                } else {
                    // It was judged in this moment at the latest.
                    acknowledged.true_time + 1_000 + self.set_back() < check.true_time
                }
            };
            let missed = of_token.any(is_missed);
            assert!(!missed, "token {} was revoked, isolate {}", check.token, check.isolate);
        }
    }

    /// By how much the clock is behind the time that has passed.
    fn set_back(&self) -> u64 {
        let shown = clock::now().since(at(100));
        self.true_time.saturating_sub(u64::try_from(shown.as_millis()).unwrap())
    }

    /// In the end everybody is answered, and rightly.
    fn end(&mut self) {
        self.background.clear();
        self.running.clear();
        self.platforms.iter().for_each(|platform| platform.wire.borrow_mut().clear());
        // The log is not longer than the pages of one sync.
        self.write();
        settle(&mut self.ledger, clock::now()).unwrap();
        for isolate in 0..2 {
            for token in 0..TOKENS {
                self.true_time += 10_000;
                clock::set(clock::now().plus(Duration::from_secs(10)));
                self.begin(token, isolate, true);
                let before = self.verdicts;
                for _ in 0..400 {
                    self.poll();
                    self.serve(0);
                    self.deliver(0);
                    self.poll();
                    if self.running.is_empty() {
                        break;
                    }
                    self.true_time += 10;
                    clock::set(clock::now().plus(Duration::from_millis(10)));
                }
                assert!(self.running.is_empty(), "a check never ends");
                assert_eq!(self.verdicts[2], before[2], "a check of a ledger that is well cannot tell");
            }
        }
        settle(&mut self.ledger, clock::now()).unwrap();
        let _ = (write_all(&mut self.ledger, clock::now()), VecDeque::<Digest>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn no_check_says_active_of_what_was_revoked_before(
        sealed in 2..6_usize, page in 1..9_usize, happenings in happenings(),
    ) {
        let mut world = World::new(Sizes { sealed, run: 4, slice: 3, page });
        for happening in happenings {
            world.happen(happening);
        }
        world.end();
    }
}

/// Found by the law above: two answers to one position, one of them from a history that a restore has ended.
#[test]
fn an_answer_from_before_a_restore_and_one_from_after_it_do_not_join() {
    let mut world = World::new(Sizes { sealed: 3, run: 4, slice: 3, page: 2 });
    let check = Happening::Check { token: 0, isolate: 0, is_strong: false };
    let (serve, deliver) = (Happening::Serve(0), Happening::Deliver(0));
    for happening in [check, Happening::Backup, Happening::Pass(600), Happening::Record(0), check, serve] {
        world.happen(happening);
    }
    for happening in [Happening::Restore, Happening::Record(1), deliver, serve, deliver] {
        world.happen(happening);
    }
    world.end();
}

/// A step back that is seen voids the syncs that are under way, and those after it count at once.
#[test]
fn a_sync_from_before_the_clock_was_set_back_says_nothing_of_later() {
    let mut world = World::new(Sizes { sealed: 3, run: 4, slice: 3, page: 2 });
    let check = Happening::Check { token: 0, isolate: 0, is_strong: false };
    let (serve, deliver) = (Happening::Serve(0), Happening::Deliver(0));
    for happening in [check, Happening::SetBack(50_000), check, serve, deliver] {
        world.happen(happening);
    }
    for happening in [serve, deliver] {
        world.happen(happening);
    }
    assert!(world.running.is_empty(), "a check after the step waits for what is there");
    assert_eq!(world.verdicts, [2, 0, 0]);
    world.happen(Happening::Record(0));
    world.happen(Happening::Pass(50_000));
    world.happen(check);
    assert_eq!(world.verdicts, [2, 0, 0], "it has to be asked for again");
    world.end();
}

#[test]
fn a_late_answer_with_an_older_directory_does_not_join() {
    let mut world = World::new(Sizes { sealed: 2, run: 4, slice: 3, page: 9 });
    let check = Happening::Check { token: 7, isolate: 0, is_strong: true };
    for happening in
        [Happening::Noise(2), Happening::Record(0), Happening::Noise(1), check, Happening::Pass(700), check]
    {
        world.happen(happening);
    }
    // The second call is answered first, and the log is sealed before the first one is.
    for happening in [Happening::Serve(1), Happening::Write, Happening::Step(40), Happening::Serve(0)] {
        world.happen(happening);
    }
    world.happen(Happening::Deliver(0));
    world.happen(Happening::Deliver(0));
    world.end();
}
