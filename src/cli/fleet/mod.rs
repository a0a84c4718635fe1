//! `perennial fleet`: tasks between devices.

mod join;
mod list;
mod publish;
mod reach;
mod simulate;
mod status;
mod withdraw;

use std::path::PathBuf;

use clap::Subcommand;

use super::Global;
use crate::bundle::Trust;
use crate::error::Result;
use crate::fleet::{Limits, Shelf};
use crate::learner::Digest;

/// Options of `fleet`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put a bundle on this device's shelf, from where others fetch it
    Publish(publish::Args),
    /// Exchange bundles with others, and take over what they learned
    Join(Box<join::Args>),
    /// What is on the shelf, and whose it is
    List(list::Args),
    /// Take a task back: every device that hears of it erases it, and none takes it over later
    Withdraw(withdraw::Args),
    /// Who can be reached, and what they have
    Status(status::Args),
    /// How bundles would spread among a hundred to a million devices, and what fills first
    Simulate(simulate::Args),
}

const EXAMPLES: &str = "\
A shelf is a folder: bundles of this device and of others, which it passes on. Devices reach each other by Zenoh (--connect, --listen; on a LAN they
find each other), or by a folder that goes from one to the next (--via).

Examples:
  perennial bundle keygen robot1.key
  perennial learn --backbone vit_tiny.onnx --data cups/ --task cups --state robot1.state --bundle cups.bundle --key robot1.key
  perennial fleet publish cups.bundle --key robot1.key --shelf shelf/
  perennial fleet join --shelf shelf/ --trust keys/ --site hall-2 --backbone vit_tiny.onnx --state robot1.state
  perennial fleet join --shelf shelf/ --trust keys/ --site hall-2 --backbone vit_tiny.onnx --connect tls/router.example:7447 --config zenoh.json5
  perennial fleet join --shelf shelf/ --trust keys/ --site hall-2 --backbone vit_tiny.onnx --via /media/stick --once
  perennial fleet list --shelf shelf/
  perennial fleet withdraw cups --key robot1.key --shelf shelf/";

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    match &args.command {
        Command::Publish(args) => publish::run(global, args),
        Command::Join(args) => join::run(global, args),
        Command::List(args) => list::run(global, args),
        Command::Withdraw(args) => withdraw::run(global, args),
        Command::Status(args) => status::run(global, args),
        Command::Simulate(args) => simulate::run(global, args),
    }
}

/// The shelf, and whom it believes.
#[derive(clap::Args, Clone, Debug)]
struct Held {
    /// Folder of this device's bundles and of those that it passes on
    #[arg(long, value_name = "DIR")]
    shelf: PathBuf,
    /// A file of public keys, or a folder of files *.pub; what others sign counts for nothing
    #[arg(long)]
    trust: Option<PathBuf>,
    /// Most bundles on the shelf
    #[arg(long, default_value_t = Limits::default().bundles, value_name = "N")]
    max_bundles: usize,
    /// Most bytes of bundles on the shelf
    #[arg(long, default_value = "256MiB", value_name = "SIZE")]
    max_bytes: bytesize::ByteSize,
}

impl Held {
    fn open(&self, backbone: Option<Digest>) -> Result<Shelf> {
        let trust = self.trust.as_deref().map(Trust::read).transpose()?.unwrap_or_default();
        let bytes = self.max_bytes.as_u64();
        let limits = Limits { bundles: self.max_bundles, bytes, ..Limits::default() };
        Shelf::open(&self.shelf, backbone.map(|digest| digest.0), trust, limits, super::bundle::now())
    }
}
