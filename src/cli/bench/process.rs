//! A process that measures one case. Lines of JSON, one answer a request:
//!
//! ```text
//! > the case           < {"load": s, "compile": s}
//! > run                < {"seconds": s}               as often as wanted
//! > (end of input)     < {"peak_bytes": n}
//! ```
//!
//! Any answer may be `{"error": text}` instead. Peers in other languages speak the same (`benches/peers`).

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::{Deserialize, Serialize};

use super::Args;
use crate::error::{Context, Result};
use crate::measure::Case;

/// An answer.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Answer {
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Seconds to read the backbone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load: Option<f64>,
    /// Seconds to build and compile the work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile: Option<f64>,
    /// Seconds of one run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Largest resident set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<u64>,
}

/// The other end.
pub struct Process {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts the process of `case`, which says whether it is ready.
    pub fn start(args: &Args, case: &Case) -> Result<(Self, Answer)> {
        let mut child = command(args, case)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .at(|| format!("starting {}", case.engine))?;
        let (requests, Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            crate::bail!(Bug, "a process without pipes");
        };
        let mut process = Self { child, requests, answers: BufReader::new(answers) };
        let text = serde_json::to_string(case).map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
        let ready = process.ask(&text)?;
        Ok((process, ready))
    }

    /// Seconds of one run.
    pub fn run(&mut self) -> Result<f64> {
        let answer = self.ask("run")?;
        match (answer.seconds, answer.error) {
            (Some(seconds), None) => Ok(seconds),
            (_, error) => Err(crate::err!(Engine, "{}", error.unwrap_or_else(|| "no time was given".into()))),
        }
    }

    /// Ends the process; its peak memory.
    pub fn finish(mut self) -> Result<Option<u64>> {
        self.requests = None;
        let answer = self.answer()?;
        self.child.wait().at(|| "ending a measuring process".into())?;
        Ok(answer.peak_bytes)
    }

    fn ask(&mut self, request: &str) -> Result<Answer> {
        if let Some(requests) = &mut self.requests {
            // A process that has died says why, or nothing, in its answer.
            let _ = writeln!(requests, "{request}").and_then(|()| requests.flush());
        }
        self.answer()
    }

    fn answer(&mut self) -> Result<Answer> {
        let mut line = String::new();
        self.answers.read_line(&mut line).at(|| "reading an answer".into())?;
        if line.is_empty() {
            let error = Some("the process ended without an answer; see its messages above".to_string());
            return Ok(Answer { error, ..Answer::default() });
        }
        serde_json::from_str(&line).map_err(|e| crate::err!(Parse, "an answer {line:?}: {e}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.child.wait();
    }
}

fn command(args: &Args, case: &Case) -> Result<Command> {
    if let Some(peer) = args.peer.iter().find(|p| p.name == case.engine) {
        let mut words = peer.value.split_whitespace();
        let program = words
            .next()
            .ok_or_else(|| crate::err!(InvalidArgument, "peer {:?} has no command", peer.name))?;
        let mut command = Command::new(program);
        command.args(words);
        return Ok(command);
    }
    let program = std::env::current_exe().at(|| "finding this program".into())?;
    let mut command = Command::new(program);
    command.args(["bench", "--worker", "--threads", &case.threads.to_string()]);
    if let Some(library) = args.library.iter().find(|l| l.name == case.engine) {
        command.env("ORT_DYLIB_PATH", &library.value);
    }
    Ok(command)
}
