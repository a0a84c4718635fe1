//! `perennial state`: what a state holds.

use indicatif::HumanCount;
use serde_json::json;

use super::{Global, show};
use crate::error::Result;
use crate::learner::State;
use crate::store::Place;

/// Options of `state`.
#[derive(clap::Args)]
pub struct Args {
    /// A state: a file, or partition:PATH
    place: Place,
}

/// Runs the command. No backbone is needed.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let (header, state): (_, State) = args.place.load(None)?;
    let (parts, overlap) = (state.parts(), state.overlap()?);
    if global.json {
        let parts: serde_json::Map<_, _> = parts.iter().map(|(k, v)| ((*k).to_string(), json!(v))).collect();
        return show::json(&json!({
            "backbone_sha256": hex::encode(header.backbone), "strategy": state.strategy, "settings": state.settings,
            "commits": state.commits, "classes": state.known().collect::<Vec<_>>(), "tasks": state.tasks, "overlap": overlap, "bytes": parts,
        }));
    }
    println!("backbone  {}", hex::encode(header.backbone));
    println!("strategy  {}, seed {}", state.strategy, state.settings.seed);
    println!("classes   {}", state.known().count());
    println!("commits   {}", state.commits);
    for (i, task) in state.tasks.iter().enumerate() {
        let names: Vec<&str> = task.classes.iter().map(|&c| state.classes[c].as_str()).collect();
        let from = task.from.map(|id| format!(", from bundle {id}")).unwrap_or_default();
        println!("task {i:>3}  {:?}: {} images of {}{from}", task.name, task.images, names.join(", "));
    }
    if let Some((a, b, bound)) = overlap.worst_pair() {
        println!(
            "signatures overlap most between {:?} and {:?} (error bound {bound:.0e}, as far as pictures are as their signatures say)",
            state.tasks[a].name, state.tasks[b].name
        );
    }
    println!("bytes");
    for (name, bytes) in parts {
        println!("  {name:<22} {:>12}", HumanCount(bytes as u64).to_string());
    }
    Ok(())
}
