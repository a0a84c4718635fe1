//! ONNX Runtime's own profiler: a session of its own writes a trace, which is read and removed.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::{OnnxRuntimeSession, failed};
use crate::engine::profile::{Timed, Times};
use crate::engine::{Data, Session, check};
use crate::error::{Context, Result};

/// What is read of an event of the trace; times in microseconds.
#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    ts: u64,
    #[serde(default)]
    dur: u64,
    #[serde(default)]
    args: Args,
}

#[derive(Default, Deserialize)]
struct Args {
    #[serde(default)]
    op_name: String,
}

/// Compiles the program of `session` with the profiler on and runs it.
pub(super) fn run(session: &OnnxRuntimeSession, inputs: &[Data], runs: usize) -> Result<Vec<Timed>> {
    check(session.inputs(), inputs)?;
    let prefix = std::env::temp_dir().join(format!("perennial-profile-{}", std::process::id()));
    let engine = &session.program.engine;
    let builder = engine
        .builder()
        .and_then(|b| Ok(b.with_profiling(&prefix)?))
        .map_err(failed("taking its options"))?;
    // Dropped in reverse: the weights after the session that reads them.
    let (_weights, mut profiled) = engine.session(builder, &session.program.graph, session.batch())?;
    let rows: Vec<_> = inputs.iter().map(Data::row_major).collect();
    for _ in 0..=runs {
        let values = session.values(&rows)?;
        profiled.run(values.as_slice()).map_err(failed("running"))?;
    }
    let path = profiled.end_profiling().map_err(failed("ending the profile"))?;
    let text = std::fs::read_to_string(&path).at(|| path.clone())?;
    std::fs::remove_file(Path::new(&path)).at(|| path.clone())?;
    sums(&text, runs)
}

/// Kernel times by operator, without the first run, which warms up.
fn sums(trace: &str, runs: usize) -> Result<Vec<Timed>> {
    let events: Vec<Event> =
        serde_json::from_str(trace).map_err(|e| crate::err!(Parse, "ONNX Runtime's trace: {e}"))?;
    let starts: Vec<u64> =
        events.iter().filter(|e| e.cat == "Session" && e.name == "model_run").map(|e| e.ts).collect();
    let warm = starts.get(1).copied().unwrap_or(0);
    let mut times = Times::default();
    for event in events.iter().filter(|e| e.cat == "Node" && e.ts >= warm) {
        if event.name.ends_with("_kernel_time") {
            times.add(&event.args.op_name, Duration::from_micros(event.dur));
        }
    }
    Ok(times.sorted(runs))
}
