//! `perennial bundle show` and `verify`.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::super::{Global, show};
use super::now;
use crate::bundle::{Bundle, Trust};
use crate::error::{Context, Result};

/// Options of `show`.
#[derive(clap::Args)]
pub struct Args {
    /// A bundle
    path: PathBuf,
}

/// Options of `verify`.
#[derive(clap::Args)]
pub struct VerifyArgs {
    /// A bundle
    path: PathBuf,
    /// A file of public keys, or a folder of files *.pub
    #[arg(long)]
    trust: PathBuf,
}

/// Shows a bundle.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let bundle = Bundle::read(&args.path)?;
    if global.json {
        return show::json(&document(&bundle));
    }
    let content = bundle.content();
    println!("id             {}", bundle.id());
    println!("maker          {}", bundle.maker());
    println!("task           {:?}, number {}", content.task, content.counter);
    for label in &content.labels {
        println!(
            "class          {}{}",
            label.name,
            label.uri.as_ref().map(|uri| format!("  <{uri}>")).unwrap_or_default()
        );
    }
    println!("pictures       {}", content.images);
    if let Some(accuracy) = content.accuracy {
        println!("accuracy       {:.1} %, as its maker says", f64::from(accuracy) / 10.0);
    }
    println!("backbone       {}", content.backbone);
    println!("preprocessing  {}", content.preprocessing);
    println!("space          {} ({})", content.space, content.strategy);
    println!("created        {}, by {}", date(content.created), content.made_by);
    match content.expires {
        Some(end) => println!(
            "expires        {}, {} days from now",
            date(end),
            (i128::from(end) - i128::from(now())) / 86_400
        ),
        None => println!("expires        never"),
    }
    if !content.note.is_empty() {
        println!("note           {}", content.note);
    }
    println!("size           {}", show::mib(bundle.bytes().len()));
    Ok(())
}

/// Checks a bundle.
pub fn verify(global: &Global, args: &VerifyArgs) -> Result<()> {
    let trust = Trust::read(&args.trust)?;
    let place = || args.path.display().to_string();
    let bundle = Bundle::read(&args.path)?;
    let maker = trust.name(bundle.maker()).at(place)?;
    if bundle.content().expires.is_some_and(|end| now() > end) {
        return Err(crate::err!(Mismatch, "it has expired; ask its maker for a new version").at(place()));
    }
    if global.json {
        return show::json(&json!({ "id": bundle.id(), "maker": maker, "key": bundle.maker().to_string() }));
    }
    println!("{}: intact, signed by {maker}, not expired", args.path.display());
    println!("  id {}; whether it suits a state says `perennial bundle import --dry-run`", bundle.id());
    Ok(())
}

/// `2026-11-21T09:12:43Z`; the number itself for a time that no calendar has.
fn date(seconds: u64) -> String {
    const YEAR_9999: u64 = 253_402_300_799;
    match seconds {
        ..=YEAR_9999 => {
            humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
        }
        _ => format!("{seconds} s after 1970"),
    }
}

fn document(bundle: &Bundle) -> Value {
    let content = bundle.content();
    json!({
        "id": bundle.id(), "maker": bundle.maker().to_string(), "task": content.task, "counter": content.counter,
        "labels": content.labels, "images": content.images, "accuracy": content.accuracy.map(|a| f64::from(a) / 10.0),
        "backbone": content.backbone, "preprocessing": content.preprocessing, "space": content.space,
        "strategy": content.strategy, "created": content.created, "expires": content.expires, "note": content.note,
        "made_by": content.made_by, "bytes": bundle.bytes().len(),
    })
}
