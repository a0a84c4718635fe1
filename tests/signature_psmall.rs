//! Task recognition on real features: P-small (CIFAR-100, ten tasks of ten classes, frozen ViT-Ti).
//!
//! Needs features that are not in the repository. `PERENNIAL_FEATURES` names a folder with `psmall_train.f32`
//! (100 classes x 100 images x 192, f32 little-endian) and `psmall_test.f32` (x 20), and `order_1993.txt` is looked for
//! there and in the data folder. Without them the test says so and passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod skip;

use std::fs;
use std::path::PathBuf;

use ndarray::{Array2, Axis};
use perennial::mixture::CovarianceType;
use perennial::signature::{
    Reduction, ReductionParams, Router, Rule, Score, Signature, SignatureParams, Whitening, detection,
    retrieval,
};

const WIDTH: usize = 192;

struct Split {
    features: Array2<f32>,
    labels: Vec<usize>,
    tasks: Vec<usize>,
}

fn read(folder: &std::path::Path, name: &str, order: &[usize], per_class: usize) -> Option<Split> {
    let bytes = fs::read(folder.join(name)).ok()?;
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
    let all = Array2::from_shape_vec((100 * per_class, WIDTH), values).ok()?;
    let rows: Vec<usize> = order.iter().flat_map(|c| c * per_class..(c + 1) * per_class).collect();
    let labels: Vec<usize> = rows.iter().map(|r| r / per_class).collect();
    let tasks = (0..rows.len()).map(|i| i / (10 * per_class)).collect();
    Some(Split { features: all.select(Axis(0), &rows), labels, tasks })
}

fn load() -> Option<(Split, Split)> {
    let folder = PathBuf::from(std::env::var_os("PERENNIAL_FEATURES")?);
    let own = Some(folder.join("order_1993.txt")).filter(|p| p.exists());
    let order = fs::read_to_string(own.or_else(|| skip::shared("cifar100/order_1993.txt"))?).ok()?;
    let order: Vec<usize> = order.lines().map(|l| l.parse().unwrap()).collect();
    Some((read(&folder, "psmall_train.f32", &order, 100)?, read(&folder, "psmall_test.f32", &order, 20)?))
}

fn of_task(split: &Split, t: usize) -> (Array2<f32>, Vec<usize>) {
    let rows: Vec<usize> = (0..split.tasks.len()).filter(|&i| split.tasks[i] == t).collect();
    (split.features.select(Axis(0), &rows), rows.iter().map(|&i| split.labels[i]).collect())
}

fn learn(
    train: &Split,
    tasks: usize,
    reduction: &ReductionParams,
    params: &SignatureParams,
) -> (Reduction, Router) {
    let (first, labels) = of_task(train, 0);
    let reduction = Reduction::fit(first.view(), &labels, reduction).unwrap();
    let mut router = Router::default();
    for t in 0..tasks {
        let (x, labels) = of_task(train, t);
        let z = reduction.apply(x.view()).unwrap();
        router.push(Signature::fit(&z, &labels, params).unwrap());
    }
    (reduction, router)
}

/// One-hot ridge on unit-length features: what a head would say, best class of each task.
fn head_scores(train: &Split, test: &Split) -> Array2<f64> {
    let unit = |x: &Array2<f32>| {
        let x = x.mapv(f64::from);
        let norms = x.map_axis(Axis(1), |r| r.dot(&r).sqrt());
        &x / &norms.insert_axis(Axis(1))
    };
    let targets =
        Array2::from_shape_fn((train.labels.len(), 100), |(i, c)| f64::from(u8::from(train.labels[i] == c)));
    let w = perennial::linalg::ridge(unit(&train.features).view(), targets.view(), 1.0).unwrap();
    let scores = unit(&test.features).dot(&w);
    let task_of = |c: usize| train.tasks[train.labels.iter().position(|&l| l == c).unwrap()];
    let tasks: Vec<usize> = (0..100).map(task_of).collect();
    Array2::from_shape_fn((scores.nrows(), 10), |(i, t)| {
        (0..100).filter(|&c| tasks[c] == t).map(|c| scores[[i, c]]).fold(f64::NEG_INFINITY, f64::max)
    })
}

#[test]
fn retrieval_per_sample() {
    let Some((train, test)) = load() else {
        skip::say("set PERENNIAL_FEATURES to a folder with psmall_train.f32 and psmall_test.f32");
        return;
    };
    let head = head_scores(&train, &test);
    println!(
        "{:58} {:>6} {:>6} {:>6}  {:>6} {:>5} {:>6}",
        "per-sample retrieval, chance 10", "1", "4", "16", "+head", "K", "bytes"
    );
    let white = |whitening, dims| ReductionParams { whitening, dims, ..Default::default() };
    let by_class = SignatureParams::default();
    let faithful = SignatureParams::faithful();
    let rows: Vec<(String, ReductionParams, SignatureParams)> = vec![
        ("faithful, PCA 64 whitened".into(), white(Whitening::Total, 64), faithful),
        ("faithful, PCA 192 whitened".into(), white(Whitening::Total, 192), faithful),
        ("faithful, within-class 64".into(), white(Whitening::WithinClass, 64), faithful),
        ("faithful, within-class 192".into(), white(Whitening::WithinClass, 192), faithful),
        (
            "faithful with full covariances, PCA 64 whitened".into(),
            white(Whitening::Total, 64),
            SignatureParams { covariance: CovarianceType::Full, ..faithful },
        ),
        (
            "faithful with full covariances, within-class 192".into(),
            white(Whitening::WithinClass, 192),
            SignatureParams { covariance: CovarianceType::Full, ..faithful },
        ),
        (
            "faithful with rank 8, within-class 64".into(),
            white(Whitening::WithinClass, 64),
            SignatureParams { covariance: CovarianceType::LowRank(8), ..faithful },
        ),
        (
            "one full component a task, within-class 192".into(),
            white(Whitening::WithinClass, 192),
            SignatureParams { covariance: CovarianceType::Full, n_components: 1, ..faithful },
        ),
        ("by class, PCA 64 whitened".into(), white(Whitening::Total, 64), by_class),
        ("by class, within-class 64".into(), white(Whitening::WithinClass, 64), by_class),
        ("by class, within-class 128".into(), white(Whitening::WithinClass, 128), by_class),
        ("by class, within-class 192 (default)".into(), white(Whitening::WithinClass, 192), by_class),
        (
            "by class, max component".into(),
            white(Whitening::WithinClass, 192),
            SignatureParams { score: Score::MaxComponent, ..by_class },
        ),
        (
            "by class, tie 30".into(),
            white(Whitening::WithinClass, 192),
            SignatureParams { tie: 30.0, ..by_class },
        ),
        (
            "by class, tie 4".into(),
            white(Whitening::WithinClass, 192),
            SignatureParams { tie: 4.0, ..by_class },
        ),
        (
            "by class, one component a class".into(),
            white(Whitening::WithinClass, 192),
            SignatureParams { n_components: 1, ..by_class },
        ),
        (
            "by class, then refined together".into(),
            white(Whitening::WithinClass, 192),
            SignatureParams { refine: 100, ..by_class },
        ),
    ];
    let mut default_figure = 0.0;
    let mut faithful_figure = 0.0;
    for (name, reduction, params) in rows {
        let started = std::time::Instant::now();
        let (reduction, mut router) = learn(&train, 10, &reduction, &params);
        let seconds = started.elapsed().as_secs_f64();
        let z = reduction.apply(test.features.view()).unwrap();
        let scores = router.scores(&z).unwrap();
        let figure = |context| 100.0 * retrieval(scores.view(), &test.tasks, context);
        let routed = |router: &Router, head: Option<&Array2<f64>>| {
            let routings = router.decide(scores.view(), head.map(|h| h.view())).unwrap();
            let hits = routings.iter().zip(&test.tasks).filter(|(r, t)| r.task == **t).count();
            100.0 * hits as f64 / test.tasks.len() as f64
        };
        let with_head = routed(&router, Some(&head));
        router.rule = Rule::ZScored;
        println!(
            "{name:58} {:6.1} {:6.1} {:6.1}  {with_head:6.1} {:5.1} {:6}   z-scored {:.1}, {seconds:.1} s",
            figure(1),
            figure(4),
            figure(16),
            router.signatures().iter().map(|s| s.mixture().n_components()).sum::<usize>() as f64 / 10.0,
            router.bytes() / 10,
            routed(&router, None),
        );
        if name.contains("(default)") {
            default_figure = figure(1);
        }
        if name == "faithful, PCA 64 whitened" {
            faithful_figure = figure(1);
        }
    }
    println!("head alone: {:.1}", 100.0 * retrieval(head.view(), &test.tasks, 1));
    assert!(default_figure > 72.0 && default_figure > faithful_figure + 20.0);
}

#[test]
fn unknown_classes_are_noticed() {
    let Some((train, test)) = load() else {
        skip::say("set PERENNIAL_FEATURES to a folder with psmall_train.f32 and psmall_test.f32");
        return;
    };
    for (name, params) in
        [("by class", SignatureParams::default()), ("faithful", SignatureParams::faithful())]
    {
        let (reduction, router) = learn(&train, 5, &ReductionParams::default(), &params);
        let z = reduction.apply(test.features.view()).unwrap();
        let routings = router.route(&z).unwrap();
        let novelty =
            |r: &perennial::signature::Routing| -r.z_scores.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let (known, unknown): (Vec<_>, Vec<_>) = routings.iter().zip(&test.tasks).partition(|(_, t)| **t < 5);
        let rate = |v: &[(&perennial::signature::Routing, &usize)]| {
            100.0 * v.iter().filter(|(r, _)| r.unknown).count() as f64 / v.len() as f64
        };
        let values = |v: &[(&perennial::signature::Routing, &usize)]| {
            v.iter().map(|(r, _)| novelty(r)).collect::<Vec<_>>()
        };
        let area = detection(&values(&known), &values(&unknown));
        println!(
            "{name}: called unknown: {:.1} % of known, {:.1} % of unknown images; area under the curve {:.3}",
            rate(&known),
            rate(&unknown),
            area
        );
        assert!(rate(&known) < 10.0, "known images refused");
        if name == "by class" {
            assert!(area > 0.6, "{area}");
        }
    }
}
