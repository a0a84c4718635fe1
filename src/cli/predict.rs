//! `perennial predict`: pictures classified, without being told their task.

use std::path::PathBuf;

use serde_json::json;

use super::options::{Learned, Pixels};
use super::{Global, options, show};
use crate::data::{Dataset, Picture};
use crate::error::Result;
use crate::learner::{Learner, Prediction};

/// Options of `predict`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    learned: Learned,
    /// Pictures
    #[arg(required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    pixels: Pixels,
}

/// Runs the command. An unreadable picture is reported and does not stop the others.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let (backbone, state) = args.learned.read(global)?;
    let preprocess = args.pixels.resolve(global, &backbone, &args.learned.backbone, &Dataset::default())?;
    let learner = Learner::builder(backbone).engine(options::engine(global)?).resume(state).build()?;
    let mut pixels = vec![0.0; preprocess.output_len()?];
    let mut rows = Vec::new();
    let mut failed = 0;
    for path in &args.images {
        let one = Picture::open(path).and_then(|p| {
            preprocess.apply(&p, &mut pixels)?;
            let images = show::images(&pixels, learner.image_shape())?;
            Ok(learner.predict(images)?.remove(0))
        });
        match one {
            Ok(p) if global.json => {
                rows.push(json!({ "image": path, "prediction": p, "task": learner.tasks()[p.task].name }))
            }
            Ok(p) => println!("{}", line(&learner, path, &p)),
            Err(e) => {
                failed += 1;
                match global.json {
                    true => rows.push(json!({ "image": path, "error": e.to_string() })),
                    false => eprintln!("{}: {e}", path.display()),
                }
            }
        }
    }
    if global.json {
        show::json(&rows)?;
    }
    match failed == args.images.len() {
        true => Err(crate::err!(NotFound, "none of the {failed} pictures could be classified")),
        false => Ok(()),
    }
}

fn line(learner: &Learner, path: &std::path::Path, p: &Prediction) -> String {
    let task = &learner.tasks()[p.task].name;
    let verdict = if p.unknown { format!("unknown (nearest: {})", p.name) } else { p.name.clone() };
    format!(
        "{}: {verdict}  task {task}  score {:.3}  familiarity {:+.1}",
        path.display(),
        p.score,
        p.familiarity
    )
}
