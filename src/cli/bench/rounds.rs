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
    /// Of a step from cached tokens: time over that of the baseline's step of all blocks on the same batch.
    pub ratio_to_step: Option<f64>,
    /// Of a prediction with adapters: time over that of the same engine with merged weights.
    pub ratio_to_merged: Option<f64>,
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
            ratio_to_merged: None,
            share: 0.0,
        }
    }

    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|e| self.error = Some(e.to_string())).ok()
    }
}

/// Measures all cases; those that are compared take turns. A case that fails says so in its row.
pub fn measure(global: &Global, args: &Args, cases: &[Case], baseline: &str) -> Result<Vec<Row>> {
    let bar = show::bar(global, cases.len() * (args.repeats + 2), "starting");
    let mut rows = Vec::with_capacity(cases.len());
    for group in cases.chunk_by(|a, b| (a.batch, kind(a.work)) == (b.batch, kind(b.work))) {
        let mut members: Vec<(Row, Option<Process>)> = Vec::with_capacity(group.len());
        for case in group {
            bar.set_message(format!("{} {} {}", case.engine, case.work.name(), case.batch));
            members.push(start(args, case));
            bar.inc(1);
        }
        let mut anchor = anchor(group, cases, baseline).map(|case| start(args, case));
        // The first round warms up: allocators, thread pools, kernels chosen at the first call.
        for round in 0..=args.repeats {
            for (row, process) in members.iter_mut().chain(&mut anchor) {
                bar.inc(1);
                let Some(running) = process else { continue };
                match row.note(running.run()) {
                    Some(seconds) if round > 0 => row.seconds.push(seconds),
                    Some(_) => {}
                    None => *process = None,
                }
            }
        }
        let step = anchor.map(|(row, _)| row.seconds).unwrap_or_default();
        for (mut row, process) in members {
            if let Some(process) = process {
                row.peak_bytes = row.note(process.finish()).flatten();
            }
            row.ratio_to_step = ratio(&row.seconds, &step);
            rows.push(row);
        }
    }
    bar.finish_and_clear();
    Ok(rows)
}

/// Works of one kind are compared with each other.
fn kind(work: Work) -> Work {
    match work {
        Work::Inputs | Work::PerImage => Work::Merged,
        other => other,
    }
}

/// Steps from cached tokens are compared with the baseline's step of all blocks too, which then runs beside them.
fn anchor<'a>(group: &[Case], cases: &'a [Case], baseline: &str) -> Option<&'a Case> {
    let first = group.first().filter(|c| c.work == Work::StepCached)?;
    cases.iter().find(|c| c.work == Work::StepAll && c.batch == first.batch && c.engine == baseline)
}

/// Median of the rounds' ratios.
fn ratio(seconds: &[f64], others: &[f64]) -> Option<f64> {
    let ratios: Vec<f64> = seconds.iter().zip(others).map(|(a, b)| a / b).collect();
    (!ratios.is_empty()).then(|| Spread::of(&ratios).median)
}

fn start(args: &Args, case: &Case) -> (Row, Option<Process>) {
    let mut row = Row::new(case);
    let Some((process, ready)) = row.note(Process::start(args, case)) else { return (row, None) };
    row.error = ready.error;
    (row.load, row.compile) = (ready.load.unwrap_or(0.0), ready.compile.unwrap_or(0.0));
    let process = row.error.is_none().then_some(process);
    (row, process)
}

/// Fills in spreads, ratios to `baseline` and to merged weights, and shares of `peak` GFLOP/s.
pub fn compare(rows: &mut [Row], baseline: &str, peak: f64, operations: &BTreeMap<(Work, usize), u64>) {
    let all = rows.to_vec();
    let find = |engine: &str, work: Work, batch: usize| {
        let mut all = all.iter().filter(|r| r.error.is_none());
        all.find(|r| r.case.engine == engine && r.case.work == work && r.case.batch == batch)
    };
    for row in rows.iter_mut().filter(|r| r.error.is_none()) {
        let case = &row.case;
        row.ratio = find(baseline, case.work, case.batch).and_then(|base| ratio(&row.seconds, &base.seconds));
        if kind(case.work) == Work::Merged {
            let merged = find(&case.engine, Work::Merged, case.batch);
            row.ratio_to_merged = merged.and_then(|merged| ratio(&row.seconds, &merged.seconds));
        }
        row.spread = Spread::of(&row.seconds);
        let flop = 2.0 * operations.get(&(case.work, case.batch)).copied().unwrap_or(0) as f64;
        row.share = flop / row.spread.median.max(f64::MIN_POSITIVE) / 1e9 / peak;
    }
}
