//! Which model a mixture was fitted under.

use serde::{Deserialize, Serialize};

/// Which variational family and which bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// The conjugate model (independent Normal-Gamma posteriors per dimension; Normal-Wishart where covariances are
    /// full), the last stick equal to one, sticks sorted by size, the exact lower bound, stop on its relative change.
    /// The default.
    #[default]
    Conjugate,
    /// What scikit-learn computes: the expected log-determinant of a `d`-dimensional Wishart in `"diag"` too, no
    /// sorting, every stick free, the bound without its constants, stop on its absolute change.
    ScikitLearn,
}
