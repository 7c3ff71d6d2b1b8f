//! The tables, as Markdown.

use std::fmt::Write;

use edge_logout::revocation::Freshness;

use super::run::{Outcome, bytes_of};

/// All tables, one after the other.
pub fn tables(outcomes: &mut [Outcome], polls: &[(usize, [f64; 2])]) -> String {
    let mut text = String::new();
    for of_scenario in outcomes.chunk_by_mut(|one, next| one.scenario.name == next.scenario.name) {
        scenario(&mut text, of_scenario);
    }
    costs(&mut text, outcomes);
    location(&mut text, polls);
    memory(&mut text);
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
            "KV keys read a check",
            "KV reads saved",
            "polls/s a shard",
            "requests/s a shard",
            "feed in an isolate",
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
    let requests = (counts.polls + counts.contains + counts.records + counts.alarms) / seconds / shards;
    let keys = counts.kv_keys_read / counts.checks;
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
        format!("{keys:.2}"),
        percent(1.0 - keys / 4.0),
        number(counts.polls / seconds / shards),
        number(requests),
        if matches!(outcome.promise.0, Freshness::Bounded(_)) { followed(counts.followed) } else { "-".to_owned() },
        percent(counts.doubts / counts.checks),
        dollars(total),
    ]
}

fn followed(entries: usize) -> String {
    format!("{} entries, {} MB", number(entries as f64), number(bytes_of(entries) as f64 / 1e6))
}

fn costs(text: &mut String, outcomes: &[Outcome]) {
    let columns = [
        "scenario",
        "promise",
        "requests and CPU",
        "KV reads",
        "KV writes, storage",
        "object requests",
        "object duration",
        "object rows, storage",
        "total",
        "beside requests, a million checks",
    ];
    head(text, "Dollars a month", &columns);
    for outcome in outcomes.iter().filter(|outcome| outcome.holds()) {
        let bill = &outcome.bill;
        let millions = outcome.scenario.checks_per_second() * 2.592;
        let parts =
            [bill.worker, bill.kv_reads, bill.kv_writes, bill.object_requests, bill.object_duration, bill.object_rows];
        let mut cells = vec![outcome.scenario.name.to_owned(), outcome.name()];
        cells.extend(parts.map(dollars));
        cells.push(dollars(bill.total()));
        cells.push(format!("{:.3}", bill.beside_requests() / millions));
        line(text, &cells);
    }
}

fn location(text: &mut String, polls: &[(usize, [f64; 2])]) {
    let columns = ["isolates in a location", "polls/s as shipped", "polls/s, were each to poll alone"];
    head(text, "Polls of one location, bound 1 s, round trip 70 ms", &columns);
    for (isolates, [shipped, alone]) in polls {
        line(text, &[isolates.to_string(), number(*shipped), number(*alone)]);
    }
}

fn memory(text: &mut String) {
    head(text, "Memory of the feed in an isolate", &["revocations", "MB"]);
    for entries in [1_000, 10_000, 50_000, 100_000, 250_000] {
        line(text, &[number(entries as f64), number(bytes_of(entries) as f64 / 1e6)]);
    }
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
