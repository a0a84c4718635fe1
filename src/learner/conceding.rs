//! What is written down of what was given up: few rows, of which nothing is lost.

use super::concession::{Concession, Concessions, Lever};

/// Rows that a state keeps, a few bytes each; older ones are added up.
const ROWS: usize = 8;

impl Concession {
    /// Adds a step of the same lever that came later.
    pub(super) fn add(&mut self, later: &Self) {
        self.times = self.times.saturating_add(later.times);
        self.bytes = self.bytes.saturating_add(later.bytes);
        self.lost = match self.lever {
            Lever::Components | Lever::Tasks => self.lost + later.lost,
            // A share of what the steps before had left.
            _ => self.lost + later.lost - self.lost * later.lost,
        };
        self.confusion = match (self.confusion, later.confusion) {
            (Some([before, _]), Some([_, after])) => Some([before, after]),
            (own, other) => own.or(other),
        };
    }
}

impl Concessions {
    /// Adds what one task took.
    pub(super) fn extend(&mut self, newer: &[Concession]) {
        self.0.extend_from_slice(newer);
        while self.0.len() > ROWS {
            let mut oldest = self.0.remove(0);
            // The next row of the same lever takes it in; a lever's only row goes to the back.
            match self.0.iter_mut().find(|row| row.lever == oldest.lever) {
                Some(next) => {
                    oldest.add(next);
                    oldest.task.clone_from(&next.task);
                    *next = oldest;
                }
                None => self.0.push(oldest),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_bounded_and_nothing_is_lost_of_their_sums() {
        let mut all = Concessions::default();
        for task in 0..500u32 {
            let lever = Lever::ALL[task as usize % 5];
            let confusion = Some([task as f32, (task + 1) as f32]);
            all.extend(&[Concession {
                lever,
                task: task.to_string(),
                times: 1,
                bytes: 7,
                lost: 0.01,
                confusion,
            }]);
            assert!(all.rows().len() <= ROWS);
        }
        for lever in Lever::ALL {
            let of = || all.rows().iter().filter(|row| row.lever == lever);
            assert_eq!(of().map(|row| row.times).sum::<u32>(), 100, "{lever}");
            assert_eq!(of().map(|row| row.bytes).sum::<u64>(), 700);
            let lost = match lever {
                Lever::Components | Lever::Tasks => of().map(|row| row.lost).sum::<f32>() - 1.0,
                _ => of().map(|row| 1.0 - row.lost).product::<f32>() - 0.99f32.powi(100),
            };
            assert!(lost.abs() < 1e-4, "{lever}: off by {lost}");
        }
        assert_eq!(all.rows().last().map(|row| row.task.as_str()), Some("499"));
    }
}
