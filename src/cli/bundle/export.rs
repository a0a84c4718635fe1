//! `perennial bundle export`: what pictures would teach a state.

use std::path::PathBuf;

use serde_json::json;

use super::super::options::Lesson;
use super::super::{Global, learn, options, show};
use super::Signing;
use crate::bundle::preprocessing;
use crate::error::Result;
use crate::learner::Learner;

/// Options of `export`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    lesson: Lesson,
    #[command(flatten)]
    signing: Signing,
    /// Bundle to write
    #[arg(long, short)]
    out: PathBuf,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let key = args.signing.key()?;
    let (backbone, state) = args.lesson.learned.read(global)?;
    let (data, preprocess) = args.lesson.pictures(global, &backbone)?;
    state.can_share()?;
    if let Some(class) = data.classes.iter().find(|class| state.class(class).is_some()) {
        crate::bail!(
            State,
            "the state knows {class:?} already, and what tasks taught of it is one sum; write the bundle while learning (perennial \
             learn --bundle), or give a state from before"
        );
    }
    let engine = options::engine(global)?;
    let mut learner = Learner::builder(backbone).engine(engine).resume(state).sharing(true).build()?;
    let (report, _) = learn::teach(global, &mut learner, &args.lesson.task, &data, &preprocess, 1)?;
    let bundle = args.signing.write(&learner, preprocessing(&preprocess)?, &key, &args.out)?;
    if global.json {
        return show::json(
            &json!({ "out": args.out, "id": bundle.id(), "bytes": bundle.bytes().len(), "report": report }),
        );
    }
    println!(
        "wrote {}: task {:?}, {} pictures of {}",
        args.out.display(),
        report.name,
        report.images,
        report.classes.join(", ")
    );
    println!("  {} in all, id {}", show::mib(bundle.bytes().len()), bundle.id());
    Ok(())
}
