//! Runs a session over any number of rows, in fixed micro-batches on several threads.
//!
//! The split depends on the number of rows only, and results are put together in order, so the outcome does
//! not depend on the number of threads.

use std::sync::Arc;

use ndarray::{ArrayD, ArrayViewD, Axis, Slice, concatenate};
use rayon::prelude::*;

use super::pace::Pace;
use crate::engine::{Data, Engine, Session};
use crate::error::Result;
use crate::graph::Graph;

/// A compiled graph for one row and for micro-batches.
pub struct Runner {
    one: Arc<dyn Session>,
    many: Arc<dyn Session>,
}

impl Runner {
    /// Compiles `graph` for batches of one and of `micro`.
    pub fn new(engine: &dyn Engine, graph: &Graph, micro: usize) -> Result<Self> {
        let batches: &[usize] = if micro == 1 { &[1] } else { &[micro, 1] };
        let sessions = engine.compile_each(graph, batches)?;
        match (sessions.first(), sessions.last()) {
            (Some(many), Some(one)) => Ok(Self { one: one.clone(), many: many.clone() }),
            _ => Err(crate::err!(Bug, "an engine compiled nothing")),
        }
    }

    /// Names of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = &str> {
        self.many.outputs().iter().map(|port| port.name.as_str())
    }

    /// Runs over the rows of `x`, the graph's first input; `rest` are the other inputs, the same for all rows.
    /// Every output must have the rows as its first axis. As many micro-batches as there are threads are one turn of `pace`.
    pub fn run(&self, x: ArrayViewD<'_, f32>, rest: &[Data], pace: &dyn Pace) -> Result<Vec<ArrayD<f32>>> {
        let rows = x.shape().first().copied().unwrap_or(0);
        let micro = if rows == 1 { 1 } else { self.many.batch() };
        let session = if rows == 1 { &self.one } else { &self.many };
        let starts: Vec<usize> = (0..rows).step_by(micro).collect();
        let part = |&start: &usize| {
            let part = x.slice_axis(Axis(0), Slice::from(start..rows.min(start + micro)));
            Self::part(session.as_ref(), part, micro, rest)
        };
        let mut parts: Vec<Vec<ArrayD<f32>>> = Vec::with_capacity(starts.len());
        for turn in starts.chunks(rayon::current_num_threads()) {
            pace.turn()?;
            parts.extend(turn.par_iter().map(part).collect::<Result<Vec<_>>>()?);
        }
        (0..session.outputs().len())
            .map(|i| {
                let views: Vec<_> = parts.iter().map(|p| p[i].view()).collect();
                concatenate(Axis(0), &views).map_err(|e| crate::err!(Bug, "outputs of micro-batches: {e}"))
            })
            .collect()
    }

    fn part(
        session: &dyn Session,
        x: ArrayViewD<'_, f32>,
        micro: usize,
        rest: &[Data],
    ) -> Result<Vec<ArrayD<f32>>> {
        let rows = x.shape()[0];
        let mut inputs = vec![Data::F32(pad(x, micro))];
        inputs.extend_from_slice(rest);
        let cut = |d: Data| Ok(d.into_f32()?.slice_axis_move(Axis(0), Slice::from(..rows)));
        session.run(&inputs)?.into_iter().map(cut).collect()
    }
}

/// `x` with rows of zeros up to `rows`.
pub fn pad(x: ArrayViewD<'_, f32>, rows: usize) -> ArrayD<f32> {
    let have = x.shape()[0];
    if have == rows {
        return x.to_owned();
    }
    let mut shape = x.shape().to_vec();
    shape[0] = rows;
    let mut out = ArrayD::zeros(shape);
    out.slice_axis_mut(Axis(0), Slice::from(..have)).assign(&x);
    out
}
