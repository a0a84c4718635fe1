//! Reduction, signatures and routing on drawn features with known structure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ndarray::{Array1, Array2, Axis, array, concatenate, s};
use perennial::ErrorKind;
use perennial::signature::{
    Calibration, Reduced, Reduction, ReductionParams, Router, Rule, Signature, SignatureParams, Whitening,
    detection, retrieval,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

const WIDTH: usize = 24;

/// Features of `classes`, `per_class` each: class centres drawn by class number, noise that is strong in the first
/// eight directions and weak in the others, so that an unwhitened distance is misled.
fn draw(classes: std::ops::Range<usize>, per_class: usize, seed: u64) -> (Array2<f32>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || rng.sample::<f64, _>(StandardNormal);
    let labels: Vec<usize> = classes.flat_map(|c| vec![c; per_class]).collect();
    let x = Array2::from_shape_fn((labels.len(), WIDTH), |(i, j)| {
        let mut centre = ChaCha8Rng::seed_from_u64((labels[i] * WIDTH + j) as u64);
        let offset = if j == WIDTH - 1 { 6.0 } else { 0.0 };
        let noise = if j < 8 { 2.0 } else { 0.3 };
        (offset + 0.4 * centre.sample::<f64, _>(StandardNormal) + noise * normal()) as f32
    });
    (x, labels)
}

fn reduction(params: &ReductionParams) -> Reduction {
    let (x, labels) = draw(0..5, 60, 1);
    Reduction::fit(x.view(), &labels, params).unwrap()
}

/// Tasks of five classes each, and the reduction fitted on the first.
fn learned(tasks: usize) -> (Reduction, Router) {
    let reduction = reduction(&ReductionParams::default());
    let mut router = Router::default();
    for t in 0..tasks {
        let (x, labels) = draw(5 * t..5 * t + 5, 60, 1 + t as u64);
        let features = reduction.apply(x.view()).unwrap();
        assert_eq!(router.push(Signature::fit(&features, &labels, &SignatureParams::default()).unwrap()), t);
    }
    (reduction, router)
}

fn covariance(z: &Array2<f64>) -> Array2<f64> {
    let centred = z - &z.mean_axis(Axis(0)).unwrap();
    centred.t().dot(&centred) / z.nrows() as f64
}

fn off_identity(c: &Array2<f64>) -> f64 {
    (c - &Array2::<f64>::eye(c.nrows())).mapv(f64::abs).fold(0.0, |a: f64, &b| a.max(b))
}

#[test]
fn whitening_makes_its_covariance_the_identity() {
    let (x, labels) = draw(0..5, 60, 1);
    let fit = |whitening| reduction(&ReductionParams { whitening, shrinkage: Some(0.0), dims: 16 });
    let total = fit(Whitening::Total).apply(x.view()).unwrap().z;
    assert!(off_identity(&covariance(&total)) < 0.01);
    let mut within = fit(Whitening::WithinClass).apply(x.view()).unwrap().z;
    for c in 0..5 {
        let mut own = within.slice_mut(s![60 * c..60 * (c + 1), ..]);
        let mean = own.mean_axis(Axis(0)).unwrap();
        own -= &mean;
    }
    assert_eq!(labels.len(), 300);
    assert!(off_identity(&(within.t().dot(&within) / 295.0)) < 0.01);
    let plain = covariance(&fit(Whitening::None).apply(x.view()).unwrap().z);
    let off_diagonal = &plain - &Array2::from_diag(&plain.diag());
    assert!(
        off_diagonal.iter().all(|v| v.abs() < 1e-3 * plain[[0, 0]]),
        "principal components are uncorrelated"
    );
}

#[test]
fn stored_reduction_and_signature_come_back_bit_for_bit() {
    let (reduction, router) = learned(3);
    let bytes = postcard::to_allocvec(&reduction).unwrap();
    let back: Reduction = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(back, reduction);
    assert!(bytes.len().abs_diff(reduction.bytes()) < 32, "{} {}", bytes.len(), reduction.bytes());

    let bytes = postcard::to_allocvec(&router).unwrap();
    let read: Router = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(read, router);
    assert_eq!(postcard::to_allocvec(&read).unwrap(), bytes);
    assert!(bytes.len() < router.bytes() + 3 * 160, "{} written, {} counted", bytes.len(), router.bytes());
    let (x, _) = draw(0..15, 4, 77);
    assert_eq!(
        read.scores(&back.apply(x.view()).unwrap()).unwrap(),
        router.scores(&reduction.apply(x.view()).unwrap()).unwrap()
    );
}

#[test]
fn fitting_twice_gives_the_same_bytes() {
    let bytes = || postcard::to_allocvec(&learned(2)).unwrap();
    assert_eq!(bytes(), bytes());
}

#[test]
fn tasks_are_recognised_and_within_class_whitening_is_why() {
    let truth: Vec<usize> = (0..20 * 30).map(|i| i / 150).collect();
    let (x, _) = draw(0..20, 30, 99);
    let (reduction, router) = learned(4);
    let routings = router.route(&reduction.apply(x.view()).unwrap()).unwrap();
    let hits = routings.iter().zip(&truth).filter(|(r, t)| r.task == **t).count();
    let plain = Reduction::fit(
        draw(0..5, 60, 1).0.view(),
        &draw(0..5, 60, 1).1,
        &ReductionParams { whitening: Whitening::None, ..Default::default() },
    )
    .unwrap();
    let mut other = Router::default();
    for t in 0..4 {
        let (x, labels) = draw(5 * t..5 * t + 5, 60, 1 + t as u64);
        other.push(
            Signature::fit(&plain.apply(x.view()).unwrap(), &labels, &SignatureParams::faithful()).unwrap(),
        );
    }
    let faithful = retrieval(other.scores(&plain.apply(x.view()).unwrap()).unwrap().view(), &truth, 1);
    println!("by class {} of 600, faithful without whitening {:.0} of 600", hits, 600.0 * faithful);
    assert!(hits > 580 && 600.0 * faithful < hits as f64);
    assert!(routings.iter().all(|r| r.margin >= 0.0 && r.scores.len() == 4 && r.z_scores.len() == 4));
}

#[test]
fn unknown_is_called_for_new_classes_and_seldom_for_own() {
    let (reduction, router) = learned(3);
    let share = |classes| {
        let (x, _) = draw(classes, 40, 1234);
        let routings = router.route(&reduction.apply(x.view()).unwrap()).unwrap();
        routings.iter().filter(|r| r.unknown).count() as f64 / routings.len() as f64
    };
    let (own, new) = (share(0..15), share(15..25));
    println!("called unknown: {own:.3} of own, {new:.3} of new");
    assert!(own < 0.12 && new > 0.8);
}

#[test]
fn a_class_with_two_looks_gets_two_components() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let z = Array2::from_shape_fn((120, 6), |(i, j)| {
        let look = if i < 60 && i % 2 == 0 && j == 0 { 9.0 } else { 0.0 };
        let class = if i < 60 { 0.0 } else { 7.0 };
        look + class + rng.sample::<f64, _>(StandardNormal)
    });
    let labels: Vec<usize> = (0..120).map(|i| 40 + i / 60).collect();
    let signature = Signature::fit(&Reduced::plain(z), &labels, &SignatureParams::default()).unwrap();
    assert_eq!(signature.mixture().n_components(), 3);
    assert_eq!(signature.classes(), [40, 41]);
    assert_eq!(signature.n(), 120);
}

#[test]
fn removing_a_task_changes_no_other_score() {
    let (reduction, mut router) = learned(3);
    let (x, _) = draw(0..15, 5, 6);
    let features = reduction.apply(x.view()).unwrap();
    let before = router.scores(&features).unwrap();
    assert!(router.remove(7).is_none());
    router.remove(1).unwrap();
    let after = router.scores(&features).unwrap();
    assert_eq!(after, concatenate![Axis(1), before.slice(s![.., 0..1]), before.slice(s![.., 2..3])]);
}

#[test]
fn the_head_has_a_say_but_not_about_unknown() {
    let (reduction, mut router) = learned(3);
    let (x, _) = draw(0..5, 10, 6);
    let scores = router.scores(&reduction.apply(x.view()).unwrap()).unwrap();
    let alone = router.decide(scores.view(), None).unwrap();
    let mut head = Array2::zeros(scores.dim());
    head.column_mut(2).fill(1e6);
    let with = router.decide(scores.view(), Some(head.view())).unwrap();
    assert!(with.iter().all(|r| r.task == 2));
    assert!(with.iter().zip(&alone).all(|(a, b)| a.unknown == b.unknown && a.z_scores == b.z_scores));
    router.rule = Rule::ZScored;
    let z_scored = router.decide(scores.view(), None).unwrap();
    assert!(z_scored.iter().all(|r| r.scores == r.z_scores));
}

#[test]
fn hardly_any_data_still_make_a_signature() {
    for per_class in 1..4 {
        for classes in 1..3 {
            let (x, labels) = draw(0..classes, per_class, 3);
            let Ok(reduction) = Reduction::fit(x.view(), &labels, &ReductionParams::default()) else {
                assert_eq!((per_class, classes), (1, 1), "one image has no direction");
                continue;
            };
            let features = reduction.apply(x.view()).unwrap();
            for params in [SignatureParams::default(), SignatureParams::faithful()] {
                match Signature::fit(&features, &labels, &params) {
                    Ok(s) => assert!(s.score(&features).unwrap().iter().all(|v| v.is_finite())),
                    Err(e) => panic!("{per_class} x {classes}: {e}"),
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (reduction, router) = learned(1);
    let (x, labels) = draw(0..5, 3, 2);
    let features = reduction.apply(x.view()).unwrap();
    let kind = |r: perennial::Result<Signature>| r.unwrap_err().kind();
    let fit = |params: SignatureParams| kind(Signature::fit(&features, &labels, &params));
    assert_eq!(kind(Signature::fit(&features, &labels[1..], &SignatureParams::default())), ErrorKind::Shape);
    assert_eq!(fit(SignatureParams { tie: 0.0, ..Default::default() }), ErrorKind::InvalidArgument);
    assert_eq!(fit(SignatureParams { recall: 1.5, ..Default::default() }), ErrorKind::InvalidArgument);
    assert_eq!(fit(SignatureParams { n_components: 0, ..Default::default() }), ErrorKind::InvalidArgument);
    let broken = Reduced::plain(Array2::from_elem((15, 3), f64::NAN));
    assert_eq!(kind(Signature::fit(&broken, &labels, &SignatureParams::default())), ErrorKind::Numeric);

    assert_eq!(reduction.apply(x.slice(s![.., 1..])).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(router.scores(&broken).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(router.decide(Array2::zeros((2, 2)).view(), None).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(Router::default().route(&features).unwrap_err().kind(), ErrorKind::State);
    let same = Array2::<f32>::ones((6, 4));
    let none = ReductionParams { dims: 0, ..Default::default() };
    assert_eq!(
        Reduction::fit(same.view(), &[0; 6], &ReductionParams::default()).unwrap_err().kind(),
        ErrorKind::Numeric
    );
    assert_eq!(
        Reduction::fit(same.view(), &[0; 5], &ReductionParams::default()).unwrap_err().kind(),
        ErrorKind::Shape
    );
    assert_eq!(Reduction::fit(x.view(), &labels, &none).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn calibration_accepts_the_promised_share() {
    let scores: Vec<f64> = (0..100).map(f64::from).collect();
    let c = Calibration::new(&scores, 0.95);
    assert!((c.mean - 49.5).abs() < 1e-5 && (c.sd - 29.011_492).abs() < 1e-4);
    assert_eq!(scores.iter().filter(|s| c.z(**s) >= f64::from(c.threshold)).count(), 95);
    let unsure = Calibration::new(&[3.0], 0.95);
    assert!(unsure.z(-1e30) >= f64::from(unsure.threshold));
}

/// By hand: five samples of task 0, of which two are taken for task 1, then three of task 1, all right.
#[test]
fn retrieval_counts_samples_and_whole_runs() {
    let scores = array![
        [1.0, 0.0],
        [0.0, 0.5],
        [3.0, 0.0],
        [0.0, 9.0],
        [1.0, 0.0],
        [0.0, 1.0],
        [0.0, 1.0],
        [0.0, 1.0]
    ];
    let truth = [0, 0, 0, 0, 0, 1, 1, 1];
    assert_eq!(retrieval(scores.view(), &truth, 1), 6.0 / 8.0);
    // Pairs: {0, 1} right, {2, 3} wrong, the fifth left out; {5, 6} right, the last left out.
    assert_eq!(retrieval(scores.view(), &truth, 2), 2.0 / 3.0);
    assert!(retrieval(scores.view(), &truth, 16).is_nan());
}

#[test]
fn detection_is_the_chance_of_the_right_order() {
    assert_eq!(detection(&[0.0, 1.0], &[2.0, 3.0]), 1.0);
    assert_eq!(detection(&[2.0, 3.0], &[0.0, 1.0]), 0.0);
    assert_eq!(detection(&[1.0], &[1.0]), 0.5);
    assert_eq!(detection(&[0.0, 2.0], &[1.0, 3.0]), 0.75);
    let background: Array1<f64> = Array1::zeros(2);
    assert_eq!(Reduced::plain(Array2::zeros((2, 3))).background, background);
}

#[test]
fn two_tasks_made_one_keep_their_moments_and_both_are_found() {
    let reduction = reduction(&ReductionParams::default());
    let fit = |classes: std::ops::Range<usize>, seed: u64| {
        let (x, labels) = draw(classes, 60, seed);
        Signature::fit(&reduction.apply(x.view()).unwrap(), &labels, &SignatureParams::default()).unwrap()
    };
    let (first, again, other) = (fit(0..4, 1), fit(2..6, 2), fit(10..14, 3));
    let (united, lost) = first.united(&again).unwrap();
    assert_eq!(united.classes(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(united.n(), first.n() + again.n());
    assert!((0.0..2.0).contains(&lost), "{lost} nats");
    // Classes in both have not become more: six classes, not eight.
    let components = |s: &Signature| s.mixture().n_components();
    assert!(components(&united) < components(&first) + components(&again));
    assert!(united.bytes() < first.bytes() + again.bytes());
    // Weight and mean of the whole are kept, but for rounding at rest.
    let mean = |s: &Signature| s.mixture().means().t().dot(s.mixture().counts());
    let off = (mean(&united) - (mean(&first) + mean(&again))).mapv(f64::abs).sum() / f64::from(WIDTH as u32);
    assert!(off < 0.05 * united.mixture().counts().sum(), "{off}");
    let mut router = Router::default();
    router.push(united.clone());
    router.push(other);
    for (classes, task) in [(0..2, 0), (4..6, 0), (10..14, 1)] {
        let (x, labels) = draw(classes, 20, 9);
        let routed = router.route(&reduction.apply(x.view()).unwrap()).unwrap();
        let right = routed.iter().filter(|r| r.task == task).count();
        assert!(right * 10 > labels.len() * 9, "{right} of {}", labels.len());
    }
    // A class goes from it as from others.
    let mut forgotten = united.clone();
    assert!(forgotten.forget(2).unwrap() && !forgotten.classes().contains(&2));
    // What is left is what is stored.
    let restored: Signature = postcard::from_bytes(&postcard::to_allocvec(&forgotten).unwrap()).unwrap();
    assert_eq!(restored.mixture().means(), forgotten.mixture().means());
    let again: Signature = postcard::from_bytes(&postcard::to_allocvec(&united).unwrap()).unwrap();
    let (x, _) = draw(0..4, 5, 4);
    let features = reduction.apply(x.view()).unwrap();
    assert_eq!(again.score(&features).unwrap(), united.score(&features).unwrap());
}

#[test]
fn the_likest_components_of_one_class_become_one() {
    let reduction = reduction(&ReductionParams::default());
    // A class of two looks, far apart.
    let (mut x, labels) = draw(0..2, 80, 1);
    for (i, mut row) in x.rows_mut().into_iter().enumerate() {
        row[20] += if i % 2 == 0 { 9.0 } else { 0.0 };
    }
    let features = reduction.apply(x.view()).unwrap();
    let signature = Signature::fit(&features, &labels, &SignatureParams::default()).unwrap();
    let count = |s: &Signature| s.mixture().n_components();
    assert!(count(&signature) > 2, "{}", count(&signature));
    let (mut smaller, mut lost) = (signature.clone(), 0.0);
    while let Some((next, cost)) = smaller.smaller().unwrap() {
        assert_eq!(count(&next), count(&smaller) - 1);
        assert!(cost > 0.0);
        (smaller, lost) = (next, lost + cost);
    }
    assert_eq!((count(&smaller), smaller.classes()), (2, signature.classes()));
    let mean = |s: &Signature| {
        let scores = s.mixture().log_density(&features.z);
        scores.sum() / scores.len() as f64
    };
    // The bound is one for records drawn from the mixture, which these only resemble.
    let less = mean(&signature) - mean(&smaller);
    assert!(less > 0.0 && less < 2.0 * lost, "{less} {lost}");
}
