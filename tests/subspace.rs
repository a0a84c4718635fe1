//! The acceptance tests of gradient projection: what a protected subspace promises, and that the tempting shortcut
//! (projecting gradients only) does not keep the promise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ndarray::{Array2, ArrayView2, Axis, array, s};
use perennial::ErrorKind;
use perennial::linalg::{eigh, gaussian, svd_thin};
use perennial::optim::{AdamW, Optimizer};
use perennial::subspace::{Basis, Energy, EnergySchedule, FrequentDirections, SecondMoment};

const WIDTH: usize = 192;
const RANK: usize = 40;

/// `n` rows of exactly `rank` directions.
fn low_rank(seed: u64, n: usize, rank: usize) -> Array2<f32> {
    gaussian(seed, n, rank).dot(&gaussian(seed + 1000, rank, WIDTH))
}

fn moment_of(rows: &Array2<f32>) -> SecondMoment {
    let mut moment = SecondMoment::new(rows.ncols());
    moment.push_rows(rows.view()).unwrap();
    moment
}

fn norm(m: ArrayView2<'_, f32>) -> f64 {
    m.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// `‖X dAᵀ‖ / (‖X‖ ‖dA‖)`: how much of an update old inputs feel.
fn felt(inputs: &Array2<f32>, delta: &Array2<f32>) -> f64 {
    norm(inputs.dot(&delta.t()).view()) / (norm(inputs.view()) * norm(delta.view()))
}

/// A hundred Adam steps of a rank-4 adapter towards a random target with noise; returns the total change.
fn train(basis: &Basis, project_gradient: bool, project_delta: bool) -> Array2<f32> {
    let start = gaussian(77, 4, WIDTH);
    let (mut a, target) = (start.clone(), gaussian(78, 4, WIDTH));
    let mut adam = AdamW::new(1e-2);
    for step in 0..100 {
        let mut grad = &a - &target + gaussian(100 + step, 4, WIDTH) * 0.3;
        if project_gradient {
            basis.project(grad.view_mut()).unwrap();
        }
        adam.begin_step();
        let mut delta = adam.step(0, a.view(), grad.view()).unwrap();
        if project_delta {
            basis.project(delta.view_mut()).unwrap();
        }
        a += &delta;
    }
    a - start
}

/// Inputs of rank 40 and the basis of all their energy.
fn protected() -> (Array2<f32>, Basis) {
    let old = low_rank(1, 600, RANK);
    let mut basis = Basis::new(WIDTH);
    assert_eq!(basis.extend(&moment_of(&old), 1.0).unwrap().added, RANK);
    (old, basis)
}

/// methods.md 1.12, exactness.
#[test]
fn methods_1_12_old_inputs_do_not_feel_a_hundred_projected_adam_steps() {
    let (old, basis) = protected();
    let kept = felt(&old, &train(&basis, true, true));
    assert!(kept <= 1e-4, "{kept:e}");
}

/// methods.md 1.12, negative control: were this to hold, the test above would prove nothing.
#[test]
fn methods_1_12_projecting_gradients_alone_does_not_hold() {
    let (old, basis) = protected();
    let leaked = felt(&old, &train(&basis, true, false));
    assert!(leaked > 1e-2, "projecting gradients alone must leak through Adam, leaked only {leaked:e}");
}

/// The same past D/2, where the complement is held.
#[test]
fn the_complement_protects_as_well() {
    let old = low_rank(3, 600, 130);
    let mut basis = Basis::new(WIDTH);
    basis.extend(&moment_of(&old), 1.0).unwrap();
    assert!(basis.is_complement() && basis.protected() == 130);
    assert!(basis.bytes() <= 2 * WIDTH * WIDTH / 2);
    let kept = felt(&old, &train(&basis, true, true));
    assert!(kept <= 1e-4, "{kept:e}");
}

/// methods.md 1.12, axis guard: the released PEGP code takes its basis along the sample axis; that only fits when there are D samples.
#[test]
fn methods_1_12_any_number_of_samples_gives_directions_in_feature_space() {
    for n in [1, 7, 50, WIDTH, 1000] {
        let rows = low_rank(5, n, 20);
        let mut basis = Basis::new(WIDTH);
        let extension = basis.extend(&moment_of(&rows), 1.0).unwrap();
        assert_eq!((basis.width(), extension.added), (WIDTH, n.min(20)), "{n} samples");
        let mut projected = rows.clone();
        basis.project(projected.view_mut()).unwrap();
        assert!(norm(projected.view()) < 1e-3 * norm(rows.view()), "{n} samples");
    }
}

/// methods.md 1.12, energy.
#[test]
fn methods_1_12_the_asked_energy_is_captured_and_the_same_task_adds_nothing() {
    // A decaying spectrum, so that thresholds bite.
    let decay =
        Array2::from_diag(&(0..WIDTH).map(|j| 0.96_f32.powi(j as i32)).collect::<ndarray::Array1<_>>());
    let rows = |seed| gaussian(seed, 800, WIDTH).dot(&decay).dot(&gaussian(99, WIDTH, WIDTH));
    let mut basis = Basis::new(WIDTH);
    let mut previous = 0;
    for (task, energy) in [0.5, 0.9, 0.95, 0.995].into_iter().enumerate() {
        let rows = rows(20 + task as u64);
        let moment = moment_of(&rows);
        let extension = basis.extend(&moment, energy).unwrap();
        let mut free = rows.clone();
        basis.project(free.view_mut()).unwrap();
        let measured = 1.0 - (norm(free.view()) / norm(rows.view())).powi(2);
        println!(
            "{energy}: +{} = {}, measured {measured:.6}, {extension:?}",
            extension.added, extension.protected
        );
        assert!(measured >= energy - 1e-4, "{measured} of {energy}");
        assert!((measured - extension.after.sigma2).abs() < 1e-3);
        assert!(extension.after.sigma4 >= extension.after.sigma2, "fourth powers look larger");
        assert!(extension.after.sigma2 >= extension.before.sigma2);
        assert_eq!(extension.protected, basis.protected());
        assert!(extension.protected > previous);
        previous = extension.protected;
        let again = basis.extend(&moment, energy).unwrap();
        assert_eq!(again.added, 0, "the same task again at {energy}");
    }
}

/// Twelve tasks through f16 and back: old inputs stay protected and the basis stays orthonormal.
#[test]
fn a_basis_does_not_drift_over_many_tasks() {
    let tasks: Vec<_> = (0..12).map(|t| low_rank(40 + t, 100, 12)).collect();
    let mut basis = Basis::new(WIDTH);
    for task in &tasks {
        basis.extend(&moment_of(task), 1.0).unwrap();
        // A restart after every task changes nothing at all.
        let restored: Basis = postcard::from_bytes(&postcard::to_stdvec(&basis).unwrap()).unwrap();
        assert_eq!(restored, basis);
    }
    assert!(basis.is_complement() && basis.protected() == 144);
    let mut delta = gaussian(4, 8, WIDTH);
    basis.project(delta.view_mut()).unwrap();
    let worst = tasks.iter().map(|t| felt(t, &delta)).fold(0.0, f64::max);
    println!("worst of 12 tasks {worst:e}");
    assert!(worst < 2e-4, "{worst:e}");
}

#[test]
fn projecting_twice_is_projecting_once() {
    for rank in [30, 150] {
        let mut basis = Basis::new(WIDTH);
        basis.extend(&moment_of(&low_rank(8, 400, rank)), 1.0).unwrap();
        let mut once = gaussian(9, 5, WIDTH);
        basis.project(once.view_mut()).unwrap();
        let mut twice = once.clone();
        basis.project(twice.view_mut()).unwrap();
        assert!(norm((&once - &twice).view()) < 1e-3 * norm(once.view()));
    }
}

#[test]
fn sampled_rows_are_free_and_of_kaiming_length() {
    let old = low_rank(11, 300, RANK);
    let mut basis = Basis::new(WIDTH);
    basis.extend(&moment_of(&old), 1.0).unwrap();
    let rows = basis.sample_free(3, 8).unwrap();
    assert_eq!(rows, basis.sample_free(3, 8).unwrap(), "the seed decides");
    assert!(felt(&old, &rows) < 1e-4);
    for row in rows.axis_iter(Axis(0)) {
        assert!((row.dot(&row) - 1.0 / 3.0).abs() < 1e-5);
    }
    let mut full = Basis::new(3);
    let all = Array2::<f32>::eye(3);
    full.extend(&moment_of(&all), 1.0).unwrap();
    assert_eq!((full.free(), full.bytes()), (0, 0));
    assert_eq!(full.sample_free(0, 1).unwrap_err().kind(), ErrorKind::State);
}

#[test]
fn damaged_records_are_refused() {
    let mut basis = Basis::new(WIDTH);
    basis.extend(&moment_of(&low_rank(12, 100, 5)), 1.0).unwrap();
    let bytes = postcard::to_stdvec(&basis).unwrap();
    assert!(bytes.len() < basis.bytes() * 2, "f16 at rest: {} bytes", bytes.len());
    let mut damaged = serde_json::to_value(&basis).unwrap();
    for (at, with) in [(0, 0x7e00_u16), (3, 0x3c00)] {
        let kept = damaged["rows"].clone();
        for (i, byte) in with.to_le_bytes().into_iter().enumerate() {
            damaged["rows"][2 * at + i] = byte.into();
        }
        let refusal = serde_json::from_value::<Basis>(damaged.clone()).unwrap_err().to_string();
        assert!(refusal.contains("restore an older record"), "{refusal}");
        damaged["rows"] = kept;
    }
    damaged["width"] = 7.into();
    assert!(serde_json::from_value::<Basis>(damaged).is_err());
    assert!(postcard::from_bytes::<Basis>(&bytes[..bytes.len() - 2]).is_err());
}

#[test]
fn bad_arguments_change_nothing() {
    let mut basis = Basis::new(4);
    let narrow = SecondMoment::new(3);
    assert_eq!(basis.extend(&narrow, 0.9).unwrap_err().kind(), ErrorKind::Shape);
    assert_eq!(basis.extend(&SecondMoment::new(4), 1.5).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(basis.project(Array2::zeros((2, 3)).view_mut()).unwrap_err().kind(), ErrorKind::Shape);
    let mut moment = SecondMoment::new(2);
    let poison = array![[1.0, 2.0], [f32::NAN, 0.0]];
    assert_eq!(moment.push_rows(poison.view()).unwrap_err().kind(), ErrorKind::Numeric);
    assert_eq!(moment, SecondMoment::new(2));
    assert_eq!(basis.extend(&SecondMoment::new(4), 0.9).unwrap().added, 0, "no rows, no directions");
}

#[test]
fn centring_takes_the_mean_out() {
    let rows = gaussian(30, 500, 6) + 10.0;
    let raw = moment_of(&rows);
    let centred = raw.clone().centred();
    let mean = rows.mapv(f64::from).mean_axis(Axis(0)).unwrap();
    let expected = {
        let d = rows.mapv(f64::from) - &mean;
        d.t().dot(&d)
    };
    let worst = (centred.moment() - &expected).iter().fold(0.0_f64, |w, x| w.max(x.abs()));
    assert!(worst < 1e-7, "{worst:e}");
    assert!((centred.total() - expected.diag().sum()).abs() < 1e-7);
    assert!(raw.total() > 50.0 * centred.total());
    // What a graph sums itself is the same thing.
    let mut pushed = SecondMoment::new(6).centred();
    let sum: Vec<f32> = rows.sum_axis(Axis(0)).to_vec();
    pushed.push_gram(rows.t().dot(&rows).view(), &sum, 500).unwrap();
    assert!((pushed.total() / centred.total() - 1.0).abs() < 1e-3);
}

#[test]
fn a_sketch_stays_inside_its_bound_and_finds_the_same_subspace() {
    let (kept, strong) = (32, 10);
    let rows = low_rank(50, 2000, strong) + gaussian(51, 2000, WIDTH) * 0.3;
    let mut sketch = FrequentDirections::new(WIDTH, kept).unwrap();
    for block in rows.axis_chunks_iter(Axis(0), 37) {
        sketch.push_rows(block).unwrap();
    }
    let exact = moment_of(&rows);
    assert!(sketch.bytes() < exact.bytes());
    assert!((sketch.total() / exact.total() - 1.0).abs() < 1e-9);

    let error = eigh((exact.moment() - sketch.moment()).view()).unwrap().values;
    let (most, least) = (error[0], error[WIDTH - 1]);
    let tail: f64 =
        svd_thin(rows.mapv(f64::from).view()).unwrap().values[strong..].iter().map(|s| s * s).sum();
    let bound = tail / (kept - strong) as f64;
    println!("error {least:e} ..= {most:e}, lost {:e}, bound {bound:e}", sketch.lost());
    assert!(least > -1e-4 * most.abs().max(1.0) && most <= sketch.lost() * 1.0001 && sketch.lost() <= bound);

    let mut basis = Basis::new(WIDTH);
    let extension = basis.extend(&sketch, 0.9).unwrap();
    let mut free = rows.clone();
    basis.project(free.view_mut()).unwrap();
    let captured = 1.0 - (norm(free.view()) / norm(rows.view())).powi(2);
    println!("{extension:?}, really {captured}");
    assert!(captured >= extension.after.sigma2 - 1e-6, "the report is a lower bound");
    assert!(captured >= 0.9);
    assert_eq!(basis.extend(&sketch, 0.9).unwrap().added, 0);
    assert!(FrequentDirections::new(4, 5).is_err());
}

#[test]
fn the_schedule_rises_to_its_end_and_stays() {
    let schedule = EnergySchedule::default();
    assert_eq!(schedule.at(0), 0.95);
    assert!((schedule.at(5) - 0.9725).abs() < 1e-12);
    assert_eq!((schedule.at(10), schedule.at(99)), (0.995, 0.995));
    assert_eq!(EnergySchedule { planned_tasks: 0, ..schedule }.at(0), 0.95);
}

/// Momentum gathered before a task ends points along directions that the task then protects.
#[test]
fn projected_momentum_stops_leaking() {
    let old = low_rank(60, 300, RANK);
    let mut basis = Basis::new(WIDTH);
    basis.extend(&moment_of(&old), 1.0).unwrap();
    let mut adam = AdamW::new(1e-2);
    let a = Array2::<f32>::zeros((4, WIDTH));
    adam.begin_step();
    adam.step(0, a.view(), old.slice(s![..4, ..])).unwrap();
    assert!(adam.moments_mut(1).is_none());
    basis.project(adam.moments_mut(0).unwrap()).unwrap();
    let momentum = adam.moments_mut(0).unwrap().to_owned();
    assert!(norm(momentum.view()) < 1e-4 * norm(old.slice(s![..4, ..])));
}

#[test]
fn the_directions_that_inputs_use_least_go_first() {
    let mut basis = Basis::new(WIDTH);
    let (strong, weak) = (low_rank(1, 200, 10), low_rank(2, 200, 10) * 0.1);
    basis.extend(&moment_of(&weak), 1.0).unwrap();
    basis.extend(&moment_of(&strong), 1.0).unwrap();
    let both = ndarray::concatenate(Axis(0), &[strong.view(), weak.view()]).unwrap();
    let (kept, lost) = basis.strongest(both.view(), 10).unwrap();
    assert_eq!((basis.protected(), kept.protected()), (20, 10));
    assert!(lost > 0.0 && lost < 0.1, "{lost}");
    // What the basis says it lost is what the inputs feel more.
    let outside = |basis: &Basis, rows: &Array2<f32>| {
        let mut left = rows.clone();
        basis.project(left.view_mut()).unwrap();
        norm(left.view()).powi(2) / norm(rows.view()).powi(2)
    };
    assert!((outside(&kept, &both) - outside(&basis, &both) - lost).abs() < 1e-3);
    assert!(outside(&kept, &strong) < 0.1);
    assert_eq!(basis.strongest(both.view(), 30).unwrap(), (basis.clone(), 0.0));
    assert!(basis.strongest(both.slice(s![.., ..9]), 10).is_err());
}
