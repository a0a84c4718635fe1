//! `perennial import`: adapters of the PEFT library, folded into a model.

use std::path::PathBuf;

use serde_json::json;

use super::{Global, options, show};
use crate::error::{Context, Result};
use crate::onnx;
use crate::peft::Adapter;

/// Options of `import`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model
    #[arg(long)]
    backbone: PathBuf,
    /// A folder with adapter_model.safetensors and adapter_config.json; several are versions of one adapter
    #[arg(long, required = true, value_name = "DIR")]
    peft: Vec<PathBuf>,
    /// How much each version counts, such as the number of its pictures [default: all the same]
    #[arg(long, value_delimiter = ',')]
    weights: Vec<f32>,
    /// Most rank a layer of several versions put together [default: of no limit, which is exact]
    #[arg(long)]
    rank: Option<usize>,
    /// Model to write
    #[arg(long)]
    onnx: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  perennial import --backbone vit_tiny.onnx --peft adapter/ --onnx adapted.onnx
      then learn on adapted.onnx, for example with --strategy ncm-frozen+blend-deep
  perennial import --backbone vit_tiny.onnx --peft a/ --peft b/ --weights 300,100 --rank 8 --onnx both.onnx
      two devices' versions of one adapter: set side by side and cut to the rank, never averaged factor by factor";

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let backbone = options::backbone(global, &args.backbone)?;
    let versions: Vec<Adapter> =
        args.peft.iter().map(|folder| Adapter::read(folder)).collect::<Result<_>>()?;
    let (adapter, lost) = match (&versions[..], args.rank) {
        ([one], None) => (one.clone(), 0.0),
        _ => {
            let weights = if args.weights.is_empty() { &vec![1.0; versions.len()] } else { &args.weights };
            Adapter::merge(&versions, weights, args.rank.unwrap_or(usize::MAX))?
        }
    };
    let graph = adapter.fold(&backbone).at(|| args.peft[0].display().to_string())?;
    onnx::write(&graph, &args.onnx)?;
    if global.json {
        return show::json(
            &json!({ "onnx": args.onnx, "modules": adapter.modules.keys().collect::<Vec<_>>(), "given_up": lost }),
        );
    }
    println!("folded {} layers into {}", adapter.modules.len(), args.onnx.display());
    if lost > 0.0 {
        println!(
            "  the cut to rank {} gave up {:.2} % of a layer's energy at most",
            args.rank.unwrap_or(0),
            100.0 * lost
        );
    }
    Ok(())
}
