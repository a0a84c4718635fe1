//! `perennial compile`: the training step of a model as ONNX files.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::options::Adapt;
use super::{Global, options, show};
use crate::adapter::{Sharing, inject};
use crate::backbone::{Backbone, Parts};

use crate::error::{Context, Result};
use crate::gradcheck::{self, Check};
use crate::graph::{Graph, fold};
use crate::joint::{Joint, Manifest, Objective, minimising};
use crate::{onnx, precision};

/// Options of `compile`.
#[derive(clap::Args)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model
    model: PathBuf,
    #[command(flatten)]
    adapt: Adapt,
    /// Fix the batch size; 0 leaves it open as the model has it
    #[arg(long, default_value_t = 0)]
    batch: usize,
    /// Rows of the training head, rounded up to a power of two
    #[arg(long, default_value_t = 16)]
    classes: usize,
    /// One adapter an image instead of one for the batch
    #[arg(long)]
    per_image: bool,
    /// Compute activations again in the backward pass instead of keeping them
    #[arg(long)]
    recompute: bool,
    /// What the training step starts from
    #[arg(long, value_enum, default_value_t = From::Boundary)]
    from: From,
    /// Folder to write
    #[arg(long, short)]
    out: PathBuf,
    /// Compare every gradient with central differences, on tract
    #[arg(long)]
    gradcheck: bool,
}

/// What the training step reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// Boundary tokens, as prefix.onnx gives them
    Boundary,
    /// Images
    Images,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let backbone = options::backbone(global, &args.model)?.named(&args.adapt.named())?;
    let lora = args.adapt.lora(&backbone)?;
    let parts = backbone.parts(lora.blocks, lora.roles)?;
    let step = training_step(args, &backbone, &parts)?;
    let (suffix, _) = inject(parts.suffix.clone(), &parts.sites, &lora, sharing(args))?;
    let graphs = [
        ("prefix", bound(args, parts.prefix)?),
        ("suffix", bound(args, suffix)?),
        ("joint", bound(args, step.graph)?),
    ];
    std::fs::create_dir_all(&args.out).at(|| args.out.display().to_string())?;
    let mut files = serde_json::Map::new();
    for (name, graph) in &graphs {
        onnx::write(graph, args.out.join(format!("{name}.onnx")))?;
        files.insert(format!("{name}.onnx"), json!(Manifest::describe(graph)?));
    }
    let manifest = json!({
        "backbone_sha256": hex::encode(backbone.sha256()),
        "rank": lora.rank, "scaling": lora.scaling(), "head_capacity": step.capacity,
        "loss": "sum over rows of sample_weights * cross-entropy over the classes whose class_mask is 1",
        "files": files,
    });
    save(&args.out.join("manifest.json"), &manifest)?;
    let checks = match args.gradcheck {
        true => check(global, args, &backbone)?,
        false => Vec::new(),
    };
    report(global, args, &manifest, &checks, gradcheck::tolerance(&graphs[2].1))
}

fn sharing(args: &Args) -> Sharing {
    if args.per_image { Sharing::PerImage } else { Sharing::Shared }
}

fn training_step(args: &Args, backbone: &Backbone, parts: &Parts) -> Result<Joint> {
    let lora = args.adapt.lora(backbone)?;
    let (start, sites) = match args.from {
        From::Boundary => (parts.suffix.clone(), parts.sites.clone()),
        From::Images => backbone.whole(lora.blocks, lora.roles)?,
    };
    let (graph, slots) = inject(start, &sites, &lora, sharing(args))?;
    minimising(&Objective::Linear, graph, &slots, args.classes.next_power_of_two(), args.recompute)
}

fn bound(args: &Args, graph: Graph) -> Result<Graph> {
    match fold::batch_symbol(&graph).map(str::to_string) {
        Some(symbol) if args.batch > 0 => fold::constants(fold::bind(graph, &symbol, args.batch)?),
        _ => Ok(graph),
    }
}

fn check(global: &Global, args: &Args, backbone: &Backbone) -> Result<Vec<Check>> {
    let lora = args.adapt.lora(backbone)?;
    let parts = backbone.parts(lora.blocks, lora.roles)?;
    let step = training_step(args, backbone, &parts)?;
    if precision::is_quantized(&step.graph) {
        crate::bail!(
            Unsupported,
            "the files are written, but --gradcheck cannot judge them: the model rounds to integers, and central differences \
             of a staircase are not the straight-through gradients. tests/quantized.rs compares those with what they are"
        );
    }
    gradcheck::run(options::engine(global)?.as_ref(), &step.graph, args.batch.max(2), global.seed)
}

fn save(path: &Path, value: &serde_json::Value) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
    std::fs::write(path, text + "\n").at(|| path.display().to_string())
}

fn report(
    global: &Global,
    args: &Args,
    manifest: &serde_json::Value,
    checks: &[Check],
    tolerance: f64,
) -> Result<()> {
    let worst = checks.iter().map(|c| c.relative_error).fold(0.0, f64::max);
    if global.json {
        show::json(&json!({ "out": args.out, "manifest": manifest, "gradcheck": checks, "worst": worst }))?;
    } else {
        println!("wrote prefix.onnx, suffix.onnx, joint.onnx and manifest.json to {}", args.out.display());
        for c in checks {
            println!(
                "  {:<28} analytic {:>12.5e}  central {:>12.5e}  relative {:.1e}",
                c.input, c.analytic, c.central, c.relative_error
            );
        }
    }
    if worst > tolerance {
        crate::bail!(
            Numeric,
            "a gradient is off by {worst:.1e}, more than {tolerance:.0e}; please report the model"
        );
    }
    if !checks.is_empty() && !global.json {
        println!(
            "gradcheck: {} gradients agree with central differences, worst relative error {worst:.1e}",
            checks.len()
        );
    }
    Ok(())
}
