//! `perennial fleet publish`.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Global, bundle::now, show};
use super::Held;
use crate::bundle::{Bundle, SecretKey};
use crate::error::{Context, Result};
use crate::fleet::{Notice, Policy};

/// Options of `publish`.
#[derive(clap::Args)]
pub struct Args {
    /// A bundle (perennial learn --bundle, perennial bundle export)
    path: PathBuf,
    /// The secret key that signed it
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Rules for what may leave (JSON: {"never": [PATTERN..], "least": IMAGES}) [default: no people, ten images a class]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    held: Held,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let place = || args.path.display().to_string();
    let policy = args.policy.as_deref().map(Policy::read).transpose()?.unwrap_or_default();
    let bundle = Bundle::read(&args.path)?;
    policy.allows(&bundle).at(place)?;
    let notice = Notice::of(&bundle, &SecretKey::read(&args.key)?).at(place)?;
    let chunks = notice.statement().chunks.len();
    let mut shelf = args.held.open(Some(bundle.content().backbone))?;
    shelf.publish(&bundle, notice, now()).at(place)?;
    if global.json {
        return show::json(&json!({ "id": bundle.id(), "bytes": bundle.bytes().len(), "chunks": chunks }));
    }
    println!(
        "task {:?} is on the shelf: {} in {chunks} chunks",
        bundle.content().task,
        show::mib(bundle.bytes().len())
    );
    println!("  id {}; others fetch it from a device that has joined (perennial fleet join)", bundle.id());
    Ok(())
}
