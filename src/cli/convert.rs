//! `perennial convert`: a model with its weights stored in half precision.

use std::path::PathBuf;

use serde_json::json;

use super::{Global, show};
use crate::error::{Context, Result};
use crate::graph::{DType, fold, infer};
use crate::{onnx, precision};

/// Options of `convert`.
#[derive(clap::Args)]
pub struct Args {
    /// An ONNX file
    model: PathBuf,
    /// How matrices are stored; they are unpacked to f32 where they are used
    #[arg(long, value_enum, default_value_t = Weights::F16)]
    weights: Weights,
    /// File to write
    #[arg(long, short)]
    out: PathBuf,
}

/// A storage form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Weights {
    /// 11 bits of precision, numbers up to 65504
    F16,
    /// 8 bits of precision, the range of f32
    Bf16,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let mut graph = onnx::read(&args.model).at(|| args.model.display().to_string())?;
    infer::all(&mut graph)?;
    let dtype = match args.weights {
        Weights::F16 => DType::F16,
        Weights::Bf16 => DType::BF16,
    };
    let graph = precision::store(fold::constants(graph)?, dtype)?;
    onnx::write(&graph, &args.out)?;
    let size = |path: &PathBuf| std::fs::metadata(path).map(|m| m.len()).at(|| path.display().to_string());
    let (before, after) = (size(&args.model)?, size(&args.out)?);
    if global.json {
        return show::json(&json!({ "out": args.out, "bytes_before": before, "bytes": after }));
    }
    println!("wrote {}: {after} bytes, {before} before", args.out.display());
    Ok(())
}
