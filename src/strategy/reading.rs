//! How a network's features become classes.

use serde::{Deserialize, Serialize};

use crate::error::Result;

/// Which features a classifier reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    /// Of the frozen backbone.
    Frozen,
    /// Of the adapted networks, side by side where there are several; of the frozen one before anything was adapted.
    Adapted,
    /// Frozen features, the mean of the boundary tokens and adapted features side by side, each centred and scaled
    /// by the statistics of the first task.
    Beside,
    /// What tokens say at several depths before the adapted blocks, and the newest features: adapted where the network was
    /// adapted, else frozen. Only one network is run.
    Deep,
    /// The same without what is said earliest and latest: half the width, a third of the memory.
    Near,
    /// Frozen features and those of the adapted networks side by side, through the gate that is trained with them.
    Fused,
    /// Of the one network to which an image is routed; at most so many are run for it.
    Routed(usize),
}

/// Which classifier predicts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Classifier {
    /// Cosine similarity to class means.
    ClassMeans,
    /// Cosine similarity to class means in the space of every network, old classes completed by similarity.
    Subspaces,
    /// Cosine similarity to class means in sections: frozen, mean of the adapters, newest.
    Sections {
        /// What each counts; by measured drift where nothing is said.
        weights: Option<[f32; 3]>,
    },
    /// Ridge regression to one-hot targets.
    Ridge,
    /// Ridge regression on `relu(x W)` with `features` random columns.
    RandomRidge {
        /// Number of random features.
        features: usize,
    },
    /// Linear discriminants under one shared covariance.
    Discriminants,
    /// Discriminants with a centre for every class and task, shrinkage and temperature by held-out rows.
    Centres,
    /// `Centres` on everything and random-feature ridge on the features and the nearest summary, added up as held-out rows
    /// would have it.
    Blend {
        /// Number of random features.
        features: usize,
    },
    /// The better of random-feature ridge and linear discriminants, by held-out rows.
    Better {
        /// Number of random features.
        features: usize,
    },
    /// The linear head that is trained with the adapters; of several networks, the surest.
    Linear,
    /// Likeness to vectors that the caller gives; of several networks, the surest.
    Given,
}

/// Names of the classifiers, as they stand behind a strategy's.
pub const HEADS: [&str; 9] = ["linear", "ncm", "ridge", "lda", "mda", "ranpac", "better", "blend", "vectors"];

impl Classifier {
    /// The classifier called `name`; random-feature heads get `features` columns.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) lists the names.
    pub fn by_name(name: &str, features: usize) -> Result<Self> {
        Ok(match name {
            "linear" => Self::Linear,
            "vectors" => Self::Given,
            "ncm" => Self::ClassMeans,
            "ridge" => Self::Ridge,
            "lda" => Self::Discriminants,
            "mda" => Self::Centres,
            "ranpac" => Self::RandomRidge { features },
            "better" => Self::Better { features },
            "blend" => Self::Blend { features },
            _ => crate::bail!(NotFound, "no classifier {name:?}; use one of: {}", HEADS.join(", ")),
        })
    }
}

impl Classifier {
    /// Whether it is the head that the loss is taken of, on the features of one network.
    pub fn is_training_head(self) -> bool {
        matches!(self, Self::Linear | Self::Given)
    }
}

impl View {
    /// Whether it reads what tokens say at several depths, and one network alone.
    pub fn is_deep(self) -> bool {
        matches!(self, Self::Deep | Self::Near)
    }

    /// Whether it reads blocks of features side by side, each centred and scaled.
    pub fn is_scaled(self) -> bool {
        self == Self::Beside || self.is_deep()
    }
}

/// A classifier and what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What predicts.
    pub classifier: Classifier,
    /// From which features.
    pub view: View,
}
