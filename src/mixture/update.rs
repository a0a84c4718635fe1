//! The M-step: from a prior and what components know of the data to a posterior.

use ndarray::Zip;

use super::posterior::{Posterior, Prior};
use super::statistics::Statistics;
use super::{Covariance, CovarianceType, Form};
use crate::error::Result;

impl Prior {
    /// The posterior of an M-step. `reg` is added to every empirical variance.
    pub fn update(&self, form: Form, kind: CovarianceType, reg: f64, data: &Statistics) -> Result<Posterior> {
        let mut means = data.means.clone();
        let mut covariances = Vec::with_capacity(data.counts.len());
        for (j, &n) in data.counts.iter().enumerate() {
            let (beta, nu) = (self.mean_precision + n, self.degrees_of_freedom + n);
            let off = &means.row(j) - &self.mean;
            let mut c = data.scatter[j].clone();
            c.add(1.0, &self.covariance);
            c.add_to_diagonal(n * reg);
            c.add_outer(n * self.mean_precision / beta, off.view());
            c.scale(1.0 / nu);
            covariances.push(Covariance::new(c)?);
            Zip::from(means.row_mut(j))
                .and(&self.mean)
                .for_each(|m, &m0| *m = (self.mean_precision * m0 + n * *m) / beta);
        }
        let mut posterior =
            Posterior { form, kind, prior: self.clone(), counts: data.counts.clone(), means, covariances };
        if form == Form::Conjugate {
            posterior.sort_by_count();
        }
        Ok(posterior)
    }
}
