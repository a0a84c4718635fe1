//! Cases, tolerances and the runner: every case on every engine; all failures are told together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use perennial::engine::{Engine, by_name, names};

use crate::{ignored, skip};

/// How close is close: the largest error, relative to the larger of 1 and the largest expected number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Class {
    /// The same bits.
    Exact,
    /// Sums and products in another order.
    Accumulated,
    /// A whole network, or a derivative of a loss in f32.
    Network,
    /// Eleven bits somewhere on the way.
    HalfPrecision,
}

impl Class {
    fn limit(self) -> f64 {
        match self {
            Self::Exact => 0.0,
            Self::Accumulated => 5e-5,
            Self::Network => 1e-3,
            Self::HalfPrecision => 5e-2,
        }
    }
}

type Run = Box<dyn Fn(&Subject) -> Result<f64, String>>;

/// One question. The answer is an error to be held against the class.
pub struct Case {
    pub name: String,
    class: Class,
    run: Run,
}

pub fn case(
    name: impl Into<String>,
    class: Class,
    run: impl Fn(&Subject) -> Result<f64, String> + 'static,
) -> Case {
    Case { name: name.into(), class, run: Box::new(run) }
}

/// An engine under test.
pub struct Subject {
    pub name: String,
}

impl Subject {
    pub fn with(&self, threads: usize) -> Arc<dyn Engine> {
        by_name(&self.name, threads).unwrap()
    }

    /// With two threads, as tests run.
    pub fn engine(&self) -> Arc<dyn Engine> {
        self.with(2)
    }
}

/// The engines of `PERENNIAL_ENGINES`, or of the build. One that is not installed is said.
pub fn subjects() -> Vec<Subject> {
    let chosen = std::env::var("PERENNIAL_ENGINES").unwrap_or_default();
    let mut names: Vec<String> = match chosen.trim() {
        "" => names().into_iter().map(str::to_string).collect(),
        list => list.split_whitespace().map(str::to_string).collect(),
    };
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        let before = names.len();
        names.retain(|name| !name.starts_with("onnxruntime"));
        if names.len() < before {
            skip::say("set ORT_DYLIB_PATH to libonnxruntime (pip install onnxruntime) to test it");
        }
    }
    names.into_iter().map(|name| Subject { name }).collect()
}

/// What went wrong, or nothing.
fn judge(case: &Case, subject: &Subject) -> Result<f64, String> {
    let error = catch_unwind(AssertUnwindSafe(|| (case.run)(subject)))
        .unwrap_or_else(|e| Err(e.downcast_ref::<String>().cloned().unwrap_or_else(|| "panic".into())))?;
    match error <= case.class.limit() {
        true => Ok(error),
        false => Err(format!("off by {error:.1e}, {:?} allows {:.0e}", case.class, case.class.limit())),
    }
}

/// Runs `cases` on every engine.
pub fn conform(cases: Vec<Case>) {
    let (mut failures, mut known) = (Vec::new(), 0);
    for subject in subjects() {
        let mut worst: Vec<(Class, f32)> = Vec::new();
        for case in &cases {
            let label = format!("{} {}", subject.name, case.name);
            match (judge(case, &subject), ignored::reason(&subject.name, &case.name)) {
                (Ok(error), None) => match worst.iter_mut().find(|(class, _)| *class == case.class) {
                    Some((_, old)) => *old = old.max(error as f32),
                    None => worst.push((case.class, error as f32)),
                },
                (Ok(_), Some(_)) => failures.push(format!("{label}: passes; remove it from ignored.rs")),
                (Err(_), Some(_)) => known += 1,
                (Err(e), None) => failures.push(format!("{label}: {}", e.replace('\n', " "))),
            }
        }
        println!("{}: {} cases, largest errors {worst:?}", subject.name, cases.len());
    }
    println!("{known} ignored with a reason");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Largest difference, relative to the larger of 1 and the largest expected number.
pub fn off<'a>(have: impl IntoIterator<Item = &'a f32>, want: impl IntoIterator<Item = f64>) -> f64 {
    let want: Vec<f64> = want.into_iter().collect();
    let have: Vec<f64> = have.into_iter().map(|x| f64::from(*x)).collect();
    assert_eq!(have.len(), want.len(), "another number of elements");
    assert!(have.iter().all(|x| x.is_finite()), "not finite");
    let size = want.iter().fold(1.0f64, |a, x| a.max(x.abs()));
    have.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / size
}
