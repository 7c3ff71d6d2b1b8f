//! Simulates the service at scale: `npm run simulate`. `docs/scale.md` explains the model and has what this prints.

#![allow(
    missing_docs,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::module_name_repetitions
)]

mod clock;
mod index;
mod isolate;
mod measure;
mod platform;
mod random;
mod rows;
mod scenario;
mod shard;
mod tokens;
mod traffic;
mod world;

fn main() {
    use scenario::*;
    use world::World;
    for scenario in [Scenario::night(), Scenario::small(), Scenario::marketplace(), Scenario::worldwide()] {
        for promise in Promise::ALL {
            let t = std::process::Command::new("date").arg("+%s.%N").output().map(|o| String::from_utf8_lossy(&o.stdout).trim().parse::<f64>().unwrap_or(0.0)).unwrap_or(0.0);
            let world = World::new(&scenario, promise, 1);
            traffic::begin(&world);
            clock::run_until(scenario.warm_up);
            world.begin_measuring();
            clock::run_until(scenario.warm_up + scenario.measured);
            let mut c = world.end();
            let s = (scenario.measured / clock::SECOND) as f64;
            let t2 = std::process::Command::new("date").arg("+%s.%N").output().map(|o| String::from_utf8_lossy(&o.stdout).trim().parse::<f64>().unwrap_or(0.0)).unwrap_or(0.0);
            println!("{} {} {:.1}s checks/s {:.3} mem {:.3} doubts {:.4} fell {:.4} logouts/s {:.3} failed {} kvkeys/check {:.3} polls/s/shard {:.2} contains/s/shard {:.2} busiest {:.0} records/s {:.3} alarms/s {:.3} rowsR/s {:.1} rowsW/s {:.1} recalls/s {:.1} found {:.3} feed {} backlog {} wait p50 {:.1} p99 {:.1} logout p50 {:.1} p99 {:.1}",
              scenario.name, promise.name(), t2 - t, c.checks / s, c.from_memory / c.checks, c.doubts / c.checks, c.fell_back / c.checks, c.logouts / s, c.logouts_failed,
              c.kv_keys_read / c.checks, c.polls / s / f64::from(scenario.shards), c.contains / s / f64::from(scenario.shards), c.busiest_second, c.records / s, c.alarms / s, c.rows_read / s, c.rows_written / s, c.recalls / s, c.recalls_found / c.recalls, c.feed_entries, c.longest_backlog,
              c.waits.percentile_of(50.0, c.checks / scenario.alike), c.waits.percentile_of(99.0, c.checks / scenario.alike), c.logout_waits.percentile(50.0), c.logout_waits.percentile(99.0));
        }
    }
}
