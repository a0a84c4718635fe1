//! A data set as a list of references, decoded on demand.
//!
//! Invariant: `sample.class < classes.len()`; within one class (and task), samples keep their file order, so "the first
//! n" means the same everywhere.
//!
//! What it does not do: know about the order of tasks (see [`crate::eval::scenario`]) or keep decoded pictures.

use std::collections::BTreeMap;
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use rayon::prelude::*;

use super::{Layout, Picture, Preprocess, cifar, folder};
use crate::error::{Context, Error, Result};
use crate::frame::Scratch;
use crate::{bail, err};

/// A picture on the medium, with its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Index into [`Dataset::classes`].
    pub class: usize,
    /// Index into [`Dataset::tasks`], where the folders say.
    pub task: Option<usize>,
    /// Where the pixels are.
    pub(super) origin: Origin,
}

/// Where the pixels of a sample are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A file of its own.
    File(PathBuf),
    /// Record `index` of CIFAR file `file` (see [`cifar::Tiles`]).
    Tile { file: usize, index: usize },
    /// A picture held in memory, such as a drawn one.
    Memory(Arc<Picture>),
}

/// The official halves of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// For learning.
    Train,
    /// For measuring.
    Test,
}

/// A picture that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped {}: {}", self.path.display(), self.reason)
    }
}

/// How many samples of a class (of a task) are used: the first ones in file order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of the training half; `None` for all.
    pub train_per_class: Option<usize>,
    /// Of the test half; `None` for all.
    pub test_per_class: Option<usize>,
}

impl Limits {
    /// The limit of one half.
    pub fn of(&self, split: Split) -> usize {
        let limit = match split {
            Split::Train => self.train_per_class,
            Split::Test => self.test_per_class,
        };
        limit.unwrap_or(usize::MAX)
    }
}

/// `cifar100:DIR` or `folder:DIR`, as given on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataSpec {
    /// CIFAR-100 (or -10): binary files or one WebP sheet per class.
    Cifar(PathBuf),
    /// `{train,test}/<class>/` or `{train,test}/<task>/<class>/`.
    Folder(PathBuf),
}

impl FromStr for DataSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some(("cifar100" | "cifar10" | "cifar", dir)) => Ok(Self::Cifar(dir.into())),
            Some(("folder", dir)) => Ok(Self::Folder(dir.into())),
            _ => bail!(InvalidArgument, "{text:?} names no data set; write cifar100:DIR or folder:DIR"),
        }
    }
}

impl fmt::Display for DataSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cifar(dir) => write!(f, "cifar100:{}", dir.display()),
            Self::Folder(dir) => write!(f, "folder:{}", dir.display()),
        }
    }
}

/// Classes, tasks and samples; pictures are decoded when asked for.
#[derive(Debug, Default)]
pub struct Dataset {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Names of the tasks, where the folders give them; else empty.
    pub tasks: Vec<String>,
    /// Samples for learning.
    pub train: Vec<Sample>,
    /// Samples for measuring.
    pub test: Vec<Sample>,
    /// Files that were left out while listing.
    pub skipped: Vec<Skipped>,
    pub(super) tiles: cifar::Tiles,
}

/// Preprocessed pictures.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// `[n, 3, height, width]`.
    pub pixels: Vec<f32>,
    /// Class of each.
    pub classes: Vec<usize>,
    /// Index of each in the split it was loaded from.
    pub ids: Vec<usize>,
    /// Pictures that turned out to be unreadable; they are in none of the above.
    pub skipped: Vec<Skipped>,
}

impl Dataset {
    /// Lists the data set; `layout` says how folders are read and is ignored for CIFAR.
    ///
    /// # Errors
    /// `NotFound` for a missing folder or one without classes or pictures; as the readers.
    pub fn open(spec: &DataSpec, layout: Layout, limits: Limits) -> Result<Self> {
        let opened = match spec {
            DataSpec::Cifar(dir) => cifar::open(dir, limits),
            DataSpec::Folder(dir) => folder::open(dir, layout, limits),
        };
        opened.at(|| spec.to_string())
    }

    /// A data set of pictures held in memory: `(class, picture)` for each half.
    ///
    /// # Errors
    /// `InvalidArgument` for a class beyond `classes`.
    pub fn from_pictures(
        classes: Vec<String>,
        train: Vec<(usize, Picture)>,
        test: Vec<(usize, Picture)>,
    ) -> Result<Self> {
        let wrap = |pictures: Vec<(usize, Picture)>| {
            let samples = pictures.into_iter().map(|(class, picture)| {
                if class >= classes.len() {
                    bail!(InvalidArgument, "class {class} of {}", classes.len());
                }
                Ok(Sample { class, task: None, origin: Origin::Memory(Arc::new(picture)) })
            });
            samples.collect::<Result<Vec<_>>>()
        };
        let (train, test) = (wrap(train)?, wrap(test)?);
        Ok(Self { classes, train, test, ..Self::default() })
    }

    /// Samples of one half.
    pub fn samples(&self, split: Split) -> &[Sample] {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }

    /// Decodes a sample of this data set.
    ///
    /// # Errors
    /// `NotFound`, `Io` or `Parse`, with the path.
    pub fn picture(&self, sample: &Sample) -> Result<Picture> {
        match &sample.origin {
            Origin::File(path) => Picture::open(path),
            Origin::Tile { file, index } => self.tiles.picture(*file, *index),
            Origin::Memory(picture) => Ok(Picture::clone(picture)),
        }
    }

    /// A name for a sample: its path, or the path of its sheet and its place there.
    pub fn name(&self, sample: &Sample) -> PathBuf {
        match &sample.origin {
            Origin::File(path) => path.clone(),
            Origin::Tile { file, index } => self.tiles.name(*file, *index),
            Origin::Memory(_) => PathBuf::from("(in memory)"),
        }
    }

    /// `(width, height)` shared by all pictures, where the layout guarantees one.
    pub fn picture_size(&self) -> Option<(u32, u32)> {
        (!self.tiles.is_empty()).then_some((cifar::SIDE, cifar::SIDE))
    }

    /// Decodes and preprocesses the samples `ids` of one half, on rayon's threads, in the order of `ids`.
    ///
    /// # Errors
    /// `InvalidArgument` for an id out of range or a preprocessing without a fixed size. An unreadable picture is no
    /// error: it is left out and listed in [`Batch::skipped`].
    pub fn load(&self, split: Split, ids: &[usize], preprocess: &Preprocess) -> Result<Batch> {
        let size = preprocess.output_len()?;
        let samples = self.samples(split);
        let sample = |id: usize| {
            samples
                .get(id)
                .ok_or_else(|| err!(InvalidArgument, "sample {id} of {} in {split:?}", samples.len()))
        };
        let chosen = ids.iter().map(|&id| sample(id)).collect::<Result<Vec<_>>>()?;
        let mut batch = Batch { pixels: vec![0.0; size * ids.len()], ..Batch::default() };
        let results: Vec<Result<()>> = chosen
            .par_iter()
            .zip(batch.pixels.par_chunks_exact_mut(size))
            .map_init(Scratch::new, |scratch, (sample, out)| {
                preprocess.write(&self.picture(sample)?.frame()?, scratch, out)
            })
            .collect();
        for (at, result) in results.into_iter().enumerate() {
            match result {
                Ok(()) => {
                    let kept = batch.ids.len();
                    batch.pixels.copy_within(at * size..(at + 1) * size, kept * size);
                    batch.ids.push(ids[at]);
                    batch.classes.push(chosen[at].class);
                }
                Err(e) => batch.skipped.push(Skipped { path: self.name(chosen[at]), reason: e.to_string() }),
            }
        }
        batch.pixels.truncate(batch.ids.len() * size);
        Ok(batch)
    }

    /// Replaces the test half by the last `share` of the training pictures of every class and task, and takes them out
    /// of the training half: for tuning without a look at the test pictures.
    ///
    /// # Errors
    /// `InvalidArgument` unless `0 < share < 1`.
    pub fn hold_out(&mut self, share: f64) -> Result<()> {
        if !(share > 0.0 && share < 1.0) {
            bail!(InvalidArgument, "a share of {share} cannot be held out; give one between 0 and 1");
        }
        let mut groups: BTreeMap<(usize, Option<usize>), Vec<Sample>> = BTreeMap::new();
        for sample in std::mem::take(&mut self.train) {
            groups.entry((sample.class, sample.task)).or_default().push(sample);
        }
        self.test.clear();
        for mut group in groups.into_values() {
            let held = ((group.len() as f64 * share).round() as usize).min(group.len().saturating_sub(1));
            self.test.extend(group.split_off(group.len() - held));
            self.train.extend(group);
        }
        Ok(())
    }

    /// Decodes every picture once and moves the unreadable ones to [`Dataset::skipped`], so that nothing fails
    /// later. Worth its time on the small folders that a device learns from.
    ///
    /// # Errors
    /// `NotFound` when a class has no readable training picture left.
    pub fn verify(&mut self) -> Result<()> {
        for split in [Split::Train, Split::Test] {
            let check = |sample: &Sample| self.picture(sample).err().map(|e| e.to_string());
            let verdicts: Vec<Option<String>> = self.samples(split).par_iter().map(check).collect();
            let had = self.classes_in(split);
            let mut kept = Vec::new();
            for (sample, verdict) in self.samples(split).to_vec().into_iter().zip(verdicts) {
                match verdict {
                    None => kept.push(sample),
                    Some(reason) => self.skipped.push(Skipped { path: self.name(&sample), reason }),
                }
            }
            match split {
                Split::Train => self.train = kept,
                Split::Test => self.test = kept,
            }
            let lost = had.difference(&self.classes_in(split)).next().copied();
            if let (Some(class), Split::Train) = (lost, split) {
                bail!(NotFound, "no readable picture of class {:?} is left", self.classes[class]);
            }
        }
        Ok(())
    }

    fn classes_in(&self, split: Split) -> std::collections::BTreeSet<usize> {
        self.samples(split).iter().map(|sample| sample.class).collect()
    }
}
