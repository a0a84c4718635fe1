//! The classifier that a strategy asks for, as one storable type.

use serde::{Deserialize, Serialize};

use crate::head::{Better, ClassMeans, Head, Lda, Lift, Ridge, Subspaces};
use crate::strategy::Classifier;

/// Statistics of a classifier. The linear training head is not among them: it lives beside the adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Statistics {
    /// Cosine class means.
    Means(ClassMeans),
    /// Cosine class means in every space.
    Subspaces(Subspaces),
    /// Ridge, on the features or on random features of them.
    Ridge(Ridge),
    /// Linear discriminants.
    Discriminants(Lda),
    /// Random-feature ridge or linear discriminants.
    Better(Box<Better>),
}

impl Statistics {
    /// Empty statistics for features of `width`; `None` where the training head is the classifier.
    pub fn new(classifier: Classifier, width: usize, seed: u64) -> Option<Self> {
        let ridge = |features| Ridge::new(width, Lift::random_relu(features as u32, seed));
        match classifier {
            Classifier::ClassMeans => Some(Self::Means(ClassMeans::new(width))),
            Classifier::Subspaces => Some(Self::Subspaces(Subspaces::new(width))),
            Classifier::Ridge => Some(Self::Ridge(Ridge::new(width, Lift::Identity))),
            Classifier::RandomRidge { features } => Some(Self::Ridge(ridge(features))),
            Classifier::Better { features } => {
                Some(Self::Better(Box::new(Better::new(ridge(features), Lda::new(width)))))
            }
            Classifier::Discriminants => Some(Self::Discriminants(Lda::new(width))),
            Classifier::Linear => None,
        }
    }

    /// As a classifier.
    pub fn head(&self) -> &dyn Head {
        match self {
            Self::Means(h) => h,
            Self::Subspaces(h) => h,
            Self::Ridge(h) => h,
            Self::Discriminants(h) => h,
            Self::Better(h) => h.as_ref(),
        }
    }

    /// As a classifier to teach.
    pub fn head_mut(&mut self) -> &mut dyn Head {
        match self {
            Self::Means(h) => h,
            Self::Subspaces(h) => h,
            Self::Ridge(h) => h,
            Self::Discriminants(h) => h,
            Self::Better(h) => h.as_mut(),
        }
    }
}
