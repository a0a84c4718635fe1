//! `perennial format`: a raw partition made ready for its first state.

use bytesize::ByteSize;
use serde_json::json;

use super::{Global, show};
use crate::error::Result;
use crate::store::Place;

/// Options of `format`.
#[derive(clap::Args)]
pub struct Args {
    /// The partition, as partition:PATH
    place: Place,
    /// Make an image of this size, such as 16MB, where nothing lies yet
    #[arg(long, value_name = "SIZE")]
    create: Option<ByteSize>,
    /// Erase what a partition holds
    #[arg(long)]
    erase: bool,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    if args.create.is_none() && !args.erase {
        crate::bail!(
            InvalidArgument,
            "formatting erases everything on {}; say --erase if that is meant, or --create SIZE for a new image",
            args.place
        );
    }
    let slot = args.place.format(args.create.map(|size| size.as_u64()))?;
    if global.json {
        return show::json(&json!({ "place": args.place, "largest_state": slot }));
    }
    println!("{}: ready for states of up to {}", args.place, show::mib(slot as usize));
    Ok(())
}
