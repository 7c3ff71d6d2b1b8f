//! The tables, as Markdown.

use std::fmt::Write;

use edge_logout::revocation::Freshness;

use super::measure::Held;
use super::outbox::{Burst, LongRun};
use super::run::Outcome;

/// What is simulated of one shard alone.
pub struct Alone {
    /// With connections of its own for each batch, and with six for all.
    pub throughput: [f64; 2],
    pub bursts: [Burst; 2],
    pub long_run: LongRun,
}

/// All tables, one after the other.
pub fn tables(outcomes: &mut [Outcome], polls: &[(usize, [f64; 2])], alone: &mut Alone) -> String {
    let mut text = scenarios(outcomes);
    location(&mut text, polls);
    text + &self::alone(alone)
}

/// The tables of scenarios and their costs.
pub fn scenarios(outcomes: &mut [Outcome]) -> String {
    let mut text = String::new();
    for of_scenario in outcomes.chunk_by_mut(|one, next| one.scenario.name == next.scenario.name) {
        scenario(&mut text, of_scenario);
    }
    costs(&mut text, outcomes);
    text
}

/// The tables of one shard alone.
pub fn alone(alone: &mut Alone) -> String {
    let mut text = String::new();
    outbox(&mut text, alone);
    logout(&mut text, &alone.long_run);
    text
}

fn line(text: &mut String, cells: &[String]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("a String takes everything");
}

fn head(text: &mut String, title: &str, cells: &[&str]) {
    writeln!(text, "\n### {title}\n").expect("a String takes everything");
    line(text, &cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    line(text, &cells.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
}

fn scenario(text: &mut String, outcomes: &mut [Outcome]) {
    let Some(first) = outcomes.first() else { return };
    let title = format!(
        "{}: {} checks and {} logouts a second",
        first.scenario.title,
        number(first.scenario.checks_per_second()),
        number(first.scenario.logouts_per_second),
    );
    head(
        text,
        &title,
        &[
            "promise",
            "shards",
            "stale p50 / p99 / max",
            "a check waits p50 / p99",
            "from memory",
            "cold tokens",
            "cold tokens confirmed by a shard",
            "syncs/s a shard",
            "requests/s a shard",
            "an isolate holds",
            "cannot tell",
            "$ a month",
        ],
    );
    for outcome in outcomes {
        line(text, &scenario_line(outcome));
    }
}

fn scenario_line(outcome: &mut Outcome) -> Vec<String> {
    let seconds = outcome.seconds;
    let has_ledger = outcome.promise.0 != Freshness::Eventual;
    let shards = if has_ledger { f64::from(outcome.scenario.shards) } else { f64::INFINITY };
    let (holds, total, name) = (outcome.holds(), outcome.bill.total(), outcome.name());
    let counts = &mut outcome.counts;
    let simulated = counts.checks / outcome.scenario.alike;
    let (p50, p99) = (counts.waits.percentile_of(50.0, simulated), counts.waits.percentile_of(99.0, simulated));
    let requests =
        (counts.polls + counts.confirms + counts.segments_asked + counts.records + counts.alarms) / seconds / shards;
    let stale = &mut outcome.staleness.staleness;
    let staleness = [50.0, 99.0, 100.0].map(|percent| duration(stale.percentile(percent))).join(" / ");
    if !holds {
        let shards = if has_ledger { outcome.scenario.shards.to_string() } else { "no ledger".to_owned() };
        let mut cells = vec![name, shards];
        cells.resize(11, "-".to_owned());
        cells.push("does not hold".to_owned());
        return cells;
    }
    vec![
        name,
        if has_ledger { outcome.scenario.shards.to_string() } else { "no ledger".to_owned() },
        staleness,
        format!("{} / {}", duration(p50), duration(p99)),
        percent(counts.from_memory / counts.checks),
        percent(counts.colds / counts.checks),
        if has_ledger { percent(counts.confirms / counts.colds.max(1.0)) } else { "-".to_owned() },
        number(counts.polls / seconds / shards),
        number(requests),
        if has_ledger { held(&counts.held) } else { "-".to_owned() },
        percent(counts.doubts / counts.checks),
        dollars(total),
    ]
}

/// As much as an isolate may hold of filters; as in `src/revocation/replica/segments.rs`.
const BUDGET: f64 = 64.0 * 1024.0 * 1024.0;
/// What an entry after the segments takes at the most.
const ENTRY_BYTES: f64 = 48.0;

fn held(held: &Held) -> String {
    // Isolates hold the filters in half their bytes where all of them do not fit otherwise.
    let is_coarse = held.in_segments as f64 * 2.25 > BUDGET;
    let filters = held.filter_bytes as f64 / if is_coarse { 2.0 } else { 1.0 };
    let entries = held.entries as f64 * ENTRY_BYTES;
    let megabytes = (filters.min(BUDGET) + entries) / 1e6;
    let share = (BUDGET / filters).min(1.0);
    let all =
        format!("{} + {}, {} MB", number(held.in_segments as f64), number(held.entries as f64), number(megabytes));
    if share < 1.0 { format!("{all} ({} of the filters)", percent(share)) } else { all }
}

fn costs(text: &mut String, outcomes: &[Outcome]) {
    let columns = [
        "scenario",
        "promise",
        "requests and CPU",
        "their logs",
        "KV reads",
        "KV writes, storage",
        "object requests",
        "object duration",
        "object rows, storage",
        "objects' logs",
        "total",
        "beside requests, a million checks",
    ];
    head(text, "Dollars a month", &columns);
    for outcome in outcomes.iter().filter(|outcome| outcome.holds()) {
        let bill = &outcome.bill;
        let millions = outcome.scenario.checks_per_second() * 2.592;
        let parts = [
            bill.worker,
            bill.logs_of_requests,
            bill.kv_reads,
            bill.kv_writes,
            bill.object_requests,
            bill.object_duration,
            bill.object_rows,
            bill.logs_of_objects,
        ];
        let mut cells = vec![outcome.scenario.name.to_owned(), outcome.name()];
        cells.extend(parts.map(dollars));
        cells.push(dollars(bill.total()));
        cells.push(format!("{:.3}", bill.beside_requests() / millions));
        line(text, &cells);
    }
}

fn location(text: &mut String, polls: &[(usize, [f64; 2])]) {
    let columns = ["isolates in a location", "syncs/s as shipped", "syncs/s, were each to sync alone"];
    head(text, "Syncs of one location, bound 1 s, round trip 70 ms", &columns);
    for (isolates, [shipped, alone]) in polls {
        line(text, &[isolates.to_string(), number(*shipped), number(*alone)]);
    }
}

fn outbox(text: &mut String, alone: &mut Alone) {
    let columns = [
        "connections",
        "entries/s at the most",
        "3,000 logouts in a second: recorded",
        "a logout waits p50 / p99",
        "in Workers KV after",
        "rows a logout",
    ];
    head(text, "The outbox of one shard", &columns);
    let names = ["six for each batch", "six for all"];
    for ((name, rate), burst) in names.iter().zip(alone.throughput).zip(&mut alone.bursts) {
        let counts = &mut burst.counts;
        let waits = [50.0, 99.0].map(|percent| duration(counts.logout_waits.percentile(percent)));
        line(
            text,
            &[
                (*name).to_owned(),
                number(rate),
                percent(1.0 - counts.logouts_failed / counts.logouts),
                waits.join(" / "),
                duration(burst.written_after as f64 / 1_000.0),
                format!("{:.2}", (counts.rows_written + counts.alarms_set) / counts.logouts),
            ],
        );
    }
}

fn logout(text: &mut String, run: &LongRun) {
    let columns = ["rows written for", "a logout"];
    head(text, "Rows written for a logout, all that follows included, at 20 logouts a second", &columns);
    let written = &run.written;
    let alarms = run.counts.alarms_set as u64;
    let parts = [
        ("the log", written.appended),
        ("removing it from the log", written.removed),
        ("runs and segments, made and removed", written.runs),
        ("the head", written.head),
        ("entries that wait for Workers KV", written.pending),
        ("alarms", alarms),
    ];
    for (name, rows) in parts {
        line(text, &[name.to_owned(), format!("{:.3}", rows as f64 / run.logouts)]);
    }
    let all: u64 = parts.iter().map(|(_, rows)| rows).sum();
    line(text, &["all".to_owned(), format!("{:.2}", all as f64 / run.logouts)]);
    let stored = number(run.counts.published / run.logouts * 1e6);
    line(text, &["segments put in Workers KV, for a million logouts".to_owned(), stored]);
}

fn duration(milliseconds: f64) -> String {
    match milliseconds {
        0.0 => "0".to_owned(),
        short if short < 1_000.0 => format!("{short:.0} ms"),
        long => format!("{:.1} s", long / 1_000.0),
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn dollars(dollars: f64) -> String {
    if dollars < 100.0 { format!("{dollars:.2}") } else { number(dollars) }
}

/// With as many digits as say something, and commas between thousands.
pub fn number(number: f64) -> String {
    if number < 100.0 {
        let digits = if number == 0.0 || number.fract() == 0.0 {
            0
        } else {
            (1.0 - number.log10().floor()).clamp(0.0, 4.0) as usize
        };
        return format!("{number:.digits$}");
    }
    let digits = format!("{number:.0}");
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}
