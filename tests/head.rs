//! Heads: against numpy and scikit-learn (`tests/golden/head_golden.py`), and the promises of the trait.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ndarray::{Array1, Array2, Axis, array, s};
use perennial::ErrorKind;
use perennial::head::{
    Angles, Better, ClassMeans, Head, Lda, Left, Lift, Linear, MAX_CLASSES, Mda, Novelty, Ridge, Vectors,
};
use perennial::linalg::gaussian;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

struct Golden {
    json: Value,
    x: Array2<f32>,
    labels: Vec<usize>,
    test: Array2<f32>,
}

impl Golden {
    fn load() -> Self {
        let json: Value = serde_json::from_str(include_str!("golden/head.json")).unwrap();
        let width = json["width"].as_u64().unwrap() as usize;
        let labels =
            json["labels"].as_array().unwrap().iter().map(|l| l.as_u64().unwrap() as usize).collect();
        Self { x: matrix(&json["x"], width), test: matrix(&json["test"], width), labels, json }
    }

    /// Worst difference between a head's scores and the golden ones.
    fn difference(&self, head: &impl Head, name: &str) -> f32 {
        let expected = matrix(&self.json[name], self.json["classes"].as_u64().unwrap() as usize);
        (head.scores(self.test.view()).unwrap() - expected).iter().fold(0.0, |w, d| w.max(d.abs()))
    }
}

fn matrix(values: &Value, cols: usize) -> Array2<f32> {
    let values: Vec<f32> = values.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
    Array2::from_shape_vec((values.len() / cols, cols), values).unwrap()
}

/// Four separable classes in eight dimensions, numbered with gaps: 0, 3, 4, 9.
fn blobs(seed: u64, n: usize) -> (Array2<f32>, Vec<usize>) {
    let centres = gaussian(1, 4, 8) * 3.0;
    let mut x = gaussian(seed, n, 8);
    for (i, mut row) in x.rows_mut().into_iter().enumerate() {
        row += &centres.row(i % 4);
    }
    (x, (0..n).map(|i| [0, 3, 4, 9][i % 4]).collect())
}

fn fitted<H: Head>(mut head: H, x: &Array2<f32>, labels: &[usize]) -> H {
    head.observe(x.view(), labels).unwrap();
    head.solve().unwrap();
    head
}

#[test]
fn scores_agree_with_the_reference() {
    let golden = Golden::load();
    let width = golden.x.ncols();
    let means = fitted(ClassMeans::new(width), &golden.x, &golden.labels);
    let mut ridge = fitted(Ridge::new(width, Lift::Identity), &golden.x, &golden.labels);
    let lda = fitted(Lda::new(width), &golden.x, &golden.labels);
    let lambda = golden.json["lambda"].as_f64().unwrap();
    println!("lambda {:?}, least GCV at {lambda}", ridge.lambda());
    // The valley is flat: half a decade beside its bottom is worth 0.1 %.
    assert!((ridge.lambda().unwrap() / lambda).log10().abs() < 0.5);
    ridge.set_lambda(lambda).unwrap();
    ridge.solve().unwrap();
    for (name, difference, limit) in [
        ("class_means", golden.difference(&means, "class_means"), 1e-5),
        ("ridge", golden.difference(&ridge, "ridge"), 1e-5),
        ("lda", golden.difference(&lda, "lda"), 1e-4),
    ] {
        println!("{name}: {difference:e}");
        assert!(difference < limit, "{name}: {difference:e}");
    }
}

fn heads(width: usize) -> Vec<(&'static str, Box<dyn Head>)> {
    vec![
        ("means", Box::new(ClassMeans::new(width))),
        ("ridge", Box::new(Ridge::new(width, Lift::Identity))),
        ("ranpac", Box::new(Ridge::new(width, Lift::random_relu(64, 7)))),
        ("lda", Box::new(Lda::new(width))),
    ]
}

#[test]
fn classes_come_in_any_order_and_number() {
    let ((x, labels), (test, expected)) = (blobs(2, 400), blobs(3, 100));
    for (name, mut head) in heads(8) {
        assert_eq!(head.classes(), 0);
        assert_eq!(head.scores(test.view()).unwrap_err().kind(), ErrorKind::State, "{name}");
        assert_eq!(head.solve().unwrap_err().kind(), ErrorKind::State, "{name}");
        // Class after class, the highest first: nothing earlier may be lost.
        for class in [9, 0, 4, 3] {
            let rows: Vec<usize> = (0..400).filter(|&i| labels[i] == class).collect();
            head.observe(x.select(Axis(0), &rows).view(), &vec![class; rows.len()]).unwrap();
            head.solve().unwrap();
        }
        assert_eq!(head.classes(), 10);
        let scores = head.scores(test.view()).unwrap();
        assert!(scores.column(1).iter().all(|&s| s == f32::NEG_INFINITY), "{name}: class 1 does not exist");
        let predicted = head.predict(test.view()).unwrap();
        let right = predicted.iter().zip(&expected).filter(|(a, b)| a == b).count();
        assert!(right >= 97, "{name}: {right} of 100");
        // In one go, in another order.
        let mut shuffled = heads(8).into_iter().find(|(n, _)| *n == name).unwrap().1;
        shuffled.observe(x.view(), &labels).unwrap();
        shuffled.solve().unwrap();
        assert_eq!(shuffled.predict(test.view()).unwrap(), predicted, "{name}");
    }
}

/// Between observing and solving, scores are those of the last solve: no new column, no new mask.
#[test]
fn scores_wait_for_the_solve() {
    let (x, labels) = blobs(13, 40);
    for (name, mut head) in heads(8) {
        head.observe(x.view(), &labels).unwrap();
        head.solve().unwrap();
        let before = head.scores(x.view()).unwrap();
        head.observe(x.view(), &labels.iter().map(|l| 2 * l + 1).collect::<Vec<_>>()).unwrap();
        assert_eq!(head.classes(), 20);
        assert_eq!(head.scores(x.view()).unwrap(), before, "{name}");
    }
}

/// Stored before or after a solve, a head gives the very same scores.
fn restarts<H: Head + Serialize + DeserializeOwned>(head: H) {
    let ((x, labels), (test, _)) = (blobs(4, 200), blobs(5, 20));
    let mut head = head;
    head.observe(x.slice(s![..100, ..]), &labels[..100]).unwrap();
    let mut other: H = postcard::from_bytes(&postcard::to_stdvec(&head).unwrap()).unwrap();
    for h in [&mut head, &mut other] {
        h.observe(x.slice(s![100.., ..]), &labels[100..]).unwrap();
        h.solve().unwrap();
    }
    let scores = head.scores(test.view()).unwrap();
    assert_eq!(scores, other.scores(test.view()).unwrap());
    let record = postcard::to_stdvec(&other).unwrap();
    assert_eq!(record, postcard::to_stdvec(&head).unwrap(), "byte-identical state");
    assert!(
        record.len() >= head.bytes() * 9 / 10 && record.len() <= head.bytes() + 128,
        "bytes() is the record"
    );
    let mut restored: H = postcard::from_bytes(&record).unwrap();
    restored.solve().unwrap();
    assert_eq!(scores, restored.scores(test.view()).unwrap());
}

#[test]
fn a_restart_changes_nothing() {
    restarts(ClassMeans::new(8));
    restarts(Ridge::new(8, Lift::Identity));
    restarts(Ridge::new(8, Lift::random_relu(50, 3)));
    restarts(Lda::new(8));
}

#[test]
fn a_forgotten_class_leaves_other_means_bit_identical() {
    let ((x, labels), (test, _)) = (blobs(6, 200), blobs(7, 40));
    let mut head = fitted(ClassMeans::new(8), &x, &labels);
    let before = head.scores(test.view()).unwrap();
    head.forget(4).unwrap();
    for round in ["at once", "after solving again"] {
        let after = head.scores(test.view()).unwrap();
        for class in [0, 3, 9] {
            assert_eq!(before.column(class), after.column(class), "{round}");
        }
        assert!(after.column(4).iter().all(|&s| s == f32::NEG_INFINITY), "{round}");
        head.solve().unwrap();
    }
    assert_eq!(head.forget(4).unwrap_err().kind(), ErrorKind::NotFound);
    // As if it had never been seen.
    let others: Vec<usize> = (0..200).filter(|&i| labels[i] != 4).collect();
    let labels: Vec<usize> = others.iter().map(|&i| labels[i]).collect();
    assert_eq!(fitted(ClassMeans::new(8), &x.select(Axis(0), &others), &labels), head);
}

/// Heads whose sums mix all classes: the class is not answered, others score what they did, and what is left is said.
#[test]
fn shared_sums_keep_a_spread_and_nothing_else() {
    let ((x, labels), (test, _)) = (blobs(8, 300), blobs(9, 40));
    macro_rules! check {
        ($make:expr, $left:expr, $name:literal) => {{
            let mut head = fitted($make, &x, &labels);
            let before = head.scores(test.view()).unwrap();
            assert_eq!(head.forget(3).unwrap(), $left, $name);
            head.solve().unwrap();
            let after = head.scores(test.view()).unwrap();
            assert_eq!(after.dim(), before.dim(), $name);
            assert!(after.column(3).iter().all(|&s| s == f32::NEG_INFINITY), $name);
            for class in [0, 4, 9] {
                let (old, new) = (before.column(class), after.column(class));
                match $left {
                    Left::Rounded => close(&old.to_owned(), &new.to_owned()),
                    _ => assert_eq!(old, new, $name),
                }
            }
            assert_eq!(head.forget(3).unwrap_err().kind(), ErrorKind::NotFound);
            assert_eq!(head.forget(2).unwrap_err().kind(), ErrorKind::NotFound);
        }};
    }
    check!(Ridge::new(8, Lift::Identity), Left::Spread, "ridge");
    check!(Ridge::new(8, Lift::random_relu(40, 1)), Left::Spread, "random features");
    check!(Ridge::rounded(8, Lift::random_relu(40, 1), 0.01), Left::Spread, "rounded");
    check!(Mda::new(8), Left::Spread, "mixture discriminants");
    check!(Lda::new(8), Left::Rounded, "lda");
}

fn close(a: &Array1<f32>, b: &Array1<f32>) {
    let scale = a.iter().fold(1.0_f32, |w, x| w.max(x.abs()));
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4 * scale), "{a} {b}");
}

#[test]
fn bad_batches_change_nothing() {
    let (x, labels) = blobs(10, 40);
    for (name, mut head) in heads(8) {
        head.observe(x.view(), &labels).unwrap();
        head.solve().unwrap();
        let before = head.scores(x.view()).unwrap();
        let mut poison = x.clone();
        poison[(3, 3)] = f32::INFINITY;
        let mut kinds = vec![
            head.observe(poison.view(), &labels),
            head.observe(x.view(), &labels[1..]),
            head.observe(x.slice(s![.., ..7]), &labels),
            head.observe(x.slice(s![..1, ..]), &[MAX_CLASSES]),
        ];
        let kinds: Vec<_> = kinds.drain(..).map(|r| r.unwrap_err().kind()).collect();
        let shape = ErrorKind::Shape;
        assert_eq!(kinds, [ErrorKind::Numeric, shape, shape, ErrorKind::InvalidArgument], "{name}");
        head.solve().unwrap();
        assert_eq!(head.scores(x.view()).unwrap(), before, "{name}");
    }
}

/// Fewer images than random features, down to one image a class, still solves.
#[test]
fn few_images_are_enough() {
    for n in [1, 4, 12, 60] {
        let (x, labels) = blobs(11, n);
        for (name, mut head) in heads(8) {
            head.observe(x.view(), &labels).unwrap();
            head.solve().unwrap_or_else(|e| panic!("{name} with {n} images: {e}"));
            let right = head.predict(x.view()).unwrap().iter().zip(&labels).filter(|(a, b)| a == b).count();
            assert!(right * 10 >= n * 9, "{name}: {right} of its own {n} images");
        }
    }
}

#[test]
fn another_generator_is_a_mismatch() {
    let lift = Lift::RandomRelu { width: 16, seed: 1, generator: 999 };
    let (x, labels) = blobs(12, 8);
    let refusal = Ridge::new(8, lift).observe(x.view(), &labels).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Mismatch);
}

#[test]
fn the_linear_head_doubles_and_masks() {
    let mut head = Linear::new(3, 3);
    assert_eq!((head.capacity(), head.classes()), (4, 0));
    assert!(!head.add_class(2).unwrap());
    head.weights_mut().row_mut(2).assign(&array![1.0, 2.0, 3.0]);
    head.bias_mut()[2] = 0.5;
    assert!(head.add_class(9).unwrap(), "9 needs 16 rows");
    assert_eq!((head.capacity(), head.classes()), (16, 10));
    assert_eq!(head.mask().sum(), 2.0);
    let scores = head.scores(array![[1.0, 1.0, 1.0]].view()).unwrap();
    assert_eq!(scores.dim(), (1, 10));
    assert_eq!((scores[(0, 2)], scores[(0, 9)], scores[(0, 3)]), (6.5, 0.0, f32::NEG_INFINITY));
    let restored: Linear = postcard::from_bytes(&postcard::to_stdvec(&head).unwrap()).unwrap();
    assert_eq!(restored, head);
    head.forget(9).unwrap();
    assert_eq!(head.classes(), 3);
    assert_eq!(head.forget(9).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(head.add_class(MAX_CLASSES).is_err());
}

fn novelty(x: &Array2<f32>, labels: &[usize]) -> Novelty {
    let mut novelty = Novelty::new(x.ncols());
    novelty.observe(x.view(), labels).unwrap();
    novelty.solve().unwrap();
    novelty
}

/// Unit rows.
fn directions(mut x: Array2<f32>) -> Array2<f32> {
    x.rows_mut().into_iter().for_each(|mut row| {
        let length = row.dot(&row).sqrt();
        row /= length;
    });
    x
}

#[test]
fn novelty_is_the_difference_of_two_mahalanobis_distances() {
    let golden = Golden::load();
    let novelty = novelty(&golden.x, &golden.labels);
    let expected: Vec<f64> =
        golden.json["novelty"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    let scores = novelty.score(golden.test.view()).unwrap();
    let worst =
        scores.iter().zip(&expected).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max);
    println!("worst relative difference {worst:.1e}");
    assert_eq!(scores.len(), expected.len());
    assert!(worst < 1e-3, "{worst}");
}

#[test]
fn strangers_are_novel_and_held_out_rows_are_what_they_would_be() {
    let (x, labels) = blobs(5, 48);
    let learned = novelty(&x, &labels);
    let held_out = learned.held_out(x.view(), &labels).unwrap();
    // A fit without the row, for some of them.
    let (mut errors, mut optimism) = (0.0, 0.0);
    for i in 0..48 {
        let rest: Vec<usize> = (0..48).filter(|&j| j != i).collect();
        let others: Vec<usize> = rest.iter().map(|&j| labels[j]).collect();
        let without = novelty(&x.select(Axis(0), &rest), &others);
        let expected = without.score(x.select(Axis(0), &[i]).view()).unwrap()[0];
        let fitted = learned.score(x.select(Axis(0), &[i]).view()).unwrap()[0];
        errors += (held_out[i] - expected).abs();
        optimism += (fitted - expected).abs();
    }
    assert!(errors < 0.25 * optimism, "off by {errors} in all where the fitted scores are off by {optimism}");
    println!("held out: off by {errors:.3} in all; fitted: by {optimism:.3}");
    // The same noise around places where no class is.
    let far = directions(gaussian(8, 50, 8)) * 8.0;
    let strange = learned.score(far.view()).unwrap();
    let known = held_out.mean().unwrap();
    assert!(strange.mean().unwrap() > known + 10.0, "{} against {known}", strange.mean().unwrap());
}

/// `count` rows of each of four classes in 32 dimensions.
fn narrow(seed: u64, count: usize) -> (Array2<f32>, Vec<usize>) {
    let centres = gaussian(1, 4, 32);
    let mut x = gaussian(seed, 4 * count, 32) * 0.7;
    x.rows_mut().into_iter().enumerate().for_each(|(i, mut row)| row += &centres.row(i % 4));
    (x, (0..4 * count).map(|i| i % 4).collect())
}

fn angles(x: &Array2<f32>, labels: &[usize]) -> Angles {
    let mut angles = Angles::new(x.ncols());
    angles.observe(x.view(), labels, 0.95).unwrap();
    angles
}

#[test]
fn held_out_angles_are_those_of_means_without_the_row() {
    let (x, labels) = narrow(3, 5);
    let learned = angles(&x, &labels);
    let held_out = learned.held_out(x.view(), &labels).unwrap();
    for i in 0..labels.len() {
        let rest: Vec<usize> = (0..labels.len()).filter(|&j| j != i).collect();
        let others: Vec<usize> = rest.iter().map(|&j| labels[j]).collect();
        let row = x.select(Axis(0), &[i]);
        let expected = angles(&x.select(Axis(0), &rest), &others).score(row.view()).unwrap()[0];
        // Means are kept in f16.
        assert!((held_out[i] - expected).abs() < 1e-3, "{} and {expected}", held_out[i]);
        assert!(held_out[i] > learned.score(row.view()).unwrap()[0], "a row pulls its mean towards itself");
    }
    let again: Angles = postcard::from_bytes(&postcard::to_allocvec(&learned).unwrap()).unwrap();
    assert_eq!(again.score(x.view()).unwrap_err().kind(), ErrorKind::State);
    let mut again = again;
    again.solve().unwrap();
    assert_eq!(again, learned);
}

#[test]
fn of_a_few_rows_the_bound_lets_pass_whom_it_promised_to_and_keeps_strangers_out() {
    let (fresh, _) = narrow(1000, 50);
    let strangers = gaussian(1001, 200, 32) * 1.2;
    for per_class in [2, 5, 20] {
        let (mut passed, mut taken) = (0.0, 0.0);
        for seed in 0..50 {
            let (x, labels) = narrow(seed, per_class);
            let angles = angles(&x, &labels);
            let bound = angles.spread().unwrap().bound;
            let below = |rows: &Array2<f32>| {
                angles.score(rows.view()).unwrap().iter().filter(|s| **s < bound).count()
            };
            passed += below(&fresh) as f64 / (50.0 * 200.0);
            taken += below(&strangers) as f64 / (50.0 * 200.0);
        }
        println!(
            "{per_class} rows a class: {:.1} % of known and {:.1} % of strangers pass",
            100.0 * passed,
            100.0 * taken
        );
        // Means of few rows are farther from the next row than means of more; the sample knows that, row for row.
        assert!((0.93..0.995).contains(&passed), "{per_class}: {passed}");
        assert!(taken < 0.25, "{per_class}: {taken}");
    }
}

#[test]
fn an_only_row_says_nothing_and_a_class_that_is_forgotten_is_strange() {
    let (x, labels) = narrow(3, 1);
    let mut few = angles(&x, &labels);
    assert!(few.held_out(x.view(), &labels).unwrap().iter().all(|s| s.is_nan()));
    assert_eq!(few.spread(), None);
    few.observe(x.slice(s![..1, ..]), &[0], 0.95).unwrap();
    assert_eq!((few.rows(), few.spread()), (5, None));
    let (x, labels) = narrow(4, 5);
    few.observe(x.view(), &labels, 0.95).unwrap();
    let bound = few.spread().unwrap().bound;
    let of_class = x.select(Axis(0), &[2]);
    assert!(few.score(of_class.view()).unwrap()[0] < bound);
    assert_eq!(few.forget(2).unwrap(), Left::Nothing);
    assert!(few.score(of_class.view()).unwrap()[0] > bound);
    assert_eq!(few.held_out(of_class.view(), &[2]).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn novelty_survives_storage_single_rows_and_refuses_what_it_cannot_know() {
    let (x, labels) = blobs(3, 40);
    let learned = novelty(&x, &labels);
    let stored = postcard::to_allocvec(&learned).unwrap();
    let mut restored: Novelty = postcard::from_bytes(&stored).unwrap();
    assert_eq!(restored.score(x.view()).unwrap_err().kind(), ErrorKind::State);
    restored.solve().unwrap();
    assert_eq!(restored.score(x.view()).unwrap(), learned.score(x.view()).unwrap());

    // One row a class: its own class is gone without it, the other one is not.
    let single = novelty(&x.slice(s![..2, ..]).to_owned(), &labels[..2]);
    assert!(single.score(x.view()).unwrap().iter().all(|s| s.is_finite()));
    assert!(single.held_out(x.slice(s![..2, ..]), &labels[..2]).unwrap().iter().all(|s| s.is_finite()));
    assert_eq!(learned.held_out(x.view(), &vec![7; 40]).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(learned.score(gaussian(0, 2, 3).view()).unwrap_err().kind(), ErrorKind::Shape);
}

/// Every row of `x` in `crops` crops: itself, then near it, as [`Head::observe_crops`] takes them.
fn viewed(x: &Array2<f32>, crops: usize) -> Array2<f32> {
    let crop = |v: usize| {
        if v == 0 { x.clone() } else { x + &(gaussian(70 + v as u64, x.nrows(), x.ncols()) * 0.3) }
    };
    let all: Vec<_> = (0..crops).map(crop).collect();
    ndarray::concatenate(Axis(0), &all.iter().map(|x| x.view()).collect::<Vec<_>>()).unwrap()
}

/// A head that learned everything but picture `i`, and its scores of that picture's first crop.
fn without<H: Head>(mut head: H, x: &Array2<f32>, labels: &[usize], crops: usize, i: usize) -> Array2<f32> {
    let rest: Vec<usize> = (0..labels.len()).filter(|&j| j != i).collect();
    let rows: Vec<usize> = (0..crops).flat_map(|v| rest.iter().map(move |j| v * labels.len() + j)).collect();
    let others: Vec<usize> = rest.iter().map(|&j| labels[j]).collect();
    head.observe_crops(x.select(Axis(0), &rows).view(), &others, crops).unwrap();
    head.solve().unwrap();
    head.scores(x.select(Axis(0), &[i]).view()).unwrap()
}

/// Spread of a row after its mean or scale, which carry no meaning, is taken away.
fn comparable(row: ndarray::ArrayView1<'_, f32>, scale: bool) -> Vec<f32> {
    let known: Vec<f32> = row.iter().copied().filter(|s| s.is_finite()).collect();
    let mean = known.iter().sum::<f32>() / known.len() as f32;
    let norm = known.iter().map(|s| s * s).sum::<f32>().sqrt();
    known.iter().map(|s| if scale { s / norm } else { s - mean }).collect()
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A ridge whose parameter is not chosen.
fn fixed_ridge() -> Ridge {
    Ridge::rounded(8, Lift::random_relu(40, 3), 0.05)
}

#[test]
fn a_ridge_holds_pictures_out_with_all_their_views() {
    let (x, labels) = blobs(9, 60);
    for crops in [1, 3] {
        let x = viewed(&x, crops);
        let mut ridge = fixed_ridge();
        ridge.observe_crops(x.view(), &labels, crops).unwrap();
        ridge.solve().unwrap();
        let held_out = ridge.held_out(x.view(), &labels, crops).unwrap();
        let (mut errors, mut optimism) = (0.0, 0.0);
        let fitted = ridge.scores(x.view()).unwrap();
        for i in 0..60 {
            let expected = without(fixed_ridge(), &x, &labels, crops, i);
            let expected = comparable(expected.row(0), true);
            errors += worst(&comparable(held_out.row(i), true), &expected);
            optimism += worst(&comparable(fitted.row(i), true), &expected);
        }
        // Rounding, and a ridge that follows the trace.
        assert!(errors < 0.15 * optimism, "{crops} crops: off by {errors}, fitted scores by {optimism}");
        println!("{crops} crops held out: off by {errors:.3} in all; fitted: by {optimism:.3}");
    }
    let mut ridge = Ridge::new(8, Lift::Identity);
    ridge.observe(x.view(), &labels).unwrap();
    ridge.solve().unwrap();
    assert_eq!(ridge.held_out(x.view(), &[2; 60], 1).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ridge.held_out(x.view(), &labels, 2).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn a_ridge_holds_rows_out_exactly() {
    let (x, labels) = blobs(9, 60);
    let lift = Lift::random_relu(40, 3);
    let fixed = || {
        let mut ridge = Ridge::new(8, lift);
        ridge.set_lambda(2.0).unwrap();
        ridge
    };
    let mut ridge = fitted(fixed(), &x, &labels);
    ridge.set_lambda(2.0).unwrap();
    ridge.solve().unwrap();
    let held_out = ridge.held_out(x.view(), &labels, 1).unwrap();
    for i in 0..60 {
        let rest: Vec<usize> = (0..60).filter(|&j| j != i).collect();
        let others: Vec<usize> = rest.iter().map(|&j| labels[j]).collect();
        let mut ridge = fixed();
        ridge.observe(x.select(Axis(0), &rest).view(), &others).unwrap();
        ridge.set_lambda(2.0).unwrap();
        ridge.solve().unwrap();
        let expected = ridge.scores(x.select(Axis(0), &[i]).view()).unwrap();
        let error = worst(&comparable(held_out.row(i), true), &comparable(expected.row(0), true));
        assert!(error < 1e-3, "row {i}: {error}");
    }
}

#[test]
fn discriminants_hold_pictures_out_nearly_exactly() {
    // Few rows in many dimensions, where a row weighs much in its own statistics.
    let labels: Vec<usize> = (0..36).map(|i| [0, 3, 4][i % 3]).collect();
    let mut x = gaussian(2, 36, 12);
    x.rows_mut().into_iter().zip(&labels).for_each(|(mut row, &c)| row[c] += 2.0);
    for crops in [1, 3] {
        let x = viewed(&x, crops);
        let mut lda = Lda::new(12);
        lda.observe_crops(x.view(), &labels, crops).unwrap();
        lda.solve().unwrap();
        let held_out = lda.held_out(x.view(), &labels, crops).unwrap();
        let fitted = lda.scores(x.view()).unwrap();
        let (mut errors, mut optimism) = (0.0, 0.0);
        for i in 0..36 {
            let expected = without(Lda::new(12), &x, &labels, crops, i);
            let expected = comparable(expected.row(0), false);
            errors += worst(&comparable(held_out.row(i), false), &expected);
            optimism += worst(&comparable(fitted.row(i), false), &expected);
        }
        // Only the amount of shrinkage differs.
        assert!(errors < 0.2 * optimism, "{crops} crops: off by {errors}, fitted scores by {optimism}");
        println!("{crops} crops held out: off by {errors:.3} in all; fitted: by {optimism:.3}");
    }
}

#[test]
fn the_better_head_speaks() {
    // Opposite quadrants, which no straight line separates; and few rows of many classes that share their spread.
    let quadrants = gaussian(4, 200, 2);
    let parity = quadrants.rows().into_iter().map(|p| usize::from(p[0] * p[1] > 0.0)).collect::<Vec<_>>();
    let (centres, mut long) = (gaussian(6, 20, 16), gaussian(5, 160, 16));
    for (i, mut row) in long.rows_mut().into_iter().enumerate() {
        row.slice_mut(s![..8]).mapv_inplace(|x| 10.0 * x);
        row.slice_mut(s![8..]).mapv_inplace(|x| 0.4 * x);
        row += &centres.row(i % 20);
    }
    let cases = [(quadrants, parity, 0), (long, (0..160).map(|i| i % 20).collect(), 1)];
    for (x, labels, winner) in cases {
        let width = x.ncols();
        let head = || Better::new(Ridge::new(width, Lift::random_relu(100, 1)), Lda::new(width));
        let better = fitted(head(), &x, &labels);
        let right = better.right();
        println!("right of {}: {right:?}", labels.len());
        assert!(right[winner] > right[1 - winner], "{right:?}");
        let ridge = fitted(Ridge::new(width, Lift::random_relu(100, 1)), &x, &labels);
        let lda = fitted(Lda::new(width), &x, &labels);
        let expected = if winner == 0 { ridge.scores(x.view()) } else { lda.scores(x.view()) };
        assert_eq!(better.scores(x.view()).unwrap(), expected.unwrap());
        // Asked once, and stored.
        let mut again: Better = postcard::from_bytes(&postcard::to_allocvec(&better).unwrap()).unwrap();
        again.solve().unwrap();
        assert_eq!(again.right(), right);
        assert_eq!(again.scores(x.view()).unwrap(), better.scores(x.view()).unwrap());
    }
}

#[test]
fn given_vectors_answer_by_cosine_and_name_what_is_missing() {
    let vectors = |rows: &[(&str, [f32; 3])]| {
        let map = rows.iter().map(|(name, row)| ((*name).to_string(), row.to_vec())).collect();
        Vectors::new(&map, 10.0).unwrap()
    };
    let mut head = vectors(&[("cat", [2.0, 0.0, 0.0]), ("dog", [0.0, 0.5, 0.0]), ("eel", [0.0, 0.0, 1.0])]);
    let x = array![[3.0, 4.0, 0.0], [0.0, 0.0, -2.0]];
    assert!(head.add_class(0, "dog").unwrap());
    assert!(head.add_class(2, "cat").unwrap());
    assert!(!head.add_class(2, "cat").unwrap(), "it was met before");
    let want = array![[8.0, f32::NEG_INFINITY, 6.0], [0.0, f32::NEG_INFINITY, 0.0]];
    assert_eq!(head.scores(x.view()).unwrap(), want);
    let error = head.add_class(1, "fox").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("cat, dog, eel"), "{error}");

    head.update(vectors(&[("fox", [0.0, -3.0, 4.0]), ("cat", [0.0, 1.0, 0.0])])).unwrap();
    assert!(head.add_class(1, "fox").unwrap());
    assert_eq!(head.scores(x.view()).unwrap().row(0), array![8.0, -4.8, 8.0]);
    head.forget(2).unwrap();
    assert_eq!(head.scores(x.view()).unwrap().ncols(), 2);

    let refused = |row: Vec<f32>, scale: f32| {
        let map = [("a".to_string(), vec![1.0, 0.0]), ("b".to_string(), row)].into();
        Vectors::new(&map, scale).unwrap_err().kind()
    };
    assert_eq!(refused(vec![1.0], 1.0), ErrorKind::Shape);
    assert_eq!(refused(vec![0.0, 0.0], 1.0), ErrorKind::InvalidArgument);
    assert_eq!(refused(vec![f32::NAN, 0.0], 1.0), ErrorKind::InvalidArgument);
    assert_eq!(refused(vec![1.0, 0.0], 0.0), ErrorKind::InvalidArgument);
}

#[test]
fn two_things_that_do_not_move_can_be_learned() {
    let (width, n) = (24, 32);
    let centres = gaussian(5, 2, width);
    let noise = gaussian(6, n, width);
    let rows = Array2::from_shape_fn((n, width), |(i, j)| centres[[i % 2, j]] + 1e-4 * noise[[i, j]]);
    let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
    let mut ridge = Ridge::rounded(width, Lift::random_relu(1500, 7), 0.01);
    ridge.observe(rows.view(), &labels).unwrap();
    ridge.solve().unwrap();
    println!("lambda {:?}", ridge.lambda());
    assert_eq!(ridge.predict(rows.view()).unwrap(), labels);
    let held_out = ridge.held_out(rows.view(), &labels, 1).unwrap();
    assert!((0..n).all(|i| held_out[[i, labels[i]]] > held_out[[i, 1 - labels[i]]]));
}

#[test]
fn random_features_given_up_leave_the_head_of_the_first_ones() {
    let (x, labels) = blobs(3, 80);
    let drawn = gaussian(11, 8, 400);
    for rounded in [false, true] {
        let lift = Lift::random_relu(400, 11);
        let head = if rounded { Ridge::rounded(8, lift, 0.01) } else { Ridge::new(8, lift) };
        let mut head = fitted(head, &x, &labels);
        let whole = head.bytes();
        head.keep_features(100).unwrap();
        assert_eq!(head.random_features(), 100);
        assert!(head.bytes() < whole / 10, "{} of {whole}", head.bytes());
        head.solve().unwrap();
        // The same features, lifted by hand.
        let lifted = |x: &Array2<f32>| x.dot(&drawn.slice(s![.., ..100])).mapv(|x| x.max(0.0));
        let lambda = head.lambda().unwrap();
        let (phi, known) = (lifted(&x).mapv(f64::from), [0, 3, 4, 9]);
        let gram = phi.t().dot(&phi) + Array2::<f64>::eye(100) * lambda;
        let targets = Array2::from_shape_fn((80, 4), |(i, c)| f64::from(u8::from(labels[i] == known[c])));
        let factor = perennial::linalg::Cholesky::new(gram.view(), 0.0).unwrap();
        let weights = factor.solve(phi.t().dot(&targets).view()).unwrap();
        let (probe, _) = blobs(5, 40);
        let expected = lifted(&probe).mapv(f64::from).dot(&weights);
        let told = head.scores(probe.view()).unwrap();
        for (c, &class) in known.iter().enumerate() {
            let off = told
                .column(class)
                .iter()
                .zip(expected.column(c))
                .fold(0.0f64, |w, (a, b)| w.max((f64::from(*a) - b).abs()));
            // What rests in f16 is off by its rounding.
            assert!(off < if rounded { 0.1 } else { 1e-3 }, "{off}");
        }
        let again: Ridge = postcard::from_bytes(&postcard::to_allocvec(&head).unwrap()).unwrap();
        assert_eq!(fitted_again(again).scores(probe.view()).unwrap(), told);
        // Rows that come later are lifted by the same columns.
        let (more, labels) = blobs(6, 40);
        let head = fitted(head, &more, &labels);
        assert_eq!(head.random_features(), 100);
    }
}

fn fitted_again(mut head: Ridge) -> Ridge {
    head.solve().unwrap();
    head
}
