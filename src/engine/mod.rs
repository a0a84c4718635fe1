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

use std::sync::Arc;

pub use data::Data;
#[cfg(feature = "onnxruntime")]
pub use onnxruntime::{OnnxRuntime, Provider};
pub use profile::Timed;
#[cfg(feature = "rten")]
pub use rten::Rten;
#[cfg(feature = "tract")]
pub use tract::Tract;

use crate::error::Result;
use crate::graph::{DType, Graph, Shape};

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

/// The ports of `values`.
#[cfg(any(feature = "tract", feature = "rten", feature = "onnxruntime"))]
fn ports(graph: &Graph, values: &[crate::graph::ValueId]) -> Result<Vec<Port>> {
    let port = |&v: &crate::graph::ValueId| {
        let name = graph.value(v).name.clone();
        Ok(Port { name, dtype: graph.dtype(v)?, shape: graph.shape(v)?.clone() })
    };
    values.iter().map(port).collect()
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
}

/// A compiled graph.
pub trait Session: Send + Sync {
    /// The inputs, in the order [`Session::run`] takes them.
    fn inputs(&self) -> &[Port];

    /// The outputs, in the order [`Session::run`] gives them.
    fn outputs(&self) -> &[Port];

    /// Rows of a batch.
    fn batch(&self) -> usize;

    /// Runs once. `inputs` stand in the order of [`Session::inputs`]; floats are converted to the port's dtype.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where the inputs do not fit the ports,
    /// [`Engine`](crate::ErrorKind::Engine) where the run fails.
    fn run(&self, inputs: &[Data]) -> Result<Vec<Data>>;

    /// The same program for another batch size.
    ///
    /// # Errors
    /// As [`Engine::compile`].
    fn resize(&self, batch: usize) -> Result<Arc<dyn Session>>;

    /// Time by operator over `runs` runs after one to warm up, most expensive first.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for an engine that cannot tell; otherwise as [`Session::run`].
    fn profile(&self, _inputs: &[Data], _runs: usize) -> Result<Vec<Timed>> {
        Err(crate::err!(Unsupported, "this engine does not say which operator took how long"))
    }
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
            Err(crate::err!(NotFound, "no engine {name:?}; this build has: {}", names().join(", ")))
        }
    }
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
