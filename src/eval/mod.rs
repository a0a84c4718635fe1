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
//! * [`bank`] holds encoded images for all runs; [`run`] drives a learner through a scenario.
//! * [`memory`] asks the operating system for the peak.
//!
//! Accuracies are in percent everywhere.

pub mod bank;
pub mod memory;
pub mod metrics;
pub mod result;
pub mod run;
pub mod scenario;
pub mod unknown;

pub use bank::Bank;
pub use metrics::{Evaluation, Metrics, Outcome};
pub use result::{EvalResult, TaskInfo};
pub use run::{Course, Event, Plan, Run, Trace};
pub use scenario::{ClassOrder, Scenario, ScenarioKind, TaskSplit};
pub use unknown::Unknown;
