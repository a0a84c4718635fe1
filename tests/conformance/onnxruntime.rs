//! What only ONNX Runtime has: a library that may be missing, and providers.

use perennial::ErrorKind;
use perennial::engine::{OnnxRuntime, Provider, by_name};

use crate::fixtures;
use crate::skip;

fn engine(threads: usize) -> Option<OnnxRuntime> {
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        skip::say("set ORT_DYLIB_PATH to libonnxruntime (pip install onnxruntime) to test it");
        return None;
    }
    Some(OnnxRuntime::new(Provider::Cpu, threads).unwrap())
}

/// In a process of its own: the first library that is asked for stays.
#[cfg(feature = "cli")]
#[test]
fn a_missing_or_wrong_library_is_an_error_that_says_what_to_install() {
    let not_it = std::env::temp_dir().join("perennial-not-onnxruntime.so");
    std::fs::write(&not_it, "no library").unwrap();
    for path in [std::path::Path::new("/nowhere/libonnxruntime.so"), &not_it] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_perennial"))
            .args(["--engine", "onnxruntime"])
            .env("ORT_DYLIB_PATH", path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(text.contains("pip install onnxruntime") && text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_provider_that_is_not_there_is_an_error_and_not_a_slow_success() {
    let Some(_) = engine(1) else { return };
    let graph = fixtures::one("fused_dynamo_op18_dynamic").graph();
    // No wheel for x86 holds Qualcomm's provider.
    let error = by_name("onnxruntime:qnn", 1).unwrap().compile(&graph, 1).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Engine, "{error}");
    let error = by_name("onnxruntime:abacus", 1).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("cuda"), "{error}");
}
