//! Whether the parts of statistics that were read fit each other.
//!
//! Widths, numbers of classes and indices: what every other call takes for granted, because nothing but these heads made them. A
//! record whose checksum holds may still be made by hand, and then this is what stands between it and an index out of bounds. What the
//! numbers say is not looked at: who can write a state decides what is predicted.

use super::sums::ClassSums;
use super::{
    Angles, Better, Blend, ClassMeans, Cosine, Fusion, Lda, Linear, MAX_CLASSES, Mda, Novelty, Ridge,
    Sections, Subspaces, TrainingHead, Vectors,
};
use crate::error::{Result, fitting};

/// Widest feature: bounds what is drawn anew after reading.
const MAX_WIDTH: usize = 1 << 16;

/// Most random features of one row that are drawn.
const MAX_DRAWN: usize = 1 << 20;

impl ClassSums {
    /// Of rows of `width`, as many as can be counted.
    fn fits(&self, width: usize) -> Result<()> {
        let total = self.counts().iter().try_fold(0u64, |sum, &n| sum.checked_add(n));
        fitting(self.width() == width && self.classes() <= MAX_CLASSES && total.is_some(), "sums of classes")
    }
}

impl ClassMeans {
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt), as all of this file.
    pub(crate) fn fits(&self) -> Result<()> {
        self.classes.fits(self.classes.width())
    }
}

impl Sections {
    pub(crate) fn fits(&self) -> Result<()> {
        self.classes.fits(self.classes.width())?;
        fitting(self.even(), "sections and their weights")
    }
}

impl Subspaces {
    pub(crate) fn fits(&self) -> Result<()> {
        fitting(
            self.width <= MAX_WIDTH && self.classes.len() <= MAX_CLASSES && self.even(),
            "means of classes by space",
        )
    }
}

impl Lda {
    pub(crate) fn fits(&self) -> Result<()> {
        self.gram.check()?;
        self.classes.fits(self.gram.width())?;
        let rows = self.classes.total().checked_add(self.dropped);
        fitting(rows.is_some(), "rows of discriminants")
    }
}

impl Angles {
    pub(crate) fn fits(&self) -> Result<()> {
        self.means.fits()
    }
}

impl Novelty {
    pub(crate) fn fits(&self) -> Result<()> {
        self.lda.fits()
    }
}

impl Ridge {
    pub(crate) fn fits(&self) -> Result<()> {
        let features = self.features as usize;
        fitting(features <= MAX_WIDTH && self.lift.fits(MAX_DRAWN), "a ridge and its features")?;
        let width = self.lift.width(features);
        self.classes.fits(width)?;
        fitting(self.gram.fits(width), "sums of products of a ridge")
    }
}

impl Mda {
    pub(crate) fn fits(&self) -> Result<()> {
        self.centres.fits(self.scatter.gram().width())?;
        let centres = self.centres.classes();
        let counted = self.centres.counts().iter().all(|&n| n > 0);
        let rows = self.centres.total().checked_add(self.dropped);
        fitting(
            (self.owners.len(), self.births.len()) == (centres, centres) && counted && rows.is_some(),
            "centres, their classes and observations",
        )?;
        let within = |all: &[usize], most: usize| most <= MAX_CLASSES && all.iter().all(|&one| one < most);
        fitting(
            within(&self.owners, self.classes) && within(&self.births, self.observations),
            "classes and observations of centres",
        )?;
        fitting(self.evidence.settings() == Self::settings(), "likelihoods and settings")
    }
}

impl Blend {
    pub(crate) fn fits(&self) -> Result<()> {
        self.mda.fits()?;
        self.ridge.fits()?;
        let narrow = self.narrow == self.ridge.features as usize && self.narrow <= self.mda.centres.width();
        fitting(
            narrow && self.mda.classes == self.ridge.classes.classes(),
            "discriminants and the ridge beside them",
        )?;
        fitting(self.evidence.settings() == Self::settings(), "likelihoods and settings")
    }
}

impl Better {
    pub(crate) fn fits(&self) -> Result<()> {
        self.ridge.fits()?;
        self.lda.fits()?;
        let (ridge, lda) = (&self.ridge, &self.lda);
        let alike =
            ridge.features as usize == lda.gram.width() && ridge.classes.classes() == lda.classes.classes();
        fitting(alike, "discriminants and the ridge beside them")
    }
}

impl Fusion {
    fn fits(&self) -> bool {
        match self {
            Self::Gate(_) => true,
            Self::Values { weight, bias } => weight.dim() == (bias.len(), bias.len()),
        }
    }
}

impl TrainingHead {
    pub(crate) fn fits(&self) -> Result<()> {
        let fits = match self {
            Self::Linear(Linear { weights, bias, known }) => {
                (weights.nrows(), bias.len()) == (known.len(), known.len()) && known.len() <= MAX_CLASSES
            }
            Self::Cosine(Cosine { weights, fusion, .. }) => {
                fusion.fits() && weights.ncols() == fusion.width()
            }
            Self::Given(Vectors { names, rows, met, .. }) => {
                rows.nrows() == names.len()
                    && met.len() <= MAX_CLASSES
                    && met.iter().flatten().all(|&at| at < names.len())
            }
        };
        fitting(fits, "parts of the head that is trained")
    }
}
