//! The frozen part of a network, run once over the pictures of a benchmark.
//!
//! It gives what [`Encoded`] is made from, boundary tokens and frozen features, in a form that
//! can be written to disk; [`Trunk::key`] names everything that the numbers depend on.

use ndarray::{Array2, ArrayD, ArrayView4, Axis, Ix2, concatenate};
use sha2::{Digest, Sha256};

use crate::backbone::{Backbone, Parts};
use crate::data::{Dataset, Preprocess, Skipped, Split};
use crate::engine::Engine;
use crate::error::Result;
use crate::graph::Graph;
use crate::learner::{Encoded, Runner, Settings, crop};

/// Pictures decoded and encoded at a time.
const CHUNK: usize = 64;

/// The frozen part of a network, not yet compiled.
pub struct Trunk {
    graph: Graph,
    image: [usize; 3],
    micro: usize,
    summary: usize,
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
        let Parts { trunk, summary, suffix, .. } = named.parts(settings.lora.blocks, settings.lora.roles)?;
        let image = named.image()?;
        // The cut is where so many nodes lie before it and so many behind it.
        let (before, behind) = (trunk.nodes().len(), suffix.nodes().len());
        let about =
            format!("{:x?} image {image:?} nodes {before} {behind} summary {summary:?}", named.sha256());
        Ok(Self { graph: trunk, image, micro, summary: summary.iter().sum(), about })
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
        let runner = Runner::new(engine, &self.graph, self.micro)?;
        Ok(Encoder { runner, image: self.image, summary: self.summary })
    }
}

/// Runs the frozen network.
pub struct Encoder {
    runner: Runner,
    image: [usize; 3],
    summary: usize,
}

/// What the frozen network says of images.
pub struct Encodings {
    /// Boundary tokens `[n, ..]`.
    pub tokens: ArrayD<f32>,
    /// Frozen features with the summary of the tokens behind them, `[n, width + summary]`.
    pub features: Array2<f32>,
    /// Width of the summary.
    pub summary: usize,
}

impl Encodings {
    /// As a learner takes them.
    pub fn encoded(&self) -> Encoded {
        let (frozen, summary) = self.features.view().split_at(Axis(1), self.features.ncols() - self.summary);
        Encoded::new(&self.tokens, frozen, summary)
    }
}

impl Encoder {
    /// Encodes one crop of the samples `ids` of `split`, and gives them to `each` with the ids of those that could be read. `progress` is
    /// told how many pictures each step finished. Returns what could not be read.
    ///
    /// # Errors
    /// As [`Dataset::load`], [`Encoder::encode`] and `each`.
    pub fn over(
        &self,
        (data, split): (&Dataset, Split),
        (ids, index): (&[usize], usize),
        preprocess: &Preprocess,
        progress: &mut dyn FnMut(usize),
        mut each: impl FnMut(&[usize], Encodings) -> Result<()>,
    ) -> Result<Vec<Skipped>> {
        let mut skipped = Vec::new();
        let [c, h, w] = self.image;
        for chunk in ids.chunks(CHUNK) {
            let batch = data.load(split, chunk, preprocess)?;
            skipped.extend(batch.skipped);
            progress(chunk.len());
            if batch.ids.is_empty() {
                continue;
            }
            let images = ArrayView4::from_shape((batch.ids.len(), c, h, w), &batch.pixels)
                .map_err(|e| crate::err!(Shape, "preprocessed pictures do not fit the backbone: {e}"))?;
            let encodings = match index {
                0 => self.encode(images)?,
                _ => self.encode(crop(images, index)?.view())?,
            };
            each(&batch.ids, encodings)?;
        }
        Ok(skipped)
    }

    /// Encodes preprocessed images.
    ///
    /// # Errors
    /// Whatever the engine refuses.
    pub fn encode(&self, images: ArrayView4<'_, f32>) -> Result<Encodings> {
        let mut outputs = self.runner.run(images.into_dyn(), &[], &())?.into_iter();
        let tokens = outputs.next().ok_or_else(|| crate::err!(Bug, "the trunk has no output"))?;
        let rows = |rows: ArrayD<f32>| rows.into_dimensionality::<Ix2>();
        let rows: Vec<Array2<f32>> = outputs
            .map(rows)
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| crate::err!(Shape, "a feature of another rank: {e}"))?;
        let views: Vec<_> = rows.iter().map(|r| r.view()).collect();
        let features = concatenate(Axis(1), &views)
            .map_err(|e| crate::err!(Bug, "features of different lengths: {e}"))?;
        Ok(Encodings { tokens, features, summary: self.summary })
    }
}
