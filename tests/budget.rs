//! Planned memory against what a learner really takes.
//!
//! One test function, because the allocator counts for the whole process.
#![cfg(feature = "tract")]
#![allow(unsafe_code, clippy::unwrap_used, clippy::expect_used)]

mod counting;
mod fixtures;
mod skip;

use counting::peak_of;
use ndarray::Array4;
use perennial::backbone::Backbone;
use perennial::learner::{Budget, Learner, Settings};

fn mib(n: usize) -> f64 {
    n as f64 / f64::from(1 << 20)
}

fn phase<T>(name: &str, f: impl FnOnce() -> T) -> T {
    let (out, peak) = peak_of(f);
    println!("    {name:<12} peak {:8.2} MiB", mib(peak));
    out
}

#[test]
fn plan_against_peak() {
    let Some(folder) = skip::real_vit() else { return };
    let path = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "onnx"))
        .unwrap();
    for (strategy, micro, features) in
        [("perennial-compact", 1, 2000), ("perennial", 4, 2000), ("ncm-frozen", 1, 2000)]
    {
        println!("{strategy} micro {micro}");
        let (_, all) = peak_of(|| {
            let backbone = phase("read", || Backbone::read(&path).unwrap());
            let settings = Settings { micro, random_features: features, ..Settings::default() };
            let budget = Budget { cache: 16 << 20, ..Budget::default() };
            let mut learner = phase("build", || {
                Learner::builder(backbone)
                    .strategy(strategy)
                    .settings(settings)
                    .budget(budget)
                    .build()
                    .unwrap()
            });
            println!("{}", learner.footprint());
            let images = Array4::from_shape_fn((32, 3, 224, 224), |(n, c, y, x)| {
                ((n * 7 + c * 3 + y * (1 + n % 2) + x) % 17) as f32 / 9.0 - 1.0
            });
            let labels: Vec<&str> = (0..32).map(|i| ["a", "b"][i % 2]).collect();
            learner.begin_task("t").unwrap();
            for i in [0, 16] {
                phase("observe", || {
                    learner
                        .observe(images.slice(ndarray::s![i..i + 16, .., .., ..]), &labels[i..i + 16])
                        .unwrap()
                });
            }
            phase("epoch", || learner.epoch().unwrap());
            phase("end", || learner.end_task().unwrap());
            phase("commit", || learner.commit_anyway().unwrap());
            phase("predict", || learner.predict(images.slice(ndarray::s![..4, .., .., ..])).unwrap());
        });
        println!("  all {:8.2} MiB", mib(all));
    }
}
