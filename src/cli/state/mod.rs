//! `perennial state`: what a state holds, and who can read it.

mod seal;

use clap::Subcommand;
use indicatif::HumanCount;
use serde_json::json;

use super::options::Unlock;
use super::{Global, show};
use crate::error::Result;
use crate::learner::State;
use crate::store::Place;

/// Options of `state`.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// A state: a file, or partition:PATH
    #[arg(required = true)]
    place: Option<Place>,
    #[command(flatten)]
    unlock: Unlock,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key that encrypts states
    Keygen(seal::KeyArgs),
    /// Encrypt a state that is not encrypted, or one with another key
    Seal(seal::Args),
}

const EXAMPLES: &str = "\
Examples:
  perennial state robot.state
  perennial state keygen robot.key
  perennial learn --backbone vit_tiny.onnx --data kitchen/ --task kitchen --state robot.state --state-key robot.key
  perennial state robot.state --state-key robot.key
  perennial state seal partition:/dev/mmcblk0p7 --state-key robot.key   # one that was not encrypted so far
  perennial state seal robot.state --state-key new.key --old-key robot.key
      then destroy robot.key: what the medium still has of older states can never be read again";

/// Runs the command. No backbone is needed.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    match (&args.command, &args.place) {
        (Some(Command::Keygen(args)), _) => seal::keygen(global, args),
        (Some(Command::Seal(args)), _) => seal::run(global, args),
        (None, Some(place)) => print(global, &args.unlock.open(place)?),
        (None, None) => Err(crate::err!(InvalidArgument, "give a state: a file, or partition:PATH")),
    }
}

fn print(global: &Global, place: &Place) -> Result<()> {
    let (header, state): (_, State) = place.load(None)?;
    let (parts, overlap) = (state.parts(), state.overlap()?);
    if global.json {
        let parts: serde_json::Map<_, _> = parts.iter().map(|(k, v)| ((*k).to_string(), json!(v))).collect();
        return show::json(&json!({
            "backbone_sha256": hex::encode(header.backbone), "strategy": state.strategy, "settings": state.settings,
            "commits": state.commits, "classes": state.known().collect::<Vec<_>>(), "tasks": state.tasks, "overlap": overlap, "bytes": parts,
            "stored_bytes": state.stored_bytes()?, "given_up": state.concessions,
        }));
    }
    println!("backbone  {}", hex::encode(header.backbone));
    println!("strategy  {}, seed {}", state.strategy, state.settings.seed);
    println!("classes   {}", state.known().count());
    println!("commits   {}", state.commits);
    for (i, task) in state.tasks.iter().enumerate() {
        let names: Vec<&str> = task.classes.iter().map(|&c| state.classes[c].as_str()).collect();
        let from = task.from.map(|id| format!(", from bundle {id}")).unwrap_or_default();
        let with = if task.with > 0 { format!(" and {} others", task.with) } else { String::new() };
        println!("task {i:>3}  {:?}{with}: {} images of {}{from}", task.name, task.images, names.join(", "));
    }
    if let Some((a, b, bound)) = overlap.worst_pair() {
        println!(
            "signatures overlap most between {:?} and {:?} (error bound {bound:.0e}, as far as pictures are as their signatures say)",
            state.tasks[a].name, state.tasks[b].name
        );
    }
    for concession in state.concessions.rows() {
        println!("given up for {:?}: {concession}", concession.task);
    }
    println!("bytes");
    for (name, bytes) in parts {
        println!("  {name:<22} {:>12}", HumanCount(bytes as u64).to_string());
    }
    Ok(())
}
