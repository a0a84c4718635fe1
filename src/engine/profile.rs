//! Where the time of a run goes, by operator.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

/// One operator of an engine, which may have fused or renamed those of the graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timed {
    /// As the engine calls it.
    pub operator: String,
    /// Calls a run.
    pub calls: usize,
    /// Seconds a run.
    pub seconds: f64,
}

/// Sums over calls.
#[derive(Default)]
#[cfg_attr(not(any(feature = "tract", feature = "onnxruntime")), allow(dead_code))]
pub(super) struct Times(BTreeMap<String, (usize, Duration)>);

#[cfg_attr(not(any(feature = "tract", feature = "onnxruntime")), allow(dead_code))]
impl Times {
    /// One call of `operator`.
    pub fn add(&mut self, operator: &str, took: Duration) {
        let (calls, sum) = self.0.entry(operator.to_string()).or_default();
        *calls += 1;
        *sum += took;
    }

    /// Means over `runs`, most expensive first.
    pub fn sorted(self, runs: usize) -> Vec<Timed> {
        let runs = runs.max(1);
        let mean = |(operator, (calls, sum)): (String, (usize, Duration))| Timed {
            operator,
            calls: calls / runs,
            seconds: sum.as_secs_f64() / runs as f64,
        };
        let mut timed: Vec<Timed> = self.0.into_iter().map(mean).collect();
        timed.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        timed
    }
}
