//! The process that runs jobs. Lines of JSON, in both directions:
//!
//! ```text
//! > a Job                         < {"encoding": [n, of]} ..  {"task": [n, of], "accuracy": x} ..  {"done": path}
//!                                 < or {"error": text}
//! > (end of input)                the process ends, even in the middle of a job: its parent is gone
//! ```
//!
//! After every task the state is stored, so whoever gets the job next goes on from there.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::super::Global;
use super::Args;
use super::job::{Case, Job, Record};
use super::setup::Setup;
use crate::error::{Context, Result};
use crate::eval::memory::restart_peak;
use crate::eval::{Bank, Checkpoint, Course, Event, Run, Scenario};

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// So many pictures of so many went through the frozen network.
    Encoding(usize, usize),
    /// In the middle of a task.
    Step {
        /// Tasks that are finished.
        task: usize,
        /// Of the last step, where the strategy trains.
        loss: Option<f32>,
    },
    /// A task was learned and measured.
    Task {
        /// Tasks that are finished.
        task: usize,
        /// Of so many.
        of: usize,
        /// Over all classes so far, in percent; `None` where the run goes on from a checkpoint.
        accuracy: Option<f64>,
    },
    /// The run is stored.
    Done,
    /// The run failed.
    Error(String),
}

/// At least so long between two steps that are told.
const BREATH: Duration = Duration::from_millis(250);

/// Runs jobs from standard input until it ends.
pub fn serve(global: &Global, args: &Args) -> Result<()> {
    let setup = Setup::open(global, args)?;
    let busy = Arc::new(AtomicBool::new(false));
    let jobs = listen(busy.clone());
    let mut banks: Option<(Bank, Bank)> = None;
    for line in jobs {
        let jobs: Vec<Job> = serde_json::from_str(&line).map_err(|e| crate::err!(Parse, "jobs: {e}"))?;
        let (Some(job), all) = (jobs.first(), &jobs) else { continue };
        let done = (|| {
            let banks = match &mut banks {
                Some(banks) => banks,
                none => none.insert(setup.banks(all, &mut |n, of| say(&Said::Encoding(n, of)))?),
            };
            work(&setup, job, banks)
        })();
        busy.store(false, Ordering::SeqCst);
        say(&done.map_or_else(|e| Said::Error(e.to_string()), |()| Said::Done));
    }
    Ok(())
}

/// Lines of standard input, read beside the work so that its end is noticed.
fn listen(busy: Arc<AtomicBool>) -> mpsc::Receiver<String> {
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(|line| line.ok()) {
            busy.store(true, Ordering::SeqCst);
            if send.send(line).is_err() {
                return;
            }
        }
        if busy.load(Ordering::SeqCst) {
            std::process::exit(3);
        }
    });
    receive
}

/// A parent that is gone is noticed elsewhere.
fn say(said: &Said) {
    if let Ok(text) = serde_json::to_string(said) {
        let mut out = std::io::stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

fn work(setup: &Setup<'_>, job: &Job, (train, test): &(Bank, Bank)) -> Result<()> {
    let (scenario, case) = (setup.scenario(job)?, setup.case(job)?);
    let course = Course { data: &setup.data, scenario: &scenario, train, test };
    restart_peak();
    let mut run = Run::new(&course, setup.plan(job), case.facts.clone());
    let mut builder = setup.learner(job)?;
    if let Some(checkpoint) = Checkpoint::load(&case.part(), &case.identity(), setup.backbone_sha256()) {
        builder = builder.resume(checkpoint.state);
        run = run.resumed(checkpoint.progress);
    }
    let mut learner = builder.build()?;
    let (mut task, mut told) = (run.progress().tasks(), Instant::now());
    say(&Said::Task { task, of: scenario.tasks.len(), accuracy: None });
    loop {
        let more = run.step(&mut learner, &mut |event| tell(&event, &scenario, &mut told))?;
        if !more {
            break;
        }
        task += 1;
        if task < scenario.tasks.len() && task == run.progress().tasks() {
            Checkpoint::save(&case.part(), &case.identity(), run.progress(), &learner)?;
        }
    }
    let (result, trace) = run.finish(&learner)?;
    store(&case, &Record { result, trace })
}

fn store(case: &Case, record: &Record) -> Result<()> {
    case.finish(record).at(|| "storing the run".into())
}

fn tell(event: &Event<'_>, scenario: &Scenario, told: &mut Instant) {
    match event {
        Event::Measured { task, accuracy, .. } => {
            say(&Said::Task { task: task + 1, of: scenario.tasks.len(), accuracy: Some(*accuracy) });
        }
        Event::Step { task, loss } if told.elapsed() > BREATH => {
            *told = Instant::now();
            say(&Said::Step { task: *task, loss: *loss });
        }
        _ => {}
    }
}
