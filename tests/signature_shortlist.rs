//! Two-stage routing: few tasks are asked, and their z-scores decide.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ndarray::{Array1, Array2, array};
use perennial::ErrorKind;
use perennial::signature::{Reduced, RetrievalGap, Router, Signature, SignatureParams};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// `n` points about `centre` in four dimensions, in units of `scale`.
fn cloud(centre: f64, scale: f64, n: usize, seed: u64) -> Array2<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array2::from_shape_fn((n, 4), |_| scale * (centre + rng.sample::<f64, _>(StandardNormal)))
}

/// Task `t` lies at `4 t` on frozen features; its own adapter scales features by `10^t`.
fn routers() -> (Router, Router) {
    let (mut frozen, mut own) = (Router::default(), Router::default());
    for t in 0..4 {
        let fit = |scale: f64| {
            let z = Reduced::plain(cloud(4.0 * f64::from(t), scale, 80, 1 + t as u64));
            Signature::fit(&z, &[0; 80], &SignatureParams { tie: 1.0, ..Default::default() }).unwrap()
        };
        let scale = 10_f64.powi(t);
        frozen.push(fit(1.0));
        own.push(fit(scale));
    }
    (frozen, own)
}

fn scores(router: &Router, task: usize, z: &Array2<f64>) -> Array1<f64> {
    router.signatures()[task].score(&Reduced::plain(z.clone())).unwrap()
}

#[test]
fn few_are_asked_and_the_right_one_answers() {
    let (frozen, own) = routers();
    let (mut right, mut n) = (0, 0);
    for t in 0..4 {
        let z = cloud(4.0 * f64::from(t), 1.0, 40, 90 + t as u64);
        let mut asked =
            frozen.shortlist(frozen.scores(&Reduced::plain(z.clone())).unwrap().view(), 2).unwrap();
        assert_eq!(asked.passes(), 2.0);
        let early = own.decide_shortlisted(&asked);
        assert_eq!(early.unwrap_err().kind(), ErrorKind::State);
        for (task, rows) in asked.runs() {
            let adapted = z.select(ndarray::Axis(0), &rows).mapv(|v| v * 10_f64.powi(task as i32));
            asked.answer(task, &scores(&own, task, &adapted)).unwrap();
        }
        for (i, routing) in own.decide_shortlisted(&asked).unwrap().into_iter().enumerate() {
            assert!(asked.tasks(i).contains(&routing.task));
            assert!(routing.margin >= 0.0 && routing.margin.is_finite());
            assert_eq!(routing.z_scores.iter().filter(|z| z.is_finite()).count(), 2);
            right += usize::from(routing.task == t as usize && !routing.unknown);
            n += 1;
        }
    }
    println!("{right} of {n}");
    assert!(right as f64 > 0.9 * n as f64);
}

#[test]
fn unknown_when_no_asked_task_finds_it_likely() {
    let (frozen, own) = routers();
    let z = cloud(-9.0, 1.0, 20, 3);
    let mut asked = frozen.shortlist(frozen.scores(&Reduced::plain(z.clone())).unwrap().view(), 3).unwrap();
    for (task, rows) in asked.runs() {
        let adapted = z.select(ndarray::Axis(0), &rows).mapv(|v| v * 10_f64.powi(task as i32));
        asked.answer(task, &scores(&own, task, &adapted)).unwrap();
    }
    assert!(own.decide_shortlisted(&asked).unwrap().iter().all(|r| r.unknown));
}

#[test]
fn shortlists_are_the_best_by_stage_zero() {
    let (frozen, _) = routers();
    let given = array![[0.0, 3.0, 1.0, 2.0], [9.0, 9.0, 8.0, 7.0]];
    let asked = frozen.shortlist(given.view(), 2).unwrap();
    assert_eq!((asked.tasks(0), asked.tasks(1), asked.tasks(2)), (&[1, 3][..], &[0, 1][..], &[][..]));
    let runs: Vec<_> = asked.runs().into_iter().collect();
    assert_eq!(runs, [(0, vec![1]), (1, vec![0, 1]), (3, vec![0])]);
    assert_eq!(frozen.shortlist(given.view(), 0).unwrap().passes(), 1.0);
    assert_eq!(frozen.shortlist(given.view(), 99).unwrap().passes(), 4.0);
    let mut asked = asked;
    assert_eq!(asked.answer(1, &Array1::zeros(1)).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(frozen.shortlist(Array2::zeros((2, 3)).view(), 1).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(Router::default().shortlist(given.view(), 1).unwrap_err().kind(), ErrorKind::State);
}

/// Weak evidence in every sample: runs of sixteen are right far more often than samples.
#[test]
fn methods_3_12_retrieval_gap_is_reported() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let truth: Vec<usize> = (0..1600).map(|i| i / 400).collect();
    let scores = Array2::from_shape_fn((1600, 4), |(i, t)| {
        f64::from(u8::from(truth[i] == t)) * 0.8 + rng.sample::<f64, _>(StandardNormal)
    });
    let gap = RetrievalGap::new(scores.view(), &truth, 16);
    println!("per sample {:.3}, runs of 16 {:.3}", gap.per_sample, gap.in_context);
    assert!(gap.per_sample < 0.6 && gap.in_context > 0.9 && gap.gap() == gap.in_context - gap.per_sample);
}
