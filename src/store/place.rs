//! Where a state is kept, by name: a file, or a raw partition.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Blocks, Header, Partition, Slot, Slots};
use crate::err;
use crate::error::{Context, Error, Result};

/// A file that is replaced atomically, or `partition:PATH`, two slots on a raw partition or on an image of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// See [`super::file`].
    File(PathBuf),
    /// See [`Slots`].
    Partition(PathBuf),
}

const PARTITION: &str = "partition:";

impl FromStr for Place {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Ok(match name.strip_prefix(PARTITION) {
            Some(path) => Self::Partition(path.into()),
            None => Self::File(name.into()),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Partition(path) => write!(f, "{PARTITION}{}", path.display()),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl Place {
    /// Header and value of the state, of `backbone` where that is given.
    ///
    /// # Errors
    /// `NotFound` where nothing was saved yet, `Corrupt` for damage, `Mismatch` for state of another backbone, a newer format, or
    /// another type.
    pub fn load<T: DeserializeOwned>(&self, backbone: Option<[u8; 32]>) -> Result<(Header, T)> {
        match (self, backbone) {
            (Self::File(path), Some(backbone)) => super::load(path, backbone),
            (Self::File(path), None) => super::inspect(path),
            (Self::Partition(_), _) => {
                let mut slots = self.slots(backbone)?;
                if slots.slots().contains(&Slot::Damaged) {
                    tracing::warn!(
                        "{self}: one slot holds no intact record, after a save that was cut off or by damage"
                    );
                }
                slots.load().and_then(super::decoded).at(|| self.to_string())
            }
        }
    }

    /// Saves `value` as the state of `backbone`, all or nothing. A partition counts its saves by itself.
    ///
    /// # Errors
    /// As [`super::save`] and [`Slots::save`].
    pub fn save<T: Serialize>(&self, backbone: [u8; 32], counter: u64, value: &T) -> Result<Header> {
        match self {
            Self::File(path) => super::save(path, backbone, counter, value),
            Self::Partition(_) => {
                let payload = super::encoded(value)?;
                self.slots(Some(backbone))?.save(backbone, &payload).at(|| self.to_string())
            }
        }
    }

    /// Leaves no byte of older states; `false` where only the file system could: a file that was replaced is still on its medium until
    /// something else is written there.
    ///
    /// # Errors
    /// As [`Slots::compact`].
    pub fn compact(&self) -> Result<bool> {
        match self {
            Self::File(_) => Ok(false),
            Self::Partition(_) => self.slots(None)?.compact().map(|()| true).at(|| self.to_string()),
        }
    }

    /// Prepares a partition for its first state, whatever it holds. Where there is none, an image of `size` bytes is made.
    ///
    /// # Errors
    /// `InvalidArgument` for a file, which needs no preparation; as [`Slots::format`] and [`Partition::create`].
    pub fn format(&self, size: Option<u64>) -> Result<u64> {
        let Self::Partition(path) = self else {
            return Err(err!(InvalidArgument, "{self} is a file and needs no format; give {PARTITION}PATH"));
        };
        let partition = match size {
            Some(size) => Partition::create(path, size)?,
            None => Partition::open(path)?,
        };
        Slots::format(Blocks::new(partition)?, None).map(|slots| slots.size()).at(|| self.to_string())
    }

    fn slots(&self, backbone: Option<[u8; 32]>) -> Result<Slots<Blocks<Partition>>> {
        let (Self::File(path) | Self::Partition(path)) = self;
        let open = || Slots::open(Blocks::new(Partition::open(path)?)?, backbone);
        open().at(|| self.to_string())
    }
}
