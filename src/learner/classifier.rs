//! The classifier that a strategy asks for, as one storable type.

use alloc::boxed::Box;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::head::{
    Better, Blend, Centres, ClassMeans, Head, Imagined, Lda, Lift, Mda, Ridge, Sections, Subspaces,
};
use crate::strategy::Classifier;

/// Sections: of the frozen network, the mean of the adapters and the newest.
pub const SECTIONS: usize = 3;

/// Ridge parameter of a blend, as a share of the mean second moment of its random features.
const RIDGE: f64 = 0.01;

/// Statistics of a classifier. The linear training head is not among them: it lives beside the adapters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Statistics {
    /// Cosine class means.
    Means(ClassMeans),
    /// Cosine class means in sections.
    Sections(Sections),
    /// Cosine class means in every space.
    Subspaces(Subspaces),
    /// Ridge, on the features or on random features of them.
    Ridge(Ridge),
    /// Linear discriminants.
    Discriminants(Lda),
    /// Discriminants with a centre for every class and task.
    Centres(Box<Mda>),
    /// Both of the last, added up.
    Blend(Box<Blend>),
    /// Random-feature ridge or linear discriminants.
    Better(Box<Better>),
}

impl Statistics {
    /// Empty statistics for features of `width`, of which the first `narrow` columns matter most; `None` where the training head is the classifier.
    pub fn new(classifier: Classifier, width: usize, narrow: usize, seed: u64) -> Option<Self> {
        let ridge = |features| Ridge::new(width, Lift::random_relu(features as u32, seed));
        match classifier {
            Classifier::ClassMeans => Some(Self::Means(ClassMeans::new(width))),
            Classifier::Sections { weights: Some(weights) } => {
                Some(Self::Sections(Sections::new(width, &weights)))
            }
            Classifier::Sections { weights: None } => {
                Some(Self::Sections(Sections::drifting(width, SECTIONS)))
            }
            Classifier::Subspaces => Some(Self::Subspaces(Subspaces::new(width))),
            Classifier::Ridge => Some(Self::Ridge(Ridge::new(width, Lift::Identity))),
            Classifier::RandomRidge { features } => Some(Self::Ridge(ridge(features))),
            Classifier::Better { features } => {
                Some(Self::Better(Box::new(Better::new(ridge(features), Lda::new(width)))))
            }
            Classifier::Discriminants => Some(Self::Discriminants(Lda::new(width))),
            Classifier::Centres => Some(Self::Centres(Box::new(Mda::new(width)))),
            Classifier::Blend { features } => {
                let ridge = Ridge::rounded(narrow, Lift::random_relu(features as u32, seed), RIDGE);
                Some(Self::Blend(Box::new(Blend::new(Mda::new(width), ridge, narrow))))
            }
            Classifier::Linear | Classifier::Given => None,
        }
    }

    /// Adds statistics of rows that were seen elsewhere, of classes that are called `classes` here.
    ///
    /// # Errors
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for statistics that are no sums over one network's features,
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for those of another head, and as [`ClassMeans::absorb`].
    pub fn absorb(&mut self, other: &Self, classes: &[usize]) -> Result<()> {
        match (self, other) {
            (Self::Means(own), Self::Means(other)) => own.absorb(other, classes),
            (Self::Ridge(own), Self::Ridge(other)) => own.absorb(other, classes),
            (Self::Discriminants(own), Self::Discriminants(other)) => own.absorb(other, classes),
            (Self::Centres(own), Self::Centres(other)) => own.absorb(other, classes),
            (Self::Blend(own), Self::Blend(other)) => own.absorb(other, classes),
            (Self::Better(own), Self::Better(other)) => own.absorb(other, classes),
            (Self::Sections(_) | Self::Subspaces(_), _) => Err(crate::err!(
                Unsupported,
                "class means over several networks are not those of another device's networks; use another strategy"
            )),
            _ => Err(crate::err!(Mismatch, "statistics of another classifier; both must be set up alike")),
        }
    }

    /// Rows as they would be seen of every class, `per` for every centre; the same for the same seed. `None`
    /// where the statistics do not say how rows of a class lie: means alone are always nearest to themselves.
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) when the statistics are degenerate.
    pub fn imagined(&self, per: usize, seed: u64) -> Result<Option<Imagined>> {
        match self {
            Self::Discriminants(head) => head.imagined(per, seed).map(Some),
            Self::Centres(head) => head.imagined(per, seed).map(Some),
            Self::Blend(head) => head.imagined(per, seed).map(Some),
            Self::Better(head) => head.imagined(per, seed).map(Some),
            _ => Ok(None),
        }
    }

    /// Where classes lie and how far rows lie from there; `None` where the statistics do not say.
    pub fn centres(&self) -> Option<Centres> {
        match self {
            Self::Discriminants(head) => Some(head.centres()),
            Self::Centres(head) => Some(head.centres()),
            Self::Blend(head) => Some(head.centres()),
            Self::Better(head) => Some(head.centres()),
            _ => None,
        }
    }

    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) for statistics that were read and whose parts do not fit each other.
    pub(super) fn fits(&self) -> Result<()> {
        match self {
            Self::Means(h) => h.fits(),
            Self::Sections(h) => h.fits(),
            Self::Subspaces(h) => h.fits(),
            Self::Ridge(h) => h.fits(),
            Self::Discriminants(h) => h.fits(),
            Self::Centres(h) => h.fits(),
            Self::Blend(h) => h.fits(),
            Self::Better(h) => h.fits(),
        }
    }

    /// As a classifier.
    pub fn head(&self) -> &dyn Head {
        match self {
            Self::Means(h) => h,
            Self::Sections(h) => h,
            Self::Subspaces(h) => h,
            Self::Ridge(h) => h,
            Self::Discriminants(h) => h,
            Self::Centres(h) => h.as_ref(),
            Self::Blend(h) => h.as_ref(),
            Self::Better(h) => h.as_ref(),
        }
    }

    /// As a classifier to teach.
    pub fn head_mut(&mut self) -> &mut dyn Head {
        match self {
            Self::Means(h) => h,
            Self::Sections(h) => h,
            Self::Subspaces(h) => h,
            Self::Ridge(h) => h,
            Self::Discriminants(h) => h,
            Self::Centres(h) => h.as_mut(),
            Self::Blend(h) => h.as_mut(),
            Self::Better(h) => h.as_mut(),
        }
    }
}
