//! One display for all runs: bars on a terminal, a line a task elsewhere, nothing with `--json`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::super::Global;
use super::job::Job;
use super::worker::Said;

/// See the module page.
pub struct Display {
    mode: Mode,
    done: usize,
    of: usize,
}

enum Mode {
    Silent,
    Lines,
    Bars { all: MultiProgress, total: ProgressBar, slots: BTreeMap<usize, ProgressBar> },
}

impl Display {
    /// For `of` runs.
    pub fn new(global: &Global, of: usize) -> Self {
        let mode = match (global.json || of == 0, std::io::stderr().is_terminal()) {
            (true, _) => Mode::Silent,
            (false, false) => Mode::Lines,
            (false, true) => {
                let all = MultiProgress::new();
                let total = all.add(bar("{msg:<44} {bar:32} {pos}/{len} {eta}", of));
                total.set_message("runs");
                Mode::Bars { all, total, slots: BTreeMap::new() }
            }
        };
        Self { mode, done: 0, of }
    }

    /// Shows what the process in `slot` said of `job`.
    pub fn show(&mut self, slot: usize, job: &Job, said: &Said) {
        self.done += usize::from(matches!(said, Said::Done | Said::Error(_)));
        match &mut self.mode {
            Mode::Silent => {}
            Mode::Lines => lines(self.done, self.of, job, said),
            Mode::Bars { all, total, slots } => {
                let fresh = || {
                    let before = all.insert_before(total, bar("{msg:<44} {bar:32} {pos}/{len}", 1));
                    before.set_message(job.to_string());
                    before
                };
                draw(slots.entry(slot).or_insert_with(fresh), job, said);
                if let Said::Done | Said::Error(_) = said {
                    if let Some(bar) = slots.remove(&slot) {
                        bar.finish_and_clear();
                    }
                    total.set_position(self.done as u64);
                }
            }
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Mode::Bars { total, .. } = &self.mode {
            total.finish_and_clear();
        }
    }
}

fn bar(template: &str, length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn lines(done: usize, of: usize, job: &Job, said: &Said) {
    match said {
        Said::Task { task, of: tasks, accuracy: Some(accuracy) } => {
            eprintln!("[{done}/{of}] {job}: task {task} of {tasks}, {accuracy:.1} %");
        }
        Said::Task { task, of: tasks, accuracy: None } if *task > 0 => {
            eprintln!("[{done}/{of}] {job}: goes on after task {task} of {tasks}");
        }
        Said::Encoding(n, all) if n == all => eprintln!("[{done}/{of}] {all} pictures encoded"),
        Said::Done => eprintln!("[{done}/{of}] {job}: done"),
        Said::Error(why) => eprintln!("[{done}/{of}] {job}: {why}"),
        _ => {}
    }
}

fn draw(bar: &ProgressBar, job: &Job, said: &Said) {
    match said {
        Said::Encoding(n, all) => {
            bar.set_length(*all as u64);
            bar.set_position(*n as u64);
            bar.set_message("frozen network");
        }
        Said::Step { loss: Some(loss), .. } => bar.set_message(format!("{job} loss {loss:.2}")),
        Said::Task { task, of, accuracy } => {
            bar.set_length(*of as u64);
            bar.set_position(*task as u64);
            let accuracy = accuracy.map_or(String::new(), |x| format!(" {x:.1} %"));
            bar.set_message(format!("{job}{accuracy}"));
        }
        _ => {}
    }
}
