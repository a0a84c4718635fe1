//! linfa's errors in the crate's own terms.
//!
//! linfa's `Fit` asks that its error converts into the estimator's; the estimator here reports
//! [`crate::Error`] like everything else.

use crate::error::{Error, ErrorKind};

impl From<linfa::error::Error> for Error {
    fn from(e: linfa::error::Error) -> Self {
        use linfa::error::Error as E;
        let kind = match &e {
            E::Parameters(_) | E::Priors(_) => ErrorKind::InvalidArgument,
            E::NdShape(_) | E::MismatchedShapes(..) | E::NotEnoughSamples => ErrorKind::Shape,
            _ => ErrorKind::Numeric,
        };
        Self::new(kind, e.to_string())
    }
}
