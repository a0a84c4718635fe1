//! Processes that run jobs beside each other.
//!
//! A job has a process of its own, so its peak memory is its own; without a cache on disk one process runs all jobs in
//! turn, because it holds the encoded pictures.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use super::super::Global;
use super::Args;
use super::job::Job;
use super::progress::Display;
use super::worker::Said;
use crate::error::{Context, Result};

/// Runs `jobs`; those that failed, and why.
pub fn run(global: &Global, args: &Args, jobs: Vec<Job>) -> Vec<(Job, String)> {
    let cores = rayon::current_num_threads();
    let slots =
        if args.no_cache_dir { 1 } else { args.jobs.unwrap_or(cores / 2) }.clamp(1, jobs.len().max(1));
    let threads = global.threads.unwrap_or((cores / slots).max(1));
    let mut display = Display::new(global, jobs.len());
    let queue = Mutex::new(jobs.into_iter().collect::<VecDeque<_>>());
    let mut failed = Vec::new();
    std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        for slot in 0..slots {
            let (send, queue) = (send.clone(), &queue);
            scope.spawn(move || slot_of(slot, threads, args, queue, &send));
        }
        drop(send);
        for News { slot, job, said } in receive {
            display.show(slot, &job, &said);
            if let Said::Error(why) = said {
                failed.push((job, why));
            }
        }
    });
    failed
}

/// What a process said about its job.
struct News {
    slot: usize,
    job: Job,
    said: Said,
}

/// Takes jobs from the queue until it is empty.
fn slot_of(
    slot: usize,
    threads: usize,
    args: &Args,
    queue: &Mutex<VecDeque<Job>>,
    news: &mpsc::Sender<News>,
) {
    let mut process: Option<Process> = None;
    loop {
        let mut waiting = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<Job> = waiting.iter().cloned().collect();
        let Some(job) = waiting.pop_front() else { return };
        drop(waiting);
        let tell = |said: Said| {
            // Who listens has counted the processes: it goes after them.
            let _ = news.send(News { slot, job: job.clone(), said });
        };
        let done = (|| {
            let mut own = match process.take() {
                Some(process) => process,
                None => Process::start(threads)?,
            };
            own.run(if args.no_cache_dir { &all } else { std::slice::from_ref(&job) }, &tell)?;
            process = args.no_cache_dir.then_some(own);
            Ok(())
        })();
        if let Err(e) = done {
            let e: crate::Error = e;
            tell(Said::Error(e.to_string()));
        }
    }
}

/// This program as a worker.
struct Process {
    child: Child,
    jobs: Option<ChildStdin>,
    said: BufReader<ChildStdout>,
    /// Reads standard error, so that the process never waits for a reader.
    errors: Option<JoinHandle<String>>,
}

impl Process {
    fn start(threads: usize) -> Result<Self> {
        let program = std::env::current_exe().at(|| "finding this program".into())?;
        let mut child = Command::new(program)
            .args(std::env::args_os().skip(1))
            .arg("--worker")
            .env("RAYON_NUM_THREADS", threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .at(|| "starting a run".into())?;
        let (jobs, Some(said)) = (child.stdin.take(), child.stdout.take()) else {
            crate::bail!(Bug, "a process without pipes");
        };
        let listen = |mut errors: ChildStderr| {
            std::thread::spawn(move || {
                let mut text = String::new();
                // Without words there is the exit status.
                let _ = errors.read_to_string(&mut text);
                text
            })
        };
        let errors = child.stderr.take().map(listen);
        Ok(Self { child, jobs, said: BufReader::new(said), errors })
    }

    /// Runs the first of `jobs`; the others are those that come later. Ends with its `Done` or `Error`.
    fn run(&mut self, jobs: &[Job], tell: &dyn Fn(Said)) -> Result<()> {
        let text = serde_json::to_string(jobs).map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
        if let Some(pipe) = &mut self.jobs {
            // A process that has died says why on its standard error.
            let _ = writeln!(pipe, "{text}").and_then(|()| pipe.flush());
        }
        let mut line = String::new();
        loop {
            line.clear();
            if self.said.read_line(&mut line).at(|| "listening to a run".into())? == 0 {
                crate::bail!(Engine, "the process ended: {}", self.last_words());
            }
            let said =
                serde_json::from_str(&line).map_err(|e| crate::err!(Parse, "a run said {line:?}: {e}"))?;
            let over = matches!(said, Said::Done | Said::Error(_));
            tell(said);
            if over {
                return Ok(());
            }
        }
    }

    /// What it wrote to standard error.
    fn last_words(&mut self) -> String {
        let text = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        let status = self.child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
        let text = text.trim().strip_prefix("error: ").unwrap_or(text.trim()).to_string();
        if text.is_empty() { status } else { text }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.jobs = None;
        let _ = self.child.wait();
    }
}
