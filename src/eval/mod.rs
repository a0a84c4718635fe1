//! Measuring: which tasks in which order, and what the numbers mean.
//!
//! ```text
//! Dataset --Scenario--> tasks: (classes, training ids, test ids)      what is never learned: unknown
//! after task t, for every test sample of tasks 1..t: Outcome --Evaluation--> A[t][i], confusions --> Metrics
//! everything of one run --> EvalResult --> JSON, and the report
//! ```
//!
//! * [`scenario`] splits a data set into a stream of tasks.
//! * [`metrics`] counts outcomes in a T x T matrix and derives every figure from it, under one fixed set of names.
//! * [`unknown`] measures how well pictures of unlearned classes are told apart.
//! * [`result`] is the record of one run, with the JSON keys that scripts rely on.
//! * [`bank`] holds encoded images for all runs, in memory or in [`rows`] of a [`cache`] on disk, made by [`encoder`];
//!   [`run`] drives a learner through a [`course`], and can go on where it was cut off ([`checkpoint`], which holds its [`Progress`]).
//! * [`answer`] is what a learner says of one sample; [`context`] puts several of one task together.
//! * [`memory`] asks the operating system for the peak.
//!
//! Accuracies are in percent everywhere.

pub mod answer;
pub mod bank;
pub mod cache;
pub mod checkpoint;
pub mod context;
pub mod course;
pub mod encoder;
pub mod memory;
pub mod metrics;
mod progress;
pub mod result;
pub mod rows;
pub mod run;
pub mod scenario;
pub mod unknown;

pub use answer::Answer;
pub use bank::Bank;
pub use cache::Cache;
pub use checkpoint::Checkpoint;
pub use course::{Course, Event, Plan, Told, Trace};
pub use encoder::{Encoder, Encodings, Trunk};
pub use metrics::{Evaluation, Metrics, Outcome};
pub use progress::Progress;
pub use result::{Boundaries, EvalResult, Provenance, TaskInfo};
pub use run::Run;
pub use scenario::{ClassOrder, Scenario, ScenarioKind, TaskSplit};
pub use unknown::Unknown;
