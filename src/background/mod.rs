//! A learner on a thread of its own, beside whoever predicts.
//!
//! Floor 6. What is to be learned are jobs, done one after the other in the order in which they came; everybody else holds a
//! [`Predictor`], which never waits for them. Between two passes through an engine the learner asks a gate whether it may go on:
//!
//! ```text
//! run      whenever there is work                                     default
//! pause    not at all, until run or step
//! step     until a deadline, and no longer than one pass beyond it    for loops that give away what is left of a frame's time
//! ```
//!
//! Work runs in a thread pool of its own, so that predictions do not queue behind it. What an engine runs on its own threads
//! is the engine's: give it one.
//!
//! Bounded: at most [`Options::queue`] jobs wait, and one more is refused.
//!
//! What it does not do: store anything. A job may.

mod gate;
mod job;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};

pub use gate::Progress;
pub use job::Ticket;

use crate::error::Result;
use crate::learner::{Learner, Predictor};
use gate::Gate;
use job::Job;

/// How a learner works in the background.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads on which micro-batches run beside each other.
    pub threads: usize,
    /// Jobs that may wait.
    pub queue: usize,
    /// Niceness of these threads, -20 to 19; the system's default for `None`. Linux only.
    pub nice: Option<i32>,
    /// Whether it waits for [`Background::step`] from the start.
    pub paused: bool,
}

impl Default for Options {
    /// One thread, eight jobs.
    fn default() -> Self {
        Self { threads: 1, queue: 8, nice: None, paused: false }
    }
}

/// A learner that works in the background.
pub struct Background {
    jobs: Option<SyncSender<Job>>,
    gate: Arc<Gate>,
    predictor: Predictor,
    thread: Option<JoinHandle<Learner>>,
}

impl Background {
    /// Gives `learner` a thread of its own.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for no thread or no room for a job; [`Io`](crate::ErrorKind::Io) where
    /// the system gives no thread.
    pub fn new(mut learner: Learner, options: Options) -> Result<Self> {
        if options.threads == 0 || options.queue == 0 {
            crate::bail!(
                InvalidArgument,
                "{options:?}: learning in the background needs a thread and room for a job"
            );
        }
        let (gate, predictor) = (Arc::new(Gate::new(options.paused)), learner.predictor());
        learner.set_pace(gate.clone());
        let (jobs, queue) = sync_channel(options.queue);
        let (pool, own) = (pool(options)?, gate.clone());
        let thread = std::thread::Builder::new()
            .name("perennial-jobs".into())
            .spawn(move || work(learner, &queue, &own, &pool))?;
        Ok(Self { jobs: Some(jobs), gate, predictor, thread: Some(thread) })
    }

    /// Answers from what the learner last committed, for any thread.
    pub fn predictor(&self) -> Predictor {
        self.predictor.clone()
    }

    /// Puts `job` at the end of the queue.
    ///
    /// # Errors
    /// [`Budget`](crate::ErrorKind::Budget) where the queue is full: the job was not taken;
    /// [`Bug`](crate::ErrorKind::Bug) where an earlier job panicked.
    pub fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Learner) -> T + Send + 'static,
    ) -> Result<Ticket<T>> {
        let (job, ticket) = job::new(job);
        let Some(jobs) = self.jobs.as_ref().filter(|_| self.gate.expect_job()) else { return Err(gone()) };
        jobs.try_send(job).map_err(|e| {
            self.gate.unexpect_job();
            match e {
                TrySendError::Full(_) => crate::err!(
                    Budget,
                    "the learner's queue is full; wait for a ticket, or start with a larger Options::queue"
                ),
                TrySendError::Disconnected(_) => gone(),
            }
        })?;
        Ok(ticket)
    }

    /// Works whenever there is work.
    pub fn run(&self) {
        self.gate.open();
    }

    /// Stops after the pass that runs now, until [`Background::run`] or [`Background::step`].
    pub fn pause(&self) {
        self.gate.close();
    }

    /// Works until `deadline`, as far as there is work, and pauses. Comes back once the last pass has ended. A pass that would not
    /// end by then, going by the longest of the last ones, is left for the next call; but at least one is made, so that short times
    /// lead somewhere.
    pub fn step(&self, deadline: Instant) -> Progress {
        self.gate.step(deadline)
    }

    /// Ends the job that runs now: its call gives [`Interrupted`](crate::ErrorKind::Interrupted), and the learner is as it was before that
    /// call. A job that runs no pass any more ends as usual.
    pub fn interrupt(&self) {
        self.gate.interrupt();
    }

    /// Whether jobs are still done; not after one panicked.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Does what is in the queue, and gives the learner back.
    ///
    /// # Errors
    /// [`Bug`](crate::ErrorKind::Bug) where a job panicked.
    pub fn finish(mut self) -> Result<Learner> {
        self.gate.open();
        self.jobs = None;
        let thread = self.thread.take().ok_or_else(gone)?;
        let mut learner = thread.join().map_err(|_| gone())?;
        learner.set_pace(Arc::new(()));
        Ok(learner)
    }
}

/// Ends the job that runs now; what waits is not done.
impl Drop for Background {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.jobs = None;
        self.gate.shut();
        // A job that panicked has said so.
        drop(thread.join());
    }
}

fn gone() -> crate::Error {
    crate::err!(Bug, "the learner's thread has ended: a job panicked")
}

fn pool(options: Options) -> Result<ThreadPool> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .thread_name(|i| format!("perennial-{i}"))
        .start_handler(move |_| be_nice(options.nice))
        .build();
    pool.map_err(|e| crate::err!(Io, "no threads to learn on: {e}"))
}

/// Sets the niceness of the calling thread.
fn be_nice(nice: Option<i32>) {
    #[cfg(target_os = "linux")]
    if let Some(nice) = nice {
        let set = rustix::process::setpriority_process(Some(rustix::thread::gettid()), nice);
        if let Err(e) = set {
            tracing::warn!("a niceness of {nice} was refused ({e}); learning goes on without");
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

/// Does jobs until no more can come.
fn work(mut learner: Learner, jobs: &Receiver<Job>, gate: &Gate, pool: &ThreadPool) -> Learner {
    // Also where a job panics, so that nobody waits for it.
    let _leaves = Leaves(gate);
    for job in jobs {
        if gate.begin_job() {
            pool.install(|| job(&mut learner));
        }
        gate.end_job();
    }
    learner
}

struct Leaves<'a>(&'a Gate);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}
