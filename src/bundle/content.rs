//! What a bundle says, all of it signed.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::key::PublicKey;
use crate::error::Result;
use crate::frame::Preprocess;
use crate::learner::{Digest, Lesson, State};

/// Longest name or note, in bytes.
const MAX_TEXT: usize = 1024;
/// Most classes.
const MAX_CLASSES: usize = 4096;

/// A class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Its name, under which it is answered.
    pub name: String,
    /// What it means, for people and catalogues: `https://www.wikidata.org/entity/Q81727`.
    pub uri: Option<String>,
}

/// SHA-256 of how pictures become pixels: what two devices have to have in common.
///
/// # Errors
/// [`Bug`](crate::ErrorKind::Bug) where it cannot be encoded.
pub fn preprocessing(preprocess: &Preprocess) -> Result<[u8; 32]> {
    Ok(Sha256::digest(crate::store::encoded(preprocess)?).into())
}

/// What the versions of a task have in common: a hash of its maker's public key and of the SHA-256 of its name, so that it can be kept and
/// spoken of when the task is forgotten.
pub fn source(maker: &[u8; 32], task: Digest) -> Digest {
    Digest(Sha256::new().chain_update(maker).chain_update(task.0).finalize().into())
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Content {
    /// Name of the task.
    pub task: String,
    /// Its classes.
    pub labels: Vec<Label>,
    /// SHA-256 of the backbone.
    pub backbone: Digest,
    /// SHA-256 of how pictures become pixels, as the maker describes it.
    pub preprocessing: Digest,
    /// SHA-256 of the space of features.
    pub space: Digest,
    /// Name of the strategy, for people; the space decides.
    pub strategy: String,
    /// Grows with every version of this maker's task.
    pub counter: u64,
    /// Seconds since 1970 when it was made.
    pub created: u64,
    /// Seconds since 1970 after which it is refused.
    pub expires: Option<u64>,
    /// Images that the statistics were made from.
    pub images: u64,
    /// Accuracy that the maker measured, in thousandths.
    pub accuracy: Option<u16>,
    /// Where it comes from, in the maker's words.
    pub note: String,
    /// Program and version that made it.
    pub made_by: String,
    /// The lesson, postcard.
    pub(super) lesson: Vec<u8>,
}

impl Content {
    /// What is signed of `lesson`, which was learned on top of `state`, with plain labels and nothing more said.
    ///
    /// # Errors
    /// As [`State::can_share`], and [`InvalidArgument`](crate::ErrorKind::InvalidArgument) beyond the limits.
    pub fn new(lesson: &Lesson, state: &State, backbone: [u8; 32], preprocessing: [u8; 32]) -> Result<Self> {
        state.can_share()?;
        let label = |name: &String| Label { name: name.clone(), uri: None };
        Ok(Self {
            task: lesson.name.clone(),
            labels: lesson.classes.iter().map(label).collect(),
            backbone: Digest(backbone),
            preprocessing: Digest(preprocessing),
            space: space(state)?,
            strategy: state.strategy.clone(),
            counter: 1,
            created: 0,
            expires: None,
            images: lesson.images,
            accuracy: None,
            note: String::new(),
            made_by: concat!("perennial ", env!("CARGO_PKG_VERSION")).into(),
            lesson: encoded(lesson)?,
        })
    }

    /// What the versions of this maker's task have in common; see [`source`].
    pub fn source(&self, maker: &PublicKey) -> Digest {
        source(&maker.bytes(), Digest(Sha256::digest(&self.task).into()))
    }

    /// The lesson, which must be of the task and classes that the content names.
    ///
    /// # Errors
    /// [`Parse`](crate::ErrorKind::Parse) for bytes that are none, [`Corrupt`](crate::ErrorKind::Corrupt) for one of another task.
    pub fn lesson(&self) -> Result<Lesson> {
        let (lesson, rest): (Lesson, _) = postcard::take_from_bytes(&self.lesson)
            .map_err(|e| crate::err!(Parse, "the lesson cannot be read; ask for it anew").caused_by(e))?;
        let same = lesson.name == self.task
            && lesson.images == self.images
            && lesson.classes.iter().eq(self.labels.iter().map(|label| &label.name));
        match same && rest.is_empty() {
            true => Ok(lesson),
            false => {
                Err(crate::err!(Corrupt, "the lesson is not the one that the bundle names; ask for it anew"))
            }
        }
    }

    /// Refuses what is too long or has no name.
    pub(super) fn check(&self) -> Result<()> {
        let texts = [&self.task, &self.strategy, &self.note, &self.made_by];
        let labels = self.labels.iter().flat_map(|label| [Some(&label.name), label.uri.as_ref()]).flatten();
        let mut all = texts.into_iter().chain(labels);
        if all.any(|text| text.len() > MAX_TEXT || text.chars().any(char::is_control)) {
            crate::bail!(
                InvalidArgument,
                "a name or note of more than {MAX_TEXT} bytes, or with control characters"
            );
        }
        let unnamed = self.task.is_empty() || self.labels.iter().any(|label| label.name.is_empty());
        if unnamed || self.labels.is_empty() || self.labels.len() > MAX_CLASSES {
            crate::bail!(
                InvalidArgument,
                "a task of {} classes; it needs a name, and 1 to {MAX_CLASSES} classes with names",
                self.labels.len()
            );
        }
        Ok(())
    }
}

/// SHA-256 of the space of features of `state`.
pub(super) fn space(state: &State) -> Result<Digest> {
    Ok(Digest(Sha256::digest(encoded(&state.space()?)?).into()))
}

pub(super) fn encoded<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|e| crate::err!(Bug, "postcard refused a value").caused_by(e))
}
