//! A file of encoded pictures: written once, read row by row.
//!
//! ```text
//! 0          rows, one after the other, each     boundary tokens, f16 le | frozen feature, f32 le
//! n * row    Index, postcard                     key, shape, identity and CRC-32 of every row
//! ..         u64 le  length of the index
//! ..         u32 le  CRC-32 of the index
//! ..         "PRNLROWS"
//! ```
//!
//! The file appears under its name when it is whole (written beside it, synced, renamed), so a cut leaves nothing half
//! read. Rows are checked when they are read: a run touches a part of a file that may hold a gigabyte.
//!
//! What it does not do: change. More pictures go into another file.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use ndarray::{ArrayD, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::data::Identity;
use crate::error::{Context, Result};

const MAGIC: &[u8; 8] = b"PRNLROWS";
const TAIL: u64 = 8 + 4 + 8;

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Index {
    key: [u8; 32],
    /// Of one picture's boundary tokens.
    shape: Vec<usize>,
    /// Of its feature, and of the summary at its end.
    width: usize,
    summary: usize,
    rows: Vec<(Identity, u32)>,
}

impl Index {
    fn tokens(&self) -> usize {
        self.shape.iter().product()
    }

    fn row_bytes(&self) -> usize {
        self.tokens() * size_of::<f16>() + self.width * size_of::<f32>()
    }
}

/// A file that is being written.
pub struct Writer {
    file: BufWriter<File>,
    part: PathBuf,
    path: PathBuf,
    index: Index,
}

impl Writer {
    /// Starts the file `path` of encodings under `key`.
    ///
    /// # Errors
    /// `Io`, with the path.
    pub fn create(path: &Path, key: [u8; 32]) -> Result<Self> {
        let part = path.with_extension(format!("{}.part", std::process::id()));
        let file = BufWriter::new(File::create(&part).at(|| part.display().to_string())?);
        Ok(Self { file, part, path: path.into(), index: Index { key, ..Index::default() } })
    }

    /// Appends pictures: their identities, boundary tokens `[n, ..]` and frozen features `[n, width]`, of which
    /// the last `summary` columns sum up the tokens.
    ///
    /// # Errors
    /// `Io` where the medium is full, `Shape` where pictures differ in form.
    pub fn push(
        &mut self,
        of: &[Identity],
        tokens: &ArrayD<f32>,
        features: ArrayView2<'_, f32>,
        summary: usize,
    ) -> Result<()> {
        let (shape, width) = (tokens.shape()[1..].to_vec(), features.ncols());
        if self.index.rows.is_empty() {
            (self.index.shape, self.index.width, self.index.summary) = (shape.clone(), width, summary);
        }
        if (&self.index.shape, self.index.width) != (&shape, width) || of.len() != features.nrows() {
            crate::bail!(Shape, "a picture's encoding {shape:?} + {width} beside {:?}", self.index.shape);
        }
        for ((identity, tokens), feature) in of.iter().zip(tokens.axis_iter(Axis(0))).zip(features.rows()) {
            let row: Vec<u8> = tokens
                .iter()
                .flat_map(|&x| f16::from_f32(x).to_le_bytes())
                .chain(feature.iter().flat_map(|x| x.to_le_bytes()))
                .collect();
            self.index.rows.push((*identity, crc32fast::hash(&row)));
            self.file.write_all(&row).at(|| self.part.display().to_string())?;
        }
        Ok(())
    }

    /// Completes the file.
    ///
    /// # Errors
    /// `Io`; nothing appears under the name then.
    pub fn finish(mut self) -> Result<()> {
        let index = postcard::to_allocvec(&self.index)
            .map_err(|e| crate::err!(Bug, "an index that postcard cannot express").caused_by(e))?;
        let write = |file: &mut BufWriter<File>| -> std::io::Result<()> {
            file.write_all(&index)?;
            file.write_all(&(index.len() as u64).to_le_bytes())?;
            file.write_all(&crc32fast::hash(&index).to_le_bytes())?;
            file.write_all(MAGIC)?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        let written = write(&mut self.file).and_then(|()| std::fs::rename(&self.part, &self.path));
        written.at(|| self.path.display().to_string())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After `finish` there is nothing under this name.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// A file that is read.
#[derive(Debug)]
pub struct Rows {
    file: Mutex<File>,
    path: PathBuf,
    index: Index,
}

impl Rows {
    /// Opens a file of encodings under `key`.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt` for one that is damaged, `Mismatch` for another key.
    pub fn open(path: &Path, key: [u8; 32]) -> Result<Self> {
        let open = || {
            let mut file = File::open(path)?;
            let index = read_index(&mut file)?;
            if index.key != key {
                crate::bail!(Mismatch, "encodings of another network or preprocessing; delete the file");
            }
            Ok(Self { file: Mutex::new(file), path: path.into(), index })
        };
        open().at(|| path.display().to_string())
    }

    /// Identities of the pictures, by row.
    pub fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.index.rows.iter().map(|(identity, _)| identity)
    }

    /// Bytes of one picture.
    pub fn row_bytes(&self) -> usize {
        self.index.row_bytes()
    }

    /// Shape of one picture's boundary tokens, and length of its feature.
    pub fn form(&self) -> (&[usize], usize) {
        (&self.index.shape, self.index.width)
    }

    /// Width of the summary at the end of a feature.
    pub fn summary(&self) -> usize {
        self.index.summary
    }

    /// Reads row `at` into boundary tokens and feature.
    ///
    /// # Errors
    /// `Corrupt` where the row is not what was written.
    pub fn read(&self, at: usize, tokens: &mut [f32], feature: &mut [f32]) -> Result<()> {
        if (tokens.len(), feature.len()) != (self.index.tokens(), self.index.width) {
            crate::bail!(Mismatch, "{}: encodings of another form; delete the file", self.path.display());
        }
        let size = self.index.row_bytes();
        let mut bytes = vec![0; size];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start((at * size) as u64)).and_then(|_| file.read_exact(&mut bytes));
        drop(file);
        read.at(|| self.path.display().to_string())?;
        if crc32fast::hash(&bytes) != self.index.rows[at].1 {
            crate::bail!(Corrupt, "{}: row {at} is damaged; delete the file", self.path.display());
        }
        let (low, high) = bytes.split_at(tokens.len() * size_of::<f16>());
        let bits: Vec<u16> = low.chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]])).collect();
        bits.reinterpret_cast::<f16>().convert_to_f32_slice(tokens);
        for (x, b) in feature.iter_mut().zip(high.chunks_exact(4)) {
            *x = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        }
        Ok(())
    }
}

fn read_index(file: &mut File) -> Result<Index> {
    let damaged = || crate::err!(Corrupt, "no whole file of encodings; delete it");
    let length = file.metadata()?.len();
    let mut tail = [0; TAIL as usize];
    file.seek(SeekFrom::Start(length.checked_sub(TAIL).ok_or_else(damaged)?))?;
    file.read_exact(&mut tail)?;
    let (size, rest) = tail.split_at(8);
    let size = size.iter().rev().fold(0u64, |n, &b| n << 8 | u64::from(b));
    let start = (length - TAIL).checked_sub(size).ok_or_else(damaged)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = vec![0; size as usize];
    file.read_exact(&mut bytes)?;
    if rest[4..] != MAGIC[..] || rest[..4] != crc32fast::hash(&bytes).to_le_bytes() {
        return Err(damaged());
    }
    let index: Index = postcard::from_bytes(&bytes).map_err(|e| damaged().caused_by(e))?;
    if (index.row_bytes() * index.rows.len()) as u64 != start {
        return Err(damaged());
    }
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3, ArrayView1};

    fn sample(path: &Path) -> (ArrayD<f32>, Array2<f32>) {
        let tokens =
            Array3::from_shape_fn((3, 5, 4), |(i, t, c)| (100 * i + 10 * t + c) as f32 / 8.0).into_dyn();
        let features = Array2::from_shape_fn((3, 6), |(i, c)| 0.1 * (i * 6 + c) as f32);
        let mut writer = Writer::create(path, [7; 32]).unwrap();
        writer
            .push(
                &[[1; 32], [2; 32]],
                &tokens.slice_axis(Axis(0), (0..2).into()).to_owned(),
                features.slice(ndarray::s![..2, ..]),
                2,
            )
            .unwrap();
        writer
            .push(
                &[[3; 32]],
                &tokens.slice_axis(Axis(0), (2..3).into()).to_owned(),
                features.slice(ndarray::s![2.., ..]),
                2,
            )
            .unwrap();
        assert!(!path.exists(), "half a file has the name of a whole one");
        writer.finish().unwrap();
        (tokens, features)
    }

    #[test]
    fn rows_come_back_as_they_were_in_any_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rows");
        let (tokens, features) = sample(&path);
        let rows = Rows::open(&path, [7; 32]).unwrap();
        assert_eq!((rows.form(), rows.row_bytes()), ((&[5, 4][..], 6), 20 * 2 + 6 * 4));
        assert_eq!(rows.identities().map(|i| i[0]).collect::<Vec<_>>(), [1, 2, 3]);
        for at in [2, 0, 1] {
            let (mut t, mut f) = (vec![0.0; 20], vec![0.0; 6]);
            rows.read(at, &mut t, &mut f).unwrap();
            assert_eq!(t, tokens.index_axis(Axis(0), at).iter().copied().collect::<Vec<_>>());
            assert_eq!(ArrayView1::from(&f), features.row(at));
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a part file was left");
    }

    #[test]
    fn every_damaged_byte_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rows");
        sample(&path);
        let whole = std::fs::read(&path).unwrap();
        assert!(Rows::open(&path, [8; 32]).is_err(), "another key");
        let read = |bytes: &[u8]| -> Result<()> {
            std::fs::write(&path, bytes)?;
            let rows = Rows::open(&path, [7; 32])?;
            (0..3).try_for_each(|at| rows.read(at, &mut [0.0; 20], &mut [0.0; 6]))
        };
        read(&whole).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 4;
            assert!(read(&bytes).is_err(), "byte {at} of {}", whole.len());
            assert!(read(&whole[..at]).is_err(), "{at} bytes of {}", whole.len());
        }
    }
}
