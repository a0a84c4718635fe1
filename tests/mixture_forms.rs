//! What holds for every covariance type: recovery of planted components, scores against dense algebra, storage, overlap.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use perennial::ErrorKind;
use perennial::linalg::{Cholesky, eigh};
use perennial::mixture::{CovarianceType, DpGmm, Overlap};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

const TYPES: [CovarianceType; 3] =
    [CovarianceType::Diagonal, CovarianceType::LowRank(2), CovarianceType::Full];

/// `n` points from `k` clusters in `d` dimensions, centres on a sphere of radius `apart`, unit noise plus `tilt` times a
/// shared normal number along one random direction a cluster.
fn planted(k: usize, d: usize, n: usize, apart: f64, tilt: f64, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut directions = |length: f64| {
        let mut out = Array2::from_shape_fn((k, d), |_| rng.sample::<f64, _>(StandardNormal));
        for mut c in out.outer_iter_mut() {
            let norm = c.dot(&c).sqrt();
            c *= length / norm;
        }
        out
    };
    let (centres, tilts) = (directions(apart), directions(tilt));
    let mut x = Array2::from_shape_fn((n, d), |_| rng.sample::<f64, _>(StandardNormal));
    for (i, mut row) in x.outer_iter_mut().enumerate() {
        let shared: f64 = rng.sample(StandardNormal);
        row += &(&centres.row(i % k) + &(shared * &tilts.row(i % k)));
    }
    x
}

fn fit(x: &Array2<f64>, k: usize, kind: CovarianceType) -> DpGmm {
    DpGmm::params(k).covariance_type(kind).fit(&DatasetBase::from(x.clone())).unwrap()
}

/// Two hundred points a cluster: with a hundred, the evidence itself prefers three full components to five in 16
/// dimensions (a covariance has 136 numbers).
#[test]
fn methods_3_12_mixture_recovers_k() {
    let mut failures = Vec::new();
    for kind in TYPES {
        for (k, d, n, apart) in
            [(1, 2, 200, 8.0), (3, 2, 300, 12.0), (3, 8, 300, 9.0), (5, 16, 1000, 10.0), (8, 16, 1600, 10.0)]
        {
            for seed in 0..3 {
                let found = fit(&planted(k, d, n, apart, 0.0, seed), 20, kind).active_components();
                println!("{kind:?}: planted {k} in {d} dimensions, seed {seed}: found {found}");
                if found.abs_diff(k) > 1 {
                    failures.push((kind, k, d, seed, found));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

/// `ln N(x; mean, covariance)` from the eigendecomposition, which no score uses.
fn dense_log_normal(x: ArrayView1<f64>, mean: ArrayView1<f64>, covariance: &Array2<f64>) -> f64 {
    let eigen = eigh(covariance.view()).unwrap();
    let turned = eigen.vectors.t().dot(&(&x - &mean));
    let distance: f64 = turned.iter().zip(&eigen.values).map(|(t, v)| t * t / v).sum();
    let log_det: f64 = eigen.values.iter().map(|v| v.ln()).sum();
    -0.5 * (distance + log_det + x.len() as f64 * std::f64::consts::TAU.ln())
}

#[test]
fn methods_3_12_score_equals_direct_dense_computation() {
    for kind in TYPES {
        let x = planted(3, 12, 240, 6.0, 2.0, 2);
        let model = fit(&x, 8, kind).rounded().unwrap();
        let (best, mixture) = (model.max_component(&x, 1e-4).unwrap(), model.log_density(&x));
        let mut worst: f64 = 0.0;
        for (i, row) in x.outer_iter().enumerate() {
            let (mut top, mut density) = (f64::NEG_INFINITY, 0.0);
            for j in 0..model.n_components() {
                let (mean, c) = (model.means().row(j), model.covariances()[j].dense());
                top = top.max(dense_log_normal(row, mean, &(&c + &(1e-4 * Array2::<f64>::eye(12)))));
                density += model.weights()[j] * dense_log_normal(row, mean, &c).exp();
            }
            worst = worst.max((top - best[i]).abs()).max((density.ln() - mixture[i]).abs());
        }
        println!("{kind:?}: largest difference to the dense computation {worst:.1e}");
        assert!(worst < 1e-9, "{kind:?} {worst}");
    }
}

#[test]
fn every_type_scores_as_a_density() {
    let x = planted(2, 1, 60, 4.0, 0.0, 3);
    let step = 0.01;
    let grid = Array2::from_shape_fn((200_000, 1), |(i, _)| (i as f64 - 100_000.0) * step);
    for kind in TYPES {
        let model = fit(&x, 3, kind);
        for (name, log) in [("predictive", model.predictive(&grid)), ("mixture", model.log_density(&grid))] {
            let mass: f64 = log.iter().map(|l| l.exp() * step).sum();
            assert!((mass - 1.0).abs() < 1e-3, "{kind:?} {name}: {mass}");
        }
    }
}

/// In two dimensions the multivariate t of the full and low-rank forms must integrate to one as well.
#[test]
fn the_multivariate_predictive_is_a_density() {
    let x = planted(2, 2, 80, 5.0, 1.5, 4);
    let (side, step) = (1200, 0.1);
    let grid = Array2::from_shape_fn((side * side, 2), |(i, j)| {
        let at = if j == 0 { i / side } else { i % side };
        (at as f64 - side as f64 / 2.0) * step
    });
    for kind in [CovarianceType::LowRank(1), CovarianceType::Full] {
        let mass: f64 = fit(&x, 3, kind).predictive(&grid).iter().map(|l| l.exp() * step * step).sum();
        assert!((mass - 1.0).abs() < 5e-3, "{kind:?}: {mass}");
    }
}

#[test]
fn the_full_bound_never_falls_and_stays_below_the_evidence() {
    let x = planted(3, 3, 150, 4.0, 1.5, 9);
    let bound = |n| {
        let p = DpGmm::params(6).covariance_type(CovarianceType::Full).max_iter(n).tol(1e-12);
        p.reg_covar(0.0).prune(false).fit(&DatasetBase::from(x.clone())).unwrap().lower_bound()
    };
    let bounds: Vec<f64> = (1..30).map(bound).collect();
    assert!(bounds.windows(2).all(|p| p[1] >= p[0] - 1e-8 * p[0].abs()), "{bounds:?}");
    // One component: the bound is the evidence, a product of multivariate t predictives of the points before.
    let (few, prior) = (x.slice(ndarray::s![..5, ..]).to_owned(), ndarray::array![2.0, 1.0, 3.0]);
    let params = |x: &Array2<f64>| {
        let p = DpGmm::params(1).covariance_type(CovarianceType::Full).mean_prior(Array1::zeros(3));
        let p = p.covariance_prior(prior.clone()).degrees_of_freedom_prior(5.0).mean_precision_prior(0.5);
        p.reg_covar(0.0).tol(1e-12).prune(false).fit(&DatasetBase::from(x.clone())).unwrap()
    };
    let heads = |n: usize| few.slice(ndarray::s![..n, ..]).to_owned();
    let chain: f64 = (1..5).map(|n| params(&heads(n)).predictive(&heads(n + 1))[n]).sum();
    let first = params(&heads(1)).lower_bound();
    assert!((params(&few).lower_bound() - first - chain).abs() < 1e-8);
}

#[test]
fn low_rank_finds_the_planted_direction_and_keeps_variances() {
    let x = planted(2, 16, 1600, 12.0, 3.0, 5);
    let (thin, wide) = (fit(&x, 6, CovarianceType::LowRank(1)), fit(&x, 6, CovarianceType::Full));
    let plain = fit(&x, 6, CovarianceType::Diagonal);
    assert_eq!(thin.n_components(), plain.n_components());
    let gap = (&thin.variances() - &plain.variances()).mapv(f64::abs);
    assert!(gap.iter().all(|g| *g < 1e-9), "variances are kept");
    let fresh = planted(2, 16, 1600, 12.0, 3.0, 5);
    let mean = |m: &DpGmm| m.log_density(&fresh).mean().unwrap();
    println!("diagonal {:.3}, rank 1 {:.3}, full {:.3} nats", mean(&plain), mean(&thin), mean(&wide));
    assert!(mean(&thin) > mean(&plain) + 0.3 && (mean(&thin) - mean(&wide)).abs() < 0.1);
}

#[test]
fn with_fewer_points_than_features_no_correlation_is_believed() {
    let x = planted(1, 40, 30, 1.0, 3.0, 6);
    let (thin, plain) = (fit(&x, 1, CovarianceType::LowRank(3)), fit(&x, 1, CovarianceType::Diagonal));
    assert!((thin.covariances()[0].log_det() - plain.covariances()[0].log_det()).abs() < 1e-9);
}

#[test]
fn storage_is_small_exact_and_refuses_what_does_not_fit() {
    let x = planted(3, 24, 600, 9.0, 2.0, 6).mapv(|v| 1e3 + 0.1 * v);
    for kind in TYPES {
        let model = fit(&x, 6, kind);
        let (k, d) = (model.n_components(), model.n_features());
        let per_component = match kind {
            CovarianceType::Diagonal => 4 * d + 4,
            CovarianceType::LowRank(q) => 4 * d + 2 * d * usize::from(q) + 4,
            CovarianceType::Full => 2 * d + d * (d + 1) + 4,
        };
        assert_eq!(model.bytes(), 8 * d + k * per_component);
        let rounded = model.rounded().unwrap();
        assert_eq!(rounded, rounded.rounded().unwrap());
        let bytes = postcard::to_allocvec(&rounded).unwrap();
        assert!(bytes.len().abs_diff(model.bytes()) < 64, "{} {}", bytes.len(), model.bytes());
        let back: DpGmm = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back, rounded);
        assert_eq!(postcard::to_allocvec(&back).unwrap(), bytes);
        let worst =
            (&model.log_density(&x) - &back.log_density(&x)).iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        println!(
            "{kind:?}: {k} components of width {d}, {} bytes, rounding moves a score by {worst:.3}",
            bytes.len()
        );
        assert!(worst < 0.2, "{kind:?} {worst}");
        for cut in (0..bytes.len()).step_by(7) {
            assert!(postcard::from_bytes::<DpGmm>(&bytes[..cut]).is_err());
        }
        // Any flipped byte gives an error or a model that scores without panic.
        for at in 0..bytes.len() {
            let mut hostile = bytes.clone();
            hostile[at] ^= 0xff;
            if let Ok(model) = postcard::from_bytes::<DpGmm>(&hostile)
                && model.n_features() == d
            {
                let _ = model.log_density(&x.slice(ndarray::s![..1, ..]));
            }
        }
    }
}

#[test]
fn merging_keeps_moments_of_full_mixtures() {
    let x = planted(5, 4, 400, 5.0, 1.5, 4);
    let model = fit(&x, 12, CovarianceType::Full);
    let second = |m: &DpGmm| {
        let w = m.counts() / m.counts().sum();
        let each = m.means().outer_iter().zip(m.covariances()).zip(&w).map(|((mean, c), w)| {
            let column = mean.insert_axis(Axis(1));
            *w * (c.dense() + column.dot(&column.t()))
        });
        each.fold(Array2::<f64>::zeros((4, 4)), |a, b| a + b)
    };
    for k in (1..model.n_components()).rev() {
        let (merged, _) = model.merged(k).unwrap();
        assert!((&second(&model) - &second(&merged)).iter().all(|v| v.abs() < 1e-8));
    }
    let thin = fit(&x, 12, CovarianceType::LowRank(2));
    let (one, _) = thin.merged(1).unwrap();
    assert_eq!((one.n_components(), one.rounded().unwrap().n_components()), (1, 1));
}

#[test]
fn draws_have_the_moments_of_the_mixture() {
    let x = planted(2, 5, 400, 5.0, 2.0, 8);
    for kind in TYPES {
        let model = fit(&x, 4, kind);
        let drawn = model.sample(60_000, 1).unwrap();
        assert_eq!(drawn, model.sample(60_000, 1).unwrap());
        let mean = model.weights().dot(model.means());
        let gap = &drawn.mean_axis(Axis(0)).unwrap() - &mean;
        assert!(gap.iter().all(|g| g.abs() < 0.1), "{kind:?} {gap}");
        let centred = &drawn - &mean;
        let found = centred.t().dot(&centred) / 60_000.0;
        let mut expected = Array2::<f64>::zeros((5, 5));
        for ((m, c), w) in model.means().outer_iter().zip(model.covariances()).zip(model.weights()) {
            let off = (&m - &mean).insert_axis(Axis(1));
            expected += &(w * (c.dense() + off.dot(&off.t())));
        }
        let scale = expected.diag().sum() / 5.0;
        assert!((&found - &expected).iter().all(|g| g.abs() < 0.05 * scale), "{kind:?}");
    }
}

/// Between single Gaussians the divergence is known in closed form.
#[test]
fn divergence_agrees_with_the_closed_form() {
    for kind in TYPES {
        let (a, b) = (planted(1, 4, 300, 0.0, 1.5, 1), planted(1, 4, 300, 2.0, 1.0, 2));
        let (p, q) = (fit(&a, 1, kind), fit(&b, 1, kind));
        let (cp, cq) = (p.covariances()[0].dense(), q.covariances()[0].dense());
        let gap = (&p.means().row(0) - &q.means().row(0)).insert_axis(Axis(1));
        let one_way = |c: &Array2<f64>, other: &Array2<f64>| {
            let moved = c + &gap.dot(&gap.t());
            0.5 * (Cholesky::new(other.view(), 0.0).unwrap().solve(moved.view()).unwrap().diag().sum() - 4.0)
        };
        let exact = one_way(&cp, &cq) + one_way(&cq, &cp);
        let drawn = p.symmetric_divergence(&q, 20_000, 7).unwrap();
        println!("{kind:?}: divergence {drawn:.3}, exactly {exact:.3}");
        assert!((drawn - exact).abs() < 0.05 * exact);
        assert!(p.symmetric_divergence(&p, 100, 1).unwrap().abs() < 1e-12);
    }
}

/// The union bound against the error of the best rule, both on draws of the mixtures themselves.
#[test]
fn the_union_bound_is_above_the_error_of_the_best_rule() {
    for kind in TYPES {
        for apart in [1.0, 3.0, 6.0] {
            let mixtures: Vec<DpGmm> =
                (0..4).map(|seed| fit(&planted(2, 6, 300, apart, 1.0, 40 + seed), 4, kind)).collect();
            let borrowed: Vec<&DpGmm> = mixtures.iter().collect();
            let overlap = Overlap::new(&borrowed).unwrap();
            let mut wrong = 0.0;
            for (t, own) in mixtures.iter().enumerate() {
                let x = own.sample(4000, 5 + t as u64).unwrap();
                let scores: Vec<_> = mixtures.iter().map(|m| m.log_density(&x)).collect();
                let lost = |i: &usize| (0..4).any(|o| scores[o][*i] > scores[t][*i]);
                wrong += (0..4000).filter(lost).count() as f64 / 16_000.0;
            }
            println!("{kind:?}, {apart} apart: error {wrong:.4}, bound {:.4}", overlap.total);
            assert!(overlap.total >= wrong - 0.01 && overlap.total <= 0.75);
            assert!(apart < 6.0 || overlap.total < 0.3, "{}", overlap.total);
            let (i, j, bound) = overlap.worst_pair().unwrap();
            assert!(i < j && overlap.pairs.iter().all(|&p| p <= bound) && overlap.pairs[[j, i]] == bound);
        }
    }
    let one = fit(&planted(1, 3, 50, 1.0, 0.0, 1), 1, CovarianceType::Full);
    let other = fit(&planted(1, 2, 50, 1.0, 0.0, 1), 1, CovarianceType::Full);
    assert_eq!(Overlap::new(&[&one]).unwrap().worst_pair(), None);
    assert_eq!(Overlap::new(&[&one, &other]).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn ranks_of_zero_are_refused() {
    let x = DatasetBase::from(planted(1, 3, 20, 1.0, 0.0, 1));
    let refused = DpGmm::params(2).covariance_type(CovarianceType::LowRank(0)).fit(&x).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    let huge = DpGmm::params(2).covariance_type(CovarianceType::LowRank(u16::MAX)).fit(&x).unwrap();
    assert_eq!(huge.rounded().unwrap(), huge.rounded().unwrap().rounded().unwrap());
}
