//! Engines: who runs a graph.
//!
//! Floor 3. An [`Engine`] compiles a [`Graph`] into a [`Session`] for one batch size; a session runs. Since a
//! training step is an ordinary ONNX graph, an engine needs to know nothing about training.
//!
//! A session is shared by threads: [`Session::run`] takes `&self` and keeps no state between runs, so
//! micro-batches can run beside each other, and the same inputs give the same bits.
//!
//! Adding an engine means adding one file here and one row in [`by_name`].

mod data;
#[cfg(feature = "onnxruntime")]
mod onnxruntime;
mod profile;
#[cfg(feature = "rten")]
mod rten;
#[cfg(feature = "tract")]
mod tract;
mod version;

use std::sync::Arc;

pub use data::Data;
#[cfg(feature = "onnxruntime")]
pub use onnxruntime::{OnnxRuntime, Provider};
pub use profile::Timed;
#[cfg(feature = "rten")]
pub use rten::Rten;
#[cfg(feature = "tract")]
pub use tract::Tract;
pub use version::version;

use crate::error::{Error, Result};
use crate::graph::{DType, Graph, Shape, ValueId, fold};
use crate::plan::{self, Demand, Order};

/// Name, dtype and shape of a graph input or output as a session takes or gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Name in the graph.
    pub name: String,
    /// Element type in the graph.
    pub dtype: DType,
    /// Shape; the batch is bound.
    pub shape: Shape,
}

/// What a session takes and gives, in order, and for how many rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Ports {
    /// In the order [`Session::run`] takes them.
    pub inputs: Vec<Port>,
    /// In the order [`Session::run`] gives them.
    pub outputs: Vec<Port>,
    /// Rows of a batch.
    pub batch: usize,
}

impl Ports {
    /// Those of `graph` with its batch symbol, if it has one, bound to `batch`.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where dtype or shape of one were not inferred.
    pub fn new(graph: &Graph, batch: usize) -> Result<Self> {
        let open = Self::open(graph, batch)?;
        Ok(fold::batch_symbol(graph).map_or_else(|| open.clone(), |symbol| open.bind(symbol, batch)))
    }

    /// Those of `graph` as it has them.
    fn open(graph: &Graph, batch: usize) -> Result<Self> {
        let port = |&v: &ValueId| {
            let (name, shape) = (graph.value(v).name.clone(), graph.shape(v)?.clone());
            Ok(Port { name, dtype: graph.dtype(v)?, shape })
        };
        let all = |values: &[ValueId]| values.iter().map(port).collect::<Result<_>>();
        Ok(Self { inputs: all(&graph.inputs)?, outputs: all(&graph.outputs)?, batch })
    }

    /// The same with `symbol` bound to `batch`.
    #[must_use]
    pub fn bind(&self, symbol: &str, batch: usize) -> Self {
        let bound = |p: &Port| Port { shape: p.shape.bind(symbol, batch), ..p.clone() };
        let all = |ports: &[Port]| ports.iter().map(bound).collect();
        Self { inputs: all(&self.inputs), outputs: all(&self.outputs), batch }
    }
}

/// Compiles graphs.
pub trait Engine: Send + Sync {
    /// The name by which it is selected.
    fn name(&self) -> &'static str;

    /// Compiles `graph` for batches of `batch` rows. The graph's batch symbol, if it has one, is bound to it.
    ///
    /// # Errors
    /// [`Engine`](crate::ErrorKind::Engine) where the engine refuses the graph.
    fn compile(&self, graph: &Graph, batch: usize) -> Result<Arc<dyn Session>>;

    /// What a session of `graph` for `batch` rows takes of RAM. Unless an engine knows better: its constants once, three times that while
    /// it is compiled, and every value from its making to its last reader.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where a shape stays open although the batch is bound.
    fn demand(&self, graph: &Graph, batch: usize) -> Result<Demand> {
        let weights = plan::weights(graph);
        Ok(Demand {
            held: weights,
            compiling: 3 * weights,
            running: plan::peak(graph, batch, Order::Written)?,
        })
    }

    /// Compiles `graph` once for each of several batch sizes. Engines whose sessions can share what they hold say so here; a session
    /// alone keeps nothing that only another batch size would need, such as a second copy of the weights.
    ///
    /// # Errors
    /// As [`Engine::compile`].
    fn compile_each(&self, graph: &Graph, batches: &[usize]) -> Result<Vec<Arc<dyn Session>>> {
        batches.iter().map(|&batch| self.compile(graph, batch)).collect()
    }
}

/// A compiled graph.
pub trait Session: Send + Sync {
    /// What it takes and gives.
    fn ports(&self) -> &Ports;

    /// The inputs, in the order [`Session::run`] takes them.
    fn inputs(&self) -> &[Port] {
        &self.ports().inputs
    }

    /// The outputs, in the order [`Session::run`] gives them.
    fn outputs(&self) -> &[Port] {
        &self.ports().outputs
    }

    /// Rows of a batch.
    fn batch(&self) -> usize {
        self.ports().batch
    }

    /// Runs once. `inputs` stand in the order of [`Session::inputs`]; floats are converted to the port's dtype.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where the inputs do not fit the ports,
    /// [`Engine`](crate::ErrorKind::Engine) where the run fails.
    fn run(&self, inputs: &[Data]) -> Result<Vec<Data>>;

    /// Time by operator over `runs` runs after one to warm up, most expensive first.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for an engine that cannot tell; otherwise as [`Session::run`].
    fn profile(&self, _inputs: &[Data], _runs: usize) -> Result<Vec<Timed>> {
        Err(crate::err!(Unsupported, "this engine does not say which operator took how long"))
    }
}

/// What `call` gives, or an error where an engine panics on a graph that it should refuse. Compiled graphs are not
/// written to by a run, so none is left half-way.
#[cfg(any(feature = "tract", feature = "rten"))]
fn guarded<R>(engine: &str, call: impl FnOnce() -> Result<R>) -> Result<R> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or_else(|_| {
        Err(crate::err!(Engine, "{engine} panicked, see the message above; please report the graph"))
    })
}

/// The engine called `name`, running one session on `threads` threads. ONNX Runtime's name may be followed by an
/// execution provider, by `+cpu` where the CPU may compute what the provider cannot, and by the provider's options:
/// `onnxruntime:openvino+cpu,device_type=GPU`.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) lists the engines of this build.
pub fn by_name(name: &str, threads: usize) -> Result<Arc<dyn Engine>> {
    match name {
        #[cfg(feature = "tract")]
        "tract" => Ok(Arc::new(Tract::new(threads))),
        #[cfg(feature = "rten")]
        "rten" => Ok(Arc::new(Rten::new(threads))),
        #[cfg(feature = "onnxruntime")]
        "onnxruntime" => Ok(Arc::new(OnnxRuntime::new(Provider::Cpu, threads)?)),
        #[cfg(feature = "onnxruntime")]
        _ if name.starts_with("onnxruntime:") => {
            Ok(Arc::new(OnnxRuntime::parse(name.trim_start_matches("onnxruntime:"), threads)?))
        }
        _ => {
            let _ = threads;
            Err(missing(name))
        }
    }
}

/// The error for an engine that this build does not have, and how to get one that exists.
fn missing(name: &str) -> Error {
    let have = names().join(", ");
    match ALL.iter().find(|engine| name.split(':').next() == Some(engine)) {
        Some(engine) => {
            crate::err!(NotFound, "this build has no {engine}, only {have}; build with --features {engine}")
        }
        None => crate::err!(NotFound, "no engine {name:?}; this build has: {have}"),
    }
}

/// Names of the engines that a build can have.
const ALL: [&str; 3] = ["tract", "rten", "onnxruntime"];

/// Refuses the name of an engine that this build does not have, without starting it.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) lists the engines of this build, or names the feature.
pub fn known(name: &str) -> Result<()> {
    let there = names().contains(&name.split(':').next().unwrap_or(name));
    if there { Ok(()) } else { Err(missing(name)) }
}

/// Names of the engines of this build.
pub fn names() -> Vec<&'static str> {
    vec![
        #[cfg(feature = "tract")]
        "tract",
        #[cfg(feature = "rten")]
        "rten",
        #[cfg(feature = "onnxruntime")]
        "onnxruntime",
    ]
}

/// Checks `inputs` against `ports`; engines, those of callers too, call it before they run.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) names the first input that does not fit, and what would.
pub fn check(ports: &[Port], inputs: &[Data]) -> Result<()> {
    if ports.len() != inputs.len() {
        crate::bail!(Shape, "{} inputs given, the session takes {}", inputs.len(), ports.len());
    }
    for (port, data) in ports.iter().zip(inputs) {
        if port.shape != Shape::fixed(data.shape()) || port.dtype.is_float() != data.is_float() {
            let (kind, shape) = (data.kind(), data.shape());
            let (name, dtype) = (&port.name, port.dtype.name());
            crate::bail!(Shape, "input {name:?} is {dtype}{}, but {kind}{shape:?} was given", port.shape);
        }
    }
    Ok(())
}
