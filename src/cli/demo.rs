//! The demonstration.

use super::Global;
use crate::error::Result;

/// Options of `demo`.
#[derive(clap::Args, Default)]
pub struct Args {}

/// Runs the command.
pub fn run(_: &Global, _: &Args) -> Result<()> {
    Ok(())
}
