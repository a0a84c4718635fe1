//! Where weights outside the model file may come from.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::error::{Context, Result};

/// Bytes that a model keeps outside itself, by location and range.
pub trait External {
    /// Exactly `length` bytes of `location` from byte `offset` on. Both numbers come from an untrusted
    /// file: an implementation looks whether the bytes are there before it allocates.
    fn load(&self, location: &str, offset: u64, length: usize) -> Result<Arc<[u8]>>;
}

/// Refuses external data: for models that must stand alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoExternal;

impl External for NoExternal {
    fn load(&self, location: &str, _offset: u64, _length: usize) -> Result<Arc<[u8]>> {
        Err(crate::err!(
            Unsupported,
            "its data lies in another file, {location:?}; open the model with onnx::read, or give onnx::decode an External"
        ))
    }
}

/// External data from memory, by location: for devices without a file system.
impl External for BTreeMap<String, Vec<u8>> {
    fn load(&self, location: &str, offset: u64, length: usize) -> Result<Arc<[u8]>> {
        let data = self
            .get(location)
            .ok_or_else(|| crate::err!(NotFound, "no external data {location:?} was given"))?;
        let range = range(location, offset, length, data.len() as u64)?;
        Ok(data[range.start as usize..range.end as usize].into())
    }
}

/// External data from the files of one folder and what lies below it.
///
/// Absolute locations, `..`, and links that lead out of the folder are refused.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder that holds the model.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn open(&self, location: &str) -> Result<File> {
        let relative = Path::new(location);
        let inside = |c| matches!(c, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || !relative.components().all(inside) {
            crate::bail!(
                Parse,
                "the location is not a path inside the model's folder; move the data beside the model"
            );
        }
        let folder = self.0.canonicalize()?;
        let path = folder.join(relative).canonicalize()?;
        if !path.starts_with(&folder) {
            crate::bail!(Parse, "a link leads out of the model's folder; copy the data beside the model");
        }
        if !path.is_file() {
            crate::bail!(Parse, "not a regular file");
        }
        Ok(File::open(path)?)
    }
}

impl External for Folder {
    fn load(&self, location: &str, offset: u64, length: usize) -> Result<Arc<[u8]>> {
        let read = || {
            let mut file = self.open(location)?;
            let range = range(location, offset, length, file.metadata()?.len())?;
            file.seek(SeekFrom::Start(range.start))?;
            let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, length).collect();
            match Arc::get_mut(&mut bytes) {
                Some(slice) => file.read_exact(slice)?,
                None => crate::bail!(Bug, "a new buffer is already shared"),
            }
            Ok(bytes)
        };
        read().at(|| format!("external data {location:?}"))
    }
}

/// Loaded ranges by location and first byte.
type Loaded = BTreeMap<(PathBuf, u64), Arc<[u8]>>;

/// Loads every range once. Tensors that name the same range share it; ranges that overlap otherwise are
/// refused, so that a small model cannot make much memory out of one data file.
pub(super) struct Once<'a> {
    inner: &'a dyn External,
    loaded: RefCell<Loaded>,
}

impl<'a> Once<'a> {
    pub(super) fn new(inner: &'a dyn External) -> Self {
        Self { inner, loaded: RefCell::default() }
    }
}

impl External for Once<'_> {
    fn load(&self, location: &str, offset: u64, length: usize) -> Result<Arc<[u8]>> {
        if length == 0 {
            return self.inner.load(location, offset, length);
        }
        // `./w` is `w`.
        let file: PathBuf = Path::new(location).components().filter(|c| *c != Component::CurDir).collect();
        let mut loaded = self.loaded.borrow_mut();
        let end = offset.saturating_add(length as u64);
        // Loaded ranges do not overlap, so the last one that begins before `end` is the only candidate.
        if let Some(((_, start), bytes)) = loaded.range((file.clone(), 0)..(file.clone(), end)).next_back() {
            if (*start, bytes.len()) == (offset, length) {
                return Ok(bytes.clone());
            }
            if start + bytes.len() as u64 > offset {
                crate::bail!(
                    Parse,
                    "bytes {offset}..{end} of {location:?} belong to another tensor in part; save the model again"
                );
            }
        }
        let bytes = self.inner.load(location, offset, length)?;
        loaded.insert((file, offset), bytes.clone());
        Ok(bytes)
    }
}

/// The byte range, if a file of `have` bytes has it.
fn range(location: &str, offset: u64, length: usize, have: u64) -> Result<std::ops::Range<u64>> {
    match offset.checked_add(length as u64) {
        Some(end) if end <= have => Ok(offset..end),
        _ => Err(crate::err!(
            Parse,
            "{length} bytes at offset {offset} are wanted and {location:?} has {have}; is the file complete?"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_only_what_lies_in_it() {
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("model");
        std::fs::create_dir_all(folder.join("sub")).unwrap();
        std::fs::write(outside.path().join("secret"), b"0123456789").unwrap();
        std::fs::write(folder.join("weights"), b"0123456789").unwrap();
        std::fs::write(folder.join("sub/weights"), b"abcdefghij").unwrap();
        let external = Folder::new(&folder);
        assert_eq!(&*external.load("weights", 2, 3).unwrap(), b"234");
        assert_eq!(&*external.load("./sub/weights", 9, 1).unwrap(), b"j");
        assert_eq!(&*external.load("weights", 10, 0).unwrap(), b"");

        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path().join("secret"), folder.join("link")).unwrap();
        let absolute = outside.path().join("secret");
        let refused = [
            ("../secret", 0, 1),
            ("sub/../../secret", 0, 1),
            (absolute.to_str().unwrap(), 0, 1),
            ("link", 0, 1),
            ("sub", 0, 1),
            ("", 0, 0),
            ("absent", 0, 1),
            ("weights", 8, 3),
            ("weights", u64::MAX, 2),
            ("weights", 0, usize::MAX),
        ];
        for (location, offset, length) in refused {
            let e = external.load(location, offset, length).expect_err(location);
            assert!(e.to_string().starts_with("external data"), "{e}");
        }
    }

    #[test]
    fn ranges_are_loaded_once_and_never_in_part() {
        let map = BTreeMap::from([("w".to_string(), (0..10).collect::<Vec<u8>>())]);
        let once = Once::new(&map);
        let first = once.load("w", 2, 4).unwrap();
        assert!(Arc::ptr_eq(&first, &once.load("./w", 2, 4).unwrap()));
        for (offset, length) in [(2, 3), (2, 5), (1, 2), (5, 1), (3, 2), (0, 10)] {
            let e = once.load("w", offset, length).unwrap_err().to_string();
            assert!(e.contains("another tensor"), "{e}");
        }
        assert_eq!(&*once.load("w", 6, 4).unwrap(), [6, 7, 8, 9]);
        assert_eq!(&*once.load("w", 0, 2).unwrap(), [0, 1]);
        assert!(once.load("w", u64::MAX, 4).is_err() && once.load("w", 3, 0).unwrap().is_empty());
    }

    #[test]
    fn memory_and_nothing_as_sources() {
        let map = BTreeMap::from([("w".to_string(), vec![1, 2, 3])]);
        assert_eq!(&*map.load("w", 1, 2).unwrap(), [2, 3]);
        assert!(map.load("w", 1, 3).is_err() && map.load("x", 0, 0).is_err());
        assert!(NoExternal.load("w", 0, 0).unwrap_err().to_string().contains("onnx::read"));
    }
}
