//! Cloudflare's published prices (Workers Paid), and what a month costs at them.

use super::measure::Counts;
use super::rows::SWEPT;

const SECONDS_A_MONTH: f64 = 30.0 * 86_400.0;
const MILLION: f64 = 1e6;
/// CPU of a check in milliseconds, from what was measured in workerd: one from memory, and what a bulk read of KV and a
/// call to an object add.
const CPU_CHECK: f64 = 0.06;
const CPU_KV: f64 = 0.08;
const CPU_LEDGER: f64 = 0.2;
/// A revocation in a shard with its place in the indices, and in KV with key, value and metadata.
const BYTES_IN_LEDGER: f64 = 250.0;
const BYTES_IN_KV: f64 = 350.0;
/// How long a revocation lives: what is simulated lives for half a day.
pub const LIFETIME_SECONDS: f64 = 43_200.0;

/// A price for what is beyond an included amount.
struct Price {
    included: f64,
    dollars: f64,
    per: f64,
}

impl Price {
    fn of(&self, a_second: f64) -> f64 {
        self.of_amount(a_second * SECONDS_A_MONTH)
    }

    fn of_amount(&self, amount: f64) -> f64 {
        (amount - self.included).max(0.0) / self.per * self.dollars
    }
}

const REQUESTS: Price = Price { included: 10.0 * MILLION, dollars: 0.30, per: MILLION };
const CPU_MILLISECONDS: Price = Price { included: 30.0 * MILLION, dollars: 0.02, per: MILLION };
const KV_READS: Price = Price { included: 10.0 * MILLION, dollars: 0.50, per: MILLION };
const KV_WRITES: Price = Price { included: MILLION, dollars: 5.0, per: MILLION };
const KV_GIGABYTES: Price = Price { included: 1.0, dollars: 0.50, per: 1.0 };
const OBJECT_REQUESTS: Price = Price { included: MILLION, dollars: 0.15, per: MILLION };
const OBJECT_GB_SECONDS: Price = Price { included: 400_000.0, dollars: 12.50, per: MILLION };
const ROWS_READ: Price = Price { included: 25_000.0 * MILLION, dollars: 0.001, per: MILLION };
const ROWS_WRITTEN: Price = Price { included: 50.0 * MILLION, dollars: 1.0, per: MILLION };
const OBJECT_GIGABYTES: Price = Price { included: 5.0, dollars: 0.20, per: 1.0 };
/// Of the plan.
const SUBSCRIPTION: f64 = 5.0;

/// Dollars a month.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bill {
    /// The plan, the checks' own requests and their CPU: to be paid whatever is promised.
    pub worker: f64,
    pub kv_reads: f64,
    /// Writes and storage.
    pub kv_writes: f64,
    pub object_requests: f64,
    pub object_duration: f64,
    /// Rows and storage.
    pub object_rows: f64,
}

impl Bill {
    /// What a month costs that goes on as these seconds did.
    pub fn of(counts: &Counts, seconds: f64, shards: u32, round: &Revocations) -> Self {
        let calls = counts.polls + counts.contains + counts.records;
        let cpu = counts.checks * CPU_CHECK + counts.kv_calls * CPU_KV + calls * CPU_LEDGER;
        let active = (counts.object_time / MILLION / seconds).min(f64::from(shards));
        let in_ledger = if shards == 0 { 0.0 } else { round.alive * BYTES_IN_LEDGER / 1e9 };
        let swept = if shards == 0 { 0.0 } else { round.per_second * SWEPT as f64 };
        Self {
            worker: SUBSCRIPTION
                + REQUESTS.of((counts.checks + counts.logouts) / seconds)
                + CPU_MILLISECONDS.of(cpu / seconds),
            kv_reads: KV_READS.of(counts.kv_keys_read / seconds),
            kv_writes: KV_WRITES.of(round.per_second) + KV_GIGABYTES.of_amount(round.alive * BYTES_IN_KV / 1e9),
            object_requests: OBJECT_REQUESTS.of((calls + counts.alarms) / seconds),
            object_duration: OBJECT_GB_SECONDS.of(active * 0.128),
            object_rows: ROWS_READ.of(counts.rows_read / seconds)
                + ROWS_WRITTEN.of((counts.rows_written + counts.alarms_set) / seconds + swept)
                + OBJECT_GIGABYTES.of_amount(in_ledger),
        }
    }

    /// What checking and revoking cost beside the requests themselves.
    pub fn beside_requests(&self) -> f64 {
        self.kv_reads + self.kv_writes + self.object_requests + self.object_duration + self.object_rows
    }

    pub fn total(&self) -> f64 {
        self.worker + self.beside_requests()
    }
}

/// Revocations once as many expire as are made.
#[derive(Clone, Copy, Debug)]
pub struct Revocations {
    pub per_second: f64,
    pub alive: f64,
}

impl Revocations {
    /// Two for each logout: the token and its session.
    pub fn of(logouts_per_second: f64) -> Self {
        let per_second = logouts_per_second * 2.0;
        Self { per_second, alive: per_second * LIFETIME_SECONDS }
    }
}
