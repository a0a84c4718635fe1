//! Numbers as they rest: two bytes each.

use alloc::vec::Vec;

use half::f16;

/// The nearest f16 of every number, little-endian. Bytes, because a serde format may write a `u16` in one to three.
pub fn to_halves(values: impl IntoIterator<Item = f64>) -> Vec<u8> {
    values.into_iter().flat_map(|v| f16::from_f64(v).to_le_bytes()).collect()
}

/// The numbers that [`to_halves`] wrote; every one is an f32 and an f64, too.
pub fn from_halves(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<2>().0.iter().map(|&b| f16::from_le_bytes(b).to_f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_takes_two_bytes_and_comes_back_rounded() -> Result<(), postcard::Error> {
        let numbers = [0.0, 1.0, -2.5, 65504.0, 1.0 / 3.0, -1e-7];
        let halves = to_halves(numbers);
        let stored = postcard::to_allocvec(&halves)?;
        assert_eq!(stored.len(), 1 + 2 * numbers.len());
        let again: Vec<u8> = postcard::from_bytes(&stored)?;
        let rounded: Vec<f32> = numbers.map(|x| f16::from_f64(x).to_f32()).into();
        assert_eq!(from_halves(&again).collect::<Vec<_>>(), rounded);
        Ok(())
    }
}
