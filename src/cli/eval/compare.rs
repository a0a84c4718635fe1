//! `perennial compare`: finished runs as one page and one table. Nothing is run.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::Global;
use super::job::Record;
use crate::error::{Context, Result};
use crate::report::{self, Comparison, LossCurve, Report};

/// Options of `compare`.
#[derive(clap::Args)]
pub struct Args {
    /// Folders that `eval --out` filled, or single files of theirs
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// Where report.html and table.md go
    #[arg(long, default_value = ".", value_name = "DIR")]
    out: PathBuf,
    /// Title of the page
    #[arg(long, default_value = "Runs compared")]
    title: String,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    // The name of a file holds the hash of its run: a copy in another folder is the same run.
    let mut records = BTreeMap::new();
    for path in &args.runs {
        for file in files(path)? {
            records.insert(file.file_name().map(OsStr::to_os_string), Record::read(&file)?);
        }
    }
    let records: Vec<Record> = records.into_values().collect();
    if records.is_empty() {
        crate::bail!(NotFound, "no finished run in {:?}; make some with perennial eval --out DIR", args.runs);
    }
    std::fs::create_dir_all(&args.out).at(|| args.out.display().to_string())?;
    let page = args.out.join("report.html");
    let comparison = comparison(&records, &args.title);
    report::write_comparison(&comparison, &page)?;
    finish(global, &comparison, &page, &args.out.join("table.md"))
}

/// The JSON files of a folder, sorted; a file is itself.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.into()]);
    }
    let list = || -> std::io::Result<Vec<PathBuf>> {
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut files = list().at(|| path.display().to_string())?;
    files.retain(|file| file.extension().is_some_and(|e| e == "json"));
    files.sort();
    Ok(files)
}

/// Page and table of the runs of one command: of a single run, its own page.
pub fn write(global: &Global, records: &[Record], page: &Path, table: &Path) -> Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let comparison = comparison(records, "");
    match records {
        [one] => report::write(&single(one), page)?,
        _ => report::write_comparison(&comparison, page)?,
    }
    finish(global, &comparison, page, table)
}

fn finish(global: &Global, comparison: &Comparison, page: &Path, table: &Path) -> Result<()> {
    let text = report::markdown(comparison);
    std::fs::write(table, &text).at(|| table.display().to_string())?;
    if !global.json {
        println!("{text}");
        eprintln!("report: {}\ntable: {}", page.display(), table.display());
    }
    Ok(())
}

fn comparison(records: &[Record], title: &str) -> Comparison {
    let runs: Vec<_> = records.iter().map(|r| r.result.clone()).collect();
    let title = match (title.is_empty(), runs.first()) {
        (true, Some(first)) => format!("Strategies on {}", first.stream_name()),
        _ => title.into(),
    };
    let command = std::env::args().collect::<Vec<_>>().join(" ");
    Comparison { title, command, runs, ..Comparison::default() }
}

fn single(record: &Record) -> Report {
    let Record { result, trace } = record;
    Report {
        title: format!("{} on {}", result.strategy, result.stream_name()),
        command: result.provenance.command.clone(),
        results: vec![result.clone()],
        loss: LossCurve { loss: trace.loss.clone(), task_starts: trace.task_starts.clone() },
        ..Report::default()
    }
}
