//! `perennial forget`: classes or a task taken out of a state.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::options::Kept;
use super::{Global, show};
use crate::error::Result;
use crate::learner::{Forgotten, Others, State};
use crate::store::Place;

/// Options of `forget`.
#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["class", "task"])))]
pub struct Args {
    #[command(flatten)]
    kept: Kept,
    /// A class; may be given more than once
    #[arg(long)]
    class: Vec<String>,
    /// A task, with all its classes
    #[arg(long)]
    task: Option<String>,
    /// Keep the state as it was in this file, which must not exist: to make room, not to erase
    #[arg(long, value_name = "FILE")]
    archive: Option<PathBuf>,
}

/// Keeps the state at `place` in the file `path`, with the same key.
fn archive(args: &Args, place: &Place, path: &Path) -> Result<()> {
    if path.exists() {
        crate::bail!(InvalidArgument, "{} exists; archive to another file", path.display());
    }
    let (header, state): (_, State) = place.load(None)?;
    args.kept.open_other(&Place::file(path))?.save(header.backbone, state.commits, &state)?;
    Ok(())
}

/// Runs the command. The state is replaced only when all was forgotten. No backbone is needed.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let place = args.kept.open()?;
    let (header, mut state): (_, State) = place.load(None)?;
    let mut all: Vec<Forgotten> =
        args.class.iter().map(|name| state.forget_class(name)).collect::<Result<_>>()?;
    all.extend(args.task.iter().map(|name| state.forget_task(name)).collect::<Result<Vec<_>>>()?);
    if let Some(path) = &args.archive {
        archive(args, &place, path)?;
    }
    place.save(header.backbone, state.commits, &state)?;
    let compacted = place.compact()?;
    if global.json {
        return show::json(
            &json!({ "state": place, "forgotten": all, "older_states_erased": compacted, "archive": args.archive }),
        );
    }
    for Forgotten { classes, tasks, residues, others } in &all {
        println!("forgot {}", classes.join(", "));
        tasks.iter().for_each(|task| println!("  and with it task {task:?}"));
        if residues.is_empty() {
            println!("  nothing of it is left in the state");
        }
        residues.iter().for_each(|residue| println!("  left: {residue}"));
        if *others != Others::Same {
            println!("  scores of other classes: {others}");
        }
    }
    if let Some(path) = &args.archive {
        println!("the state as it was: {}", path.display());
    }
    match compacted {
        true => println!("{place}: no byte of older states is left"),
        false => println!(
            "{place}: replaced; the old file's bytes stay on its medium until something overwrites them (partition: does)"
        ),
    }
    Ok(())
}
