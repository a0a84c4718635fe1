//! Properties of `DpGmm`: recovery of planted components, the bound, the predictive density, merging, storage.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2, Axis, array};
use perennial::ErrorKind;
use perennial::mixture::DpGmm;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// `n` points from `k` clusters in `d` dimensions: unit noise, centres on a sphere of radius `apart`.
fn planted(k: usize, d: usize, n: usize, apart: f64, seed: u64) -> (Array2<f64>, Vec<usize>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut centres = Array2::from_shape_fn((k, d), |_| rng.sample::<f64, _>(StandardNormal));
    for mut c in centres.outer_iter_mut() {
        let norm = c.dot(&c).sqrt();
        c *= apart / norm;
    }
    let labels: Vec<usize> = (0..n).map(|i| i % k).collect();
    let x = Array2::from_shape_fn((n, d), |(i, j)| {
        centres[[labels[i], j]] + rng.sample::<f64, _>(StandardNormal)
    });
    (x, labels)
}

fn fit(x: &Array2<f64>, k: usize) -> DpGmm {
    DpGmm::params(k).fit(&DatasetBase::from(x.clone())).unwrap()
}

#[test]
fn recovers_the_planted_number_of_components() {
    let mut failures = Vec::new();
    for (k, d, n, apart) in [
        (1, 2, 200, 8.0),
        (3, 2, 300, 12.0),
        (3, 8, 300, 9.0),
        (5, 16, 500, 9.0),
        (8, 16, 800, 9.0),
        (10, 64, 1000, 12.0),
    ] {
        for seed in 0..3 {
            let (x, _) = planted(k, d, n, apart, seed);
            let model = fit(&x, 20);
            let found = model.active_components();
            println!(
                "planted {k} in {d} dimensions, seed {seed}: found {found}, {} iterations",
                model.n_iter()
            );
            if found.abs_diff(k) > 1 {
                failures.push((k, d, seed, found));
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn members_of_a_planted_cluster_share_a_component() {
    let (x, labels) = planted(4, 16, 400, 12.0, 5);
    let parts = fit(&x, 12).predict(&x);
    let mut agree = 0;
    for c in 0..4 {
        let mut votes = [0; 12];
        labels.iter().zip(&parts).filter(|(l, _)| **l == c).for_each(|(_, &p)| votes[p] += 1);
        agree += votes.iter().max().unwrap();
    }
    assert!(agree >= 392, "{agree} of 400");
}

#[test]
fn the_bound_never_falls() {
    let (x, _) = planted(6, 5, 300, 3.0, 9);
    let bound = |n| {
        let p = DpGmm::params(12).max_iter(n).tol(1e-12).reg_covar(0.0).prune(false);
        p.fit(&DatasetBase::from(x.clone())).unwrap().lower_bound()
    };
    let bounds: Vec<f64> = (1..40).map(bound).collect();
    for pair in bounds.windows(2) {
        assert!(pair[1] >= pair[0] - 1e-8 * pair[0].abs(), "{pair:?}");
    }
    assert!(bounds[38] > bounds[0]);
}

/// The bound is at most the log evidence; with one component it is the evidence itself, known in closed form.
#[test]
fn the_bound_of_one_component_is_the_evidence() {
    let x = array![[0.3], [-0.7], [1.9], [0.2]];
    let model = DpGmm::params(1)
        .mean_prior(array![0.0])
        .covariance_prior(array![2.0])
        .degrees_of_freedom_prior(4.0)
        .mean_precision_prior(0.5)
        .reg_covar(0.0)
        .tol(1e-12)
        .fit(&DatasetBase::from(x.clone()))
        .unwrap();
    // The evidence as a product of one-step-ahead Student predictives, each integrated numerically instead of by
    // the code under test: p(x) = int N(x; mu, 1/l) N(mu; 0, 1/(l/2)) Gamma(l; 2, 1) dmu dl.
    let (steps, mut evidence) = (4000, 0.0);
    for a in 0..steps {
        let l = (f64::from(a) + 0.5) * 30.0 / f64::from(steps);
        let spread = 8.0 / (0.5 * l).sqrt();
        for b in 0..400 {
            let mu = spread * ((f64::from(b) + 0.5) / 200.0 - 1.0);
            let normal = |v: f64, m: f64, p: f64| {
                (p / std::f64::consts::TAU).sqrt() * (-0.5 * p * (v - m).powi(2)).exp()
            };
            let likelihood: f64 = x.iter().map(|&v| normal(v, mu, l)).product();
            evidence += likelihood
                * normal(mu, 0.0, 0.5 * l)
                * l
                * (-l).exp()
                * (30.0 / f64::from(steps))
                * (spread / 200.0);
        }
    }
    assert!((model.lower_bound() - evidence.ln()).abs() < 1e-4, "{} {}", model.lower_bound(), evidence.ln());
}

#[test]
fn the_predictive_is_a_density() {
    let x = array![[0.0], [0.1], [-0.2], [4.0], [4.3], [3.9]];
    let model = DpGmm::params(3).prune(false).fit(&DatasetBase::from(x)).unwrap();
    let step = 0.01;
    let grid = Array2::from_shape_fn((400_000, 1), |(i, _)| (i as f64 - 200_000.0) * step);
    let mass: f64 = model.predictive(&grid).iter().map(|l| l.exp() * step).sum();
    assert!((mass - 1.0).abs() < 1e-3, "{mass}");
}

/// Acceptance test 3.12: scores against a dense computation with full matrices.
#[test]
fn scores_equal_a_dense_computation() {
    let (x, _) = planted(3, 6, 200, 6.0, 2);
    let model = fit(&x, 8);
    let d = x.ncols() as f64;
    let mut worst: f64 = 0.0;
    for (row, got) in x.outer_iter().zip(model.max_component(&x, 1e-4).unwrap()) {
        let dense = (0..model.n_components())
            .map(|j| {
                let covariance = model.covariances()[j].dense() + 1e-4 * Array2::<f64>::eye(x.ncols());
                let diff = &row - &model.means().row(j);
                let inverse = covariance.mapv(|v| if v == 0.0 { 0.0 } else { 1.0 / v });
                let log_det = covariance.diag().mapv(f64::ln).sum();
                -0.5 * (diff.dot(&inverse.dot(&diff)) + log_det + d * std::f64::consts::TAU.ln())
            })
            .fold(f64::NEG_INFINITY, f64::max);
        worst = worst.max((dense - got).abs());
    }
    assert!(worst < 1e-9, "{worst}");
    let r = model.responsibilities(&x);
    assert!(r.sum_axis(Axis(1)).iter().all(|s| (s - 1.0).abs() < 1e-12));
    assert!((model.weights().sum() - 1.0).abs() < 1e-12);
}

#[test]
fn tails_of_the_predictive_are_heavier_than_gaussian() {
    let (x, _) = planted(2, 4, 60, 6.0, 3);
    let model = fit(&x, 4);
    let far = Array2::from_elem((1, 4), 60.0);
    assert!(model.predictive(&far)[0] > 0.5 * model.score_samples(&far)[0]);
}

#[test]
fn merging_keeps_counts_and_moments() {
    let (x, _) = planted(6, 4, 300, 5.0, 4);
    let model = fit(&x, 12);
    let moments = |m: &DpGmm| {
        let w = m.counts() / m.counts().sum();
        let mean = w.dot(m.means());
        let second = w.dot(&(m.variances() + &m.means().mapv(|v| v * v)));
        (m.counts().sum(), mean, second)
    };
    let (n, mean, second) = moments(&model);
    let mut before = 0.0;
    for k in (1..model.n_components()).rev() {
        let (merged, lost) = model.merged(k).unwrap();
        let (n2, mean2, second2) = moments(&merged);
        assert_eq!(merged.n_components(), k);
        assert!(
            (n - n2).abs() < 1e-9
                && (&mean - &mean2).sum().abs() < 1e-9
                && (&second - &second2).sum().abs() < 1e-8
        );
        assert!(lost >= before, "cost {lost} after {before}");
        before = lost;
    }
}

#[test]
fn rounding_is_idempotent_and_changes_scores_little() {
    let (x, _) = planted(5, 64, 400, 12.0, 6);
    let shifted = x.mapv(|v| 1e3 + 1e-2 * v);
    for x in [x, shifted] {
        let model = fit(&x, 10);
        let rounded = model.rounded().unwrap();
        assert_eq!(rounded, rounded.rounded().unwrap());
        let bytes = postcard::to_allocvec(&rounded).unwrap();
        let back: DpGmm = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back, rounded);
        assert_eq!(postcard::to_allocvec(&back).unwrap(), bytes);
        assert!(bytes.len().abs_diff(model.bytes()) < 64);
        println!(
            "{} components: {} bytes counted, {} written",
            model.n_components(),
            model.bytes(),
            bytes.len()
        );
        let worst = (&model.score_samples(&x) - &rounded.score_samples(&x))
            .mapv(f64::abs)
            .fold(0.0, |a: f64, &b| a.max(b));
        assert!(worst < 0.2, "{worst}");
    }
}

#[test]
fn same_seed_same_bytes() {
    let (x, _) = planted(4, 8, 200, 4.0, 8);
    let bytes = |seed| {
        let model = DpGmm::params(10).seed(seed).n_init(3).fit(&DatasetBase::from(x.clone())).unwrap();
        postcard::to_allocvec(&model).unwrap()
    };
    assert_eq!(bytes(1), bytes(1));
}

#[test]
fn f32_records_fit_as_f64_ones() {
    let (x, _) = planted(3, 4, 150, 6.0, 1);
    let single = x.mapv(|v| v as f32);
    let double = single.mapv(f64::from);
    let a = DpGmm::params(6).fit(&DatasetBase::from(single)).unwrap();
    let b = DpGmm::params(6).fit(&DatasetBase::from(double)).unwrap();
    assert_eq!(a, b);
}

#[test]
fn odd_data_give_a_model_or_an_error_never_a_panic() {
    for x in [
        array![[1.0, 2.0]],
        Array2::from_elem((7, 3), 4.0),
        Array2::from_shape_fn((9, 2), |(i, j)| if j == 0 { i as f64 } else { 1.0 }),
        Array2::from_elem((3, 1), 1e150),
    ] {
        for p in [DpGmm::params(5), DpGmm::params(5).scikit_learn(), DpGmm::params(5).reg_covar(0.0)] {
            if let Ok(model) = p.fit(&DatasetBase::from(x.clone())) {
                assert!(model.score_samples(&x).iter().all(|s| s.is_finite()), "{x:?}");
            }
        }
    }
    let kind = |x: Array2<f64>| DpGmm::params(2).fit(&DatasetBase::from(x)).unwrap_err().kind();
    assert_eq!(kind(Array2::zeros((0, 3))), ErrorKind::Shape);
    assert_eq!(kind(array![[1.0], [f64::NAN]]), ErrorKind::Numeric);
}

#[test]
fn parameters_are_checked() {
    let refused = [
        DpGmm::params(0),
        DpGmm::params(3).tol(0.0),
        DpGmm::params(3).weight_concentration_prior(-1.0),
        DpGmm::params(3).mean_precision_prior(f64::NAN),
        DpGmm::params(3).degrees_of_freedom_prior(0.0),
        DpGmm::params(3).covariance_prior(Array1::zeros(2)),
        DpGmm::params(3).reg_covar(-1e-9),
        DpGmm::params(3).scikit_learn().merge_moves(true),
        DpGmm::params(3).n_init(0),
        DpGmm::params(3).mean_prior(array![f64::INFINITY]),
    ];
    for p in refused {
        assert_eq!(p.check_ref().unwrap_err().kind(), ErrorKind::InvalidArgument, "{p:?}");
    }
    let x = DatasetBase::from(array![[1.0, 2.0], [2.0, 1.0]]);
    let fits = |p: perennial::mixture::DpGmmParams| p.fit(&x).map_err(|e| e.kind());
    assert_eq!(fits(DpGmm::params(1).mean_prior(array![0.0])).unwrap_err(), ErrorKind::InvalidArgument);
    assert_eq!(
        fits(DpGmm::params(1).scikit_learn().degrees_of_freedom_prior(0.5)).unwrap_err(),
        ErrorKind::InvalidArgument
    );
}

/// The bound against the Bayes error `1/2 int min(p, q)`, integrated numerically in one dimension.
#[test]
fn the_error_bound_is_above_the_bayes_error() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for apart in [0.0, 1.0, 3.0, 8.0] {
        let mut draw = |at: f64| {
            let x = Array2::from_shape_fn((80, 1), |(i, _)| {
                at + 5.0 * f64::from(i as u32 % 2) + 0.5 * rng.sample::<f64, _>(StandardNormal)
            });
            DpGmm::params(4).fit(&DatasetBase::from(x)).unwrap()
        };
        let (a, b) = (draw(0.0), draw(apart));
        let density = |m: &DpGmm, x: f64| -> f64 {
            let terms = m.weights().into_iter().enumerate();
            terms
                .map(|(j, w)| {
                    let c = m.variances()[[j, 0]];
                    w * (-0.5 * (x - m.means()[[j, 0]]).powi(2) / c).exp()
                        / (std::f64::consts::TAU * c).sqrt()
                })
                .sum()
        };
        let step = 0.001;
        let bayes: f64 = (0..40_000)
            .map(|i| f64::from(i) * step - 15.0)
            .map(|x| 0.5 * density(&a, x).min(density(&b, x)) * step)
            .sum();
        let bound = a.error_bound(&b).unwrap();
        println!("apart {apart}: Bayes error {bayes:.4}, bound {bound:.4}");
        assert!(bound >= bayes - 1e-6 && bound <= 0.5);
        assert!(apart < 8.0 || bound < 0.01);
    }
    let wide = DpGmm::params(1).fit(&DatasetBase::from(Array2::<f64>::zeros((3, 2)))).unwrap();
    let narrow = DpGmm::params(1).fit(&DatasetBase::from(Array2::<f64>::zeros((3, 1)))).unwrap();
    assert_eq!(wide.error_bound(&narrow).unwrap_err().kind(), ErrorKind::Shape);
}
