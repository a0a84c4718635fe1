//! Class vectors that the caller gives.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use ndarray::{Array2, ArrayView2, Axis};
#[cfg(not(feature = "std"))]
use num_traits::Float;
use serde::{Deserialize, Serialize};

use super::sums::masked;
use super::{Head, Left, check_batch, check_width};
use crate::error::Result;

/// Rows of the head before it first doubles.
const FIRST_CLASSES: usize = 16;

/// Vectors of classes that were made elsewhere and are never trained, such as the text embeddings of their names (CLIP,
/// arXiv 2103.00020): `logits = scale cos(z, v_c)`. What is learned moves the features towards them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vectors {
    pub(super) names: Vec<String>,
    /// Of every name, of length 1, `[names, E]`.
    pub(super) rows: Array2<f32>,
    scale: f32,
    /// The name of every class index that was met.
    pub(super) met: Vec<Option<usize>>,
}

impl Vectors {
    /// Of these classes; `scale` is the inverse temperature, 100 in CLIP.
    ///
    /// # Errors
    /// `InvalidArgument` for no vector, one that is zero or not finite, or a scale that is not positive; `Shape` where
    /// widths differ.
    pub fn new(vectors: &BTreeMap<String, Vec<f32>>, scale: f32) -> Result<Self> {
        let Some(width) = vectors.values().next().map(Vec::len) else {
            crate::bail!(InvalidArgument, "no class vector was given");
        };
        if !(scale > 0.0 && scale.is_finite()) {
            crate::bail!(InvalidArgument, "a scale of {scale}; it must be positive, 100 is usual");
        }
        let mut rows = Array2::zeros((vectors.len(), width));
        for ((name, vector), mut row) in vectors.iter().zip(rows.rows_mut()) {
            if vector.len() != width {
                crate::bail!(Shape, "the vector of {name:?} has {} numbers, others {width}", vector.len());
            }
            row.iter_mut().zip(vector).for_each(|(to, &from)| *to = from);
            let length = row.dot(&row).sqrt();
            if !(length > 0.0 && length.is_finite()) {
                crate::bail!(InvalidArgument, "the vector of {name:?} has length {length}");
            }
            row /= length;
        }
        Ok(Self { names: vectors.keys().cloned().collect(), rows, scale, met: Vec::new() })
    }

    /// Width of a vector.
    pub fn width(&self) -> usize {
        self.rows.ncols()
    }

    /// Inverse temperature.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Takes over what `newer` says; classes that were met keep their index.
    ///
    /// # Errors
    /// `Shape` for vectors of another width.
    pub fn update(&mut self, newer: Self) -> Result<()> {
        check_width(self.width(), newer.rows.view())?;
        self.scale = newer.scale;
        for (name, row) in newer.names.into_iter().zip(newer.rows.rows()) {
            match self.names.iter().position(|known| *known == name) {
                Some(at) => self.rows.row_mut(at).assign(&row),
                None => {
                    self.rows.push_row(row).map_err(|e| crate::err!(Bug, "a row of odd width: {e}"))?;
                    self.names.push(name);
                }
            }
        }
        Ok(())
    }

    /// Rows of the head in the joint graph.
    pub fn capacity(&self) -> usize {
        self.met.len().max(FIRST_CLASSES).next_power_of_two()
    }

    /// Gives the class `name` the index `class`; `true` where the joint graph must be told.
    ///
    /// # Errors
    /// `NotFound` where `name` has no vector.
    pub fn add_class(&mut self, class: usize, name: &str) -> Result<bool> {
        if self.met.get(class).is_some_and(Option::is_some) {
            return Ok(false);
        }
        let Some(at) = self.names.iter().position(|known| known == name) else {
            let some = self.names.iter().take(10).cloned().collect::<Vec<_>>().join(", ");
            crate::bail!(
                NotFound,
                "no vector was given for class {name:?}; there are {}: {some}, ..",
                self.names.len()
            );
        };
        self.met.resize(self.met.len().max(class + 1), None);
        self.met[class] = Some(at);
        Ok(true)
    }

    /// `[capacity, E]`: the vectors of the classes that were met, zero elsewhere.
    pub fn weights(&self) -> Array2<f32> {
        let mut weights = Array2::zeros((self.capacity(), self.width()));
        for (class, at) in self.met.iter().enumerate() {
            if let Some(at) = at {
                weights.row_mut(class).assign(&self.rows.row(*at));
            }
        }
        weights
    }
}

impl Head for Vectors {
    /// Vectors learn nothing.
    fn observe(&mut self, features: ArrayView2<'_, f32>, labels: &[usize]) -> Result<()> {
        check_batch(self.width(), features, labels)
    }

    /// Nothing to do.
    fn solve(&mut self) -> Result<()> {
        Ok(())
    }

    fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        check_width(self.width(), features)?;
        let lengths = features.map_axis(Axis(1), |x| x.dot(&x).sqrt().max(f32::MIN_POSITIVE));
        let classes = self.classes();
        let weights = self.weights();
        let mut scores = features.dot(&weights.slice(ndarray::s![..classes, ..]).t());
        scores *= self.scale;
        scores /= &lengths.insert_axis(Axis(1));
        let absent: Vec<usize> = (0..classes).filter(|&class| self.met[class].is_none()).collect();
        Ok(masked(scores, &absent))
    }

    fn classes(&self) -> usize {
        self.met.iter().rposition(Option::is_some).map_or(0, |last| last + 1)
    }

    /// The class is no longer answered; its vector stays for when it is met again.
    fn forget(&mut self, class: usize) -> Result<Left> {
        match self.met.get_mut(class) {
            Some(met) if met.is_some() => *met = None,
            _ => crate::bail!(NotFound, "class {class} is not known; {} classes are", self.classes()),
        }
        Ok(Left::Nothing)
    }

    fn bytes(&self) -> usize {
        let names: usize = self.names.iter().map(String::len).sum();
        size_of::<f32>() * (self.rows.len() + 1) + names + size_of::<usize>() * self.met.len()
    }
}
