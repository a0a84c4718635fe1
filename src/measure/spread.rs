//! Median and quartiles of repeated measurements. On a shared machine the mean is the neighbours'.

use serde::Serialize;

/// What repeats say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the repeats are below it.
    pub median: f64,
    /// A quarter is below it.
    pub low: f64,
    /// A quarter is above it.
    pub high: f64,
}

impl Spread {
    /// Of `values`, with quantiles between neighbours in proportion; zeros where there are none.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let [low, median, high] = [0.25, 0.5, 0.75].map(|q| quantile(&sorted, q));
        Self { median, low, high }
    }

    /// Half the distance between the quartiles, over the median.
    pub fn relative(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { 0.5 * (self.high - self.low) / self.median }
    }
}

/// The value that a share `q` of `sorted` does not exceed, between neighbours in proportion; zero where there are none.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * sorted.len().saturating_sub(1) as f64;
    let (below, above) = (at.floor() as usize, at.ceil() as usize);
    match (sorted.get(below), sorted.get(above)) {
        (Some(a), Some(b)) => a + (b - a) * (at - at.floor()),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_neighbours() {
        let spread = Spread::of(&[4.0, 1.0, 2.0, 3.0]);
        assert_eq!(spread, Spread { median: 2.5, low: 1.75, high: 3.25 });
        assert_eq!(spread.relative(), 0.3);
        assert_eq!(Spread::of(&[7.0]).median, 7.0);
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
