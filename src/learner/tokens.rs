//! Numbers that stay for a task among many that stay for a moment.
//!
//! A picture's tokens are some tens of kilobytes. On the heap they would lie between the values of the passes that made them, whose places
//! are then too small for what comes next: the heap grew by a quarter more than it held. So what is that large lies in memory of its own,
//! which goes back to the system at once, or in a file ([`Shelf`]).

use std::borrow::Cow;
use std::sync::Arc;

use half::f16;
use memmap2::MmapMut;

use super::spill::{Shelf, Slot};
use crate::error::Result;

/// Bytes from which on memory of its own is worth its last page.
const LARGE: usize = 32 << 10;

/// f16 numbers that are not changed.
#[derive(Debug)]
pub struct Tokens(Place);

#[derive(Debug)]
enum Place {
    Heap(Box<[f16]>),
    Own(MmapMut, usize),
    File(Slot),
}

impl Tokens {
    /// `values`, rounded.
    pub fn new(values: impl ExactSizeIterator<Item = f32>) -> Self {
        let count = values.len();
        let bytes = count * size_of::<f16>();
        match (bytes >= LARGE).then(|| MmapMut::map_anon(bytes)) {
            Some(Ok(mut own)) => {
                let numbers: &mut [f16] = bytemuck::cast_slice_mut(&mut own);
                numbers.iter_mut().zip(values).for_each(|(to, x)| *to = f16::from_f32(x));
                Self(Place::Own(own, count))
            }
            // Where the system gives none, the heap does.
            _ => Self(Place::Heap(values.map(f16::from_f32).collect())),
        }
    }

    /// None.
    pub fn none() -> Self {
        Self(Place::Heap(Box::default()))
    }

    /// The same in a file.
    ///
    /// # Errors
    /// As [`Shelf::put`].
    pub fn spilled(&self, shelf: &Arc<Shelf>) -> Result<Self> {
        Ok(Self(Place::File(shelf.put(&self.values()?)?)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Place::Heap(values) => values.len(),
            Place::Own(_, count) => *count,
            Place::File(slot) => slot.len(),
        }
    }

    /// Bytes of RAM.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Place::File(_) => 0,
            _ => self.len() * size_of::<f16>(),
        }
    }

    /// The numbers.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) where they lie in a file that does not give them.
    pub fn values(&self) -> Result<Cow<'_, [f16]>> {
        Ok(match &self.0 {
            Place::Heap(values) => Cow::Borrowed(values),
            Place::Own(own, count) => Cow::Borrowed(bytemuck::cast_slice(&own[..count * size_of::<f16>()])),
            Place::File(slot) => Cow::Owned(slot.read()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Context as _;

    #[test]
    fn wherever_they_lie_they_are_what_was_given() -> Result<()> {
        let folder = tempfile::tempdir().at(|| "a folder".into())?;
        for count in [0, 7, LARGE / 2 - 1, LARGE / 2, 100_001] {
            let values = (0..count).map(|i| i as f32 * 0.25);
            let tokens = Tokens::new(values.clone());
            assert_eq!(matches!(tokens.0, Place::Own(..)), count >= LARGE / 2);
            let spilled = tokens.spilled(&Shelf::new(folder.path(), count)?)?;
            assert_eq!((tokens.bytes(), spilled.bytes()), (2 * count, 0));
            for tokens in [&tokens, &spilled] {
                assert_eq!(tokens.len(), count);
                assert!(tokens.values()?.iter().zip(values.clone()).all(|(t, x)| *t == f16::from_f32(x)));
            }
        }
        Ok(())
    }
}
