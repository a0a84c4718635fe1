//! `perennial bundle`: tasks as signed files.

mod export;
mod import;
mod keys;
mod show;
mod signing;

use clap::Subcommand;

pub(super) use signing::Signing;

use super::Global;
use crate::error::Result;

/// Options of `bundle`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a pair of keys: PATH signs, PATH.pub says who signed
    Keygen(keys::Args),
    /// What a folder of pictures would teach a state, as a signed file; the state is not changed
    Export(export::Args),
    /// Show what a bundle says, once its signature holds
    Show(show::Args),
    /// Check signature, maker and expiry
    Verify(show::VerifyArgs),
    /// Take a bundle over into a state, after all checks and a trial
    Import(import::Args),
}

const EXAMPLES: &str = "\
Bundles go between devices that started from one common state (the same first task).

Examples:
  perennial bundle keygen robot1.key
  perennial learn --backbone vit_tiny.onnx --data cups/ --task cups --state robot1.state \\
      --bundle cups.bundle --key robot1.key
  perennial bundle show cups.bundle
  perennial bundle import cups.bundle --trust robot1.key.pub --backbone vit_tiny.onnx --state robot2.state --dry-run
  perennial bundle import cups.bundle --trust keys/ --backbone vit_tiny.onnx --state robot2.state";

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    match &args.command {
        Command::Keygen(args) => keys::run(global, args),
        Command::Export(args) => export::run(global, args),
        Command::Show(args) => show::run(global, args),
        Command::Verify(args) => show::verify(global, args),
        Command::Import(args) => import::run(global, args),
    }
}

/// Seconds since 1970; 0 on a clock that is not set.
pub(super) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |passed| passed.as_secs())
}
