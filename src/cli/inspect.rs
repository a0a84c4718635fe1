//! `perennial inspect`: blocks, sites, feature, parameters and planned memory of a model.

use std::path::PathBuf;

use indicatif::HumanCount;
use serde_json::json;

use super::options::{Adapt, Promise, Train};
use super::{Global, options, show};
use crate::adapter::{Linear, Spine, named};
use crate::backbone::Backbone;
use crate::error::Result;
use crate::learner::{Footprint, Learner};

/// Options of `inspect`.
#[derive(clap::Args)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model
    model: PathBuf,
    /// Strategy that the memory is planned for
    #[arg(long, default_value = "perennial")]
    strategy: String,
    #[command(flatten)]
    adapt: Adapt,
    #[command(flatten)]
    train: Train,
    /// Print the folded graph as text
    #[arg(long)]
    dump: bool,
    /// List the values at which the network can be cut (for --boundary) and its linear layers (for --sites)
    #[arg(long)]
    layers: bool,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let backbone = options::backbone(global, &args.model)?.named(&args.adapt.named())?;
    if args.dump {
        print!("{}", backbone.graph());
        return Ok(());
    }
    if args.layers {
        return layers(global, &backbone);
    }
    let settings = args.train.settings(&args.adapt, &backbone, global.seed)?;
    let builder = Learner::builder(backbone.clone())
        .engine(options::engine(global)?)
        .strategy(&args.strategy)
        .settings(settings);
    let (builder, promise) = args.train.fitted(global, builder)?;
    let plan = builder.plan()?;
    match global.json {
        true => show::json(&document(&backbone, &plan, promise)?),
        false => print(&backbone, &plan),
    }
}

fn document(backbone: &Backbone, plan: &Footprint, promise: Option<Promise>) -> Result<serde_json::Value> {
    let block = |b: &crate::adapter::Block| {
        let sites = b.sites.iter().map(|s| {
            json!({ "name": s.name, "role": s.role.name(), "inputs": s.inputs(), "outputs": s.outputs(),
                    "columns": s.layer().and_then(|layer| layer.columns.range()).map(|r| [r.start, r.end]) })
        });
        json!({ "input": backbone.graph().value(b.input).name, "sites": sites.collect::<Vec<_>>() })
    };
    let blocks: Vec<_> = backbone.anatomy().blocks.iter().map(block).collect();
    Ok(json!({
        "sha256": hex::encode(backbone.sha256()),
        "opset": backbone.graph().opset(),
        "image": backbone.image()?,
        "batch": backbone.fixed_batch(),
        "feature": { "value": backbone.graph().value(backbone.feature()).name, "width": backbone.width()? },
        "parameters": backbone.parameters(),
        "metadata": backbone.graph().metadata,
        "blocks": blocks,
        "footprint": plan,
        "footprint_total": plan.total(),
        "budget": promise,
    }))
}

/// What `--boundary` and `--sites` can name, in execution order.
fn layers(global: &Global, backbone: &Backbone) -> Result<()> {
    let graph = backbone.graph();
    let (spine, layers) = (Spine::of(graph, backbone.feature())?, named::layers(graph, backbone.feature())?);
    let shape = |v| graph.value(v).shape.as_ref().map(ToString::to_string).unwrap_or_default();
    if global.json {
        let cut = |v| json!({ "value": graph.value(v).name, "shape": shape(v) });
        let layer = |l: &Linear| {
            json!({ "names": named::names(graph, l), "inputs": l.inputs, "outputs": l.outputs,
                    "boundary": spine.before(l.node).map(|v| &graph.value(v).name) })
        };
        return show::json(&json!({
            "boundaries": spine.cuts().map(cut).collect::<Vec<_>>(),
            "layers": layers.iter().map(layer).collect::<Vec<_>>(),
        }));
    }
    let mut rest = layers.iter().peekable();
    let points: Vec<_> = spine.cuts().collect();
    for (i, &v) in points.iter().enumerate() {
        println!("boundary  {} {}", graph.value(v).name, shape(v));
        while let Some(l) = rest.next_if(|l| i + 1 == points.len() || spine.before(l.node) == Some(v)) {
            println!("    {}x{}  {}", l.inputs, l.outputs, named::names(graph, l).join("  "));
        }
    }
    Ok(())
}

fn print(backbone: &Backbone, plan: &Footprint) -> Result<()> {
    let graph = backbone.graph();
    println!("sha256      {}", hex::encode(backbone.sha256()));
    println!("opset       {}, {} nodes after folding", graph.opset(), graph.nodes().len());
    for &v in &graph.inputs {
        println!("input       {} {}{}", graph.value(v).name, graph.dtype(v)?.name(), graph.shape(v)?);
    }
    for &v in &graph.outputs {
        println!("output      {} {}{}", graph.value(v).name, graph.dtype(v)?.name(), graph.shape(v)?);
    }
    println!("feature     {} (width {})", graph.value(backbone.feature()).name, backbone.width()?);
    println!("parameters  {}", HumanCount(backbone.parameters() as u64));
    println!("\nblock  sites (role: in x out)");
    for (i, block) in backbone.anatomy().blocks.iter().enumerate() {
        let site = |s: &crate::adapter::Site| match s.outputs() {
            0 => format!("{}: {}", s.role.name(), s.inputs()),
            outputs => format!("{}: {}x{outputs}", s.role.name(), s.inputs()),
        };
        println!("{i:>5}  {}", block.sites.iter().map(site).collect::<Vec<_>>().join("  "));
    }
    println!("\nplanned memory of a learner with these options\n\n{plan}");
    Ok(())
}
