//! Model files, all or nothing: written beside the target, synced, and renamed onto it.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::encode::{encode, message, serialize};
use super::parts::tensor_proto;
use super::schema::{EXTERNAL, ModelProto, StringStringEntryProto, TensorProto};
use crate::error::{Context, Result};
use crate::graph::{Graph, Tensor};

/// Smaller tensors stay in the model: runtimes want the operands of `Reshape` and the like there.
const INLINE_BELOW: usize = 1024;
/// Offsets are multiples of a page, so that runtimes can map the file.
const PAGE: u64 = 4096;

/// Writes a model file. After a crash or power cut the old file or the new one is there, never a part.
///
/// # Errors
/// As [`encode`](super::encode), and those of the file system.
pub fn write(graph: &Graph, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let store = || {
        let bytes = encode(graph)?;
        let mut file = Pending::create(path)?;
        file.file.write_all(&bytes)?;
        file.commit()
    };
    store().at(|| path.display().to_string())
}

/// Writes a model file and its weights in `<file name>.data` beside it, for models beyond 2 GB.
///
/// A power cut leaves the old pair, no model file, or the new pair, but never a model with weights of another.
///
/// # Errors
/// As [`write()`].
pub fn write_external(graph: &Graph, path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let store = || {
        let name = path.file_name().and_then(|n| n.to_str());
        let name = name.ok_or_else(|| crate::err!(InvalidArgument, "the path has no file name in UTF-8"))?;
        let location = format!("{name}.data");
        let (model, weights) = apart(graph, &location)?;
        let mut data = Pending::create(&path.with_file_name(&location))?;
        let mut out = BufWriter::new(&mut data.file);
        fill(&mut out, &weights)?;
        out.flush()?;
        drop(out);
        let mut file = Pending::create(path)?;
        file.file.write_all(&serialize(&model)?)?;
        remove(path)?;
        sync_folder(path)?;
        data.commit()?;
        file.commit()
    };
    store().at(|| path.display().to_string())
}

/// The bytes of an ONNX file whose larger weights lie in `location`, and the bytes of that file: for engines that keep
/// the second as it is.
///
/// # Errors
/// As [`encode`](super::encode).
pub fn encode_apart(graph: &Graph, location: &str) -> Result<(Vec<u8>, Vec<u8>)> {
    let (model, weights) = apart(graph, location)?;
    let end = weights.last().map_or(0, |(offset, tensor)| *offset as usize + tensor.bytes().len());
    let mut data = Vec::with_capacity(end);
    fill(&mut data, &weights)?;
    Ok((serialize(&model)?, data))
}

/// The model without its larger weights, and these with their places in `location`.
fn apart(graph: &Graph, location: &str) -> Result<(ModelProto, Vec<(u64, Tensor)>)> {
    let mut end = 0u64;
    let mut weights = Vec::new();
    let model = message(graph, |name, tensor| {
        if tensor.bytes().len() < INLINE_BELOW {
            return tensor_proto(name, tensor);
        }
        let offset = end.next_multiple_of(PAGE);
        end = offset + tensor.bytes().len() as u64;
        weights.push((offset, tensor.clone()));
        outside(name, tensor, location, offset)
    })?;
    Ok((model, weights))
}

/// A tensor whose bytes lie at `offset` of `location`.
fn outside(name: &str, tensor: &Tensor, location: &str, offset: u64) -> TensorProto {
    let entry = |key: &str, value: String| StringStringEntryProto { key: key.into(), value };
    TensorProto {
        raw_data: None,
        data_location: EXTERNAL,
        external_data: vec![
            entry("location", location.into()),
            entry("offset", offset.to_string()),
            entry("length", tensor.bytes().len().to_string()),
        ],
        ..tensor_proto(name, tensor)
    }
}

fn fill(out: &mut impl Write, weights: &[(u64, Tensor)]) -> Result<()> {
    let mut at = 0u64;
    for (offset, tensor) in weights {
        std::io::copy(&mut std::io::repeat(0).take(offset - at), out)?;
        out.write_all(tensor.bytes())?;
        at = offset + tensor.bytes().len() as u64;
    }
    Ok(())
}

/// A file beside its target. Dropped before [`Pending::commit`], it leaves no trace.
struct Pending {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
}

impl Pending {
    fn create(target: &Path) -> Result<Self> {
        let name =
            target.file_name().ok_or_else(|| crate::err!(InvalidArgument, "the path has no file name"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".part");
        let temporary = target.with_file_name(hidden);
        // What a crash left behind goes first; `create_new` then follows no link that was put there.
        remove(&temporary)?;
        let file = File::create_new(&temporary)?;
        Ok(Self { file, temporary, target: target.into() })
    }

    fn commit(self) -> Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.target)?;
        sync_folder(&self.target)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // After a commit the name is gone already; otherwise the error that dropped it matters more.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A name is durable only once its folder is. Systems that cannot open folders need no sync.
fn sync_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        folder.sync_all()?;
    }
    Ok(())
}

/// Removes a file that need not be there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e.into()),
        _ => Ok(()),
    }
}
