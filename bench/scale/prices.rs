//! Cloudflare's published prices (Workers Paid), and what a month costs at them.

use super::measure::Counts;
use super::scenario::Scenario;

const SECONDS_A_MONTH: f64 = 30.0 * 86_400.0;
const MILLION: f64 = 1e6;
/// CPU of a check in milliseconds, from what was measured in workerd: one from memory, and what a bulk read of KV and a
/// call to an object add.
const CPU_CHECK: f64 = 0.06;
const CPU_KV: f64 = 0.08;
const CPU_LEDGER: f64 = 0.2;
/// A segment: its checksum and its copy, for each byte; an assumption.
const CPU_SEGMENT_BYTE: f64 = 0.000_01;
/// A revocation in runs with its filter and what merges still hold of what is over, and an entry in KV with key, value
/// and metadata.
const BYTES_IN_LEDGER: f64 = 70.0;
const BYTES_IN_KV: f64 = 350.0;
/// Entries in KV for a logout: the session's and the token's.
const KV_ENTRIES: f64 = 2.0;
/// As `wrangler.toml` has it: so many invocations are logged. Cloudflare writes a line for each, we one for each logout.
const SAMPLED: f64 = 0.1;
const LINES_OF_A_LOGOUT: f64 = 2.0;

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
const LOG_EVENTS: Price = Price { included: 20.0 * MILLION, dollars: 0.60, per: MILLION };
/// Of the plan.
const SUBSCRIPTION: f64 = 5.0;

/// Dollars a month.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bill {
    /// The plan, the checks' own requests and their CPU: to be paid whatever is promised.
    pub worker: f64,
    /// The log lines of these requests.
    pub logs_of_requests: f64,
    pub kv_reads: f64,
    /// Writes and storage.
    pub kv_writes: f64,
    pub object_requests: f64,
    pub object_duration: f64,
    /// Rows and storage.
    pub object_rows: f64,
    /// The log lines of objects and of what they call.
    pub logs_of_objects: f64,
}

impl Bill {
    /// What a month costs that goes on as these seconds did.
    pub fn of(counts: &Counts, seconds: f64, scenario: &Scenario, shards: u32) -> Self {
        let calls = counts.polls + counts.confirms + counts.segments_asked + counts.records;
        let cpu = counts.checks * CPU_CHECK
            + (counts.kv_calls + counts.segments_read) * CPU_KV
            + calls * CPU_LEDGER
            + counts.segment_bytes * CPU_SEGMENT_BYTE;
        let active = (counts.object_time / MILLION / seconds).min(f64::from(shards));
        let in_ledger = if shards == 0 { 0.0 } else { scenario.live() * BYTES_IN_LEDGER / 1e9 };
        let in_kv = scenario.live() * KV_ENTRIES * BYTES_IN_KV / 1e9;
        let invocations = calls + counts.alarms + counts.batches * 2.0;
        let of_requests = (counts.checks + counts.logouts * LINES_OF_A_LOGOUT) / seconds * SAMPLED;
        let of_objects = invocations / seconds * SAMPLED;
        Self {
            worker: SUBSCRIPTION
                + REQUESTS.of((counts.checks + counts.logouts) / seconds)
                + CPU_MILLISECONDS.of(cpu / seconds),
            logs_of_requests: LOG_EVENTS.of(of_requests),
            logs_of_objects: LOG_EVENTS.of(of_requests + of_objects) - LOG_EVENTS.of(of_requests),
            kv_reads: KV_READS.of((counts.kv_keys_read + counts.segments_read) / seconds),
            kv_writes: KV_WRITES.of(scenario.logouts_per_second * KV_ENTRIES + counts.published / seconds)
                + KV_GIGABYTES.of_amount(in_kv),
            object_requests: OBJECT_REQUESTS.of((calls + counts.alarms + counts.batches * 2.0) / seconds),
            object_duration: OBJECT_GB_SECONDS.of(active * 0.128),
            object_rows: ROWS_READ.of(counts.rows_read / seconds)
                + ROWS_WRITTEN.of(rows_written(counts, seconds, scenario, shards))
                + OBJECT_GIGABYTES.of_amount(in_ledger),
        }
    }

    /// What checking and revoking cost beside the requests themselves.
    pub fn beside_requests(&self) -> f64 {
        let of_kv = self.kv_reads + self.kv_writes;
        of_kv + self.object_requests + self.object_duration + self.object_rows + self.logs_of_objects
    }

    pub fn total(&self) -> f64 {
        self.worker + self.logs_of_requests + self.beside_requests()
    }
}

/// Rows written a second. Sealing comes in bursts that a short run sees by chance: every entry leaves the log once.
fn rows_written(counts: &Counts, seconds: f64, scenario: &Scenario, shards: u32) -> f64 {
    let removed = if shards == 0 { 0.0 } else { scenario.logouts_per_second - counts.rows_removed / seconds };
    (counts.rows_written + counts.alarms_set) / seconds + removed
}
