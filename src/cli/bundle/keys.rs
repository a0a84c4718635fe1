//! `perennial bundle keygen`.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Global, show};
use crate::bundle::SecretKey;
use crate::error::{Context, Result};

/// Options of `keygen`.
#[derive(clap::Args)]
pub struct Args {
    /// File of the secret key, which must not exist; the public one lies beside it as PATH.pub
    path: PathBuf,
    /// What the key's owner is called [default: the file's name]
    #[arg(long)]
    name: Option<String>,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let key = SecretKey::generate()?;
    let stem = args.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let line = key.public().line(args.name.as_ref().unwrap_or(&stem));
    let mut public = args.path.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    key.save(&args.path)?;
    std::fs::write(&public, line.clone() + "\n").at(|| public.display().to_string())?;
    if global.json {
        return show::json(
            &json!({ "secret": args.path, "public": public, "key": key.public().to_string() }),
        );
    }
    println!("{}: keep it secret; it signs bundles", args.path.display());
    println!("{}: give it to those who shall trust them", public.display());
    println!("  {line}");
    Ok(())
}
