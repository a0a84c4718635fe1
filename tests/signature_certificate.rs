//! The error certificate against its f64 numpy reference (`tests/golden/certificate_golden.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use linfa::ParamGuard;
use ndarray::{Array1, Array2, ArrayView2};
use perennial::ErrorKind;
use perennial::mixture::{CovarianceType, DpGmm};
use perennial::signature::{Certificate, certificate_threshold};
use serde_json::Value;

const GOLDEN: &str = include_str!("golden/certificate.json");

fn matrix(v: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = serde_json::from_value(v.clone()).unwrap();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

/// The mixture of one M-step from hard labels.
fn mixture(x: &Array2<f64>, golden: &Value, kind: CovarianceType) -> DpGmm {
    let labels: Vec<usize> = serde_json::from_value(golden["labels"].clone()).unwrap();
    let start = Array2::from_shape_fn((x.nrows(), 2), |(i, j)| f64::from(u8::from(labels[i] == j)));
    DpGmm::params(2)
        .covariance_type(kind)
        .mean_prior(Array1::zeros(3))
        .covariance_prior(Array1::ones(3))
        .degrees_of_freedom_prior(golden["degrees"].as_f64().unwrap())
        .mean_precision_prior(golden["mean_precision"].as_f64().unwrap())
        .reg_covar(0.0)
        .max_iter(0)
        .prune(false)
        .check()
        .unwrap()
        .fit_from(x, &start)
        .unwrap()
}

fn certificates(golden: &Value, kind: CovarianceType) -> Vec<Certificate> {
    let tasks = golden["tasks"].as_array().unwrap();
    let mixtures: Vec<DpGmm> = tasks.iter().map(|t| mixture(&matrix(&t["train"]), golden, kind)).collect();
    let borrowed: Vec<&DpGmm> = mixtures.iter().collect();
    let of = |(k, task): (usize, &Value)| {
        let seen: Vec<Array2<f64>> = task["embeddings"].as_array().unwrap().iter().map(matrix).collect();
        let views: Vec<ArrayView2<f64>> = seen.iter().map(|e| e.view()).collect();
        Certificate::new(k, &borrowed, &views, golden["eps"].as_f64().unwrap()).unwrap()
    };
    tasks.iter().enumerate().map(of).collect()
}

#[test]
fn methods_3_12_certificate_reproduces_numpy() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let (mut absent, mut held, mut failed) = (0, 0, 0);
    for (task, certificate) in
        golden["tasks"].as_array().unwrap().iter().zip(certificates(&golden, CovarianceType::Full))
    {
        for (want, got) in task["components"].as_array().unwrap().iter().zip(&certificate.components) {
            for (name, value) in
                [("delta", got.delta), ("kappa", got.kappa), ("sig2", got.sig2), ("m", got.m)]
            {
                let wanted = want[name].as_f64().unwrap();
                assert!((value - wanted).abs() < 1e-9 * wanted.abs().max(1.0), "{name}: {value} {wanted}");
            }
            match (want["threshold"].as_f64(), got.threshold) {
                (Some(a), Some(b)) => assert!((a - b).abs() < 1e-9 * a.abs()),
                (None, None) => absent += 1,
                other => panic!("{other:?}"),
            }
            assert_eq!(want["rival"], serde_json::json!([got.rival.0, got.rival.1]));
            held += usize::from(got.holds());
            failed += usize::from(!got.holds() && got.threshold.is_some());
        }
    }
    println!("{held} held, {failed} not, {absent} without a threshold");
    assert!(held > 0 && failed > 0 && absent > 0, "the fixture has all three cases");
}

#[test]
fn methods_3_12_threshold_is_absent_where_its_root_is_not_real() {
    // M = 3 d sig2 - kappa; kappa = d sig2 gives M² = 4 (d sig2)², below 24 (d sig2)².
    assert_eq!(certificate_threshold(64.0, 64.0, 1.0, 1e4), None);
    assert_eq!(certificate_threshold(64.0, f64::NAN, 1.0, 1e4), None);
    // The figures of methods.md 3.8: d = 768, ten tasks of twenty components, one percent.
    let odds = (9.0 * 200.0 + 1.0) / 0.01;
    let of = |kappa, sig2| certificate_threshold(768.0, kappa, sig2, odds).unwrap();
    assert!((of(0.0, 1.0) - 3.0).abs() < 0.01 && (of(-100.0, 1.0) - 3.6).abs() < 0.05);
    assert!((of(-100.0, 0.1) - 0.83).abs() < 0.01);
    assert!((of(0.0, 1e-9) - 0.039).abs() < 1e-3);
}

#[test]
fn the_weakest_component_is_named_with_its_rival() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    for kind in [CovarianceType::Diagonal, CovarianceType::LowRank(1), CovarianceType::Full] {
        for certificate in certificates(&golden, kind) {
            let weakest = certificate.weakest().unwrap();
            assert!(certificate.components.iter().all(|c| c.delta >= weakest.delta));
            let text = certificate.explain(&["birds", "planes", "boats"]);
            let name = ["birds", "planes", "boats"][weakest.rival.0];
            assert!(text.contains(&format!("against {name} (component {})", weakest.rival.1)), "{text}");
            assert_ne!(weakest.rival.0, certificate.task);
            let held = certificate.components.iter().filter(|c| c.holds()).count() as f64;
            assert_eq!(certificate.certified(), held / certificate.components.len() as f64);
            println!("{kind:?}: {text}");
        }
    }
}

#[test]
fn what_cannot_be_certified_is_refused() {
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    let x = matrix(&golden["tasks"][0]["train"]);
    let model = mixture(&x, &golden, CovarianceType::Full);
    let kind = |task, mixtures: &[&DpGmm], seen: &[ArrayView2<f64>], eps| {
        Certificate::new(task, mixtures, seen, eps).unwrap_err().kind()
    };
    let two = [&model, &model];
    assert_eq!(kind(0, &[&model], &[x.view()], 0.01), ErrorKind::InvalidArgument);
    assert_eq!(kind(2, &two, &[x.view(), x.view()], 0.01), ErrorKind::InvalidArgument);
    assert_eq!(kind(0, &two, &[x.view(), x.view()], 0.0), ErrorKind::InvalidArgument);
    assert_eq!(kind(0, &two, &[x.view()], 0.01), ErrorKind::Shape);
    assert_eq!(kind(0, &two, &[x.view(), x.slice(ndarray::s![1.., ..])], 0.01), ErrorKind::Shape);
    let empty = Array2::zeros((0, 3));
    let nothing = Certificate::new(0, &two, &[empty.view(), empty.view()], 0.01).unwrap();
    assert!(nothing.certified().is_nan() && nothing.explain(&[]).contains("nothing to say"));
}
