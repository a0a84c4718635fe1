//! Centres, calibration, strangeness, storage.

use super::*;
use crate::linalg::gaussian;

/// Rows of two classes in two places: what tells the places apart is larger than what tells the classes apart.
fn rows(place: f32, seed: u64) -> (Array2<f32>, Vec<usize>) {
    let mut rows = gaussian(seed, 60, 6) * 0.5;
    let labels: Vec<usize> = (0..60).map(|i| i % 2).collect();
    for (mut row, &label) in rows.rows_mut().into_iter().zip(&labels) {
        row[0] += 8.0 * place;
        // In the second place the classes stand the other way round.
        row[1] += if (label == 1) == (place == 0.0) { 1.5 } else { -1.5 };
    }
    (rows, labels)
}

#[test]
fn a_class_in_two_places_has_two_centres() {
    let mut head = Mda::new(6);
    for (place, seed) in [(0.0, 1), (1.0, 2)] {
        let (rows, labels) = rows(place, seed);
        head.observe(rows.view(), &labels).unwrap();
        head.solve().unwrap();
    }
    for (place, seed) in [(0.0, 3), (1.0, 4)] {
        let (rows, labels) = rows(place, seed);
        let answers = head.predict(rows.view()).unwrap();
        let right = answers.iter().zip(&labels).filter(|(a, b)| a == b).count();
        // One mean a class would lie at the same point for both.
        assert!(right > 54, "{right} of 60");
    }
    assert_eq!((head.owners.len(), head.classes()), (4, 2));
    let (rows, _) = rows(1.0, 6);
    let occasions = head.occasions(rows.view()).unwrap().unwrap();
    assert!(
        occasions
            .rows()
            .into_iter()
            .all(|row| row[1] > row[0] && (row[0].exp() + row[1].exp() - 1.0).abs() < 1e-4)
    );
}

#[test]
fn confidence_is_calibrated_on_rows_that_were_held_out() {
    let mut head = Mda::new(6);
    let (known, labels) = rows(0.0, 1);
    head.observe(known.view(), &labels).unwrap();
    head.solve().unwrap();
    let (other, labels) = rows(0.0, 5);
    let scores = head.scores(other.view()).unwrap();
    let sure = |row: ndarray::ArrayView1<'_, f32>| 1.0 / (1.0 + (-(row[0] - row[1]).abs()).exp());
    let mean: f32 = scores.rows().into_iter().map(sure).sum::<f32>() / 60.0;
    let right =
        head.predict(other.view()).unwrap().iter().zip(&labels).filter(|(a, b)| a == b).count() as f32 / 60.0;
    assert!((mean - right).abs() < 0.08, "says {mean}, is right {right}");
}

#[test]
fn strangeness_is_the_dense_computation_and_held_out_what_a_refit_gives() {
    let (known, labels) = rows(0.0, 1);
    let fit = |skip: Option<usize>, crops: usize| {
        let keep: Vec<usize> = (0..60).filter(|&i| Some(i) != skip).collect();
        let mut head = Mda::new(6);
        let own: Vec<usize> = keep.iter().map(|&i| labels[i]).collect();
        // Crops of a row lie near it.
        let crop = |v: usize| (&known + &(gaussian(70, 60, 6) * (0.2 * v as f32))).select(Axis(0), &keep);
        let all: Vec<_> = (0..crops).map(crop).collect();
        let all = ndarray::concatenate(Axis(0), &all.iter().map(|v| v.view()).collect::<Vec<_>>()).unwrap();
        head.observe_crops(all.view(), &own, crops).unwrap();
        head.solve().unwrap();
        head
    };
    let head = fit(None, 1);
    let metric = head.metric(head.chosen().0).unwrap();
    let total = metric.counts.sum();
    let mean = metric.counts.dot(&metric.means) / total;
    let centred = (&metric.means - &mean) * &(&metric.counts / total).mapv(f64::sqrt).insert_axis(Axis(1));
    let everything = metric.covariance() + centred.t().dot(&centred);
    let square = |c: &Array2<f64>, v: Array1<f64>| {
        let solved = crate::linalg::cholesky_solve(c.view(), v.view().insert_axis(Axis(1))).unwrap();
        v.dot(&solved.column(0))
    };
    let (others, _) = rows(0.3, 9);
    let found = head.strange(others.view()).unwrap().unwrap();
    for (row, found) in others.mapv(f64::from).rows().into_iter().zip(&found) {
        let to = |k: usize| square(&metric.covariance(), &row - &metric.means.row(k));
        let want = to(0).min(to(1)) - square(&everything, &row - &mean);
        assert!((want - found).abs() < 1e-3 * (1.0 + want.abs()), "{found} {want}");
    }
    for crops in [1, 3] {
        let head = fit(None, crops);
        let held_out = head.held_out_strange();
        let (mut errors, mut optimism, mut compared) = (0.0, 0.0, 0);
        for i in (0..60).step_by(4) {
            let refit = fit(Some(i), crops);
            if refit.chosen().0 == head.chosen().0 {
                let row = known.slice(ndarray::s![i..=i, ..]);
                let [want, fitted] = [&refit, &head].map(|head| head.strange(row).unwrap().unwrap()[0]);
                errors += (want - held_out[i]).abs();
                optimism += (want - fitted).abs();
                compared += 1;
            }
        }
        println!("{crops} crops, {compared}: held out off by {errors:.3}, fitted by {optimism:.3}");
        // The amount of shrinkage differs.
        assert!(compared > 5 && errors < 0.3 * optimism, "{crops} crops, {compared}: {errors} of {optimism}");
    }
}

#[test]
fn fewer_rows_than_columns_and_a_far_mean_are_no_obstacle() {
    let mut head = Mda::new(40);
    for seed in 0..3 {
        let rows = gaussian(seed, 12, 40) * 0.01 + 30.0 * (seed as f32 + 1.0);
        head.observe(rows.view(), &(0..12).map(|i| i % 3).collect::<Vec<_>>()).unwrap();
        head.solve().unwrap();
    }
    assert!(head.scores(gaussian(9, 2, 40).view()).unwrap().iter().all(|s| s.is_finite()));
}

#[test]
fn decoded_and_solved_it_is_what_it_was() {
    let mut head = Mda::new(6);
    let (known, labels) = rows(0.0, 1);
    head.observe(known.view(), &labels).unwrap();
    head.solve().unwrap();
    let bytes = postcard::to_allocvec(&head).unwrap();
    let mut again: Mda = postcard::from_bytes(&bytes).unwrap();
    again.solve().unwrap();
    assert_eq!(again.scores(known.view()).unwrap(), head.scores(known.view()).unwrap());
}

#[test]
fn two_observations_made_one_are_the_sums_of_one() {
    let ((a, own), (b, others)) = (rows(0.0, 1), rows(1.0, 2));
    let (mut apart, mut together) = (Mda::new(6), Mda::new(6));
    apart.observe(a.view(), &own).unwrap();
    apart.solve().unwrap();
    // A class of its own in between, so that places move.
    let (mut third, _) = rows(0.5, 3);
    third.column_mut(4).mapv_inplace(|x| x + 9.0);
    apart.observe(third.view(), &[7; 60]).unwrap();
    apart.solve().unwrap();
    apart.observe(b.view(), &others).unwrap();
    apart.solve().unwrap();
    apart.unite_occasions(0, 2).unwrap();
    apart.solve().unwrap();
    let both = ndarray::concatenate(Axis(0), &[a.view(), b.view()]).unwrap();
    together.observe(both.view(), &[own, others].concat()).unwrap();
    together.observe(third.view(), &[7; 60]).unwrap();
    together.solve().unwrap();
    assert_eq!((&apart.owners, &apart.births), (&vec![0, 1, 7], &vec![0, 0, 1]));
    assert_eq!((apart.observations, apart.centres_kept()), (2, 3));
    assert_eq!(apart.centres.counts(), together.centres.counts());
    let off = |a: &Array2<f64>, b: &Array2<f64>| (a - b).iter().fold(0.0f64, |w, d| w.max(d.abs()));
    let scatter = [&apart, &together].map(|head| head.scatter.gram().dense());
    let scale = scatter[1].diag().sum() / 6.0;
    assert!(off(&scatter[0], &scatter[1]) < 2e-3 * scale, "{}", off(&scatter[0], &scatter[1]));
    let metric = [&apart, &together].map(|head| head.metric(Some(0.1)).unwrap());
    assert!(off(&metric[0].means, &metric[1].means) < 2e-2);
    assert!(
        off(&metric[0].weights, &metric[1].weights)
            < 2e-2 * metric[1].weights.iter().fold(0.0, |a, x| x.abs().max(a))
    );
    // Forgotten, it leaves the others what they were.
    let before = apart.scores(a.view()).unwrap();
    apart.forget(7).unwrap();
    apart.solve().unwrap();
    let after = apart.scores(a.view()).unwrap();
    assert_eq!(before.column(0), after.column(0));
}

#[test]
fn hundreds_of_observations_made_one_leave_a_covariance() {
    // Rows of few directions and hardly any noise: what rounding does to such a covariance is more than its smallest directions hold.
    let directions = gaussian(1, 3, 96);
    let drawn = |seed: u64| {
        let strong = gaussian(seed, 24, 3).dot(&directions);
        let mut rows = strong + gaussian(seed + 1000, 24, 96) * 1e-3;
        for (i, mut row) in rows.rows_mut().into_iter().enumerate() {
            row[i % 2] += 0.5;
        }
        (rows, (0..24).map(|i| i % 2).collect::<Vec<_>>())
    };
    let mut head = Mda::new(96);
    let mut indefinite = 0;
    for seed in 0..300 {
        let (rows, labels) = drawn(2 * seed);
        head.observe(rows.view(), &labels).unwrap();
        head.solve().unwrap();
        if head.observations == 4 {
            head.unite_occasions(1, 3).unwrap();
            head.solve().unwrap();
        }
        indefinite += usize::from(head.metric(None).is_err());
    }
    assert!(indefinite > 0, "the test is too easy");
    let (rows, labels) = drawn(9999);
    let right = head.predict(rows.view()).unwrap().iter().zip(&labels).filter(|(a, b)| a == b).count();
    assert!(right > 20, "{right} of 24");
    assert!(head.imagined(2, 1).is_ok());
}
