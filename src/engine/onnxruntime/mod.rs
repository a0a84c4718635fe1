//! ONNX Runtime, from the shared library that the device's vendor or PyPI's wheel ships.
//!
//! Nothing is linked and nothing is downloaded: the library is loaded when the first engine is made, from
//! `ORT_DYLIB_PATH` or, without it, from where the system's loader looks. [`Provider`] says who computes. A provider
//! that cannot take every node is an error, unless falling back to the CPU is asked for
//! (`onnxruntime:cuda+cpu`): a silent fallback looks like an accelerator that works.
//!
//! Sessions run one after another, each on its engine's threads; ONNX Runtime splits the work inside an operator.

mod library;
mod profile;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::{DynValue, Tensor, TensorElementType, TensorRef};

use super::profile::Timed;
use super::{Data, Engine, Port, Session, check, ports};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{DType, Graph, fold};
use crate::onnx;

/// Who computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// ONNX Runtime's own kernels.
    Cpu,
    /// XNNPACK, for Arm and x86 CPUs.
    Xnnpack,
    /// Intel CPUs, GPUs and NPUs.
    OpenVino,
    /// NVIDIA GPUs.
    Cuda,
    /// NVIDIA GPUs, compiled ahead.
    TensorRt,
    /// Apple's accelerators.
    CoreMl,
    /// Qualcomm's NPUs.
    Qnn,
    /// Arm Compute Library.
    Acl,
}

/// Names of the providers, as they follow `onnxruntime:`.
const PROVIDERS: [(&str, Provider); 8] = [
    ("cpu", Provider::Cpu),
    ("xnnpack", Provider::Xnnpack),
    ("openvino", Provider::OpenVino),
    ("cuda", Provider::Cuda),
    ("tensorrt", Provider::TensorRt),
    ("coreml", Provider::CoreMl),
    ("qnn", Provider::Qnn),
    ("acl", Provider::Acl),
];

impl FromStr for Provider {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = PROVIDERS.iter().find(|(n, _)| *n == name);
        known.map(|(_, p)| *p).ok_or_else(|| {
            let names = PROVIDERS.map(|(n, _)| n).join(", ");
            crate::err!(NotFound, "no execution provider {name:?}; use one of: {names}")
        })
    }
}

impl Provider {
    /// As ONNX Runtime takes it; `None` for the CPU, which is always there.
    fn dispatch(self, threads: usize) -> Option<ExecutionProviderDispatch> {
        let threads = std::num::NonZeroUsize::new(threads).unwrap_or(std::num::NonZeroUsize::MIN);
        Some(match self {
            Self::Cpu => return None,
            Self::Xnnpack => ep::XNNPACK::default().with_intra_op_num_threads(threads).build(),
            Self::OpenVino => ep::OpenVINO::default().with_num_threads(threads.get()).build(),
            Self::Cuda => ep::CUDA::default().build(),
            Self::TensorRt => ep::TensorRT::default().build(),
            Self::CoreMl => ep::CoreML::default().build(),
            Self::Qnn => ep::QNN::default().build(),
            Self::Acl => ep::ACL::default().build(),
        })
    }
}

/// The ONNX Runtime engine.
#[derive(Clone, Copy, Debug)]
pub struct OnnxRuntime {
    provider: Provider,
    fallback: bool,
    threads: usize,
}

impl OnnxRuntime {
    /// Loads the library, where that has not happened yet.
    ///
    /// # Errors
    /// [`Engine`](ErrorKind::Engine) where the library is missing or too old, and what to install.
    pub fn new(provider: Provider, threads: usize) -> Result<Self> {
        load()?;
        Ok(Self { provider, fallback: false, threads })
    }

    /// Lets the CPU compute what the provider cannot.
    #[must_use]
    pub fn with_fallback(self) -> Self {
        Self { fallback: true, ..self }
    }

    /// From what follows `onnxruntime:`, such as `cuda` or `openvino+cpu`.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) lists the providers; otherwise as [`OnnxRuntime::new`].
    pub fn parse(text: &str, threads: usize) -> Result<Self> {
        match text.strip_suffix("+cpu") {
            Some(provider) => Ok(Self::new(provider.parse()?, threads)?.with_fallback()),
            None => Self::new(text.parse()?, threads),
        }
    }

    fn builder(&self) -> ort::Result<SessionBuilder> {
        let mut builder = OrtSession::builder()?
            .with_intra_threads(self.threads)?
            .with_inter_threads(1)?
            // Patterns keep the arena of the largest run; sessions have one batch size, and memory is promised.
            .with_memory_pattern(false)?
            .with_optimization_level(GraphOptimizationLevel::All)?;
        if let Some(provider) = self.provider.dispatch(self.threads) {
            builder = builder.with_execution_providers([provider.error_on_failure()])?;
            if !self.fallback {
                builder = builder.with_disable_cpu_fallback()?;
            }
        }
        Ok(builder)
    }
}

/// Loads the shared library once; the first error stays.
fn load() -> Result<()> {
    static LOADED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let path = library::path();
        library::probe(&path)?;
        let found = ort::init_from(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        found.with_name("perennial").with_telemetry(false).commit();
        Ok(())
    });
    loaded.clone().map_err(|e| {
        crate::err!(
            Engine,
            "ONNX Runtime could not be loaded: {e}. Install version 1.23 or later (`pip install onnxruntime` has \
             onnxruntime/capi/libonnxruntime.so.*) and set ORT_DYLIB_PATH to the library"
        )
    })
}

fn failed<R>(doing: &str) -> impl Fn(ort::Error<R>) -> Error {
    move |e| Error::new(ErrorKind::Engine, format!("ONNX Runtime failed while {doing}: {e}"))
}

impl Engine for OnnxRuntime {
    fn name(&self) -> &'static str {
        "onnxruntime"
    }

    fn compile(&self, graph: &Graph, batch: usize) -> Result<Arc<dyn Session>> {
        let symbol = fold::batch_symbol(graph).map(str::to_string);
        let (mut inputs, mut outputs) = (ports(graph, &graph.inputs)?, ports(graph, &graph.outputs)?);
        let mut builder = self.builder().map_err(failed("taking its options"))?;
        if let Some(symbol) = &symbol {
            builder = builder
                .with_dimension_override(symbol, batch as i64)
                .map_err(failed("binding the batch size"))?;
            for port in inputs.iter_mut().chain(&mut outputs) {
                port.shape = port.shape.bind(symbol, batch);
            }
        }
        let bytes = onnx::encode(graph)?;
        let session = builder.commit_from_memory(&bytes).map_err(failed("reading the graph"))?;
        let program = Program { engine: *self, graph: graph.clone() };
        Ok(Arc::new(OnnxRuntimeSession { program, session: Mutex::new(session), batch, inputs, outputs }))
    }
}

/// What sessions of other batch sizes are made from. Constants of a graph are shared, not copied.
struct Program {
    engine: OnnxRuntime,
    graph: Graph,
}

struct OnnxRuntimeSession {
    program: Program,
    session: Mutex<OrtSession>,
    batch: usize,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Session for OnnxRuntimeSession {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn batch(&self) -> usize {
        self.batch
    }

    fn run(&self, inputs: &[Data]) -> Result<Vec<Data>> {
        check(&self.inputs, inputs)?;
        let rows: Vec<Cow<'_, Data>> = inputs.iter().map(Data::row_major).collect();
        let values: Vec<SessionInputValue<'_>> =
            rows.iter().zip(&self.inputs).map(|(d, p)| value(d, p.dtype)).collect::<Result<_>>()?;
        // A run that panicked has left no half-written state of ours behind.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let results = session.run(values.as_slice()).map_err(failed("running"))?;
        results.values().map(|v| data(&v)).collect()
    }

    fn resize(&self, batch: usize) -> Result<Arc<dyn Session>> {
        self.program.engine.compile(&self.program.graph, batch)
    }

    fn profile(&self, inputs: &[Data], runs: usize) -> Result<Vec<Timed>> {
        profile::run(self, inputs, runs)
    }
}

/// A view of a dense row-major tensor; half-precision ports get a copy.
fn value(data: &Data, dtype: DType) -> Result<SessionInputValue<'_>> {
    let shape = data.shape();
    let made = match (data, dtype) {
        (Data::F32(a), DType::F32) => TensorRef::from_array_view((shape, slice(a)?)).map(Into::into),
        (Data::F32(a), DType::F16) => {
            let half: Vec<f16> = slice(a)?.iter().map(|&x| f16::from_f32(x)).collect();
            Tensor::from_array((shape, half)).map(Into::into)
        }
        (Data::I64(a), DType::I64) => TensorRef::from_array_view((shape, slice(a)?)).map(Into::into),
        _ => crate::bail!(Unsupported, "graph inputs of type {} are not supported", dtype.name()),
    };
    made.map_err(failed("taking an input"))
}

fn slice<T>(array: &ndarray::ArrayD<T>) -> Result<&[T]> {
    array.as_slice().ok_or_else(|| crate::err!(Bug, "a tensor is not row-major"))
}

/// An output, copied to the host.
fn data(value: &DynValue) -> Result<Data> {
    let giving = failed("giving an output");
    let kind = value.dtype().tensor_type();
    match kind {
        Some(TensorElementType::Float32) => {
            let (shape, data) = value.try_extract_tensor::<f32>().map_err(giving)?;
            Data::floats(&sizes(shape), data.to_vec())
        }
        Some(TensorElementType::Float16) => {
            let (shape, data) = value.try_extract_tensor::<f16>().map_err(giving)?;
            Data::floats(&sizes(shape), data.to_f32_vec())
        }
        Some(TensorElementType::Int64) => {
            let (shape, data) = value.try_extract_tensor::<i64>().map_err(giving)?;
            let array = ndarray::ArrayD::from_shape_vec(sizes(shape), data.to_vec());
            array.map(Data::I64).map_err(|e| crate::err!(Bug, "{e}"))
        }
        _ => Err(crate::err!(Unsupported, "outputs of type {kind:?} are not supported")),
    }
}

fn sizes(shape: &[i64]) -> Vec<usize> {
    shape.iter().map(|&d| usize::try_from(d).unwrap_or(0)).collect()
}
