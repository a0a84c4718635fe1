//! What a maker says when signing.

use std::path::{Path, PathBuf};

use super::now;
use crate::bundle::{Bundle, Content, SecretKey};
use crate::error::Result;
use crate::learner::Learner;

/// Options of commands that sign.
#[derive(clap::Args, Clone, Debug)]
pub struct Signing {
    /// Secret key that signs the bundle (perennial bundle keygen)
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Number of this version of the task; receivers refuse smaller ones than they have had [default: seconds since 1970]
    #[arg(long, value_name = "N")]
    counter: Option<u64>,
    /// Days after which the bundle is refused
    #[arg(long, value_name = "DAYS")]
    expires: Option<u64>,
    /// What a class means: NAME=URI; may be given more than once
    #[arg(long, value_name = "NAME=URI")]
    uri: Vec<String>,
    /// Accuracy that was measured, in percent
    #[arg(long, value_name = "PERCENT")]
    accuracy: Option<f64>,
    /// Where it comes from
    #[arg(long, default_value = "")]
    note: String,
}

impl Signing {
    /// The key, before anything else is done.
    pub fn key(&self) -> Result<SecretKey> {
        match &self.key {
            Some(path) => SecretKey::read(path),
            None => Err(crate::err!(
                InvalidArgument,
                "a bundle needs a signature; give --key FILE, made with `perennial bundle keygen FILE`"
            )),
        }
    }

    /// Signs what the task that has just ended taught `learner`, and writes it.
    pub fn write(
        &self,
        learner: &Learner,
        preprocessing: [u8; 32],
        key: &SecretKey,
        out: &Path,
    ) -> Result<Bundle> {
        let lesson = learner.lesson().ok_or_else(|| crate::err!(Bug, "a task ended without a lesson"))?;
        let mut content = Content::new(lesson, learner.state(), learner.backbone_sha256(), preprocessing)?;
        content.created = now();
        content.counter = self.counter.unwrap_or(content.created);
        content.expires =
            self.expires.map(|days| content.created.saturating_add(days.saturating_mul(86_400)));
        content.note.clone_from(&self.note);
        content.accuracy = self.accuracy.map(thousandths).transpose()?;
        for uri in &self.uri {
            let label = uri.split_once('=').and_then(|(name, uri)| {
                Some((content.labels.iter_mut().find(|label| label.name == name)?, uri))
            });
            let Some((label, uri)) = label else {
                crate::bail!(
                    InvalidArgument,
                    "--uri {uri}: write NAME=URI, with the name of a class of this task"
                )
            };
            label.uri = Some(uri.into());
        }
        let bundle = Bundle::sign(&content, key)?;
        bundle.write(out)?;
        Ok(bundle)
    }
}

fn thousandths(percent: f64) -> Result<u16> {
    match (0.0..=100.0).contains(&percent) {
        true => Ok((10.0 * percent).round() as u16),
        false => Err(crate::err!(InvalidArgument, "an accuracy of {percent} percent")),
    }
}
