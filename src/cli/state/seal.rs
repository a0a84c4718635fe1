//! `perennial state keygen` and `seal`.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Global, show};
use crate::error::Result;
use crate::store::{Place, StateKey};

/// Options of `keygen`.
#[derive(clap::Args)]
pub struct KeyArgs {
    /// File of the key, which must not exist
    path: PathBuf,
}

/// Options of `seal`.
#[derive(clap::Args)]
pub struct Args {
    /// A state: a file, or partition:PATH
    place: Place,
    /// Key that encrypts it from now on
    #[arg(long, value_name = "FILE")]
    state_key: PathBuf,
    /// Key that it is encrypted with so far [default: it is not encrypted]
    #[arg(long, value_name = "FILE")]
    old_key: Option<PathBuf>,
}

/// Makes a key.
pub fn keygen(global: &Global, args: &KeyArgs) -> Result<()> {
    let key = StateKey::generate()?;
    key.save(&args.path)?;
    let name = key.name()?;
    if global.json {
        return show::json(&json!({ "key": args.path, "name": name }));
    }
    println!(
        "{}: key {name}; who has it reads what it encrypts, and without it nobody does",
        args.path.display()
    );
    Ok(())
}

/// Encrypts a state. What was done half when the power went is done by the same command again.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let old = args.old_key.as_deref().map(StateKey::read).transpose()?;
    let key = StateKey::read(&args.state_key)?;
    let name = key.name()?;
    let erased = args.place.clone().sealed(key.taking_over(old)).reseal()?;
    if global.json {
        return show::json(&json!({ "state": args.place, "name": name, "older_states_erased": erased }));
    }
    match erased {
        true => println!("{}: encrypted with key {name}; no byte of older states is left", args.place),
        false => println!(
            "{}: encrypted with key {name}; the old file's bytes stay on its medium until something overwrites them",
            args.place
        ),
    }
    Ok(())
}
