//! A file for what is kept of the open task's pictures, where RAM has no room for them.
//!
//! It has no name from the start: nobody finds it, and the system frees it when the task ends, the process does, or the power goes.
//! Places are of one size and are used again. What the system keeps of the file in its own memory it can drop at any time.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use half::f16;

use crate::error::{Context as _, Result};

/// The file.
#[derive(Debug)]
pub struct Shelf {
    /// Numbers a place.
    size: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    places: u64,
    free: Vec<u64>,
}

/// Numbers in the file; their place is free again when they are dropped.
#[derive(Debug)]
pub struct Slot {
    shelf: Arc<Shelf>,
    place: u64,
}

impl Shelf {
    /// A file in `folder` for pictures of `size` numbers.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where none can be made there.
    pub fn new(folder: &Path, size: usize) -> Result<Arc<Self>> {
        let file = tempfile::tempfile_in(folder)
            .at(|| format!("making a file for pictures in {}; give another folder", folder.display()))?;
        Ok(Arc::new(Self { size, inner: Mutex::new(Inner { file, places: 0, free: Vec::new() }) }))
    }

    /// Writes `values`, as many as a place holds.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the medium refuses, such as when it is full.
    pub fn put(self: &Arc<Self>, values: &[f16]) -> Result<Slot> {
        if values.len() != self.size {
            crate::bail!(Bug, "{} numbers for places of {}", values.len(), self.size);
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let place = inner.free.pop().unwrap_or(inner.places);
        inner.places = inner.places.max(place + 1);
        // From here on the place is given back whatever happens, once the file is free to be told.
        let slot = Slot { shelf: self.clone(), place };
        let written =
            inner.seek(place, self.size).and_then(|()| inner.file.write_all(bytemuck::cast_slice(values)));
        drop(inner);
        written.at(|| {
            "writing a picture to the file for them; is the medium full? A smaller limit for that file keeps fewer".into()
        })?;
        Ok(slot)
    }
}

impl Inner {
    fn seek(&mut self, place: u64, size: usize) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(place * (size * size_of::<f16>()) as u64)).map(|_| ())
    }
}

impl Slot {
    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.shelf.size
    }

    /// The numbers.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where the medium does not give them.
    pub fn read(&self) -> Result<Vec<f16>> {
        let mut values = vec![f16::ZERO; self.shelf.size];
        let mut inner = self.shelf.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let read = inner
            .seek(self.place, self.shelf.size)
            .and_then(|()| inner.file.read_exact(bytemuck::cast_slice_mut(&mut values)));
        read.at(|| "reading a picture from the file for them".into())?;
        Ok(values)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shelf.inner.lock().unwrap_or_else(PoisonError::into_inner).free.push(self.place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read_and_places_are_used_again() -> Result<()> {
        let folder = tempfile::tempdir().at(|| "a folder".into())?;
        let shelf = Shelf::new(folder.path(), 100)?;
        let values =
            |seed: usize| -> Vec<f16> { (0..100).map(|i| f16::from_f32((seed * i) as f32)).collect() };
        let mut slots = (0..20).map(|i| shelf.put(&values(i))).collect::<Result<Vec<_>>>()?;
        for (i, slot) in slots.iter().enumerate() {
            assert_eq!(slot.read()?, values(i));
        }
        // Half of them go, and as many others come.
        slots.retain(|slot| slot.place % 2 == 0);
        for i in 20..30 {
            slots.push(shelf.put(&values(i))?);
        }
        assert_eq!(shelf.inner.lock().unwrap_or_else(PoisonError::into_inner).places, 20);
        let kept = (0..20).step_by(2).chain(20..30);
        for (slot, i) in slots.iter().zip(kept) {
            assert_eq!(slot.read()?, values(i));
        }
        // Nothing can be found in the folder, and nothing is left.
        assert_eq!(std::fs::read_dir(folder.path()).at(|| "the folder".into())?.count(), 0);
        assert!(shelf.put(&values(0)[1..]).is_err());
        assert!(Shelf::new(&folder.path().join("missing"), 1).is_err());
        Ok(())
    }
}
