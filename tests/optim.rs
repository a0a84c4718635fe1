//! Optimizers against torch 2.x (`tests/golden/optim_golden.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ndarray::Array2;
use perennial::ErrorKind;
use perennial::optim::{AdamW, Optimizer, Schedule, Sgd, clip};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/optim.json")).unwrap()
}

/// The matrices under `value`, in the shapes of the golden file.
fn matrices(golden: &Value, value: &Value) -> Vec<Array2<f32>> {
    let size = |s: &Value, i: usize| s[i].as_u64().unwrap() as usize;
    let shapes = golden["shapes"].as_array().unwrap().iter().map(|s| (size(s, 0), size(s, 1)));
    let floats = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
    shapes
        .zip(value.as_array().unwrap())
        .map(|(s, v)| Array2::from_shape_vec(s, floats(v)).unwrap())
        .collect()
}

fn largest_difference(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    (a - b).iter().fold(0.0, |w, x| w.max(x.abs()))
}

/// Runs all recorded steps and returns the worst difference from torch.
fn replay(case: &str, optimizer: &mut dyn Optimizer) -> f32 {
    let golden = golden();
    let mut params = matrices(&golden, &golden["start"]);
    let mut worst = 0.0_f32;
    for (grads, expected) in
        golden["grads"].as_array().unwrap().iter().zip(golden["cases"][case].as_array().unwrap())
    {
        optimizer.begin_step();
        for (i, grad) in matrices(&golden, grads).iter().enumerate() {
            let delta = optimizer.step(i, params[i].view(), grad.view()).unwrap();
            params[i] += &delta;
        }
        for (param, expected) in params.iter().zip(matrices(&golden, expected)) {
            worst = worst.max(largest_difference(param, &expected));
        }
    }
    worst
}

#[test]
fn twenty_steps_agree_with_torch() {
    let adamw = AdamW::new(3e-3).with_weight_decay(0.1).with_betas(0.8, 0.95, 1e-6);
    let cases: [(&str, Box<dyn Optimizer>); 5] = [
        ("adamw", Box::new(AdamW::new(1e-2))),
        ("adamw_decay", Box::new(adamw)),
        ("sgd", Box::new(Sgd::new(1e-2))),
        ("sgd_momentum", Box::new(Sgd::new(1e-2).with_momentum(0.9, false).with_weight_decay(0.05))),
        ("sgd_nesterov", Box::new(Sgd::new(1e-2).with_momentum(0.9, true).with_weight_decay(0.05))),
    ];
    let mut failures = Vec::new();
    for (case, mut optimizer) in cases {
        let worst = replay(case, optimizer.as_mut());
        println!("{case}: {worst:e}");
        if worst > 1e-6 {
            failures.push((case, worst));
        }
    }
    assert!(failures.is_empty(), "further than 1e-6 from torch: {failures:?}");
}

#[test]
fn clipping_agrees_with_torch() {
    let golden = golden();
    let mut grads = matrices(&golden, &golden["grads"][0]);
    let norm = clip(&mut grads, 0.5);
    assert!((norm - golden["clip"]["norm"].as_f64().unwrap() as f32).abs() < 1e-5 * norm);
    for (a, b) in grads.iter().zip(matrices(&golden, &golden["clip"]["grads"])) {
        assert!(largest_difference(a, &b) < 1e-7);
    }
    let small = grads.clone();
    clip(&mut grads, 10.0);
    assert_eq!(grads, small, "below the limit nothing changes");
}

/// A stored optimizer continues as if it had never stopped.
#[test]
fn state_survives_a_restart() {
    let param = Array2::from_elem((2, 2), 0.5);
    let grad = Array2::from_shape_fn((2, 2), |(i, j)| (i as f32 - j as f32) * 0.3 + 0.1);
    let mut optimizer = AdamW::new(1e-2).with_weight_decay(0.01);
    optimizer.begin_step();
    optimizer.step(1, param.view(), grad.view()).unwrap();
    assert_eq!(optimizer.bytes(), 2 * 4 * 4, "slot 0 was never used");
    let bytes = postcard::to_stdvec(&optimizer).unwrap();
    let mut restored: AdamW = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(restored, optimizer);
    for o in [&mut optimizer, &mut restored] {
        o.begin_step();
    }
    let a = optimizer.step(1, param.view(), grad.view()).unwrap();
    assert_eq!(a, restored.step(1, param.view(), grad.view()).unwrap());
}

#[test]
fn bad_gradients_are_refused_and_leave_the_moments_alone() {
    let param = Array2::<f32>::ones((2, 2));
    let mut optimizer = AdamW::new(1e-2);
    optimizer.begin_step();
    optimizer.step(0, param.view(), param.view()).unwrap();
    let before = optimizer.clone();
    let poison = Array2::from_elem((2, 2), f32::NAN);
    assert_eq!(optimizer.step(0, param.view(), poison.view()).unwrap_err().kind(), ErrorKind::Numeric);
    let wide = Array2::ones((2, 3));
    assert_eq!(optimizer.step(0, param.view(), wide.view()).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(optimizer.step(0, wide.view(), wide.view()).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(optimizer, before);
}

#[test]
fn schedules_start_high_and_end_at_zero() {
    assert_eq!(Schedule::Constant.factor(1000), 1.0);
    let cosine = Schedule::Cosine { total: 100 };
    assert_eq!(cosine.factor(0), 1.0);
    assert!((cosine.factor(50) - 0.5).abs() < 1e-6 && cosine.factor(100) < 1e-6 && cosine.factor(200) < 1e-6);
    let warm = Schedule::WarmupCosine { warmup: 10, total: 110 };
    assert_eq!((warm.factor(0), warm.factor(9), warm.factor(10)), (0.1, 1.0, 1.0));
    assert!((warm.factor(60) - 0.5).abs() < 1e-6);
}
