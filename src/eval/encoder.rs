//! The frozen part of a network, run once over the pictures of a benchmark.
//!
//! It gives what [`Encoded`](crate::learner::Encoded) is made from, boundary tokens and frozen features, in a form that
//! can be written to disk; [`Trunk::key`] names everything that the numbers depend on.

use ndarray::{Array2, ArrayD, ArrayView4, Ix2};
use sha2::{Digest, Sha256};

use crate::backbone::{Backbone, Parts};
use crate::data::Preprocess;
use crate::engine::Engine;
use crate::error::Result;
use crate::graph::Graph;
use crate::learner::{Runner, Settings};

/// The frozen part of a network, not yet compiled.
pub struct Trunk {
    graph: Graph,
    image: [usize; 3],
    micro: usize,
    about: String,
}

impl Trunk {
    /// The part of `backbone` before the first block that `settings` adapts, and the rest up to the frozen feature.
    ///
    /// # Errors
    /// As [`Backbone::named`] and [`Backbone::parts`].
    pub fn new(backbone: &Backbone, settings: &Settings) -> Result<Self> {
        let named = backbone.clone().named(&settings.named)?;
        let micro = backbone.fixed_batch().unwrap_or(settings.micro.max(1));
        let Parts { trunk, suffix, .. } = named.parts(settings.lora.blocks, settings.lora.roles)?;
        let image = named.image()?;
        // The cut is where so many nodes lie before it and so many behind it.
        let (before, behind) = (trunk.nodes().len(), suffix.nodes().len());
        let about = format!("{:x?} image {image:?} nodes {before} {behind}", named.sha256());
        Ok(Self { graph: trunk, image, micro, about })
    }

    /// SHA-256 of what encodings depend on besides the picture: backbone, cut, engine, preprocessing.
    pub fn key(&self, engine: &str, preprocess: &Preprocess) -> [u8; 32] {
        Sha256::digest(format!("{} engine {engine} {preprocess}", self.about)).into()
    }

    /// Ready to run.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub fn compile(&self, engine: &dyn Engine) -> Result<Encoder> {
        Ok(Encoder { runner: Runner::new(engine, &self.graph, self.micro)?, image: self.image })
    }
}

/// Runs the frozen network.
pub struct Encoder {
    runner: Runner,
    image: [usize; 3],
}

impl Encoder {
    /// Shape of one image, `[channels, height, width]`.
    pub fn image_shape(&self) -> [usize; 3] {
        self.image
    }

    /// Boundary tokens `[n, ..]` and frozen features `[n, width]` of preprocessed images.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub fn encode(&self, images: ArrayView4<'_, f32>) -> Result<(ArrayD<f32>, Array2<f32>)> {
        let mut outputs = self.runner.run(images.into_dyn(), &[])?.into_iter();
        let (Some(tokens), Some(features)) = (outputs.next(), outputs.next()) else {
            crate::bail!(Bug, "the trunk has two outputs");
        };
        let features = features.into_dimensionality::<Ix2>();
        Ok((tokens, features.map_err(|e| crate::err!(Shape, "a feature of another rank: {e}"))?))
    }
}
