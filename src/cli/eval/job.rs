//! One run: what it is called, and the files in which it ends.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Context, Result};
use crate::eval::{EvalResult, Trace};

/// What differs between the runs of one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Name of the strategy.
    pub strategy: String,
    /// A file, a seed, or `listed`.
    pub order: String,
    /// Of everything else that is random.
    pub seed: u64,
}

impl Job {
    /// The order without its folder and ending.
    pub fn order_name(&self) -> String {
        let stem = Path::new(&self.order).file_stem().map(|s| s.to_string_lossy().into_owned());
        stem.unwrap_or_else(|| self.order.clone())
    }

    /// Whether it sees all classes as one task, whatever reads its features.
    pub fn is_joint(&self) -> bool {
        self.strategy.split('+').next() == Some("joint")
    }
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} order {} seed {}", self.strategy, self.order_name(), self.seed)
    }
}

/// A finished run as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Facts and figures.
    #[serde(flatten)]
    pub result: EvalResult,
    /// Loss of every step.
    #[serde(default)]
    pub trace: Trace,
}

impl Record {
    /// Reads a finished run.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).at(|| path.display().to_string())?;
        serde_json::from_str(&text).map_err(|e| {
            crate::err!(Parse, "{} is no run of `perennial eval`; move it away", path.display()).caused_by(e)
        })
    }
}

/// A job with everything that is known before it runs.
pub struct Case {
    /// What to run.
    pub job: Job,
    /// Data, backbone, settings, provenance.
    pub facts: EvalResult,
    folder: PathBuf,
    stem: String,
}

impl Case {
    /// The files of `job` in `folder` are named by what a reader looks for and a hash of all that decides the figures.
    pub fn new(job: Job, facts: EvalResult, folder: &Path) -> Result<Self> {
        let p = &facts.provenance;
        let decides = (
            (&job.strategy, job.seed, &p.order_list, facts.scenario, p.online, p.blur.to_bits()),
            (&facts.config, &p.engine, &p.backbone_sha256, &p.data_sha256, &p.preprocessing),
        );
        let text = serde_json::to_string(&decides).map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
        let hash = hex::encode(&Sha256::digest(text)[..4]);
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = format!("{}-order-{}-seed-{}", job.strategy, job.order_name(), job.seed);
        let stem = format!("{}-{hash}", name.chars().map(plain).collect::<String>());
        Ok(Self { job, facts, folder: folder.into(), stem })
    }

    /// Where the finished run is.
    pub fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.stem))
    }

    /// Where an unfinished run goes on.
    pub fn part(&self) -> PathBuf {
        self.folder.join(format!("{}.part", self.stem))
    }

    /// Names run and program: a state that another program wrote may mean something else.
    pub fn identity(&self) -> String {
        format!("{} {}", self.stem, self.facts.provenance.program_sha256)
    }

    /// Whether the run is finished.
    pub fn is_done(&self) -> bool {
        self.path().exists()
    }

    /// The finished run.
    pub fn read(&self) -> Result<Record> {
        Record::read(&self.path())
    }

    /// Stores the finished run, whole or not at all, and drops its checkpoint.
    pub fn finish(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_string(record).map_err(|e| crate::err!(Bug, "JSON: {e}"))?;
        let (path, part) = (self.path(), self.path().with_extension("json.tmp"));
        std::fs::write(&part, text + "\n").at(|| part.display().to_string())?;
        std::fs::rename(&part, &path).at(|| path.display().to_string())?;
        gone(&self.part())
    }

    /// Removes what is there of the run.
    pub fn forget(&self) -> Result<()> {
        gone(&self.path())?;
        gone(&self.part())
    }
}

fn gone(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).at(|| path.display().to_string()),
        _ => Ok(()),
    }
}
