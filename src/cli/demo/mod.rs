//! The demonstration: five themes of drawn pictures, learned one after another.
//!
//! ```text
//! draw -> encode -> task 1 2 3 -> save, drop, load -> task 4 5 -> strangers -> other strategies -> report
//!                                     '-> a copy that is never stopped -> task 4 5 -> same bytes?
//! ```
//!
//! Needs no file: the model is embedded and the pictures are drawn. What it prints is measured on pictures that it
//! did not learn from.

mod restart;
mod say;
mod stage;

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::{Global, embedded, show};
use crate::error::Result;
use crate::report;
use stage::Stage;

/// Passes over the pictures of a task, pictures a class to learn from and to measure on.
const EPOCHS: usize = 3;
const TRAIN: usize = 30;
const TEST: usize = 20;

/// What is shown in full, and what it is compared with.
const STRATEGY: &str = "perennial";
const OTHERS: [&str; 3] = ["pegp", "ranpac-frozen", "sequential"];

/// Options of `demo`.
#[derive(clap::Args)]
pub struct Args {
    /// Another model: an ONNX file
    #[arg(long, default_value = embedded::NAME)]
    backbone: PathBuf,
    /// The report to write
    #[arg(long, default_value = "perennial-report.html")]
    out: PathBuf,
    /// Pictures of a class to learn from
    #[arg(long, hide = true, default_value_t = TRAIN)]
    train: usize,
    /// Pictures of a class to measure on
    #[arg(long, hide = true, default_value_t = TEST)]
    test: usize,
    /// Passes over the pictures of a task
    #[arg(long, hide = true, default_value_t = EPOCHS)]
    epochs: usize,
}

impl Default for Args {
    fn default() -> Self {
        let (backbone, out) = (embedded::NAME.into(), "perennial-report.html".into());
        Self { backbone, out, train: TRAIN, test: TEST, epochs: EPOCHS }
    }
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let start = Instant::now();
    let stage = Stage::set(global, args)?;
    say::opening(&stage);
    let shown = restart::run(&stage)?;
    say::restart(global, &shown.check);
    let mut results = vec![shown.result];
    for name in OTHERS {
        results.push(stage.measure(name)?);
    }
    say::comparison(global, &results);
    let page = stage.report(&results, shown.trace, shown.gallery, &shown.check);
    report::write(&page, &args.out)?;
    let seconds = start.elapsed().as_secs_f64();
    if global.json {
        return show::json(&json!({
            "backbone_sha256": hex::encode(stage.backbone.sha256()), "results": results, "restart": shown.check,
            "report": args.out, "seconds": seconds,
        }));
    }
    println!("\nreport: {} ({seconds:.0} s in all)", args.out.display());
    Ok(())
}
