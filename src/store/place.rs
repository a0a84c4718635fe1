//! Where a state is kept, by name: a file, or a raw partition; and what seals it there.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::seal::Seal;
use super::{Blocks, Header, Partition, Slots, file, record};
use crate::err;
use crate::error::{Context, Error, Result};

/// A file that is replaced atomically ([`super::file`]), or `partition:PATH`, two slots ([`Slots`]) on a raw partition or on an image
/// of one. What is kept there is readable by anyone, or sealed ([`Place::sealed`]).
#[derive(Clone)]
pub struct Place {
    medium: Kind,
    seal: Option<Arc<dyn Seal>>,
}

#[derive(Clone)]
enum Kind {
    File(PathBuf),
    Partition(PathBuf),
}

const PARTITION: &str = "partition:";

impl FromStr for Place {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let medium = match name.strip_prefix(PARTITION) {
            Some(path) => Kind::Partition(path.into()),
            None => Kind::File(name.into()),
        };
        Ok(Self { medium, seal: None })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.medium {
            Kind::File(path) => write!(f, "{}", path.display()),
            Kind::Partition(path) => write!(f, "{PARTITION}{}", path.display()),
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}{}", if self.seal.is_some() { " (sealed)" } else { "" })
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Place {
    /// A file.
    pub fn file(path: &Path) -> Self {
        Self { medium: Kind::File(path.into()), seal: None }
    }

    /// The same place, where from now on `seal` closes and opens what is kept.
    #[must_use]
    pub fn sealed(self, seal: impl Seal + 'static) -> Self {
        Self { seal: Some(Arc::new(seal)), ..self }
    }

    /// Header and value of the state, of `backbone` where that is given.
    ///
    /// # Errors
    /// `NotFound` where nothing was saved yet, `Corrupt` for damage, `Mismatch` for state of another backbone, a newer format, another
    /// type or another key, and for one that is sealed without a key or not sealed with one.
    pub fn load<T: DeserializeOwned>(&self, backbone: Option<[u8; 32]>) -> Result<(Header, T)> {
        self.read(backbone).and_then(|record| super::decoded(record).at(|| self.to_string()))
    }

    /// Saves `value` as the state of `backbone`, all or nothing. `counter` orders records; a partition counts its saves by itself.
    ///
    /// # Errors
    /// As [`super::save`] and [`Slots::save`].
    pub fn save<T: Serialize>(&self, backbone: [u8; 32], counter: u64, value: &T) -> Result<Header> {
        let payload = super::encoded(value)?;
        match &self.medium {
            Kind::File(path) => {
                let header = Header::new(counter, backbone, &payload);
                file::write(path, &record::close(&header, &payload, self.seal.as_deref())?)?;
                Ok(header)
            }
            Kind::Partition(path) => {
                self.slots(path, Some(backbone))?.save(backbone, &payload).at(|| self.to_string())
            }
        }
    }

    /// Leaves no byte of older states; `false` where only the file system could: a file that was replaced is still on its medium until
    /// something else is written there.
    ///
    /// # Errors
    /// As [`Slots::compact`].
    pub fn compact(&self) -> Result<bool> {
        match &self.medium {
            Kind::File(_) => Ok(false),
            Kind::Partition(path) => self.slots(path, None)?.compact().map(|()| true).at(|| self.to_string()),
        }
    }

    /// Writes the same state as this place's seal has it: encrypted where it was not, or with another key. No byte of what was there
    /// is left, where this gives `true`, as in [`Place::compact`]. What a power cut left half done is done by doing it again.
    ///
    /// # Errors
    /// As [`Place::load`] and [`Place::save`].
    pub fn reseal(&self) -> Result<bool> {
        let (header, payload) = self.read(None)?;
        if let Kind::File(path) = &self.medium {
            file::write(path, &record::close(&header, &payload, self.seal.as_deref())?)?;
        }
        self.compact()
    }

    /// Prepares a partition for its first state, whatever it holds. Where there is none, an image of `size` bytes is made.
    ///
    /// # Errors
    /// `InvalidArgument` for a file, which needs no preparation; as [`Slots::format`] and [`Partition::create`].
    pub fn format(&self, size: Option<u64>) -> Result<u64> {
        let Kind::Partition(path) = &self.medium else {
            return Err(err!(InvalidArgument, "{self} is a file and needs no format; give {PARTITION}PATH"));
        };
        let partition = match size {
            Some(size) => Partition::create(path, size)?,
            None => Partition::open(path)?,
        };
        Slots::format(Blocks::new(partition)?, None).map(|slots| slots.size()).at(|| self.to_string())
    }

    fn read(&self, backbone: Option<[u8; 32]>) -> Result<(Header, Vec<u8>)> {
        let path = match &self.medium {
            Kind::File(path) => return file::read(path, backbone, self.seal.as_deref()),
            Kind::Partition(path) => path,
        };
        self.slots(path, backbone)?.load().at(|| self.to_string())
    }

    fn slots(&self, path: &Path, backbone: Option<[u8; 32]>) -> Result<Slots<Blocks<Partition>>> {
        let open = || Slots::with(Blocks::new(Partition::open(path)?)?, backbone, self.seal.clone());
        open().at(|| self.to_string())
    }
}
