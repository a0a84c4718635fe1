//! Turns, and what is made of the times.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::{Global, show};
use super::Args;
use super::process::Process;
use crate::error::Result;
use crate::measure::{Case, Spread, Work};

/// One measured case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    #[serde(flatten)]
    pub case: Case,
    /// Why there is nothing to show.
    pub error: Option<String>,
    /// Seconds to read the backbone.
    pub load: f64,
    /// Seconds to build and compile.
    pub compile: f64,
    /// Seconds by round.
    pub seconds: Vec<f64>,
    /// Of the seconds.
    pub spread: Spread,
    /// Largest resident set of the process.
    pub peak_bytes: Option<u64>,
    /// Time over that of the baseline on the same work and batch: median of the rounds' ratios.
    pub ratio: Option<f64>,
    /// Time over that of the baseline's step of all blocks on the same batch.
    pub ratio_to_step: Option<f64>,
    /// Share of the sgemm peak.
    pub share: f64,
}

impl Row {
    fn new(case: &Case) -> Self {
        Self {
            case: case.clone(),
            error: None,
            load: 0.0,
            compile: 0.0,
            seconds: Vec::new(),
            spread: Spread::default(),
            peak_bytes: None,
            ratio: None,
            ratio_to_step: None,
            share: 0.0,
        }
    }

    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|e| self.error = Some(e.to_string())).ok()
    }
}

/// Measures all cases; those of one batch size take turns. A case that fails says so in its row.
pub fn measure(global: &Global, args: &Args, cases: &[Case]) -> Result<Vec<Row>> {
    let bar = show::bar(global, cases.len() * (args.repeats + 2), "starting");
    let mut rows = Vec::with_capacity(cases.len());
    for group in cases.chunk_by(|a, b| a.batch == b.batch) {
        let mut members: Vec<(Row, Option<Process>)> = Vec::with_capacity(group.len());
        for case in group {
            bar.set_message(format!("{} {} {}", case.engine, case.work.name(), case.batch));
            members.push(start(args, case));
            bar.inc(1);
        }
        // The first round warms up: allocators, thread pools, kernels chosen at the first call.
        for round in 0..=args.repeats {
            for (row, process) in &mut members {
                bar.inc(1);
                let Some(running) = process else { continue };
                match row.note(running.run()) {
                    Some(seconds) if round > 0 => row.seconds.push(seconds),
                    Some(_) => {}
                    None => *process = None,
                }
            }
        }
        for (mut row, process) in members {
            if let Some(process) = process {
                row.peak_bytes = row.note(process.finish()).flatten();
            }
            rows.push(row);
        }
    }
    bar.finish_and_clear();
    Ok(rows)
}

fn start(args: &Args, case: &Case) -> (Row, Option<Process>) {
    let mut row = Row::new(case);
    let Some((process, ready)) = row.note(Process::start(args, case)) else { return (row, None) };
    row.error = ready.error;
    (row.load, row.compile) = (ready.load.unwrap_or(0.0), ready.compile.unwrap_or(0.0));
    let process = row.error.is_none().then_some(process);
    (row, process)
}

/// Fills in spreads, ratios to `baseline` and shares of `peak` GFLOP/s.
pub fn compare(rows: &mut [Row], baseline: &str, peak: f64, operations: &BTreeMap<(Work, usize), u64>) {
    let times: BTreeMap<(Work, usize), Vec<f64>> = rows
        .iter()
        .filter(|r| r.case.engine == baseline && r.error.is_none())
        .map(|r| ((r.case.work, r.case.batch), r.seconds.clone()))
        .collect();
    for row in rows.iter_mut().filter(|r| r.error.is_none()) {
        let ratio = |work: Work| {
            let other = times.get(&(work, row.case.batch))?;
            let ratios: Vec<f64> = row.seconds.iter().zip(other).map(|(a, b)| a / b).collect();
            Some(Spread::of(&ratios).median)
        };
        (row.ratio, row.ratio_to_step) = (ratio(row.case.work), ratio(Work::StepAll));
        row.spread = Spread::of(&row.seconds);
        let flop = 2.0 * operations.get(&(row.case.work, row.case.batch)).copied().unwrap_or(0) as f64;
        row.share = flop / row.spread.median.max(f64::MIN_POSITIVE) / 1e9 / peak;
    }
}
