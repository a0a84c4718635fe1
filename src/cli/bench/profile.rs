//! `--profile`: where the time of one micro-batch goes.

use serde_json::json;

use super::super::{Global, show};
use super::worker;
use crate::engine::Timed;
use crate::error::Result;
use crate::measure::{Case, Subject};

/// Passes that are averaged.
const RUNS: usize = 5;

/// Characters of the longest bar.
const BAR: f64 = 30.0;

/// Profiles every case and prints bars.
pub fn run(global: &Global, cases: &[Case]) -> Result<()> {
    let mut documents = Vec::new();
    for case in cases {
        let backbone = worker::backbone_of(global, case)?;
        let engine = worker::engine_of(global, case)?;
        let profile = Subject::profile(case, &backbone, engine.as_ref(), RUNS);
        match (&profile, global.json) {
            (Ok(timed), true) => documents.push(json!({ "case": case, "operators": timed })),
            (Err(e), true) => documents.push(json!({ "case": case, "error": e.to_string() })),
            (Ok(timed), false) => print(case, timed),
            (Err(e), false) => println!("{} {}: not available: {e}\n", case.engine, case.work.name()),
        }
    }
    if global.json { show::json(&documents) } else { Ok(()) }
}

fn print(case: &Case, timed: &[Timed]) {
    let total: f64 = timed.iter().map(|t| t.seconds).sum();
    let images = case.micro.min(case.batch);
    println!("{} {}: {:.1} ms for {images} images in one pass", case.engine, case.work.name(), 1e3 * total);
    println!("{:<28} {:>6} {:>9} {:>7}", "operator", "calls", "ms", "share");
    for t in timed {
        let share = t.seconds / total.max(f64::MIN_POSITIVE);
        let bar = "#".repeat((BAR * share).round() as usize);
        println!(
            "{:<28} {:>6} {:>9.2} {:>5.1} %  {bar}",
            t.operator,
            t.calls,
            1e3 * t.seconds,
            100.0 * share
        );
    }
    println!();
}
