//! `perennial fleet list`.

use serde_json::{Value, json};

use super::super::{Global, show};
use super::Held;
use crate::error::Result;
use crate::fleet::{Notice, Shelf, Signed};

/// Options of `list`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    held: Held,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let shelf = args.held.open(None)?;
    if global.json {
        let bundles: Vec<Value> = shelf.notices().map(|said| document(&shelf, said)).collect();
        let withdrawals: Vec<Value> = shelf
            .withdrawals()
            .map(|said| json!({ "signer": said.maker().to_string(), "says": said.statement() }))
            .collect();
        return show::json(
            &json!({ "backbone": shelf.backbone(), "bundles": bundles, "withdrawals": withdrawals }),
        );
    }
    for said in shelf.notices() {
        let notice = said.statement();
        let names: Vec<&str> = notice.labels.iter().map(|label| label.name.as_str()).collect();
        println!(
            "{:<20} {:<16} {:>9}  {}",
            notice.task,
            maker(&shelf, said),
            show::mib(notice.bytes as usize),
            names.join(", ")
        );
    }
    println!(
        "{} bundles, {}, and {} withdrawals",
        shelf.notices().count(),
        show::mib(shelf.bytes() as usize),
        shelf.withdrawals().count()
    );
    Ok(())
}

fn maker<'s>(shelf: &'s Shelf, said: &Signed<Notice>) -> &'s str {
    shelf.trust().name(said.maker()).unwrap_or("nobody known")
}

fn document(shelf: &Shelf, said: &Signed<Notice>) -> Value {
    let notice = said.statement();
    json!({
        "id": notice.bundle, "task": notice.task, "labels": notice.labels, "counter": notice.counter, "images": notice.images,
        "bytes": notice.bytes, "expires": notice.expires, "maker": said.maker().to_string(), "name": maker(shelf, said),
        "own": shelf.is_own(said.maker()), "file": shelf.file(notice.bundle),
    })
}
