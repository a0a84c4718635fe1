//! ONNX Runtime, from the shared library that the device's vendor or PyPI's wheel ships.
//!
//! Nothing is linked and nothing is downloaded: the library is loaded when the first engine is made, from
//! `ORT_DYLIB_PATH` or, without it, from where the system's loader looks. [`Provider`] says who computes. A provider
//! that cannot take every node is an error, unless falling back to the CPU is asked for
//! (`onnxruntime:cuda+cpu`): a silent fallback looks like an accelerator that works.
//!
//! Sessions run one after another, each on its engine's threads; ONNX Runtime splits the work inside an operator. They
//! share one arena, and on the CPU one copy of the weights (`weights=own` gives each session its own, packed;
//! `weights=inputs` gives the one copy to every run, for models that must not stand in memory twice).
//!
//! | file | holds |
//! |---|---|
//! | `library` | finding the shared library |
//! | `provider` | who computes, and its options |
//! | `choice` | the text after `onnxruntime:` |
//! | `weights` | one copy of the weights |
//! | `openvino` | what OpenVINO needs of a graph |
//! | `saturation` | int8 products on processors where they overflow |
//! | `values` | tensors across the border |
//! | `profile` | operator times, by its own profiler |
//! | `native` | calls that `ort` lacks |

mod choice;
mod library;
mod native;
mod openvino;
mod profile;
mod provider;
mod saturation;
mod values;
mod weights;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session as OrtSession, SessionInputValue};

pub use provider::Provider;

/// Version of the shared library that is used; `None` where there is none.
pub fn library_version() -> Option<String> {
    library::version(&library::path()).ok()
}

use super::profile::Timed;
use super::{Data, Engine, Ports, Session, check};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::{Graph, fold};
use crate::onnx;
use choice::{Choice, Placement};
use values::{data, value};
use weights::{Weight, Weights};

/// The ONNX Runtime engine.
#[derive(Clone, Debug)]
pub struct OnnxRuntime {
    choice: Choice,
    threads: usize,
    weights: Arc<Weights>,
}

impl OnnxRuntime {
    /// Loads the library, where that has not happened yet.
    ///
    /// # Errors
    /// [`Engine`](ErrorKind::Engine) where the library is missing or too old, and what to install.
    pub fn new(provider: Provider, threads: usize) -> Result<Self> {
        Self::chosen(provider.into(), threads)
    }

    fn chosen(choice: Choice, threads: usize) -> Result<Self> {
        load()?;
        Ok(Self { choice, threads, weights: Arc::default() })
    }

    /// Lets the CPU compute what the provider cannot.
    #[must_use]
    pub fn with_fallback(mut self) -> Self {
        self.choice.fallback = true;
        self
    }

    /// An option of the provider, in its own words.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) where it is known that the provider would ignore it; others are
    /// refused by the provider when a graph is compiled.
    pub fn with_option(mut self, key: &str, value: &str) -> Result<Self> {
        self.choice.provider.check(key)?;
        self.choice.options.push((key.into(), value.into()));
        Ok(self)
    }

    /// From what follows `onnxruntime:`, `PROVIDER[+cpu][,KEY=VALUE]..`, such as `openvino+cpu,device_type=GPU`.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) lists the providers; otherwise as [`OnnxRuntime::new`] and
    /// [`OnnxRuntime::with_option`].
    pub fn parse(text: &str, threads: usize) -> Result<Self> {
        Self::chosen(text.parse()?, threads)
    }

    fn builder(&self) -> ort::Result<SessionBuilder> {
        let mut builder = OrtSession::builder()?
            .with_intra_threads(self.threads)?
            .with_inter_threads(1)?
            .with_env_allocators()?
            // Patterns keep the arena of the largest run; sessions have one batch size, and memory is promised.
            .with_memory_pattern(false)?
            .with_optimization_level(GraphOptimizationLevel::All)?;
        if let Some(provider) = self.choice.provider.dispatch(self.threads, &self.choice.options) {
            builder = builder.with_execution_providers([provider.error_on_failure()])?;
            if !self.choice.fallback {
                builder = builder.with_disable_cpu_fallback()?;
            }
        }
        Ok(builder)
    }

    /// A session of `graph`, after the weights that it reads and that must outlive it.
    fn session(
        &self,
        mut builder: SessionBuilder,
        graph: &Graph,
        batch: usize,
    ) -> Result<(Named, OrtSession)> {
        if let Some(symbol) = fold::batch_symbol(graph) {
            builder = builder
                .with_dimension_override(symbol, batch as i64)
                .map_err(failed("binding the batch size"))?;
        }
        let (weights, rest) = self.weights(graph)?;
        let mut builder = self.told(builder, &weights).map_err(failed("taking the weights"))?;
        let bytes = match self.choice.provider {
            Provider::OpenVino => onnx::encode(&openvino::suited(&rest)?)?,
            _ => onnx::encode(&rest)?,
        };
        let session = builder.commit_from_memory(&bytes).map_err(failed("reading the graph"))?;
        Ok((weights, session))
    }

    /// The weights that a session does not own, by name, and what remains of `graph`.
    fn weights(&self, graph: &Graph) -> Result<(Named, Graph)> {
        match self.choice.weights {
            Placement::Own => Ok((Vec::new(), graph.clone())),
            Placement::Shared => Ok((self.weights.of(graph)?, graph.clone())),
            Placement::Inputs => {
                let (weights, mut rest) = (self.weights.of(graph)?, graph.clone());
                for v in weights.iter().filter_map(|(name, _)| graph.find(name)) {
                    rest.take_constant(v);
                    rest.inputs.push(v);
                }
                Ok((weights, rest))
            }
        }
    }

    /// `builder` told of the weights that the model it will read has too.
    fn told(&self, mut builder: SessionBuilder, weights: &Named) -> ort::Result<SessionBuilder> {
        if self.choice.weights != Placement::Shared {
            return Ok(builder);
        }
        builder = builder.with_prepacking(false)?;
        for (name, weight) in weights {
            builder = builder.with_initializer(name, weight.value())?;
        }
        Ok(builder)
    }
}

/// Weights by name.
type Named = Vec<(String, Arc<Weight>)>;

/// Loads the shared library once; the first error stays.
fn load() -> Result<()> {
    static LOADED: OnceLock<std::result::Result<(), String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let path = library::path();
        library::probe(&path)?;
        let found = ort::init_from(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        found.with_name("perennial").with_telemetry(false).commit();
        native::share_arena().map_err(|e| format!("{}: {e}", path.display()))
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
        let unsigned = match self.choice.provider {
            Provider::Cpu if saturation::overflows() => saturation::suited(graph)?,
            _ => None,
        };
        let graph = unsigned.as_ref().unwrap_or(graph);
        let ports = Ports::new(graph, batch)?;
        let builder = self.builder().map_err(failed("taking its options"))?;
        let (weights, session) = self.session(builder, graph, batch)?;
        let program = Program { engine: self.clone(), graph: graph.clone() };
        let session = Mutex::new(session);
        Ok(Arc::new(OnnxRuntimeSession { session, weights, program, ports }))
    }
}

/// What a session with the profiler on is made from. Constants of a graph are shared, not copied.
struct Program {
    engine: OnnxRuntime,
    graph: Graph,
}

/// Fields are dropped in this order: the weights after the session that reads them.
struct OnnxRuntimeSession {
    session: Mutex<OrtSession>,
    weights: Named,
    program: Program,
    ports: Ports,
}

impl OnnxRuntimeSession {
    /// What a run reads: the inputs, and weights that are inputs too.
    fn values<'a>(&'a self, rows: &'a [Cow<'_, Data>]) -> Result<Vec<SessionInputValue<'a>>> {
        let own = rows.iter().zip(self.inputs()).map(|(d, p)| value(d, p.dtype));
        let mut values = own.collect::<Result<Vec<_>>>()?;
        if self.program.engine.choice.weights == Placement::Inputs {
            values.extend(self.weights.iter().map(|(_, w)| SessionInputValue::from(w.view())));
        }
        Ok(values)
    }
}

impl Session for OnnxRuntimeSession {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn run(&self, inputs: &[Data]) -> Result<Vec<Data>> {
        check(self.inputs(), inputs)?;
        let rows: Vec<Cow<'_, Data>> = inputs.iter().map(Data::row_major).collect();
        let values = self.values(&rows)?;
        // A run that panicked has left no half-written state of ours behind.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let results = session.run(values.as_slice()).map_err(failed("running"))?;
        results.values().map(|v| data(&v)).collect()
    }

    fn profile(&self, inputs: &[Data], runs: usize) -> Result<Vec<Timed>> {
        profile::run(self, inputs, runs)
    }
}
