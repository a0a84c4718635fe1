//! Numbers that stay for a task among many that stay for a moment.
//!
//! A picture's tokens are some tens of kilobytes. On the heap they would lie between the values of the passes that made them, whose places
//! are then too small for what comes next: the heap grew by a quarter more than it held. So what is that large lies in memory of its own,
//! which goes back to the system at once.

use std::ops::Deref;

use half::f16;
use half::slice::HalfFloatSliceExt;
use memmap2::MmapMut;

/// Bytes from which on memory of its own is worth its last page.
const LARGE: usize = 32 << 10;

/// f16 numbers that are not changed.
#[derive(Debug)]
pub struct Tokens(Place);

#[derive(Debug)]
enum Place {
    Heap(Box<[f16]>),
    Own(MmapMut, usize),
}

impl Tokens {
    /// `values`, rounded.
    pub fn new(values: impl ExactSizeIterator<Item = f32>) -> Self {
        let count = values.len();
        let bytes = count * size_of::<f16>();
        match (bytes >= LARGE).then(|| MmapMut::map_anon(bytes)) {
            Some(Ok(mut own)) => {
                let bits: &mut [u16] = bytemuck::cast_slice_mut(&mut own);
                bits.iter_mut().zip(values).for_each(|(to, x)| *to = f16::from_f32(x).to_bits());
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
}

impl Deref for Tokens {
    type Target = [f16];

    fn deref(&self) -> &[f16] {
        match &self.0 {
            Place::Heap(values) => values,
            Place::Own(own, count) => {
                let bits: &[u16] = bytemuck::cast_slice(&own[..count * size_of::<f16>()]);
                half::slice::HalfBitsSliceExt::reinterpret_cast(bits)
            }
        }
    }
}

impl PartialEq for Tokens {
    fn eq(&self, other: &Self) -> bool {
        self.reinterpret_cast() == other.reinterpret_cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_or_small_they_are_what_was_given() {
        for count in [0, 7, LARGE / 2 - 1, LARGE / 2, 100_001] {
            let values = (0..count).map(|i| i as f32 * 0.25);
            let tokens = Tokens::new(values.clone());
            assert_eq!(matches!(tokens.0, Place::Own(..)), count >= LARGE / 2);
            assert_eq!(tokens.len(), count);
            assert!(tokens.iter().zip(values.clone()).all(|(t, x)| *t == f16::from_f32(x)));
            assert_eq!(tokens, Tokens::new(values));
        }
        assert_ne!(Tokens::new([1.0].into_iter()), Tokens::none());
    }
}
