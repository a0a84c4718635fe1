//! A folder as transport: a USB stick that goes from one device to the next, or a share.
//!
//! ```text
//! ROOT/perennial/SITE/BACKBONE/BUNDLE.notice, BUNDLE.bundle
//! ROOT/perennial/SITE/BACKBONE/gone/STATEMENT
//! ```
//!
//! What is offered is copied there and stays when the device is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::notice::{CHUNK, Notice};
use super::shelf::{Shelf, remove, write};
use super::signed::Statement;
use super::topic::{Site, digest};
use super::transport::{Answer, Heard, Item, Peer, Transport};
use super::withdrawal::Withdrawal;
use crate::bundle::MAX_FILE;
use crate::error::{Context, ErrorKind, Result};
use crate::learner::Digest;
use crate::store::read_limited;

/// Devices that read and write one folder, not at the same time necessarily.
pub struct Folder {
    root: PathBuf,
    site: Site,
    backbone: Digest,
}

impl Folder {
    /// The folder at `path`, which must exist.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound).
    pub fn open(path: &Path, site: Site, backbone: Digest) -> Result<Self> {
        if !path.is_dir() {
            crate::bail!(NotFound, "{} is no folder; make it, or plug the stick in", path.display());
        }
        Ok(Self { root: path.join("perennial"), site, backbone })
    }

    fn at(&self, site: &Site) -> PathBuf {
        self.root.join(site.to_string()).join(self.backbone.to_string())
    }

    /// Files of one kind at every site, with the ids that name them.
    fn files(&self, below: &str, kind: Option<&str>) -> Result<Vec<(Site, Digest, PathBuf)>> {
        let mut files = Vec::new();
        for site in entries(&self.root)? {
            let Some(site) =
                site.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<Site>().ok())
            else {
                continue;
            };
            for path in entries(&self.at(&site).join(below))? {
                let id = path.file_stem().and_then(|stem| stem.to_str()).and_then(digest);
                if let (Some(id), true) = (id, path.extension().and_then(|e| e.to_str()) == kind) {
                    files.push((site.clone(), id, path));
                }
            }
        }
        Ok(files)
    }
}

impl Transport for Folder {
    fn site(&self) -> &Site {
        &self.site
    }

    fn offer(&mut self, item: Item<'_>) -> Result<()> {
        let folder = self.at(&self.site);
        fs::create_dir_all(folder.join("gone")).at(|| folder.display().to_string())?;
        match item {
            Item::Withdrawal(said) => {
                once(&folder.join("gone").join(said.id().to_string()), || Ok(said.bytes().to_vec()))
            }
            Item::Bundle(said, file) => {
                let id = said.statement().bundle;
                once(&folder.join(format!("{id}.bundle")), || read_limited(file, MAX_FILE))?;
                once(&folder.join(format!("{id}.notice")), || Ok(said.bytes().to_vec()))
            }
        }
    }

    fn retire(&mut self, bundle: Digest) -> Result<()> {
        let folder = self.at(&self.site);
        remove(&folder.join(format!("{bundle}.notice")))?;
        remove(&folder.join(format!("{bundle}.bundle")))
    }

    fn hear(&mut self, _: bool, shelf: &Shelf) -> Result<Heard> {
        let mut heard = Heard::default();
        for (below, kind, most) in [("", Some("notice"), Notice::MOST), ("gone", None, Withdrawal::MOST)] {
            for (site, id, path) in self.files(below, kind)? {
                if shelf.has(id) || !heard.has_room(most) {
                    continue;
                }
                let answers = if kind.is_some() { &mut heard.notices } else { &mut heard.withdrawals };
                match read_limited(&path, most as u64) {
                    Ok(bytes) => answers.push(Answer { sites: BTreeSet::from([site]), bytes }),
                    Err(e) => tracing::warn!("left out: {e}"),
                }
            }
        }
        Ok(heard)
    }

    fn peers(&mut self) -> Result<Vec<Peer>> {
        let mut peers: BTreeMap<Site, Peer> = BTreeMap::new();
        for (below, kind) in [("", Some("notice")), ("gone", None)] {
            for (site, ..) in self.files(below, kind)? {
                let none = Peer { site: site.clone(), device: None, bundles: 0, withdrawals: 0 };
                let peer = peers.entry(site).or_insert(none);
                *(if kind.is_some() { &mut peer.bundles } else { &mut peer.withdrawals }) += 1;
            }
        }
        Ok(peers.into_values().collect())
    }

    fn chunk(
        &mut self,
        site: &Site,
        bundle: Digest,
        index: u32,
        good: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        let path = self.at(site).join(format!("{bundle}.bundle"));
        match chunk_of(&path, index) {
            Ok(bytes) => Ok(Some(bytes).filter(|bytes| good(bytes))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// A folder tells nothing: whatever there is to find is found in the next listing.
    fn wait(&mut self, most: Duration) -> Result<bool> {
        std::thread::sleep(most);
        Ok(true)
    }
}

/// Chunk `index` of the file at `path`; shorter or empty at its end.
pub(super) fn chunk_of(path: &Path, index: u32) -> Result<Vec<u8>> {
    let place = || path.display().to_string();
    let mut file = fs::File::open(path).at(place)?;
    file.seek(SeekFrom::Start(u64::from(index) * CHUNK)).at(place)?;
    let mut bytes = Vec::new();
    file.take(CHUNK).read_to_end(&mut bytes).at(place)?;
    Ok(bytes)
}

fn once(path: &Path, bytes: impl FnOnce() -> Result<Vec<u8>>) -> Result<()> {
    if path.exists() { Ok(()) } else { write(path, &bytes()?) }
}

/// What a folder holds, by name; nothing where there is none.
fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(path).at(|| path.display().to_string()) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
