//! Speed and memory of an engine on the work that the learner gives it.
//!
//! Floor 9. One [`Case`] is one engine, one piece of work and one batch size. A process measures one case, so that
//! its peak memory is its own; [`Subject`] is the case, ready to run. Who starts the processes, and in which order they
//! take their turns, is up to the caller (`perennial bench`).
//!
//! ```text
//! share of the peak = 2 multiply_adds(graph) / seconds / sgemm_peak(threads)
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `case` | what is measured, by name |
//! | `subject` | a case compiled: the learner's own [`Trainer`](crate::learner::Trainer) and [`Runner`](crate::learner::Runner) |
//! | `operations` | multiply-adds of a graph, from its shapes |
//! | `sgemm` | what the machine can do |
//! | `camera` | answers to a camera's frames, and the frames that were dropped |
//! | `spread` | median and quartiles |
//!
//! Nothing here knows about accuracy: images are noise, which costs as much as pictures.

mod camera;
mod case;
mod operations;
mod sgemm;
mod spread;
mod subject;

pub use camera::Seen;
pub use case::{Case, Work};
pub use operations::multiply_adds;
pub use sgemm::sgemm_peak;
pub use spread::Spread;
pub use subject::Subject;
