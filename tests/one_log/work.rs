//! The driver of a shard in virtual time, with a Workers KV that has a tail.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use edge_logout::ports::KvEntry;
use edge_logout::ports::{Clock, IndexError};
use edge_logout::revocation::ledger::{
    BackgroundIo, GATHERING, KvListPage, Ledger, Publication, Rows, Sizes, run_background_work,
};
use edge_logout::time::Timestamp;
use edge_logout::wait::all;

use super::{BEGIN, digest, mixed, record, session, session_of};
use crate::support::clock;
use crate::support::rows::{MemoryRows, Unreadable};

/// Cloudflare in virtual time.
#[derive(Default)]
struct Cloud {
    /// When each key was written first.
    kv: RefCell<BTreeMap<String, Timestamp>>,
    puts: Cell<u64>,
    published: Cell<u64>,
    /// A key that is never written.
    hangs: Option<String>,
    is_publishing_forever: bool,
}

impl Clock for Cloud {
    fn now(&self) -> Timestamp {
        clock::now()
    }

    async fn sleep(duration: Duration) {
        clock::sleep(duration).await;
    }
}

impl Cloud {
    async fn put(&self, entry: &KvEntry) -> Result<(), IndexError> {
        let number = self.puts.get();
        self.puts.set(number + 1);
        if self.hangs.as_ref() == Some(&entry.key) {
            clock::sleep(Duration::from_secs(5)).await;
            return Err(IndexError::TimedOut);
        }
        let chance = mixed(number);
        let millis = if chance.is_multiple_of(20) { 1_500 } else { 100 + chance % 100 };
        clock::sleep(Duration::from_millis(millis)).await;
        self.kv.borrow_mut().entry(entry.key.clone()).or_insert_with(clock::now);
        Ok(())
    }
}

impl BackgroundIo for Cloud {
    type DatabaseError = Unreadable;

    /// An invocation: six connections, and each takes the next entry when it is free.
    async fn write(&self, entries: Vec<KvEntry>) -> Vec<Result<(), IndexError>> {
        let next = Cell::new(0);
        let results = RefCell::new(vec![Err(IndexError::TimedOut); entries.len()]);
        let connection = || -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>> {
            Box::pin(async {
                while let Some(entry) = entries.get(next.get()) {
                    let place = next.replace(next.get() + 1);
                    let result = self.put(entry).await;
                    results.borrow_mut()[place] = result;
                }
            })
        };
        all((0..6).map(|_| connection()).collect()).await;
        results.into_inner()
    }

    async fn publish(&self, _publication: &Publication) -> Result<(), IndexError> {
        if self.is_publishing_forever {
            std::future::pending::<()>().await;
        }
        self.published.set(self.published.get() + 1);
        clock::sleep(Duration::from_millis(300)).await;
        Ok(())
    }

    async fn list(&self, _cursor: Option<&str>) -> Result<KvListPage, IndexError> {
        clock::sleep(Duration::from_millis(300)).await;
        Ok(KvListPage { entries: Vec::new(), cursor: None })
    }

    fn note_failure(&self, _event: &'static str, _error: IndexError) {}
}

/// The object: it sets an alarm when something is recorded and none is set or running.
struct Object {
    ledger: RefCell<Ledger<MemoryRows>>,
    cloud: Cloud,
    alarm_at: Cell<Option<Timestamp>>,
    is_working: Cell<bool>,
    alarms: Cell<u64>,
    is_over: Cell<bool>,
}

impl Object {
    fn new(cloud: Cloud) -> Self {
        clock::set(BEGIN);
        Self {
            ledger: RefCell::new(Ledger::new(MemoryRows::default(), Sizes::DEFAULT)),
            cloud,
            alarm_at: Cell::new(None),
            is_working: Cell::new(false),
            alarms: Cell::new(0),
            is_over: Cell::new(false),
        }
    }

    fn wake_at(&self, at: Option<Timestamp>) {
        let Some(at) = at.filter(|at| self.alarm_at.get().is_none_or(|set| *at < set)) else { return };
        self.alarm_at.set(Some(at));
        self.alarms.set(self.alarms.get() + 1);
    }

    fn record(&self, number: u64, lifetime: Duration) {
        let logout = session_of(2 * number, 2 * number + 1, clock::now().plus(lifetime));
        record(&mut self.ledger.borrow_mut(), &[logout], clock::now()).unwrap();
        if !self.is_working.get() {
            self.wake_at(Some(clock::now().plus(GATHERING)));
        }
    }

    async fn run_alarms(&self) {
        while !self.is_over.get() {
            clock::sleep(Duration::from_millis(5)).await;
            if self.alarm_at.get().is_some_and(|at| at <= clock::now()) {
                self.alarm_at.set(None);
                self.is_working.set(true);
                let next = run_background_work(&self.ledger, &self.cloud).await.unwrap();
                self.is_working.set(false);
                self.wake_at(next);
            }
        }
    }

    async fn record_at_rate(&self, count: u64, pause: Duration, lifetime: Duration) {
        for number in 0..count {
            clock::sleep(pause).await;
            self.record(number, lifetime);
        }
        clock::sleep(Duration::from_secs(30)).await;
        self.is_over.set(true);
    }

    fn run(&self, count: u64, pause: Duration, lifetime: Duration) {
        let recording = Box::pin(self.record_at_rate(count, pause, lifetime));
        let futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + '_>>> =
            vec![recording, Box::pin(self.run_alarms())];
        clock::run(all(futures));
    }

    /// How long after its logout each entry was written, in order.
    fn delays(&self, count: u64, pause: Duration) -> Vec<Duration> {
        let kv = self.cloud.kv.borrow();
        let of = |number: u64, key: String| {
            let recorded = BEGIN.plus(pause * u32::try_from(number + 1).unwrap());
            kv.get(&key).unwrap_or_else(|| panic!("{number} was not written")).since(recorded)
        };
        let mut delays: Vec<_> = (0..count)
            .flat_map(|number| {
                let logout = session_of(2 * number, 2 * number + 1, BEGIN);
                [of(number, logout.widest.key()), of(number, logout.token_revocation().unwrap().key())]
            })
            .collect();
        delays.sort_unstable();
        delays
    }
}

#[test]
fn a_logout_costs_at_most_four_rows() {
    let object = Object::new(Cloud::default());
    let (count, pause) = (24_000, Duration::from_millis(50));
    object.run(count, pause, Duration::from_hours(12));
    let written = object.ledger.borrow().rows.written + object.alarms.get();
    let delays = object.delays(count, pause);
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let rows = written as f64 / count as f64;
    println!(
        "rows a logout: {rows:.2}, alarms {}, p50 {:?} p99 {:?} max {:?}",
        object.alarms.get(),
        delays[delays.len() / 2],
        delays[delays.len() * 99 / 100],
        delays.last()
    );
    assert!(rows <= 4.0, "{rows}");
    assert!(object.cloud.published.get() > 0);
    assert!(delays[delays.len() * 99 / 100] < Duration::from_secs(4), "{:?}", delays[delays.len() * 99 / 100]);
}

#[test]
fn a_hundred_entries_a_second_are_written_although_some_take_long() {
    let object = Object::new(Cloud::default());
    // For two minutes.
    let (count, pause) = (6_000, Duration::from_millis(20));
    object.run(count, pause, Duration::from_hours(12));
    let delays = object.delays(count, pause);
    println!(
        "100 a second: p50 {:?} p99 {:?} max {:?}",
        delays[delays.len() / 2],
        delays[delays.len() * 99 / 100],
        delays.last()
    );
    assert!(*delays.last().unwrap() < Duration::from_secs(8), "{:?}", delays.last());
}

#[test]
fn a_backlog_is_written_at_a_hundred_entries_a_second_at_least() {
    let object = Object::new(Cloud::default());
    for number in 0..3_000 {
        object.record(number, Duration::from_hours(12));
    }
    let begun = clock::now();
    clock::run(async {
        while object.cloud.kv.borrow().len() < 6_000 {
            run_background_work(&object.ledger, &object.cloud).await.unwrap();
        }
    });
    let last = object.cloud.kv.borrow().values().max().copied().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let a_second = 6_000_f64 / (last.since(begun).as_millis() as f64 / 1000.0);
    println!("backlog: {a_second:.0} entries a second");
    assert!(a_second >= 100.0, "{a_second}");
}

#[test]
fn a_key_that_workers_kv_never_takes_delays_no_other() {
    let hanging = session(0, BEGIN).widest.key();
    let object = Object::new(Cloud { hangs: Some(hanging), ..Cloud::default() });
    let (count, pause) = (100, Duration::from_secs(3));
    object.cloud.kv.borrow_mut().insert(session(0, BEGIN).widest.key(), BEGIN);
    object.run(count, pause, Duration::from_hours(12));
    let delays = object.delays(count, pause);
    println!("beside a key that hangs: p99 {:?} max {:?}", delays[delays.len() * 99 / 100], delays.last());
    assert!(*delays.last().unwrap() < Duration::from_secs(4), "{:?}", delays.last());
}

#[test]
fn publishing_that_hangs_ends_the_work_neither_now_nor_for_ever() {
    let object = Object::new(Cloud { is_publishing_forever: true, ..Cloud::default() });
    for number in 0..10_000 {
        object.record(number, Duration::from_hours(12));
    }
    // Every alarm ends, and in the end everything is written.
    for _ in 0..20 {
        clock::run(async { run_background_work(&object.ledger, &object.cloud).await.unwrap() });
    }
    assert_eq!(object.cloud.kv.borrow().len(), 20_000);
    let head = object.ledger.borrow().rows.head().unwrap().unwrap();
    assert!(head.sealed > 0, "{head:?}");
    let _ = digest(0);
}
