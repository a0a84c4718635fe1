//! The gate between two passes of learning.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::learner::Pace;

/// What is left after a [`step`](super::Background::step).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing: all jobs are done.
    Done,
    /// A job waits, or is not done.
    Working,
}

/// Of the longest of the last passes, what is forgotten at each: by a tenth, so that one slow pass does not rule for ever.
const FADES: u32 = 10;

/// Lets passes through, one after the other.
pub struct Gate {
    inner: Mutex<Inner>,
    changed: Condvar,
}

struct Inner {
    opening: Opening,
    /// Jobs that wait or run.
    jobs: usize,
    /// Whether the learner stands at the gate.
    waits: bool,
    /// Whether a job has begun, and whether it is to end.
    running: bool,
    interrupted: bool,
    /// Whether the learner's thread has ended.
    left: bool,
    /// When the last pass was let through, and how long passes take at most.
    began: Option<Instant>,
    longest: Duration,
}

enum Opening {
    Open,
    Closed,
    /// For passes that end by then, and for one in any case unless it was `used`.
    Until {
        deadline: Instant,
        used: bool,
    },
    /// For good: nothing begins any more.
    Shut,
}

impl Inner {
    /// Whether a pass that would begin now may, and notes that it does.
    fn lets_through(&mut self, now: Instant) -> bool {
        match &mut self.opening {
            Opening::Open | Opening::Shut => true,
            Opening::Closed => false,
            Opening::Until { deadline, used } => {
                let first = !std::mem::replace(used, true);
                first || now + self.longest <= *deadline
            }
        }
    }

    /// Takes the time of the pass that has ended.
    fn pass_ended(&mut self, now: Instant) {
        let Some(began) = self.began.take() else { return };
        self.longest = (self.longest - self.longest / FADES).max(now - began);
    }
}

impl Gate {
    pub fn new(closed: bool) -> Self {
        let opening = if closed { Opening::Closed } else { Opening::Open };
        let inner = Inner {
            opening,
            jobs: 0,
            waits: false,
            running: false,
            interrupted: false,
            left: false,
            began: None,
            longest: Duration::ZERO,
        };
        Self { inner: Mutex::new(inner), changed: Condvar::new() }
    }

    /// The lock is held for no more than a few assignments, none of which panics.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, opening: Opening) {
        self.lock().opening = opening;
        self.changed.notify_all();
    }

    pub fn open(&self) {
        self.set(Opening::Open);
    }

    pub fn close(&self) {
        self.set(Opening::Closed);
    }

    /// Ends the job that runs, and begins no other.
    pub fn shut(&self) {
        let mut inner = self.lock();
        (inner.interrupted, inner.opening) = (inner.running, Opening::Shut);
        self.changed.notify_all();
    }

    pub fn interrupt(&self) {
        let mut inner = self.lock();
        inner.interrupted = inner.running;
        self.changed.notify_all();
    }

    /// Lets passes through until `deadline`; comes back when the learner stands at the gate, or has no job.
    pub fn step(&self, deadline: Instant) -> Progress {
        let mut inner = self.lock();
        inner.opening = Opening::Until { deadline, used: false };
        inner.waits = false;
        self.changed.notify_all();
        while inner.jobs > 0 && !inner.waits {
            inner = self.wait(inner);
        }
        inner.opening = Opening::Closed;
        match inner.jobs {
            0 => Progress::Done,
            _ => Progress::Working,
        }
    }

    /// A job is put into the queue; whether somebody is there to do it.
    pub fn expect_job(&self) -> bool {
        let mut inner = self.lock();
        inner.jobs += usize::from(!inner.left);
        !inner.left
    }

    /// Waits at the gate before a job; whether it is to be done.
    pub fn begin_job(&self) -> bool {
        let mut inner = self.pass(self.lock());
        inner.running = !matches!(inner.opening, Opening::Shut);
        inner.running
    }

    /// The queue did not take the job.
    pub fn unexpect_job(&self) {
        let mut inner = self.lock();
        inner.jobs = inner.jobs.saturating_sub(1);
        self.changed.notify_all();
    }

    /// The job that was begun, or was not to be done, is done with.
    pub fn end_job(&self) {
        let mut inner = self.lock();
        inner.pass_ended(Instant::now());
        (inner.running, inner.interrupted) = (false, false);
        inner.jobs = inner.jobs.saturating_sub(1);
        self.changed.notify_all();
    }

    /// No job will be done any more.
    pub fn leave(&self) {
        let mut inner = self.lock();
        (inner.jobs, inner.left) = (0, true);
        self.changed.notify_all();
    }

    /// Waits until a pass is let through, or the job is to end.
    fn pass<'a>(&'a self, mut inner: MutexGuard<'a, Inner>) -> MutexGuard<'a, Inner> {
        inner.pass_ended(Instant::now());
        while !(inner.interrupted || inner.lets_through(Instant::now())) {
            inner.waits = true;
            self.changed.notify_all();
            inner = self.wait(inner);
        }
        inner.waits = false;
        inner.began = Some(Instant::now());
        inner
    }
}

impl Pace for Gate {
    fn turn(&self) -> Result<()> {
        match self.pass(self.lock()).interrupted {
            true => Err(crate::err!(Interrupted, "learning was interrupted; call it again to go on")),
            false => Ok(()),
        }
    }
}
