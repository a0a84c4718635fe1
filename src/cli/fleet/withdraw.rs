//! `perennial fleet withdraw`.

use std::path::PathBuf;

use serde_json::json;

use super::super::{Global, bundle::now, show};
use super::Held;
use crate::bundle::{PublicKey, SecretKey, Trust};
use crate::error::Result;
use crate::fleet::{Shelf, Signed, Withdrawal};

/// Options of `withdraw`.
#[derive(clap::Args)]
pub struct Args {
    /// Name of the task
    task: String,
    /// Secret key of the task's maker, or of a steward
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Public key of the maker, where a steward takes back what somebody else made
    #[arg(long, value_name = "FILE")]
    maker: Option<PathBuf>,
    /// Number of the newest version that is withdrawn [default: that on the shelf, or seconds since 1970]
    #[arg(long, value_name = "N")]
    counter: Option<u64>,
    /// Why, for people; do not repeat here what is to be forgotten
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    held: Held,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let key = SecretKey::read(&args.key)?;
    let maker = match &args.maker {
        Some(path) => one(path)?,
        None => key.public(),
    };
    let mut shelf = args.held.open(None)?;
    let counter = args.counter.or_else(|| on_shelf(&shelf, &maker, &args.task)).unwrap_or_else(now);
    let mut statement = Withdrawal::of(shelf.backbone(), &maker, &args.task, counter);
    (statement.created, statement.reason) = (now(), args.reason.clone());
    let before = shelf.notices().count();
    shelf.withdraw(Signed::sign(statement, &key)?)?;
    let removed = before - shelf.notices().count();
    if global.json {
        return show::json(
            &json!({ "task": args.task, "maker": maker.to_string(), "counter": counter, "removed": removed }),
        );
    }
    println!(
        "task {:?} of {maker} is withdrawn up to number {counter}; {removed} removed from this shelf",
        args.task
    );
    println!("  others hear of it from a device that has joined (perennial fleet join)");
    if maker == key.public() {
        println!(
            "  the state that learned it keeps it until `perennial forget --state STATE --task {:?}`",
            args.task
        );
    }
    Ok(())
}

fn on_shelf(shelf: &Shelf, maker: &PublicKey, task: &str) -> Option<u64> {
    let mut own = shelf.notices().filter(|said| said.maker() == maker && said.statement().task == task);
    own.next().map(|said| said.statement().counter)
}

fn one(path: &std::path::Path) -> Result<PublicKey> {
    let keys = Trust::read(path)?;
    let mut keys = keys.makers();
    match (keys.next(), keys.next()) {
        (Some(key), None) => Ok(key.clone()),
        _ => Err(crate::err!(InvalidArgument, "{} must hold one public key, the maker's", path.display())),
    }
}
