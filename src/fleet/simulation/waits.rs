//! How long devices waited, in classes of time that grow by a factor of 2^(1/8).

const PER_DOUBLING: f64 = 8.0;
/// Shorter waits fall into the first class.
const SHORTEST_S: f64 = 1e-3;
const CLASSES: usize = 320;

pub(super) struct Waits(Vec<u64>);

impl Waits {
    pub(super) fn new() -> Self {
        Self(vec![0; CLASSES])
    }

    pub(super) fn add(&mut self, wait_s: f64) {
        let class = (wait_s / SHORTEST_S).max(1.0).log2() * PER_DOUBLING;
        self.0[(class.ceil() as usize).min(CLASSES - 1)] += 1;
    }

    /// Upper end of the class in which the share `q` of the waits is reached.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let all: u64 = self.0.iter().sum();
        let rank = ((q * all as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let class = self.0.iter().position(|&count| {
            seen += count;
            seen >= rank
        })?;
        Some(SHORTEST_S * (class as f64 / PER_DOUBLING).exp2())
    }
}
