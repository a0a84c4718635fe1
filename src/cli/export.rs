//! `perennial export`: what a state has learned in its network, for other programs.

use std::path::PathBuf;

use serde_json::json;

use super::options::Learned;
use super::{Global, show};
use crate::error::Result;
use crate::onnx;
use crate::peft::Adapter;

/// Options of `export`.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["peft", "onnx"])), after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    learned: Learned,
    /// Which network, where the strategy keeps several
    #[arg(long, default_value_t = 0, value_name = "INDEX")]
    network: usize,
    /// Write the adapters as PEFT does, adapter_model.safetensors and adapter_config.json, into this folder
    #[arg(long, value_name = "DIR")]
    peft: Option<PathBuf>,
    /// Write the model with the adapters folded into its weights, from images to features
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  perennial export --backbone vit_tiny.onnx --state robot.state --peft adapter/
      then, in Python: peft.PeftModel.from_pretrained(model, 'adapter/')
  perennial export --backbone vit_tiny.onnx --state robot.state --onnx adapted.onnx
      features as the state's classifier reads them; any ONNX runtime runs it";

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let (backbone, state) = args.learned.read(global)?;
    let mut modules = Vec::new();
    if let Some(folder) = &args.peft {
        let adapter = Adapter::of(&state, &backbone, args.network)?;
        adapter.write(folder)?;
        let module = |(name, m): (&String, &crate::peft::Module)| json!({ "name": name, "rank": m.pair.rank(), "scaling": m.scaling });
        modules = adapter.modules.iter().map(module).collect();
    }
    if let Some(path) = &args.onnx {
        onnx::write(&state.merged(&backbone, args.network)?, path)?;
    }
    if global.json {
        return show::json(&json!({ "peft": args.peft, "onnx": args.onnx, "modules": modules }));
    }
    if let Some(folder) = &args.peft {
        println!("wrote the adapters of {} layers to {}", modules.len(), folder.display());
    }
    if let Some(path) = &args.onnx {
        println!("wrote {}", path.display());
    }
    Ok(())
}
