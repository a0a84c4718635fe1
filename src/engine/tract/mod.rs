//! tract: inference in pure Rust, the default on every target.
//!
//! The batch is bound before tract reads the graph, because running with an open batch is slower and its optimizer
//! folds some constants wrongly that were expanded to one.

mod suited;

use std::sync::Arc;
use std::time::Instant;

use half::f16;
use tract_linalg::multithread::{Executor, multithread_tract_scope};
use tract_onnx::prelude as tr;
use tract_onnx::prelude::{Framework, InferenceModelExt, RunOptions};

use super::profile::{Timed, Times};
use super::{Data, Engine, Ports, Session, check, guarded};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{DType, Graph, fold};
use crate::onnx;
use crate::plan::{self, Demand, Order};

/// The tract engine.
#[derive(Clone, Debug)]
pub struct Tract {
    executor: Executor,
}

impl Tract {
    /// Sessions run their matrix products on `threads` threads.
    pub fn new(threads: usize) -> Self {
        let executor = if threads > 1 { Executor::multithread(threads) } else { Executor::SingleThread };
        Self { executor }
    }
}

struct TractSession {
    executor: Executor,
    plan: Arc<tr::TypedRunnableModel>,
    ports: Ports,
}

impl TractSession {
    fn values(&self, inputs: &[Data]) -> Result<tr::TVec<tr::TValue>> {
        check(self.inputs(), inputs)?;
        inputs.iter().zip(self.inputs()).map(|(d, p)| into_tract(d, p.dtype)).collect()
    }

    /// Runs on the executor's threads. A rayon worker that waits for them takes up other work meanwhile: another run, which finds this
    /// one's scratch memory borrowed and panics. So from a worker it is a thread of its own that waits.
    fn on_threads<R: Send>(&self, run: impl FnOnce() -> R + Send) -> R {
        let pool = match &self.executor {
            Executor::SingleThread => return run(),
            pool => pool.clone(),
        };
        let run = || multithread_tract_scope(pool, run);
        match rayon::current_thread_index() {
            None => run(),
            Some(_) => std::thread::scope(|scope| {
                scope.spawn(run).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }),
        }
    }
}

fn failed(doing: &str) -> impl Fn(tr::TractError) -> Error {
    move |e| Error::new(ErrorKind::Engine, format!("tract failed while {doing}: {e:#}"))
}

impl Engine for Tract {
    fn name(&self) -> &'static str {
        "tract"
    }

    /// `tests/demand.rs` measures it: a constant is packed, into tiles, once for every way in which nodes read it; while the graph is read it is
    /// there as bytes, as a message and as a tensor.
    fn demand(&self, graph: &Graph, batch: usize) -> Result<Demand> {
        let nodes = graph.nodes().len();
        let packed = plan::weights_by_use(graph);
        let held = packed + packed / 9 + nodes * 2048;
        // Read, then optimized.
        let compiling = (3 * plan::weights(graph) + nodes * 6656).max(held + nodes * 12288);
        let running = plan::peak(graph, batch, Order::LastOutputFirst)?;
        Ok(Demand { held, compiling: compiling + (1 << 19), running })
    }

    fn compile(&self, graph: &Graph, batch: usize) -> Result<Arc<dyn Session>> {
        let mut graph = graph.clone();
        if let Some(symbol) = fold::batch_symbol(&graph).map(str::to_string) {
            graph = fold::bind(graph, &symbol, batch)?;
        }
        let ports = Ports::new(&graph, batch)?;
        let graph = suited::suited(fold::constants(graph)?)?;
        let optimize = |model: tr::TypedModel| model.into_optimized().and_then(plan);
        let plan = guarded("tract", || optimize(parse(&graph)?).map_err(failed("optimizing the graph")))?;
        Ok(Arc::new(TractSession { executor: self.executor.clone(), plan, ports }))
    }
}

fn parse(graph: &Graph) -> Result<tr::TypedModel> {
    let bytes = onnx::encode(graph)?;
    let model = tract_onnx::onnx().model_for_read(&mut bytes.as_slice());
    drop(bytes);
    model.and_then(|m| m.into_typed()).and_then(|m| m.into_decluttered()).map_err(failed("reading the graph"))
}

/// A plan that computes the last output first, each with what it needs and no more. The last outputs of a training step
/// are the gradients of the last layers, so an activation is freed as the backward pass goes by.
fn plan(mut model: tr::TypedModel) -> tr::TractResult<Arc<tr::TypedRunnableModel>> {
    let reversed: Vec<tr::OutletId> = model.output_outlets()?.iter().rev().copied().collect();
    model.select_output_outlets(&reversed)?;
    model.into_runnable_with_options(&RunOptions { skip_order_opt_ram: true, ..RunOptions::default() })
}

impl Session for TractSession {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn run(&self, inputs: &[Data]) -> Result<Vec<Data>> {
        let values = self.values(inputs)?;
        let run = || self.on_threads(|| self.plan.run(values)).map_err(failed("running"));
        let results = guarded("tract", run)?;
        results.iter().rev().map(|t| from_tract(t)).collect()
    }

    fn profile(&self, inputs: &[Data], runs: usize) -> Result<Vec<Timed>> {
        self.run(inputs)?;
        let mut times = Times::default();
        for _ in 0..runs {
            let values = self.values(inputs)?;
            let mut state = self.plan.spawn().map_err(failed("running"))?;
            let timed = || {
                state.run_plan_with_eval(values, |context, op_state, node, inputs| {
                    let start = Instant::now();
                    let outputs = tract_onnx::tract_core::plan::eval(context, op_state, node, inputs);
                    times.add(&node.op().name(), start.elapsed());
                    outputs
                })
            };
            self.on_threads(timed).map_err(failed("running"))?;
        }
        Ok(times.sorted(runs))
    }
}

/// The elements in row-major order.
fn elements<T: Copy>(a: &ndarray::ArrayD<T>) -> Vec<T> {
    a.as_slice().map_or_else(|| a.iter().copied().collect(), <[T]>::to_vec)
}

fn into_tract(data: &Data, dtype: DType) -> Result<tr::TValue> {
    let shape = data.shape();
    let tensor = match (data, dtype) {
        (Data::F32(a), DType::F32) => tr::Tensor::from_shape(shape, &elements(a)),
        (Data::F32(a), DType::F16) => {
            let half: Vec<f16> = a.iter().map(|&x| f16::from_f32(x)).collect();
            tr::Tensor::from_shape(shape, &half)
        }
        (Data::I64(a), DType::I64) => tr::Tensor::from_shape(shape, &elements(a)),
        _ => crate::bail!(Unsupported, "graph inputs of type {} are not supported", dtype.name()),
    };
    Ok(tensor.map_err(failed("taking an input"))?.into())
}

fn from_tract(tensor: &tr::Tensor) -> Result<Data> {
    let shape = tensor.shape().to_vec();
    if tensor.datum_type().is_integer() {
        let t = tensor.cast_to::<i64>().map_err(failed("giving an output"))?;
        let data =
            t.to_plain_array_view::<i64>().map_err(failed("giving an output"))?.iter().copied().collect();
        let array = ndarray::ArrayD::from_shape_vec(shape, data);
        return array.map(Data::I64).map_err(|e| crate::err!(Bug, "{e}"));
    }
    let t = tensor.cast_to::<f32>().map_err(failed("giving an output"))?;
    let data = t.to_plain_array_view::<f32>().map_err(failed("giving an output"))?.iter().copied().collect();
    Data::floats(&shape, data)
}
