//! The measuring process: reads its case, and runs when told to.

use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

use super::super::{Global, options};
use super::process::Answer;
use crate::backbone::Backbone;
use crate::engine::{self, Engine};
use crate::error::{Context, Result};
use crate::eval::memory;
use crate::measure::{Case, Subject};

/// Serves standard input until it ends.
pub fn serve(global: &Global) -> Result<()> {
    let mut lines = std::io::stdin().lines();
    let Some(first) = lines.next().transpose().at(|| "reading the case".into())? else { return Ok(()) };
    let mut subject = match ready(global, &first) {
        Ok((subject, answer)) => {
            say(&answer)?;
            subject
        }
        Err(e) => return refuse(&e),
    };
    for request in lines {
        request.at(|| "reading a request".into())?;
        let start = Instant::now();
        match subject.run() {
            Ok(()) => say(&Answer { seconds: Some(start.elapsed().as_secs_f64()), ..Answer::default() })?,
            Err(e) => return refuse(&e),
        }
    }
    say(&Answer { peak_bytes: memory::peak_rss_bytes(), ..Answer::default() })
}

fn ready(global: &Global, line: &str) -> Result<(Subject, Answer)> {
    let case: Case = serde_json::from_str(line).map_err(|e| crate::err!(Parse, "the case: {e}"))?;
    let start = Instant::now();
    let backbone = backbone_of(global, &case)?;
    let load = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let subject = Subject::new(&case, &backbone, engine_of(global, &case)?.as_ref())?;
    let compile = start.elapsed().as_secs_f64();
    Ok((subject, Answer { load: Some(load), compile: Some(compile), ..Answer::default() }))
}

/// The backbone of a case.
pub(super) fn backbone_of(global: &Global, case: &Case) -> Result<Backbone> {
    options::backbone(&Global { image_size: case.image_size, ..global.clone() }, &case.backbone)
}

/// The engine as the learner gets it, or with `@T` on `T` threads of its own.
pub(super) fn engine_of(global: &Global, case: &Case) -> Result<Arc<dyn Engine>> {
    match case.engine.split_once('@') {
        Some((name, threads)) => {
            let number = threads.parse();
            let threads = number.map_err(|_| {
                crate::err!(InvalidArgument, "{:?}: threads after @ are a number", case.engine)
            })?;
            engine::by_name(name, threads)
        }
        None => options::engine(&Global { engine: case.engine.clone(), ..global.clone() }),
    }
}

fn refuse(error: &crate::Error) -> Result<()> {
    say(&Answer { error: Some(error.to_string()), ..Answer::default() })
}

fn say(answer: &Answer) -> Result<()> {
    let text = serde_json::to_string(answer).map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).at(|| "answering".into())
}
