//! Simulates the service at scale: `npm run simulate`. `docs/explanation/scale.md` explains the model and has the output.

#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod archive;
mod clock;
mod index;
mod isolate;
mod measure;
#[path = "../../tests/support/rows.rs"]
mod memory_rows;
mod outbox;
mod platform;
mod plot;
mod prices;
mod random;
mod report;
mod rows;
mod run;
mod scenario;
mod shard;
#[cfg(test)]
mod tests;
mod tokens;
mod traffic;
mod world;

use std::path::Path;
use std::{env, fs, io};

use index::Lanes;
use report::Alone;
use run::Polling;
use scenario::Promise;

/// Between these lines of `docs/explanation/scale.md` stands what is printed.
const BEGIN: &str = "<!-- printed by npm run simulate: begin -->";
const END: &str = "<!-- printed by npm run simulate: end -->";
const ISOLATES: [usize; 6] = [1, 2, 4, 8, 16, 32];

fn main() -> io::Result<()> {
    // `npm run simulate -- marketplace` prints the scenarios of that name, and changes no file.
    let names: Vec<String> = env::args().skip(1).collect();
    let mut outcomes = run::all(&names);
    if !names.is_empty() {
        println!("{}", report::scenarios(&mut outcomes));
        if names.iter().any(|name| name == "alone") {
            println!("{}", report::alone(&mut alone()));
        }
        return Ok(());
    }
    let bound = Promise::ALL[2];
    let polls = run::in_parallel(ISOLATES.len(), |number| {
        [Polling::Shipped, Polling::Alone].map(|polling| run::polls_of_location(ISOLATES[number], bound, polling))
    });
    let polls: Vec<(usize, [f64; 2])> = ISOLATES.into_iter().zip(polls).collect();
    let tables = report::tables(&mut outcomes, &polls, &mut alone());
    println!("{tables}");
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/explanation");
    fs::write(docs.join("scale-costs.svg"), plot::costs(&mut outcomes))?;
    fs::write(docs.join("scale-staleness.svg"), plot::staleness(&mut outcomes))?;
    fs::write(docs.join("scale-polls.svg"), plot::polls(&polls))?;
    update(&docs.join("scale.md"), &tables)
}

fn alone() -> Alone {
    Alone {
        throughput: [Lanes::Own, Lanes::Shared].map(outbox::throughput),
        bursts: [Lanes::Own, Lanes::Shared].map(|lanes| outbox::burst(3_000, lanes)),
        long_run: outbox::long_run(18, 6),
    }
}

fn update(page: &Path, tables: &str) -> io::Result<()> {
    let text = fs::read_to_string(page)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        return Err(io::Error::other("docs/explanation/scale.md has no place for the tables"));
    };
    fs::write(page, format!("{before}{BEGIN}\n{tables}\n{END}{after}"))
}
