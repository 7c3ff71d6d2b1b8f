//! What the core itself costs: allocations and instructions of one call each. `npm run bench:core`; docs/explanation/performance.md has the rest.
//!
//! Without arguments it counts allocations and ends with an error when any is above its limit: `cargo test` does that as
//! well. `NAME TIMES` does a thing so often and no more, for whoever counts instructions.

#![allow(missing_docs, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

mod cases;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::alloc::System;
use std::process::ExitCode;

use cases::{CASES, Case};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static MEMORY: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A thing is done so often before it is counted: what is made once is there then.
const BEFORE: usize = 3;

/// What of the work is counted: its name is what valgrind is told to look for.
#[inline(never)]
fn measured_work(work: &mut dyn FnMut()) {
    work();
    std::hint::black_box(());
}

/// The fewest allocations and bytes of several times: a table that happens to grow is no part of the thing itself.
fn count(case: &Case) -> (usize, usize) {
    let mut work = (case.prepare)();
    let mut once = || {
        let region = Region::new(MEMORY);
        measured_work(&mut work);
        let change = region.change();
        (change.allocations + change.reallocations, change.bytes_allocated)
    };
    for _ in 0..BEFORE {
        once();
    }
    (0..BEFORE).map(|_| once()).min().unwrap_or_default()
}

fn count_all() -> ExitCode {
    let mut is_fine = true;
    println!("{:40} {:>11} {:>6} {:>10}", "", "allocations", "limit", "bytes");
    for case in &CASES {
        let (allocations, bytes) = count(case);
        let is_above = allocations > case.limit;
        is_fine &= !is_above;
        let remark = if is_above { "  above its limit" } else { "" };
        println!("{:40} {allocations:>11} {:>6} {bytes:>10}{remark}", case.name, case.limit);
    }
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let named = |name: &str| CASES.iter().find(|case| case.name == name);
    match arguments.first().map(|name| (name.as_str(), named(name))) {
        Some((_, Some(case))) => {
            let times = arguments.get(1).and_then(|times| times.parse().ok()).unwrap_or(1);
            let mut work = (case.prepare)();
            for _ in 0..BEFORE {
                work();
            }
            for _ in 0..times {
                measured_work(&mut work);
            }
            ExitCode::SUCCESS
        }
        Some(("--names", None)) => {
            for case in &CASES {
                println!("{}", case.name);
            }
            ExitCode::SUCCESS
        }
        // Whatever cargo says to all its tests.
        _ => count_all(),
    }
}
