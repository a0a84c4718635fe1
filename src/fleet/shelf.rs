//! What this device holds for others: bundles with their notices, withdrawals, and files that are still being fetched.
//!
//! ```text
//! FOLDER/ID.bundle         a bundle
//! FOLDER/ID.notice         its notice, written after it
//! FOLDER/ID.part           the chunks that came so far, one after the other
//! FOLDER/ID.gone           a withdrawal; ID is that of the statement
//! FOLDER/own.pub           keys that this device published with
//! FOLDER/backbone          SHA-256 of the backbone that all is about
//! ```
//!
//! The folder is the memory: a shelf that is opened again holds what it held, and goes on with files that were cut off. What is damaged, withdrawn,
//! expired or of nobody who is trusted is not held; [`Shelf::clean`] removes it. Limits hold for all of it together; nothing is thrown out to make room.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::notice::Notice;
use super::part::Part;
use super::signed::{Signed, Statement};
use super::topic::digest;
use super::withdrawal::Withdrawal;
use crate::bundle::{Bundle, MAX_FILE, PublicKey, Trust};
use crate::error::{Context, ErrorKind, Result};
use crate::learner::Digest;
use crate::store::{random_secret, read_limited};

const OWN: &str = "own.pub";
const MARK: &str = "backbone";
/// How long a bundle may lie here before its notice does.
const WRITING: Duration = Duration::from_secs(3600);

/// How much a shelf holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bundles.
    pub bundles: usize,
    /// Most bundles of one maker.
    pub per_maker: usize,
    /// Most bytes of bundles, with those that are being fetched.
    pub bytes: u64,
    /// Most withdrawals, of one maker an eighth of them. They are never given up, or what was erased could come back.
    pub withdrawals: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bundles: 256, per_maker: 64, bytes: 256 << 20, withdrawals: 4096 }
    }
}

/// Bundles, notices and withdrawals of one backbone.
pub struct Shelf {
    folder: PathBuf,
    backbone: Digest,
    trust: Trust,
    own: Vec<PublicKey>,
    /// Random, another one in every process.
    salt: [u8; 32],
    limits: Limits,
    notices: BTreeMap<Digest, Signed<Notice>>,
    gone: BTreeMap<Digest, Signed<Withdrawal>>,
    /// Of every task that was withdrawn, the newest version.
    erased: BTreeMap<Digest, u64>,
}

/// What is to be done about a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// The bundle is to be fetched.
    Fetch,
    /// It is here.
    Here,
    /// It was withdrawn.
    Withdrawn,
    /// A newer version is here.
    Older,
    /// It has expired.
    Expired,
}

impl Shelf {
    /// Opens the shelf in `folder`, which is made where it is missing and `backbone` is given; `now` is in seconds since 1970, or 0 without a clock.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io) for a folder that cannot be read or written, [`NotFound`](ErrorKind::NotFound) for one that is no shelf,
    /// [`Mismatch`](ErrorKind::Mismatch) for that of another backbone.
    pub fn open(
        folder: &Path,
        backbone: Option<[u8; 32]>,
        trust: Trust,
        limits: Limits,
        now: u64,
    ) -> Result<Self> {
        let backbone = marked(folder, backbone.map(Digest))?;
        let (own, notices, gone, erased) = Default::default();
        let salt = *random_secret()?;
        let mut shelf =
            Self { folder: folder.into(), backbone, trust, own, salt, limits, notices, gone, erased };
        shelf.refresh(now)?;
        Ok(shelf)
    }

    /// Takes up what another process put into the folder: `perennial fleet publish` and `withdraw` beside a device that has joined.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io).
    pub fn refresh(&mut self, now: u64) -> Result<()> {
        match Trust::read(&self.folder.join(OWN)) {
            Ok(keys) => keys.makers().for_each(|key| self.trust_own(key)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        for path in self.files("gone")? {
            if stem(&path).is_some_and(|id| self.gone.contains_key(&id)) {
                continue;
            }
            let said = self.statement::<Withdrawal>(&path);
            let said = said.filter(|said| said.statement().backbone == self.backbone);
            said.map(|said| self.remember(said)).transpose()?;
        }
        for path in self.files("notice")? {
            if stem(&path).is_some_and(|id| self.notices.contains_key(&id)) {
                continue;
            }
            let said = self.statement::<Notice>(&path).filter(|said| self.holds(said, now));
            said.map(|said| self.place(said)).transpose()?;
        }
        Ok(())
    }

    /// Removes bundles that are not held. Only for whoever knows all makers that are to be trusted. Withdrawals stay, whoever said them.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io).
    pub fn clean(&self) -> Result<()> {
        for path in self.files("notice")? {
            if stem(&path).is_none_or(|id| !self.notices.contains_key(&id)) {
                tracing::warn!(
                    "{} is damaged, withdrawn, expired or of nobody who is trusted; removed",
                    path.display()
                );
                remove(&path)?;
                remove(&path.with_extension("bundle"))?;
            }
        }
        for path in self.files("bundle")? {
            // A young one may be on its way here by another process: the bundle comes before its notice.
            let age = fs::metadata(&path)?.modified()?.elapsed().unwrap_or_default();
            if age > WRITING && !path.with_extension("notice").exists() {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// The backbone that all is about.
    pub fn backbone(&self) -> Digest {
        self.backbone
    }

    /// Whom this device believes.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Whether `maker` is a key that this device published with.
    pub fn is_own(&self, maker: &PublicKey) -> bool {
        self.own.contains(maker)
    }

    /// Notices of the bundles that are here, by id.
    pub fn notices(&self) -> impl Iterator<Item = &Signed<Notice>> {
        self.notices.values()
    }

    /// Every withdrawal that was heard of.
    pub fn withdrawals(&self) -> impl Iterator<Item = &Signed<Withdrawal>> {
        self.gone.values()
    }

    /// When `bundle` is fetched among others: by lot, which devices draw each for itself.
    pub(super) fn lot(&self, bundle: Digest) -> [u8; 32] {
        Sha256::new().chain_update(self.salt).chain_update(bundle.0).finalize().into()
    }

    /// Whether the bundle or the withdrawal with this id is here.
    pub fn has(&self, id: Digest) -> bool {
        self.notices.contains_key(&id) || self.gone.contains_key(&id)
    }

    /// Ids of the bundles that are here.
    pub(super) fn ids(&self) -> BTreeSet<Digest> {
        self.notices.keys().copied().collect()
    }

    /// SHA-256 of every statement that is here, whose signatures need no second look.
    pub(super) fn statements(&self) -> BTreeSet<Digest> {
        self.withdrawals().map(Signed::id).chain(self.notices().map(Signed::id)).collect()
    }

    /// The file of a bundle that is here.
    pub fn file(&self, bundle: Digest) -> PathBuf {
        self.path(bundle, "bundle")
    }

    /// Reads a bundle.
    ///
    /// # Errors
    /// [`NotFound`](ErrorKind::NotFound) where it is not here; as [`Bundle::read`].
    pub fn bundle(&self, id: Digest) -> Result<Bundle> {
        match self.notices.contains_key(&id) {
            true => Bundle::read(&self.file(id)),
            false => Err(crate::err!(NotFound, "no bundle {id} on the shelf")),
        }
    }

    /// What to do about `said`.
    ///
    /// # Errors
    /// [`Mismatch`](ErrorKind::Mismatch) for another backbone, and for another bundle with the number of one that is here;
    /// [`Budget`](ErrorKind::Budget) where there is no room.
    pub fn want(&self, said: &Signed<Notice>, now: u64) -> Result<Want> {
        let notice = said.statement();
        if notice.backbone != self.backbone {
            crate::bail!(Mismatch, "a bundle for another backbone, {}", notice.backbone);
        }
        if self.notices.contains_key(&notice.bundle) {
            return Ok(Want::Here);
        }
        if self.is_withdrawn(notice.source, notice.counter) {
            return Ok(Want::Withdrawn);
        }
        if notice.expires.is_some_and(|end| now > end) {
            return Ok(Want::Expired);
        }
        let other = self.notices().map(Signed::statement).find(|other| other.source == notice.source);
        match other.map(|other| other.counter) {
            Some(here) if here > notice.counter => Ok(Want::Older),
            Some(here) if here == notice.counter => Err(crate::err!(
                Mismatch,
                "another bundle of number {here} of this maker's task is here; its maker must count up"
            )),
            replaced => self.room(said, replaced.is_some()).map(|()| Want::Fetch),
        }
    }

    /// Puts a bundle of this device's own on the shelf.
    ///
    /// # Errors
    /// As [`Shelf::want`]; [`Refused`](ErrorKind::Refused) for one that was withdrawn or has expired.
    pub fn publish(&mut self, bundle: &Bundle, said: Signed<Notice>, now: u64) -> Result<()> {
        said.statement().tells_of(bundle, said.maker())?;
        self.remember_own(said.maker())?;
        match self.want(&said, now)? {
            Want::Here => Ok(()),
            Want::Fetch => self.put(bundle.bytes(), said),
            Want::Older => {
                Err(crate::err!(Refused, "a newer version is on the shelf; give it a larger --counter"))
            }
            Want::Expired => Err(crate::err!(Refused, "it has expired; make it anew")),
            Want::Withdrawn => Err(crate::err!(
                Refused,
                "this version was withdrawn; make a new one with a larger --counter"
            )),
        }
    }

    /// The file that `said` tells of as far as it was fetched.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io).
    pub fn part(&self, said: &Signed<Notice>) -> Result<Part> {
        Part::open(&self.path(said.statement().bundle, "part"), said.statement().clone())
    }

    /// Puts the bundle on the shelf of which `part` holds every chunk, in place of older versions.
    ///
    /// # Errors
    /// [`Corrupt`](ErrorKind::Corrupt) where it is not the bundle that `said` tells of; as [`Bundle::from_bytes`]. The chunks are gone then.
    pub fn finish(&mut self, said: Signed<Notice>, part: Part) -> Result<()> {
        let path = self.path(said.statement().bundle, "part");
        let bundle = part.bytes().and_then(Bundle::from_bytes);
        let put = bundle.and_then(|bundle| {
            said.statement().tells_of(&bundle, said.maker())?;
            self.put(bundle.bytes(), said)
        });
        remove(&path).and(put)
    }

    /// Remembers a withdrawal for ever, and removes what it covers.
    ///
    /// # Errors
    /// [`Mismatch`](ErrorKind::Mismatch) for another backbone; [`Budget`](ErrorKind::Budget) where no more withdrawals can be remembered.
    pub fn withdraw(&mut self, said: Signed<Withdrawal>) -> Result<()> {
        let statement = said.statement();
        if statement.backbone != self.backbone {
            crate::bail!(Mismatch, "a withdrawal for another backbone, {}", statement.backbone);
        }
        if self.gone.contains_key(&said.id()) {
            return Ok(());
        }
        let of_signer = self.withdrawals().filter(|other| other.maker() == said.maker()).count();
        let share = self.limits.withdrawals / if self.trust.is_steward(said.maker()) { 1 } else { 8 };
        if self.gone.len() >= self.limits.withdrawals || of_signer >= share {
            crate::bail!(
                Budget,
                "{} withdrawals are remembered, {of_signer} of this signer, and at most {} and {share} are; raise the limit, for none may \
                 be given up",
                self.gone.len(),
                self.limits.withdrawals
            );
        }
        write(&self.path(said.id(), "gone"), said.bytes())?;
        self.remember(said)
    }

    fn remember(&mut self, said: Signed<Withdrawal>) -> Result<()> {
        let (source, counter) = (said.statement().source(), said.statement().counter);
        let newest = self.erased.entry(source).or_default();
        *newest = counter.max(*newest);
        self.gone.insert(said.id(), said);
        self.remove(|notice| notice.source == source && notice.counter <= counter)
    }

    /// Whether version `counter` of `source` was withdrawn.
    pub fn is_withdrawn(&self, source: Digest, counter: u64) -> bool {
        self.erased.get(&source).is_some_and(|newest| counter <= *newest)
    }

    /// Removes what has expired.
    ///
    /// # Errors
    /// [`Io`](ErrorKind::Io).
    pub fn expire(&mut self, now: u64) -> Result<()> {
        self.remove(|notice| notice.expires.is_some_and(|end| now > end))
    }

    /// Bytes of bundles that are here.
    pub fn bytes(&self) -> u64 {
        self.notices().map(|said| said.statement().bytes).sum()
    }

    /// Files `*.part` that none of `wanted` asks for any more are removed.
    pub(super) fn forget_parts(&self, wanted: &[Signed<Notice>]) -> Result<()> {
        for path in self.files("part")? {
            let id = stem(&path);
            if !wanted.iter().any(|said| Some(said.statement().bundle) == id) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Before anything is published: what this device learned itself must not come back to it as somebody else's.
    fn remember_own(&mut self, maker: &PublicKey) -> Result<()> {
        self.trust_own(maker);
        let lines: String = self.own.iter().map(|key| key.line("this device") + "\n").collect();
        write(&self.folder.join(OWN), lines.as_bytes())
    }

    fn trust_own(&mut self, maker: &PublicKey) {
        if !self.is_own(maker) {
            self.own.push(maker.clone());
            self.trust = std::mem::take(&mut self.trust).with(maker.clone(), "this device");
        }
    }

    fn put(&mut self, bytes: &[u8], said: Signed<Notice>) -> Result<()> {
        let id = said.statement().bundle;
        write(&self.path(id, "bundle"), bytes)?;
        write(&self.path(id, "notice"), said.bytes())?;
        self.place(said)
    }

    /// In place of older versions.
    fn place(&mut self, said: Signed<Notice>) -> Result<()> {
        let source = said.statement().source;
        self.remove(|other| other.source == source)?;
        self.notices.insert(said.statement().bundle, said);
        Ok(())
    }

    fn remove(&mut self, which: impl Fn(&Notice) -> bool) -> Result<()> {
        let ids: Vec<Digest> =
            self.notices.iter().filter(|(_, said)| which(said.statement())).map(|(id, _)| *id).collect();
        for id in &ids {
            // The notice first: a bundle without one is removed when the shelf is opened.
            for kind in ["notice", "bundle", "part"] {
                remove(&self.path(*id, kind))?;
            }
            self.notices.remove(id);
        }
        Ok(())
    }

    fn room(&self, said: &Signed<Notice>, replaces: bool) -> Result<()> {
        let limits = &self.limits;
        let of_maker = self.notices().filter(|other| other.maker() == said.maker()).count();
        let more = usize::from(!replaces);
        if self.notices.len() + more > limits.bundles || of_maker + more > limits.per_maker {
            crate::bail!(
                Budget,
                "{} bundles are here, {of_maker} of this maker, and at most {} and {} may be; withdraw some, or raise the limits",
                self.notices.len(),
                limits.bundles,
                limits.per_maker
            );
        }
        let bytes = self.bytes() + said.statement().bytes;
        if bytes > limits.bytes {
            crate::bail!(
                Budget,
                "{bytes} bytes with this bundle, and at most {} may be; raise the limit",
                limits.bytes
            );
        }
        Ok(())
    }

    /// Whether what a file says is still to be held, and its bundle is whole.
    fn holds(&self, said: &Signed<Notice>, now: u64) -> bool {
        let id = said.statement().bundle;
        matches!(self.want(said, now), Ok(Want::Fetch))
            && Bundle::read(&self.file(id)).is_ok_and(|b| said.statement().tells_of(&b, said.maker()).is_ok())
    }

    fn statement<S: Statement>(&self, path: &Path) -> Option<Signed<S>> {
        let bytes = read_limited(path, S::MOST as u64).ok()?;
        Signed::from_bytes(bytes, &self.trust).ok()
    }

    /// Files of a kind, by name.
    fn files(&self, kind: &str) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.folder).at(|| self.folder.display().to_string())?;
        let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        let mut paths: Vec<_> =
            paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == kind)).collect();
        paths.sort();
        Ok(paths)
    }

    fn path(&self, id: Digest, kind: &str) -> PathBuf {
        self.folder.join(format!("{id}.{kind}"))
    }
}

/// The backbone that `folder` is marked with, or now is.
fn marked(folder: &Path, backbone: Option<Digest>) -> Result<Digest> {
    let place = || folder.display().to_string();
    let mark = folder.join(MARK);
    let found = match read_limited(&mark, 256) {
        Ok(text) => {
            Some(std::str::from_utf8(&text).ok().and_then(|text| digest(text.trim())).ok_or_else(|| {
                crate::err!(Corrupt, "no SHA-256 of a backbone; remove the file, and give --backbone")
                    .at(mark.display().to_string())
            })?)
        }
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    match (found, backbone) {
        (Some(found), Some(given)) if found != given => Err(crate::err!(
            Mismatch,
            "a shelf for backbone {found}, not {given}; give each backbone a folder of its own"
        )
        .at(place())),
        (Some(found), _) => Ok(found),
        (None, Some(given)) => {
            fs::create_dir_all(folder).at(place)?;
            write(&mark, format!("{given}\n").as_bytes())?;
            Ok(given)
        }
        (None, None) => {
            Err(crate::err!(NotFound, "no shelf here; publish something, or join, which make one")
                .at(place()))
        }
    }
}

fn stem(path: &Path) -> Option<Digest> {
    path.file_stem().and_then(|name| name.to_str()).and_then(digest)
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    debug_assert!(bytes.len() as u64 <= MAX_FILE);
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).at(|| folder.display().to_string())?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).at(|| path.display().to_string())?;
    file.persist(path).map_err(|e| e.error).at(|| path.display().to_string())?;
    Ok(())
}

pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path).at(|| path.display().to_string()) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
