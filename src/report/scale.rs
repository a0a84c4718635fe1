//! Data to pixels, and round numbers on an axis.

use super::format;

/// A linear map from `[low, high]` of the data to `[from, to]` in pixels.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// Maps `low` to `from` and `high` to `to`; an empty range maps to the middle.
    pub fn new((low, high): (f64, f64), (from, to): (f64, f64)) -> Self {
        Self { low, high, from, to }
    }

    /// Ends of the data.
    pub fn range(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Pixels of `value`.
    pub fn at(&self, value: f64) -> f64 {
        let share = if self.high > self.low { (value - self.low) / (self.high - self.low) } else { 0.5 };
        self.from + share * (self.to - self.from)
    }
}

/// About `about` multiples of 1, 2 or 5 times a power of ten within `[low, high]`.
pub fn ticks(low: f64, high: f64, about: usize) -> Vec<f64> {
    let span = high - low;
    if span <= 0.0 || !span.is_finite() {
        return vec![low];
    }
    let rough = span / about.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough * 0.999);
    multiples(low, high, step.unwrap_or(rough))
}

/// As [`ticks`], in steps that are round in KiB or MiB.
pub fn byte_ticks(high: f64, about: usize) -> Vec<f64> {
    let rough = high / about.max(1) as f64;
    let mut unit = 1.0;
    while rough >= unit * 512.0 {
        unit *= 1024.0;
    }
    let steps = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 256.0, 512.0];
    let step = steps.into_iter().map(|m| m * unit).find(|step| *step >= rough).unwrap_or(512.0 * unit);
    multiples(0.0, high, step)
}

fn multiples(low: f64, high: f64, step: f64) -> Vec<f64> {
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|n| n as f64 * step).collect()
}

/// A tick with no more decimals than its neighbours need.
pub fn tick_label(value: f64, all: &[f64]) -> String {
    let step = all.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min);
    let decimals = if step.is_finite() && step < 1.0 { (-step.log10()).ceil().min(6.0) as usize } else { 0 };
    if decimals == 0 && value >= 1000.0 {
        format::count(value as usize)
    } else {
        format!("{value:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(37.0, 92.0, 5), [40.0, 60.0, 80.0]);
        assert_eq!(ticks(3.0, 3.0, 5), [3.0]);
        let mib = f64::from(1 << 20);
        assert_eq!(byte_ticks(4.2 * mib, 4), [0.0, 2.0 * mib, 4.0 * mib]);
        assert_eq!(byte_ticks(0.0, 4), [0.0]);
        let fine = ticks(0.0, 0.5, 5);
        assert_eq!(tick_label(fine[1], &fine), "0.1");
        assert_eq!(tick_label(2000.0, &[0.0, 2000.0]), "2,000");
    }

    #[test]
    fn scale_maps_ends_and_middle() {
        let scale = Scale::new((0.0, 10.0), (100.0, 0.0));
        assert_eq!((scale.at(0.0), scale.at(10.0), scale.at(5.0)), (100.0, 0.0, 50.0));
        assert_eq!(Scale::new((1.0, 1.0), (0.0, 8.0)).at(1.0), 4.0);
    }
}
