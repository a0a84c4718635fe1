//! Accuracy of every head on frozen features of a real backbone, the table of `src/head/mod.rs`.
//!
//!     python tests/golden/frozen_features.py DATA OUT
//!     PERENNIAL_FEATURES=OUT cargo test --release --test head_parity -- --ignored --nocapture
//!
//! The reference figures come from an independent PyTorch run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use ndarray::{Array2, Axis};
use perennial::head::{ClassMeans, Head, Lda, Lift, Ridge};

/// Features and labels of one set.
struct Set {
    rows: Array2<f32>,
    labels: Vec<usize>,
}

impl Set {
    fn load(folder: &Path, name: &str) -> Self {
        let words = |suffix: &str| {
            let bytes = std::fs::read(folder.join(format!("{name}.{suffix}"))).unwrap();
            bytes.chunks_exact(4).map(|b| [b[0], b[1], b[2], b[3]]).collect::<Vec<_>>()
        };
        let labels: Vec<usize> =
            words("labels").into_iter().map(|b| u32::from_le_bytes(b) as usize).collect();
        let values: Vec<f32> = words("f32").into_iter().map(f32::from_le_bytes).collect();
        Self {
            rows: Array2::from_shape_vec((labels.len(), values.len() / labels.len()), values).unwrap(),
            labels,
        }
    }

    /// The rows whose class is below `end` and at least `start`.
    fn classes(&self, start: usize, end: usize) -> Self {
        let keep: Vec<usize> =
            (0..self.labels.len()).filter(|&i| (start..end).contains(&self.labels[i])).collect();
        Self {
            rows: self.rows.select(Axis(0), &keep),
            labels: keep.iter().map(|&i| self.labels[i]).collect(),
        }
    }

    fn accuracy(&self, head: &dyn Head) -> f64 {
        let predicted = head.predict(self.rows.view()).unwrap();
        let right = predicted.iter().zip(&self.labels).filter(|(a, b)| a == b).count();
        100.0 * right as f64 / self.labels.len() as f64
    }
}

/// Ten tasks of equally many classes; returns the last and the mean accuracy over classes seen.
fn stream(name: &str, head: &mut dyn Head, train: &Set, test: &Set) -> (f64, f64) {
    let classes = train.labels.iter().max().unwrap() + 1;
    let (mut sum, mut last, mut slowest) = (0.0, 0.0, 0.0_f64);
    let begun = Instant::now();
    for task in 0..10 {
        let (start, end) = (classes * task / 10, classes * (task + 1) / 10);
        let new = train.classes(start, end);
        for (rows, labels) in new.rows.axis_chunks_iter(Axis(0), 64).zip(new.labels.chunks(64)) {
            head.observe(rows, labels).unwrap();
        }
        let solving = Instant::now();
        head.solve().unwrap();
        slowest = slowest.max(solving.elapsed().as_secs_f64());
        last = test.classes(0, end).accuracy(head);
        sum += last;
    }
    println!(
        "{name:22} last {last:.2}  average {:.2}  {:.2} MB  slowest solve {slowest:.2} s  all {:.1} s",
        sum / 10.0,
        head.bytes() as f64 / 1e6,
        begun.elapsed().as_secs_f64()
    );
    (last, sum / 10.0)
}

#[test]
#[ignore = "needs PERENNIAL_FEATURES, see the top of the file"]
fn frozen_features_give_the_reference_accuracy() {
    let folder = PathBuf::from(std::env::var("PERENNIAL_FEATURES").expect("set PERENNIAL_FEATURES"));
    let mut failures = Vec::new();
    // Set, then the reference: class means, ridge, random features at 2000.
    for (set, reference) in [("psmall", [69.6, 71.2, 75.1]), ("omniglot", [56.1, 62.7, 70.5])] {
        let (train, test) =
            (Set::load(&folder, &format!("{set}_train")), Set::load(&folder, &format!("{set}_test")));
        let width = train.rows.ncols();
        println!("{set}");
        let means = stream("class means", &mut ClassMeans::new(width), &train, &test).0;
        stream("lda", &mut Lda::new(width), &train, &test);
        let ridge = stream("ridge", &mut Ridge::new(width, Lift::Identity), &train, &test).0;
        let mut ranpac = 0.0;
        for seed in 0..3 {
            let mut head = Ridge::new(width, Lift::random_relu(2000, seed));
            ranpac += stream(&format!("ranpac 2000 seed {seed}"), &mut head, &train, &test).0 / 3.0;
        }
        if std::env::var_os("PERENNIAL_WIDE").is_some() {
            stream("ranpac 5000", &mut Ridge::new(width, Lift::random_relu(5000, 0)), &train, &test);
        }
        for (name, got, want, limit) in [
            ("class means", means, reference[0], 0.3),
            ("ridge", ridge, reference[1], 1.0),
            ("ranpac 2000, mean of three seeds", ranpac, reference[2], 1.0),
        ] {
            if (got - want).abs() > limit {
                failures.push(format!("{set} {name}: {got:.2}, reference {want}"));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
