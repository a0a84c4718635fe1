//! rten: a second inference engine in pure Rust, with shapes resolved while it runs.
//!
//! A graph is parsed once and serves every batch size; [`Engine::compile_each`] only binds the ports. Weights stand in one
//! buffer that rten reads in place. Weights are not packed ahead, which would hold their bytes a second time.
//!
//! rten has no f64, f16 or 64-bit integers: f64 constants are rounded to f32, i64 ones saturate at 32 bits, labels must
//! fit in 32 bits, and half-precision graphs are refused.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use rten::{Model, ModelOptions, RunOptions, ThreadPool, Value, ValueOrView, ValueView};
use rten_tensor::TensorView;
use rten_tensor::prelude::*;

use super::{Data, Engine, Port, Ports, Session, check, guarded};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{DType, Graph, Node, fold};
use crate::onnx;
use crate::plan::{self, Demand, Order};

/// Where a model's weights are said to lie; rten wants this ending.
const WEIGHTS: &str = "weights.data";

/// The rten engine.
#[derive(Clone)]
pub struct Rten {
    pool: Arc<ThreadPool>,
}

impl fmt::Debug for Rten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rten")
    }
}

impl Rten {
    /// All sessions of the engine share `threads` threads.
    pub fn new(threads: usize) -> Self {
        Self { pool: Arc::new(ThreadPool::with_num_threads(threads.max(1))) }
    }
}

/// A parsed graph.
struct Program {
    model: Model,
    symbol: Option<String>,
    /// With the batch as the graph has it.
    ports: Ports,
    pool: Arc<ThreadPool>,
}

struct RtenSession {
    program: Arc<Program>,
    ports: Ports,
}

fn failed<E: fmt::Display>(doing: &str) -> impl Fn(E) -> Error {
    move |e| Error::new(ErrorKind::Engine, format!("rten failed while {doing}: {e}"))
}

/// `graph` as rten reads it: nodes that are called otherwise than values, since it keeps both under one name, and windows
/// over images with the strides, dilations and pads that a file may leave out.
fn suited(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    let rank = |n: &Node| n.input(0).and_then(|v| graph.value(v).shape.as_ref()).map_or(0, |s| s.rank());
    let ranks: Vec<usize> = graph.nodes().iter().map(rank).collect();
    for (node, rank) in graph.nodes_mut().iter_mut().zip(ranks) {
        node.name = format!("{} ({})", node.name, node.op);
        let windows = ["AveragePool", "Conv", "ConvTranspose", "MaxPool"].iter().any(|op| node.is(op));
        let spatial = rank.saturating_sub(2);
        let usual = [
            ("strides", vec![1i64; spatial]),
            ("dilations", vec![1; spatial]),
            ("pads", vec![0; 2 * spatial]),
        ];
        let explicit = matches!(node.str("auto_pad", "NOTSET"), "NOTSET" | "");
        for (name, value) in usual {
            let known = name != "dilations" || node.op != "AveragePool";
            if windows && known && (name != "pads" || explicit) {
                node.attrs.entry(name.into()).or_insert_with(|| value.into());
            }
        }
    }
    graph
}

impl Engine for Rten {
    fn name(&self) -> &'static str {
        "rten"
    }

    /// `tests/demand.rs` measures it: weights are read in place; every product packs what it reads, and what can be computed is, before what
    /// frees most: some of the largest values more are there.
    fn demand(&self, graph: &Graph, batch: usize) -> Result<Demand> {
        let (weights, nodes) = (plan::weights(graph), graph.nodes().len());
        let held = weights + nodes * 2048;
        let peak = plan::peak(graph, batch, Order::Written)?;
        let ahead = peak.min(8 * plan::largest(graph, batch)?);
        Ok(Demand { held, compiling: held + nodes * 2048, running: peak + ahead + (1 << 20) })
    }

    fn compile(&self, graph: &Graph, batch: usize) -> Result<Arc<dyn Session>> {
        Ok(self.program(graph)?.session(batch))
    }

    fn compile_each(&self, graph: &Graph, batches: &[usize]) -> Result<Vec<Arc<dyn Session>>> {
        let program = self.program(graph)?;
        Ok(batches.iter().map(|&batch| program.clone().session(batch)).collect())
    }
}

impl Rten {
    fn program(&self, graph: &Graph) -> Result<Arc<Program>> {
        let (bytes, weights) = onnx::encode_apart(&suited(graph), WEIGHTS)?;
        let mut options = ModelOptions::with_all_ops();
        options.external_data(WEIGHTS, weights);
        let model = guarded("rten", || options.load(bytes).map_err(failed("reading the graph")))?;
        let symbol = fold::batch_symbol(graph).map(str::to_string);
        let ports = Ports::open(graph, 1)?;
        Ok(Arc::new(Program { model, symbol, ports, pool: self.pool.clone() }))
    }
}

impl Program {
    fn session(self: Arc<Self>, batch: usize) -> Arc<dyn Session> {
        let open = Ports { batch, ..self.ports.clone() };
        let ports = self.symbol.as_ref().map_or_else(|| open.clone(), |s| open.bind(s, batch));
        Arc::new(RtenSession { program: self, ports })
    }
}

impl Session for RtenSession {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn run(&self, inputs: &[Data]) -> Result<Vec<Data>> {
        check(self.inputs(), inputs)?;
        let Program { model, pool, .. } = self.program.as_ref();
        let rows: Vec<Cow<'_, Data>> = inputs.iter().map(Data::row_major).collect();
        let values = rows.iter().zip(self.inputs()).zip(model.input_ids());
        let values = values.map(|((d, p), id)| Ok((*id, value(d, p)?))).collect::<Result<Vec<_>>>()?;
        let options = RunOptions::default().with_thread_pool(Some(pool.clone()));
        let run = || model.run(values, model.output_ids(), Some(options)).map_err(failed("running"));
        guarded("rten", run)?.into_iter().map(data).collect()
    }
}

/// What rten reads; floats are not copied.
fn value<'a>(data: &'a Data, port: &Port) -> Result<ValueOrView<'a>> {
    let shape = data.shape();
    match (data, port.dtype) {
        (Data::F32(a), DType::F32) => {
            let floats = a.as_slice().ok_or_else(|| crate::err!(Bug, "a tensor is not row-major"))?;
            let view = TensorView::try_from_data(shape, floats).map_err(failed("taking an input"))?;
            Ok(ValueView::FloatTensor(view).into())
        }
        (Data::I64(a), DType::I64) => {
            let narrow = |&x: &i64| {
                let range = |_| crate::err!(Shape, "{:?} holds {x}; rten has 32-bit integers", port.name);
                i32::try_from(x).map_err(range)
            };
            let integers = a.iter().map(narrow).collect::<Result<Vec<i32>>>()?;
            Value::from_shape(shape, integers).map(Into::into).map_err(failed("taking an input"))
        }
        _ => Err(crate::err!(Unsupported, "rten has no graph inputs of type {}", port.dtype.name())),
    }
}

/// An output, without a copy where it is row-major.
fn data(value: Value) -> Result<Data> {
    let shape = value.shape().to_vec();
    match value {
        Value::FloatTensor(t) => Data::floats(&shape, t.into_data()),
        Value::Int32Tensor(t) => {
            let integers = t.into_data().into_iter().map(i64::from).collect();
            ndarray::ArrayD::from_shape_vec(shape, integers)
                .map(Data::I64)
                .map_err(|e| crate::err!(Bug, "{e}"))
        }
        other => Err(crate::err!(Unsupported, "outputs of type {:?} are not supported", other.dtype())),
    }
}
