//! The frozen network: a graph read, folded and understood once.
//!
//! Floor 3. Knows nothing about training; it answers what can be adapted and where the graph can be cut.

use std::fs::File;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::adapter::{self, Anatomy, Blocks, Roles, Site, cut};
use crate::error::{Context, Result};
use crate::graph::{Graph, Shape, ValueId, fold, infer, rewrite};
use crate::onnx;

/// A frozen vision transformer.
#[derive(Clone, Debug)]
pub struct Backbone {
    graph: Graph,
    feature: ValueId,
    anatomy: Anatomy,
    sha256: [u8; 32],
}

/// The backbone cut before its first adapted block.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Images to boundary tokens and frozen features: everything that is computed once an image.
    pub trunk: Graph,
    /// Images to boundary tokens.
    pub prefix: Graph,
    /// Boundary tokens to features.
    pub suffix: Graph,
    /// What can be adapted in the suffix.
    pub sites: Vec<Site>,
}

impl Backbone {
    /// From a file, with its external data beside it.
    ///
    /// # Errors
    /// As [`onnx::read`], and where no transformer is found in it.
    pub fn read(path: &Path) -> Result<Self> {
        let place = || path.display().to_string();
        let graph = onnx::read(path).at(place)?;
        // Beside the graph, the file need not stand in memory a second time.
        let mut hash = Sha256::new();
        let length = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hash)).at(place)?;
        Self::new(graph, hash, length).at(place)
    }

    /// From bytes that hold their own weights.
    ///
    /// # Errors
    /// As [`onnx::from_bytes`], and where no transformer is found in it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::new(onnx::from_bytes(bytes)?, Sha256::new().chain_update(bytes), bytes.len() as u64)
    }

    /// `hash` has read the file, which has `length` bytes.
    fn new(graph: Graph, hash: Sha256, length: u64) -> Result<Self> {
        let sha256 = identity(&graph, hash, length);
        let mut graph = graph;
        infer::all(&mut graph)?;
        let graph = fold::constants(graph)?;
        let (graph, feature) = adapter::feature(graph)?;
        let anatomy = adapter::anatomy(&graph)?;
        Ok(Self { graph, feature, anatomy, sha256 })
    }

    /// The folded graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What a classifier reads, `[batch, width]`.
    pub fn feature(&self) -> ValueId {
        self.feature
    }

    /// Blocks and sites.
    pub fn anatomy(&self) -> &Anatomy {
        &self.anatomy
    }

    /// Identifies the weights that stored state belongs to.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Width of the feature.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where it is open.
    pub fn width(&self) -> Result<usize> {
        let shape = self.graph.shape(self.feature)?;
        shape
            .last()
            .and_then(|d| d.known())
            .ok_or_else(|| crate::err!(Shape, "the feature's shape {shape} is open"))
    }

    /// Shape of one image, `[channels, height, width]`.
    ///
    /// # Errors
    /// [`Shape`](crate::ErrorKind::Shape) where the first input is not a batch of fixed-size images.
    pub fn image(&self) -> Result<[usize; 3]> {
        let shape = self.graph.shape(self.input()?)?;
        match shape.iter().skip(1).map(|d| d.known()).collect::<Option<Vec<_>>>().as_deref() {
            Some(&[c, h, w]) => Ok([c, h, w]),
            _ => Err(crate::err!(
                Shape,
                "the input is {shape}; a batch of images of fixed size, [N,3,H,W], is needed"
            )),
        }
    }

    fn input(&self) -> Result<ValueId> {
        self.graph.inputs.first().copied().ok_or_else(|| crate::err!(Shape, "the backbone has no input"))
    }

    /// The batch size the graph was exported for; `None` if it is open.
    pub fn fixed_batch(&self) -> Option<usize> {
        let shape: &Shape = self.graph.shape(self.input().ok()?).ok()?;
        shape.first().and_then(|d| d.known())
    }

    /// Number of parameters.
    pub fn parameters(&self) -> usize {
        self.graph.constants().values().filter(|t| t.dtype().is_float()).map(|t| t.len()).sum()
    }

    /// Images to features, with the sites of `roles` in `blocks`.
    ///
    /// # Errors
    /// As [`adapter::select`].
    pub fn whole(&self, blocks: Blocks, roles: Roles) -> Result<(Graph, Vec<Site>)> {
        let mut whole = rewrite::extract(&self.graph, &self.graph.inputs, &[self.feature])?;
        let feature = whole.outputs[0];
        whole.rename(feature, cut::FEATURES);
        let sites = adapter::select(&adapter::anatomy(&whole)?, blocks, roles)?;
        Ok((whole, sites))
    }

    /// Cuts before the first of `blocks` and finds the sites of `roles` behind the cut.
    ///
    /// # Errors
    /// As [`adapter::select`] and [`cut::cut`].
    pub fn parts(&self, blocks: Blocks, roles: Roles) -> Result<Parts> {
        let chosen = adapter::select(&self.anatomy, blocks, roles)?;
        let first = chosen.first().map_or(0, |s| s.block);
        let boundary = self.anatomy.blocks[first].input;
        let (prefix, suffix) = cut::cut(&self.graph, boundary, self.feature)?;
        let mut trunk = rewrite::extract(&self.graph, &self.graph.inputs, &[boundary, self.feature])?;
        let (b, f) = (trunk.outputs[0], trunk.outputs[1]);
        trunk.rename(b, cut::BOUNDARY);
        trunk.rename(f, cut::FEATURES);
        // Value ids changed with the cut: find the sites again in the suffix, keeping their block numbers.
        let mut sites = Vec::new();
        for site in adapter::select(&adapter::anatomy(&suffix)?, Blocks::All, roles)? {
            sites.push(Site { block: site.block + first, ..site });
        }
        Ok(Parts { trunk, prefix, suffix, sites })
    }
}

/// SHA-256 of the file, and of the weights too where they lie outside it.
fn identity(graph: &Graph, mut hash: Sha256, length: u64) -> [u8; 32] {
    let weights: usize = graph.constants().values().map(|t| t.bytes().len()).sum();
    if weights as u64 > length {
        for tensor in graph.constants().values() {
            hash.update(tensor.bytes());
        }
    }
    hash.finalize().into()
}
