//! When is the wrong task impossible? The error certificate of Proteus, as numbers that can be looked at.
//!
//! For component `t` of task `k` with covariance `L_k^t`, over its own samples `x` and all components `(i, s)` of other
//! tasks, in `d` dimensions:
//!
//! ```text
//! delta = min_(i,s)  mean_x |h_i(x) - m_i^s|²_(L_i^s)⁻¹ / d - 1        how badly x fits its rivals
//! kappa = min_(i,s)  ln det L_i^s - ln det L_k^t                        how much smaller rivals are
//! sig2  = max_(i, coordinate)  var_x h_i(x)
//! M     = 3 d sig2 - kappa
//! thr   = 2/d max{ ln[ N/eps (1 + sqrt(1 + 4 d / ln(N/eps))) ],  1/4 (M + sqrt(M² - 24 d sig2 kappa)) - kappa }
//! ```
//!
//! If `delta > thr`, at most a share `eps` of the component's samples goes to another task, *provided that components are
//! Gaussian*. `N = (m - 1) sum_j tau_j + 1` as in the released checker, which counts rivals more than once and so asks
//! for too much. Where `M² < 24 d sig2 kappa` nothing can be said and the threshold is absent. Covariances get 1e-4 on
//! their diagonal, as in retrieval.
//!
//! The released checker averages over all pairs of samples, which measures the mean sample only; here each sample is
//! measured and the mean is taken of that (methods.md 3.8).
//!
//! [`Overlap`](crate::mixture::Overlap) bounds the same error without data, more tightly, for mixtures over one space.

use linfa::traits::Predict;
use ndarray::{Array2, ArrayView2, Axis};
use serde::Serialize;

use crate::bail;
use crate::error::Result;
use crate::mixture::{Covariance, DpGmm};

/// Added to the variances, as the retrieval rule does.
const JITTER: f64 = 1e-4;

/// What can be promised about one component.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guarantee {
    /// Index of the component in its task's mixture.
    pub component: usize,
    /// Samples it was measured on.
    pub samples: usize,
    /// Relative excess distance to the nearest rival.
    pub delta: f64,
    /// Least difference of log determinants, rival minus own.
    pub kappa: f64,
    /// Largest variance of a coordinate over the component's samples.
    pub sig2: f64,
    /// `3 d sig2 - kappa`.
    pub m: f64,
    /// What `delta` must exceed; `None` where the theorem says nothing.
    pub threshold: Option<f64>,
    /// The rival with the least excess: task and component.
    pub rival: (usize, usize),
}

impl Guarantee {
    /// Whether the error of this component is at most `eps` by the theorem.
    pub fn holds(&self) -> bool {
        self.threshold.is_some_and(|threshold| self.delta > threshold)
    }
}

/// What can be promised about one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Certificate {
    /// Index of the task.
    pub task: usize,
    /// Wanted bound on the error.
    pub eps: f64,
    /// One for every component that has samples.
    pub components: Vec<Guarantee>,
}

impl Certificate {
    /// Of `task` among `mixtures`, from its samples as every task sees them: `embeddings[i]` is `[n, d]`, the samples under
    /// task `i` (all the same where tasks share a space). Samples belong to the component that `task`'s own mixture
    /// finds most probable.
    ///
    /// # Errors
    /// `Shape` if there is not one embedding for every mixture or a width differs, `InvalidArgument` for fewer than two
    /// tasks or an `eps` outside 0 to 1, `Numeric` for a covariance that is not positive definite.
    pub fn new(task: usize, mixtures: &[&DpGmm], embeddings: &[ArrayView2<f64>], eps: f64) -> Result<Self> {
        check(task, mixtures, embeddings, eps)?;
        let (own, seen) = (mixtures[task], embeddings[task]);
        let rivals = Rivals::new(task, mixtures)?;
        let members = own.predict(&seen);
        let total: usize = mixtures.iter().map(|m| m.n_components()).sum();
        let count = ((mixtures.len() - 1) * total + 1) as f64;
        let components = (0..own.n_components())
            .filter_map(|t| {
                let rows: Vec<usize> = (0..members.len()).filter(|&i| members[i] == t).collect();
                (!rows.is_empty()).then(|| {
                    let log_det = own.covariances()[t].plus_identity(JITTER)?.log_det();
                    rivals.guarantee(t, log_det, embeddings, &rows, count / eps)
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { task, eps, components })
    }

    /// Share of components whose guarantee holds; NaN without components.
    pub fn certified(&self) -> f64 {
        self.components.iter().filter(|c| c.holds()).count() as f64 / self.components.len() as f64
    }

    /// The component that is closest to a rival, in relative excess distance.
    pub fn weakest(&self) -> Option<&Guarantee> {
        self.components.iter().min_by(|a, b| a.delta.total_cmp(&b.delta))
    }

    /// The weakest component in words, with the names of the tasks.
    pub fn explain(&self, names: &[&str]) -> String {
        let name = |task: usize| names.get(task).map_or_else(|| format!("task {task}"), ToString::to_string);
        let Some(worst) = self.weakest() else {
            return format!("{}: no samples, nothing to say", name(self.task));
        };
        let verdict = match worst.threshold {
            Some(threshold) if worst.holds() => format!("certified, above {threshold:.2}"),
            Some(threshold) => format!("not certified, needs {threshold:.2}"),
            None => "the theorem says nothing here".to_string(),
        };
        format!(
            "{} (component {}) against {} (component {}): excess distance {:.2}, {verdict}",
            name(self.task),
            worst.component,
            name(worst.rival.0),
            worst.rival.1,
            worst.delta
        )
    }
}

fn check(task: usize, mixtures: &[&DpGmm], embeddings: &[ArrayView2<f64>], eps: f64) -> Result<()> {
    if mixtures.len() < 2 || task >= mixtures.len() || !(eps > 0.0 && eps < 1.0) {
        bail!(
            InvalidArgument,
            "task {task} of {} with eps {eps}; a certificate needs a rival and an eps between 0 and 1",
            mixtures.len()
        );
    }
    let n = embeddings.first().map_or(0, ArrayView2::nrows);
    let fits = |(m, e): (&&DpGmm, &ArrayView2<f64>)| m.n_features() == e.ncols() && e.nrows() == n;
    if embeddings.len() != mixtures.len() || !mixtures.iter().zip(embeddings).all(fits) {
        bail!(
            Shape,
            "{} embeddings for {} mixtures; give the same samples under every task, in its width",
            embeddings.len(),
            mixtures.len()
        );
    }
    Ok(())
}

/// All components of other tasks.
struct Rivals<'a> {
    /// Task, component, its covariance with jitter.
    components: Vec<(usize, usize, Covariance)>,
    mixtures: &'a [&'a DpGmm],
}

impl<'a> Rivals<'a> {
    fn new(task: usize, mixtures: &'a [&'a DpGmm]) -> Result<Self> {
        let mut components = Vec::new();
        for (i, mixture) in mixtures.iter().enumerate().filter(|(i, _)| *i != task) {
            for (s, covariance) in mixture.covariances().iter().enumerate() {
                components.push((i, s, covariance.plus_identity(JITTER)?));
            }
        }
        Ok(Self { components, mixtures })
    }

    /// Of own component `component` with log determinant `log_det`, whose samples are `rows`.
    fn guarantee(
        &self,
        component: usize,
        log_det: f64,
        embeddings: &[ArrayView2<f64>],
        rows: &[usize],
        odds: f64,
    ) -> Result<Guarantee> {
        let seen: Vec<Array2<f64>> = embeddings.iter().map(|e| e.select(Axis(0), rows)).collect();
        let (mut delta, mut kappa, mut rival) = (f64::INFINITY, f64::INFINITY, (0, 0));
        for (i, s, covariance) in &self.components {
            let d = covariance.width() as f64;
            let distances = covariance.squared_distances(seen[*i].view(), self.mixtures[*i].means().row(*s));
            let excess = distances.sum() / (rows.len() as f64 * d) - 1.0;
            if excess < delta {
                (delta, rival) = (excess, (*i, *s));
            }
            kappa = kappa.min(covariance.log_det() - log_det);
        }
        let others = self.components.iter().map(|(i, ..)| &seen[*i]);
        let largest = |x: &Array2<f64>| x.var_axis(Axis(0), 0.0).fold(0.0_f64, |a, &v| a.max(v));
        let sig2 = others.map(largest).fold(0.0_f64, f64::max);
        let d = seen[rival.0].ncols() as f64;
        let m = 3.0 * d * sig2 - kappa;
        let threshold = threshold(d, kappa, sig2, odds);
        Ok(Guarantee { component, samples: rows.len(), delta, kappa, sig2, m, threshold, rival })
    }
}

/// `thr` above, with `odds = N / eps`. `None` where its root is not real.
pub fn threshold(d: f64, kappa: f64, sig2: f64, odds: f64) -> Option<f64> {
    let m = 3.0 * d * sig2 - kappa;
    let under_root = m * m - 24.0 * d * sig2 * kappa;
    let count = (odds * (1.0 + (1.0 + 4.0 * d / odds.ln()).sqrt())).ln();
    let threshold = 2.0 / d * count.max(0.25 * (m + under_root.sqrt()) - kappa);
    (under_root >= 0.0 && threshold.is_finite()).then_some(threshold)
}
