//! Each wrapper against its definition.

use ndarray::{Array2, ArrayView2, array};

use super::*;
use crate::ErrorKind;

fn random(seed: u64, rows: usize, cols: usize) -> Array2<f64> {
    gaussian(seed, rows, cols).mapv(f64::from)
}

fn worst(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    a.iter().zip(b).fold(0.0, |w, (x, y)| w.max((x - y).abs()))
}

fn orthonormal(columns: &Array2<f64>) -> bool {
    worst(columns.t().dot(columns).view(), Array2::eye(columns.ncols()).view()) < 1e-12
}

#[test]
fn eigenvectors_rebuild_the_matrix() {
    for n in [0, 1, 2, 17, 130] {
        let x = random(n as u64, n + 3, n);
        let a = x.t().dot(&x);
        let eigh = eigh(a.view()).unwrap();
        assert!(orthonormal(&eigh.vectors));
        assert!(eigh.values.windows(2).all(|w| w[0] >= w[1]), "descending");
        let values = Array2::from_diag(&ndarray::arr1(&eigh.values));
        let rebuilt = eigh.vectors.dot(&values).dot(&eigh.vectors.t());
        assert!(worst(rebuilt.view(), a.view()) < 1e-9, "n = {n}");
    }
}

#[test]
fn singular_vectors_rebuild_tall_and_wide() {
    for (m, n) in [(1, 1), (40, 7), (7, 40), (64, 64)] {
        let a = random(3, m, n);
        let svd = svd_thin(a.view()).unwrap();
        assert_eq!((svd.u.dim(), svd.vt.dim()), ((m, m.min(n)), (m.min(n), n)));
        let values = Array2::from_diag(&ndarray::arr1(&svd.values));
        assert!(worst(svd.u.dot(&values).dot(&svd.vt).view(), a.view()) < 1e-11);
        assert!(orthonormal(&svd.u) && orthonormal(&svd.vt.t().to_owned()));
    }
}

#[test]
fn qr_spans_and_complement_completes() {
    for (m, n) in [(5, 5), (40, 7), (200, 60), (6, 0)] {
        let a = random(4, m, n);
        let (q, rest) = (qr(a.view()).unwrap(), complement(a.view()).unwrap());
        assert_eq!((q.dim(), rest.dim()), ((m, n), (m, m - n)));
        let both = ndarray::concatenate(ndarray::Axis(1), &[q.view(), rest.view()]).unwrap();
        assert!(orthonormal(&both));
        assert!(worst(q.dot(&q.t().dot(&a)).view(), a.view()) < 1e-11);
    }
    assert_eq!(qr(random(4, 3, 9).view()).unwrap().dim(), (3, 3));
    assert_eq!(complement(random(4, 3, 9).view()).unwrap_err().kind(), ErrorKind::Shape);
}

#[test]
fn cholesky_solves_and_knows_the_inverse_trace() {
    for n in [1, 9, 300] {
        let x = random(5, n + 20, n);
        let a = x.t().dot(&x) + Array2::<f64>::eye(n);
        let b = random(6, n, 4);
        let factor = Cholesky::new(a.view(), 2.0).unwrap();
        let shifted = &a + &(Array2::<f64>::eye(n) * 2.0);
        assert!(worst(shifted.dot(&factor.solve(b.view()).unwrap()).view(), b.view()) < 1e-10);
        let values = eigh(shifted.view()).unwrap().values;
        let (trace, log_det): (f64, f64) =
            (values.iter().map(|v| v.recip()).sum(), values.iter().map(|v| v.ln()).sum());
        assert!((factor.inverse_trace() / trace - 1.0).abs() < 1e-10, "n = {n}");
        assert!((factor.log_det() - log_det).abs() < 1e-8);
    }
    let indefinite = array![[1.0, 2.0], [2.0, 1.0]];
    assert_eq!(Cholesky::new(indefinite.view(), 0.0).unwrap_err().kind(), ErrorKind::Numeric);
    assert!(Cholesky::new(indefinite.view(), 2.0).is_ok());
}

#[test]
fn ridge_satisfies_its_normal_equations() {
    let (x, y) = (random(7, 50, 8), random(8, 50, 3));
    let w = ridge(x.view(), y.view(), 0.7).unwrap();
    let gradient = x.t().dot(&(x.dot(&w) - &y)) + &w * 0.7;
    assert!(gradient.iter().all(|g| g.abs() < 1e-11));
    let exact = cholesky_solve(x.t().dot(&x).view(), x.t().dot(&y).view()).unwrap();
    assert!(worst(exact.view(), ridge(x.view(), y.view(), 0.0).unwrap().view()) < 1e-12);
}

#[test]
fn products_take_any_layout() {
    let (a, b) = (random(9, 30, 20), random(10, 30, 25));
    let expected = a.t().dot(&b);
    assert!(worst(matmul(a.t(), b.view()).unwrap().view(), expected.view()) < 1e-12);
    let wide = random(11, 60, 40);
    let strided = wide.slice(ndarray::s![..;2, ..;2]);
    assert!(worst(matmul(strided.t(), b.view()).unwrap().view(), strided.t().dot(&b).view()) < 1e-12);
    assert_eq!(matmul(a.view(), b.view()).unwrap_err().kind(), ErrorKind::Shape);
}

/// The packed sum equals `XᵀX` across panel borders, and taking rows out leaves the others.
#[test]
fn packed_sums_add_and_subtract() {
    for width in [1, 31, 256, 300] {
        let (x, y) = (random(12, 40, width), random(13, 9, width));
        let mut sum = PackedGram::new(width);
        sum.add_rows(x.view(), 1.0).unwrap();
        let alone = sum.dense();
        assert!(worst(alone.view(), x.t().dot(&x).view()) < 1e-10, "width {width}");
        sum.add_rows(y.view(), 1.0).unwrap();
        let mut other = PackedGram::new(width);
        other.add_rows(y.view(), 1.0).unwrap();
        let mut merged = PackedGram::new(width);
        merged.add_rows(x.view(), 1.0).unwrap();
        merged.merge(&other).unwrap();
        assert!(worst(merged.dense().view(), sum.dense().view()) < 1e-12);
        sum.add_rows(y.view(), -1.0).unwrap();
        assert!(worst(sum.dense().view(), alone.view()) < 1e-12);
        assert!((sum.trace() - x.iter().map(|v| v * v).sum::<f64>()).abs() < 1e-8);
        assert_eq!(sum.bytes(), 4 * width * (width + 1));
    }
}

#[test]
fn not_a_number_is_an_error_everywhere() {
    let poison = array![[1.0, f64::NAN], [f64::NAN, 1.0]];
    let kinds = [
        eigh(poison.view()).map(|_| ()),
        svd_thin(poison.view()).map(|_| ()),
        qr(poison.view()).map(|_| ()),
        Cholesky::new(poison.view(), 1.0).map(|_| ()),
        PackedGram::new(2).add_rows(poison.view(), 1.0),
    ];
    for (i, result) in kinds.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Numeric, "row {i}");
    }
    assert_eq!(eigh(Array2::zeros((2, 3)).view()).unwrap_err().kind(), ErrorKind::Shape);
}

/// States keep a seed instead of a matrix, so these numbers may never change under [`GAUSSIAN`] = 1.
#[test]
fn the_generator_is_pinned() {
    let drawn = gaussian(42, 2, 3);
    assert_eq!(GAUSSIAN, 1);
    assert_eq!(drawn, array![[0.47798124, 1.3340706, -0.21086669], [0.4763469, -0.5120906, -0.93397844]]);
    let many = gaussian(1, 100, 100);
    let mean = many.mean().unwrap();
    let variance = many.mapv(|x| (x - mean).powi(2)).mean().unwrap();
    assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05);
}
