//! `DpGmm` against scikit-learn's `BayesianGaussianMixture`, from the same initial responsibilities.
//!
//! Golden numbers: `tests/golden/dpgmm_golden.py`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use linfa::ParamGuard;
use linfa::traits::Predict;
use ndarray::{Array1, Array2, Axis, s};
use perennial::mixture::{CovarianceType, DpGmm, DpGmmParams};
use serde_json::Value;

const DIAGONAL: &str = include_str!("golden/dpgmm.json");
const FULL: &str = include_str!("golden/dpgmm_full.json");

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn matrix(v: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = v.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

/// The generator of the golden script.
fn lcg(n: usize, mut state: u64) -> Vec<f64> {
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 23) - 1.0
        })
        .collect()
}

fn wide() -> Array2<f64> {
    let (n, d) = (240, 64);
    let (corners, noise) = (lcg(4 * d, 7), lcg(n * d, 11));
    Array2::from_shape_fn((n, d), |(i, j)| corners[(i % 4) * d + j] + 0.5 * noise[i * d + j])
}

fn params(p: &Value) -> DpGmmParams {
    let mut out =
        DpGmm::params(p["n_components"].as_u64().unwrap() as usize).scikit_learn().max_iter(500).tol(1e-6);
    for (name, value) in p.as_object().unwrap() {
        out = match name.as_str() {
            "n_components" => out,
            "weight_concentration_prior" => out.weight_concentration_prior(value.as_f64().unwrap()),
            "mean_precision_prior" => out.mean_precision_prior(value.as_f64().unwrap()),
            "degrees_of_freedom_prior" => out.degrees_of_freedom_prior(value.as_f64().unwrap()),
            "covariance_prior" => out.covariance_prior(Array1::from(numbers(value))),
            "reg_covar" => out.reg_covar(value.as_f64().unwrap()),
            other => panic!("unknown parameter {other}"),
        };
    }
    out
}

/// Largest `|a - b| / max(1, |b|)`.
fn distance<'a>(a: impl IntoIterator<Item = &'a f64>, b: impl IntoIterator<Item = &'a f64>) -> f64 {
    let (a, b): (Vec<_>, Vec<_>) = (a.into_iter().collect(), b.into_iter().collect());
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (*a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

/// The numbers of nested lists, row by row.
fn flat(v: &Value) -> Vec<f64> {
    v.as_array().map_or_else(|| vec![v.as_f64().unwrap()], |list| list.iter().flat_map(flat).collect())
}

/// Of every component the variances, or the matrix, of the first `columns` features.
fn covariances(model: &DpGmm, columns: usize) -> Vec<f64> {
    let first = |c: &perennial::mixture::Covariance| match model.covariance_type() {
        CovarianceType::Full => c.dense().slice(s![..columns, ..columns]).iter().copied().collect::<Vec<_>>(),
        _ => c.variances().slice(s![..columns]).to_vec(),
    };
    model.covariances().iter().flat_map(first).collect()
}

#[test]
fn agrees_with_scikit_learn_on_variances() {
    agrees(DIAGONAL, CovarianceType::Diagonal);
}

#[test]
fn agrees_with_scikit_learn_on_full_covariances() {
    agrees(FULL, CovarianceType::Full);
}

fn agrees(golden: &str, kind: CovarianceType) {
    let cases: Value = serde_json::from_str(golden).unwrap();
    for case in cases.as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let x = if case["x"].is_null() { wide() } else { matrix(&case["x"]) };
        let k = case["params"]["n_components"].as_u64().unwrap() as usize;
        let labels = numbers(&case["labels"]);
        let start =
            Array2::from_shape_fn((x.nrows(), k), |(i, j)| f64::from(u8::from(labels[i] as usize == j)));

        let model =
            params(&case["params"]).covariance_type(kind).check().unwrap().fit_from(&x, &start).unwrap();

        let columns = matrix(&case["means"]).ncols();
        let narrow = |m: &Array2<f64>| m.select(Axis(1), &(0..columns).collect::<Vec<_>>());
        let errors = [
            distance(&model.weights(), &numbers(&case["weights"])),
            distance(&narrow(model.means()), &matrix(&case["means"])),
            distance(&covariances(&model, columns), &flat(&case["covariances"])),
            distance(&model.score_samples(&x), &numbers(&case["score_samples"])),
            distance(&[model.lower_bound()], &[case["lower_bound"].as_f64().unwrap()]),
        ];
        println!(
            "{name:12} weights {:.1e}  means {:.1e}  variances {:.1e}  log-likelihood {:.1e}  bound {:.1e}",
            errors[0], errors[1], errors[2], errors[3], errors[4]
        );
        assert_eq!(model.n_iter() as u64, case["n_iter"].as_u64().unwrap(), "{name}");
        assert_eq!(model.active_components() as u64, case["active"].as_u64().unwrap(), "{name}");
        assert!(errors.iter().all(|&e| e < 1e-8), "{name}: {errors:?}");
        let predicted: Vec<f64> = model.predict(&x).iter().map(|&j| j as f64).collect();
        assert_eq!(predicted, numbers(&case["predict"]), "{name}");
    }
}
