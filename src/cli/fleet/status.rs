//! `perennial fleet status`.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Global, options, show};
use super::reach::Way;
use crate::error::Result;
use crate::fleet::Peer;
use crate::learner::Digest;

/// Options of `status`.
#[derive(clap::Args)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model: the others of this backbone are asked
    #[arg(long)]
    backbone: PathBuf,
    #[command(flatten)]
    way: Way,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let backbone = Digest(options::backbone(global, &args.backbone)?.sha256());
    let mut transport = args.way.open(backbone)?;
    let own = transport.site().clone();
    // This command's own index is empty, and no device's.
    let mut peers = transport.peers()?;
    peers.retain(|peer| peer.bundles + peer.withdrawals > 0 || peer.site != own);
    peers.sort_by(|a, b| (&a.site, &a.device).cmp(&(&b.site, &b.device)));
    if global.json {
        return show::json(&json!({ "backbone": backbone, "peers": peers }));
    }
    if peers.is_empty() {
        println!("nobody answers for this backbone; check --connect, and that somebody has joined");
    }
    for Peer { site, device, bundles, withdrawals } in &peers {
        let device = device.as_deref().unwrap_or("a folder");
        println!("{site:<24} {device:<34} {bundles:>5} bundles {withdrawals:>5} withdrawals");
    }
    Ok(())
}
