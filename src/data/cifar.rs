//! CIFAR: 32x32 pictures, many to a file.
//!
//! ```text
//! binary   train.bin test.bin (or data_batch_*.bin, test_batch.bin)
//!          record = [coarse label]? label  1024 red  1024 green  1024 blue      3073 or 3074 bytes
//! sheets   {train,test}/NN_name.webp, one per class NN, tiles of 32x32 row by row
//! ```
//!
//! Two label bytes (coarse, fine) are CIFAR-100's own form, one is CIFAR-10's; which it is follows from the file's
//! size. Names come from `fine_label_names.txt`, `batches.meta.txt` or `classes.txt`, else the number is the name.
//!
//! Memory: sheets are decoded when one of their tiles is asked for, cut to the rows in use, and kept in a cache of
//! [`CACHE_BYTES`], the least recently used leaving first. Binary records are read one at a time.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::dataset::Origin;
use super::{Dataset, Limits, Picture, Sample, Split};
use crate::error::{Context, Result};
use crate::{bail, err};

/// Side of a picture in pixels.
pub const SIDE: u32 = 32;

/// Most bytes of decoded sheets that are kept: ten classes of 500 pictures, and their tests.
pub const CACHE_BYTES: usize = 24 << 20;

const PLANE: usize = (SIDE * SIDE) as usize;
const PIXELS: usize = 3 * PLANE;

/// Lists the training and test pictures in `dir`, in either layout.
///
/// # Errors
/// `NotFound` when neither layout is there, `Parse` for a file whose size fits neither record.
pub fn open(dir: &Path, limits: Limits) -> Result<Dataset> {
    let mut dataset = Dataset::default();
    if dir.join("train").is_dir() && dir.join("test").is_dir() {
        open_sheets(dir, limits, &mut dataset)?;
    } else {
        open_records(dir, limits, &mut dataset)?;
    }
    Ok(dataset)
}

/// The files behind tile samples and the decoded sheets.
#[derive(Debug, Default)]
pub struct Tiles {
    files: Vec<TileFile>,
    cache: Mutex<Cache>,
}

#[derive(Debug)]
enum TileFile {
    /// Records with this many label bytes.
    Records { path: PathBuf, labels: usize },
    /// A sheet of which the first `rows` rows of tiles are used.
    Sheet { path: PathBuf, columns: usize, rows: u32 },
}

/// Sheets by file, each with the time of its last use.
#[derive(Debug, Default)]
struct Cache {
    sheets: BTreeMap<usize, (u64, Arc<Picture>)>,
    bytes: usize,
    clock: u64,
}

impl Cache {
    fn get(&mut self, file: usize) -> Option<Arc<Picture>> {
        self.clock += 1;
        let (used, sheet) = self.sheets.get_mut(&file)?;
        *used = self.clock;
        Some(sheet.clone())
    }

    fn put(&mut self, file: usize, sheet: Arc<Picture>) {
        while self.bytes + sheet.rgb.len() > CACHE_BYTES {
            let oldest = self.sheets.iter().min_by_key(|(_, (used, _))| *used).map(|(&file, _)| file);
            let Some((_, gone)) = oldest.and_then(|file| self.sheets.remove(&file)) else { break };
            self.bytes -= gone.rgb.len();
        }
        self.clock += 1;
        self.bytes += sheet.rgb.len();
        if let Some((_, twin)) = self.sheets.insert(file, (self.clock, sheet)) {
            self.bytes -= twin.rgb.len();
        }
    }
}

impl Tiles {
    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn name(&self, file: usize, index: usize) -> PathBuf {
        PathBuf::from(format!("{}#{index}", self.path(file).display()))
    }

    pub(super) fn path(&self, file: usize) -> &Path {
        match &self.files[file] {
            TileFile::Records { path, .. } | TileFile::Sheet { path, .. } => path,
        }
    }

    pub(super) fn picture(&self, file: usize, index: usize) -> Result<Picture> {
        match &self.files[file] {
            TileFile::Records { path, labels } => {
                read_record(path, *labels, index).at(|| path.display().to_string())
            }
            TileFile::Sheet { path, columns, rows } => {
                let sheet = self.sheet(file, path, *rows)?;
                let (row, column) = ((index / columns) as u32, (index % columns) as u32);
                sheet.crop(SIDE * column, SIDE * row, SIDE, SIDE).at(|| path.display().to_string())
            }
        }
    }

    fn sheet(&self, file: usize, path: &Path, rows: u32) -> Result<Arc<Picture>> {
        if let Some(sheet) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(file) {
            return Ok(sheet);
        }
        let whole = Picture::open(path)?;
        let used = whole.crop(0, 0, whole.width, (SIDE * rows).min(whole.height))?;
        let sheet = Arc::new(used);
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).put(file, sheet.clone());
        Ok(sheet)
    }
}

fn read_record(path: &Path, labels: usize, index: usize) -> Result<Picture> {
    let mut file = File::open(path)?;
    let offset = (labels + PIXELS) * index + labels;
    file.seek(SeekFrom::Start(offset as u64))?;
    let mut planes = vec![0u8; PIXELS];
    file.read_exact(&mut planes)?;
    let rgb = (0..PLANE).flat_map(|at| [planes[at], planes[PLANE + at], planes[2 * PLANE + at]]).collect();
    Picture::new(SIDE, SIDE, rgb)
}

fn open_sheets(dir: &Path, limits: Limits, dataset: &mut Dataset) -> Result<()> {
    for (split, name) in [(Split::Train, "train"), (Split::Test, "test")] {
        let half = dir.join(name);
        let sheets = sheets(&half).at(|| half.display().to_string())?;
        let names: Vec<String> = sheets.iter().map(|(name, _)| name.clone()).collect();
        if split == Split::Train {
            dataset.classes = names;
        } else if dataset.classes != names {
            bail!(Mismatch, "{} holds other classes than the train folder", half.display());
        }
        for (class, (_, path)) in sheets.into_iter().enumerate() {
            let (width, height) = Picture::probe(&path)?;
            if width % SIDE != 0 || height % SIDE != 0 {
                bail!(Parse, "{}: {width}x{height} is no grid of {SIDE}x{SIDE} tiles", path.display());
            }
            let (columns, rows) = ((width / SIDE) as usize, (height / SIDE) as usize);
            let count = limits.of(split).min(columns * rows);
            let file = dataset.tiles.files.len();
            let rows = count.div_ceil(columns) as u32;
            dataset.tiles.files.push(TileFile::Sheet { path, columns, rows: rows.max(1) });
            let tile = |index| Sample { class, task: None, origin: Origin::Tile { file, index } };
            push(dataset, split, (0..count).map(tile));
        }
    }
    Ok(())
}

/// `NN_name.webp` files as (name, path), ordered by NN, which must run from 0 without a gap.
fn sheets(half: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(half)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "webp") {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_string();
        let parts = stem.split_once('_').and_then(|(n, name)| Some((n.parse::<usize>().ok()?, name)));
        let Some((number, name)) = parts else { bail!(Parse, "{stem}.webp is not named NN_name.webp") };
        if let Some((twin, _)) = found.insert(number, (name.to_string(), path)) {
            bail!(Parse, "class {number} twice: {twin} and {name}");
        }
    }
    if found.is_empty() || found.keys().enumerate().any(|(at, &number)| at != number) {
        bail!(NotFound, "needs one sheet NN_name.webp per class, numbered from 00 without a gap");
    }
    Ok(found.into_values().collect())
}

fn open_records(dir: &Path, limits: Limits, dataset: &mut Dataset) -> Result<()> {
    let mut class_count = 0;
    for (split, names) in
        [(Split::Train, &["train", "data_batch_"][..]), (Split::Test, &["test", "test_batch"])]
    {
        let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
        for path in record_files(dir, names).at(|| dir.display().to_string())? {
            let labels = record_labels(&path).at(|| path.display().to_string())?;
            let file = dataset.tiles.files.len();
            dataset.tiles.files.push(TileFile::Records { path, labels: labels.bytes });
            let mut samples = Vec::new();
            for (index, class) in labels.classes.into_iter().enumerate() {
                class_count = class_count.max(class + 1);
                let count = taken.entry(class).or_default();
                if *count < limits.of(split) {
                    *count += 1;
                    samples.push(Sample { class, task: None, origin: Origin::Tile { file, index } });
                }
            }
            push(dataset, split, samples);
        }
        if taken.is_empty() {
            bail!(
                NotFound,
                "{} has neither {}.bin (CIFAR's binary layout) nor train/NN_name.webp and test/NN_name.webp sheets",
                dir.display(),
                names[0]
            );
        }
    }
    dataset.classes = class_names(dir, class_count)?;
    Ok(())
}

fn push(dataset: &mut Dataset, split: Split, samples: impl IntoIterator<Item = Sample>) {
    match split {
        Split::Train => dataset.train.extend(samples),
        Split::Test => dataset.test.extend(samples),
    }
}

/// `NAME.bin` for exact names, and `prefix*.bin`, sorted.
fn record_files(dir: &Path, names: &[&str]) -> Result<Vec<PathBuf>> {
    let list = || -> std::io::Result<Vec<PathBuf>> { fs::read_dir(dir)?.map(|e| Ok(e?.path())).collect() };
    let mut found = list()?;
    found.retain(|path| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let named = |name: &&str| stem == *name || (name.ends_with('_') && stem.starts_with(*name));
        path.extension().is_some_and(|ending| ending == "bin") && names.iter().any(named)
    });
    found.sort();
    Ok(found)
}

struct RecordLabels {
    bytes: usize,
    classes: Vec<usize>,
}

/// Labels of a file of records; the fine one is last.
fn record_labels(path: &Path) -> Result<RecordLabels> {
    let mut file = std::io::BufReader::with_capacity(1 << 20, File::open(path)?);
    let size = file.get_ref().metadata()?.len();
    let fits = |labels: usize| size > 0 && size % (PIXELS + labels) as u64 == 0;
    let bytes = match (fits(1), fits(2)) {
        (true, false) => 1,
        (false, true) => 2,
        (true, true) => bail!(Parse, "{size} bytes fit records with one and with two label bytes"),
        (false, false) => {
            bail!(Parse, "{size} bytes are no whole number of records of {} or {}", PIXELS + 1, PIXELS + 2)
        }
    };
    let count = size / (PIXELS + bytes) as u64;
    let mut classes = Vec::new();
    let mut label = [0u8; 2];
    for _ in 0..count {
        file.read_exact(&mut label[..bytes])?;
        classes.push(usize::from(label[bytes - 1]));
        file.seek_relative(PIXELS as i64)?;
    }
    Ok(RecordLabels { bytes, classes })
}

fn class_names(dir: &Path, count: usize) -> Result<Vec<String>> {
    for name in ["fine_label_names.txt", "batches.meta.txt", "classes.txt"] {
        let path = dir.join(name);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let names: Vec<String> =
            text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_string).collect();
        if names.len() < count {
            return Err(
                err!(Mismatch, "{} names and {count} classes", names.len()).at(path.display().to_string())
            );
        }
        return Ok(names);
    }
    Ok((0..count).map(|class| format!("{class}")).collect())
}
