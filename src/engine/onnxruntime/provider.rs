//! Who computes, and what it may be told.

use std::str::FromStr;

use ort::ep::{self, ArbitrarilyConfigurableExecutionProvider as _, ExecutionProviderDispatch};

use crate::error::{Error, Result};

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

/// Options of providers that ignore what they do not know; the others refuse it themselves.
const KNOWN: [(Provider, &[&str]); 3] = [
    (Provider::Cpu, &[]),
    (Provider::Xnnpack, &["intra_op_num_threads"]),
    (Provider::Acl, &["enable_fast_math"]),
];

/// What a provider is told unless the user says otherwise. The graph is in f32 and is computed in f32: OpenVINO takes
/// bf16 where the CPU has it. GPUs get memory as it is asked for, not the next power of two. TensorRT builds an engine
/// a session in minutes; `trt_engine_cache_enable=1,trt_engine_cache_path=DIR` keeps them.
const DEFAULTS: [(Provider, &str, &str); 4] = [
    (Provider::OpenVino, "precision", "FP32"),
    (Provider::Cuda, "arena_extend_strategy", "kSameAsRequested"),
    (Provider::Cuda, "use_tf32", "0"),
    (Provider::TensorRt, "trt_timing_cache_enable", "1"),
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

macro_rules! told {
    ($provider:expr, $options:expr) => {
        $options.iter().fold($provider, |p, (key, value)| p.with_arbitrary_config(key, value)).build()
    };
}

impl Provider {
    /// Whether `key` may be an option.
    pub fn check(self, key: &str) -> Result<()> {
        let Some((_, known)) = KNOWN.iter().find(|(p, _)| *p == self) else { return Ok(()) };
        match known.contains(&key) {
            true => Ok(()),
            false if known.is_empty() => {
                Err(crate::err!(InvalidArgument, "this provider has no option {key:?}, nor any other"))
            }
            false => Err(crate::err!(InvalidArgument, "no option {key:?}; there is: {}", known.join(", "))),
        }
    }

    /// As ONNX Runtime takes it; `None` for the CPU, which is always there.
    pub fn dispatch(self, threads: usize, options: &[(String, String)]) -> Option<ExecutionProviderDispatch> {
        let threads = threads.max(1).to_string();
        let own = match self {
            Self::OpenVino => Some((Self::OpenVino, "num_of_threads", threads.as_str())),
            Self::Xnnpack => Some((Self::Xnnpack, "intra_op_num_threads", threads.as_str())),
            _ => None,
        };
        let defaults = DEFAULTS.into_iter().chain(own).filter(|(p, ..)| *p == self);
        let defaults = defaults.map(|(_, key, value)| (key.to_string(), value.to_string()));
        // Later ones win.
        let options: Vec<(String, String)> = defaults.chain(options.iter().cloned()).collect();
        Some(match self {
            Self::Cpu => return None,
            Self::Xnnpack => told!(ep::XNNPACK::default(), options),
            Self::OpenVino => told!(ep::OpenVINO::default(), options),
            Self::Cuda => told!(ep::CUDA::default(), options),
            Self::TensorRt => told!(ep::TensorRT::default(), options),
            Self::CoreMl => told!(ep::CoreML::default(), options),
            Self::Qnn => told!(ep::QNN::default(), options),
            Self::Acl => ep::ACL::default().with_fast_math(options.iter().any(|(_, v)| v == "1")).build(),
        })
    }
}
