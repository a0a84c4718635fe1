//! Folders of pictures.
//!
//! ```text
//! DIR/<class>/*.jpg                    image_folder: what a device learns from
//! DIR/{train,test}/<class>/*.jpg       open, Layout::Classes
//! DIR/{train,test}/<task>/<class>/*    open, Layout::Tasks
//! ```
//!
//! Endings `jpg jpeg png webp bmp` in any case; names that start with a dot are ignored; everything is sorted by name.
//! A file whose header is no picture's is reported in [`Dataset::skipped`], never fatal; an empty class is an error,
//! because learning it would silently do nothing.
//!
//! Two tasks may both have a folder `dog`. Whether that is the same class in another domain (PACS) or another class of
//! the same name (`character01` of two alphabets) the folders cannot say: [`ClassNames`] does.

use std::{collections::BTreeMap, fs, path::Path, path::PathBuf};

use super::dataset::Origin;
use super::{Dataset, Limits, Picture, Sample, Skipped, Split};
use crate::error::{Context, Result};
use crate::{bail, err};

const ENDINGS: [&str; 5] = ["jpg", "jpeg", "png", "webp", "bmp"];

/// Whether equal folder names in two tasks mean one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassNames {
    /// They do: the same classes in other domains. Named `class`.
    Shared,
    /// They do not: every task brings its own. Named `task/class`.
    PerTask,
}

/// What lies between `train` or `test` and the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Class folders.
    Classes,
    /// Task folders with class folders in them.
    Tasks(ClassNames),
}

/// Lists `dir/<class>/*` as training samples.
///
/// # Errors
/// `NotFound` when `dir` is no folder, holds no class folder, or a class holds no readable picture.
pub fn image_folder(dir: &Path) -> Result<Dataset> {
    let mut reader = Reader::new(Limits::default());
    reader.classes(dir, Split::Train, None, "")?;
    reader.finish()
}

/// Lists `dir/train` and `dir/test` in the given layout.
///
/// # Errors
/// As [`image_folder`]; `NotFound` also for a class or a task that is tested but has no training folder.
pub fn open(dir: &Path, layout: Layout, limits: Limits) -> Result<Dataset> {
    let mut reader = Reader::new(limits);
    for (split, name) in [(Split::Train, "train"), (Split::Test, "test")] {
        let half = dir.join(name);
        if !half.is_dir() {
            bail!(NotFound, "no folder {}; the layout is {{train,test}}/<class>/<picture>", half.display());
        }
        match layout {
            Layout::Classes => reader.classes(&half, split, None, "")?,
            Layout::Tasks(names) => reader.tasks(&half, split, names)?,
        }
    }
    reader.finish()
}

struct Reader {
    limits: Limits,
    dataset: Dataset,
    class_ids: BTreeMap<String, usize>,
}

impl Reader {
    fn new(limits: Limits) -> Self {
        Self { limits, dataset: Dataset::default(), class_ids: BTreeMap::new() }
    }

    fn tasks(&mut self, half: &Path, split: Split, names: ClassNames) -> Result<()> {
        for (name, path) in folders(half)? {
            let known = self.dataset.tasks.iter().position(|task| *task == name);
            let task = match (known, split) {
                (Some(task), _) => task,
                (None, Split::Train) => {
                    self.dataset.tasks.push(name.clone());
                    self.dataset.tasks.len() - 1
                }
                (None, Split::Test) => {
                    bail!(NotFound, "task {name:?} is tested but has no folder under train")
                }
            };
            let prefix = if names == ClassNames::PerTask { format!("{name}/") } else { String::new() };
            self.classes(&path, split, Some(task), &prefix)?;
        }
        Ok(())
    }

    fn classes(&mut self, dir: &Path, split: Split, task: Option<usize>, prefix: &str) -> Result<()> {
        let found = folders(dir)?;
        if found.is_empty() {
            bail!(NotFound, "{} has no class folders; the layout is <class>/<picture>", dir.display());
        }
        for (name, path) in found {
            let name = format!("{prefix}{name}");
            let next = self.class_ids.len();
            let class = match (self.class_ids.get(&name), split) {
                (Some(&class), _) => class,
                (None, Split::Test) => {
                    bail!(NotFound, "class {name:?} is tested but has no folder under train")
                }
                (None, Split::Train) => {
                    self.class_ids.insert(name.clone(), next);
                    self.dataset.classes.push(name.clone());
                    next
                }
            };
            self.pictures(&path, split, class, task).at(|| format!("class {name:?}"))?;
        }
        Ok(())
    }

    fn pictures(&mut self, dir: &Path, split: Split, class: usize, task: Option<usize>) -> Result<()> {
        let mut taken = 0;
        for path in pictures(dir)? {
            if taken == self.limits.of(split) {
                break;
            }
            if let Err(e) = Picture::probe(&path) {
                self.dataset.skipped.push(Skipped { path, reason: e.to_string() });
                continue;
            }
            let sample = Sample { class, task, origin: Origin::File(path) };
            match split {
                Split::Train => self.dataset.train.push(sample),
                Split::Test => self.dataset.test.push(sample),
            }
            taken += 1;
        }
        if taken == 0 && self.limits.of(split) > 0 {
            bail!(
                NotFound,
                "{} holds no readable picture ({}); add some or remove the folder",
                dir.display(),
                ENDINGS.join(", ")
            );
        }
        Ok(())
    }

    fn finish(self) -> Result<Dataset> {
        if self.dataset.train.is_empty() {
            bail!(NotFound, "no picture found; the layout is <class>/<picture>");
        }
        Ok(self.dataset)
    }
}

/// Folders in `dir` with their names, sorted.
fn folders(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for path in entries(dir)? {
        if path.is_dir() {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| err!(Unsupported, "{} is not named in UTF-8", path.display()))?;
            found.push((name.to_string(), path));
        }
    }
    Ok(found)
}

/// Files in `dir` that end as pictures do, sorted.
fn pictures(dir: &Path) -> Result<Vec<PathBuf>> {
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
    };
    Ok(entries(dir)?.into_iter().filter(|path| is_picture(path) && !path.is_dir()).collect())
}

/// What `dir` holds, hidden names left out, sorted by name.
fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> std::io::Result<Vec<PathBuf>> { fs::read_dir(dir)?.map(|e| Ok(e?.path())).collect() };
    let mut found = list().at(|| dir.display().to_string())?;
    found.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    found.sort();
    Ok(found)
}
