//! Jobs, and the tickets that give what came of them.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

use crate::error::Result;
use crate::learner::Learner;

/// Something to be done with the learner.
pub type Job = Box<dyn FnOnce(&mut Learner) + Send>;

/// What will come of a job.
pub struct Ticket<T> {
    result: Receiver<T>,
}

/// `job`, and the ticket for its result.
pub fn new<T: Send + 'static>(job: impl FnOnce(&mut Learner) -> T + Send + 'static) -> (Job, Ticket<T>) {
    let (give, result) = sync_channel(1);
    let job = move |learner: &mut Learner| {
        // Nobody may be interested any more.
        drop(give.send(job(learner)));
    };
    (Box::new(job), Ticket { result })
}

impl<T> Ticket<T> {
    /// The result, once it is there; a second call after it gives an error.
    ///
    /// # Errors
    /// [`Interrupted`](crate::ErrorKind::Interrupted) where the job was never begun, or gave its result before.
    pub fn ready(&self) -> Result<Option<T>> {
        match self.result.try_recv() {
            Ok(result) => Ok(Some(result)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(never()),
        }
    }

    /// Waits for the result, at most so long.
    ///
    /// # Errors
    /// As [`Ticket::ready`].
    pub fn wait_for(&self, time: Duration) -> Result<Option<T>> {
        match self.result.recv_timeout(time) {
            Ok(result) => Ok(Some(result)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(never()),
        }
    }

    /// Waits for the result. In a paused background it does not come.
    ///
    /// # Errors
    /// As [`Ticket::ready`].
    pub fn wait(self) -> Result<T> {
        self.result.recv().map_err(|_| never())
    }
}

fn never() -> crate::Error {
    crate::err!(Interrupted, "the job was not begun before its learner's background ended")
}
