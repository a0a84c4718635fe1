//! What an axis of prices counts, and which of its numbers are round on a logarithmic scale.

use super::format::{bytes, duration, milliseconds};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, round in KiB and MiB.
    Bytes,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// Ticks that fit beside each other.
const MOST: usize = 7;

impl Unit {
    /// How a value reads.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::Bytes => bytes(value.round() as u64),
            Self::Seconds if value < 1.0 => milliseconds(1e3 * value),
            Self::Seconds => duration(value),
            Self::Milliseconds => milliseconds(value),
        }
    }

    /// Round values within `[low, high]`: as fine as fits.
    pub fn log_ticks(self, low: f64, high: f64) -> Vec<f64> {
        let within = |steps: &[f64]| {
            let all = self.rounds().into_iter().flat_map(|unit| steps.iter().map(move |s| s * unit));
            let mut all: Vec<f64> = all.filter(|x| (low * 0.999..=high * 1.001).contains(x)).collect();
            all.sort_by(f64::total_cmp);
            all
        };
        let finer = [&[1.0, 2.0, 3.0, 4.0, 6.0, 8.0][..], &[1.0, 2.0, 5.0], &[1.0, 3.0]];
        let fitting = finer.into_iter().map(within).find(|ticks| ticks.len() <= MOST);
        fitting.unwrap_or_else(|| {
            let powers = within(&[1.0]);
            powers.iter().copied().step_by(powers.len().div_ceil(MOST)).collect()
        })
    }

    /// Powers of ten, of bytes within each of KiB, MiB and GiB.
    fn rounds(self) -> Vec<f64> {
        match self {
            Self::Bytes => {
                (0..4).flat_map(|unit| [1.0, 10.0, 100.0].map(|ten| ten * 1024f64.powi(unit))).collect()
            }
            Self::Seconds | Self::Milliseconds => (-5..7).map(|power| 10f64.powi(power)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let read = |unit: Unit, low, high| {
            unit.log_ticks(low, high).into_iter().map(|x| unit.text(x)).collect::<Vec<_>>()
        };
        assert_eq!(
            read(Unit::Bytes, 70e3, 20e6),
            ["100 KiB", "200 KiB", "500 KiB", "1 MiB", "2 MiB", "5 MiB", "10 MiB"]
        );
        assert_eq!(read(Unit::Seconds, 0.5, 30.0), ["500 ms", "1.0 s", "2.0 s", "5.0 s", "10 s", "20 s"]);
        assert_eq!(read(Unit::Milliseconds, 2.5, 5.0), ["3.00 ms", "4.00 ms"]);
        assert_eq!(Unit::Bytes.log_ticks(1.0, 4e9).len(), 5);
    }
}
