//! What the demonstration prints: text on stdout, bars on stderr, nothing with `--json`.

use indicatif::{HumanCount, ProgressBar};

use super::STRATEGY;
use super::restart::Check;
use super::stage::Stage;
use crate::cli::{Global, show};
use crate::eval::{EvalResult, Event};

/// Width of a column of the live table.
const COLUMN: usize = 10;

/// The model, the pictures, and the head of the live table.
pub fn opening(stage: &Stage<'_>) {
    if stage.global.json {
        return;
    }
    let [train, test] = stage.pictures();
    println!(
        "model      {}, {} parameters",
        stage.facts().backbone,
        HumanCount(stage.backbone.parameters() as u64)
    );
    println!("pictures   {train} drawn to learn from, {test} others to measure on");
    println!("strategy   {STRATEGY}; no picture is kept after its task\n");
    let names: String = stage.scenario.tasks.iter().map(|t| format!("{:>COLUMN$}", t.name)).collect();
    println!("{:<16}{names}{:>COLUMN$}", "accuracy % on", "all");
}

/// A row of the live table, when a task was measured.
pub fn row(stage: &Stage<'_>, bar: &ProgressBar, event: &Event<'_>) {
    let Event::Measured { task, accuracy, by_task } = event else { return };
    if stage.global.json {
        return;
    }
    let tasks = &stage.scenario.tasks;
    let known: String = by_task.iter().map(|a| format!("{a:>COLUMN$.1}")).collect();
    let open = COLUMN * (tasks.len() - by_task.len());
    bar.suspend(|| println!("after {:<10}{known}{:open$}{accuracy:>COLUMN$.1}", tasks[*task].name, ""));
}

/// Keeps the bar speaking.
pub fn progress(bar: &ProgressBar, name: &str, event: &Event<'_>) {
    match event {
        Event::Step { task, loss: Some(loss) } => {
            bar.set_message(format!("{name} task {} loss {loss:.2}", task + 1))
        }
        Event::Measured { .. } => bar.inc(1),
        Event::Step { .. } | Event::Learned { .. } => {}
    }
}

/// In the middle of the live table.
pub fn restored(global: &Global, bar: &ProgressBar, bytes: usize) {
    if !global.json {
        bar.suspend(|| println!("-- power off; restored from {} on disk --", show::mib(bytes)));
    }
}

/// What the restart changed.
pub fn check(check: &Check) -> String {
    format!(
        "Restart after task {}: the restored learner gave the same answer for all {} test pictures, and after {} more \
         tasks its state ({}) was byte for byte that of a learner never stopped.",
        check.after_task,
        check.same_predictions,
        check.tasks_after,
        show::mib(check.same_state_bytes),
    )
}

/// The same on stdout.
pub fn restart(global: &Global, found: &Check) {
    if !global.json {
        println!("\n{}", check(found));
    }
}

/// Strategies side by side.
pub fn comparison(global: &Global, results: &[EvalResult]) {
    if global.json {
        return;
    }
    let titles = ["last", "average", "forgotten", "task found", "unknown", "seconds"];
    let head: String = titles.iter().map(|t| format!("{t:>12}")).collect();
    println!("\n{:<16}{head}", "strategy");
    for r in results {
        let m = &r.metrics;
        let figures = [
            Some(m.last),
            m.incremental_avg,
            m.forgetting,
            m.retrieval,
            r.unknown_auroc,
            Some(r.train_seconds),
        ];
        let text: String = figures
            .iter()
            .map(|f| f.map_or_else(|| format!("{:>12}", "-"), |f| format!("{f:>12.1}")))
            .collect();
        println!("{:<16}{text}", r.strategy);
    }
    let chance = results.first().map_or(0.0, |r| r.metrics.chance);
    println!(
        "percent; chance {chance:.1}. unknown: area under ROC against classes never learned, 50 is chance"
    );
}
