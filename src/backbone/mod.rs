//! The frozen network: a graph read, folded and understood once.
//!
//! Floor 3. Knows nothing about training; it answers what can be adapted and where the graph can be cut.

mod image;
mod summary;

use summary::Say;

use std::fs::File;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::adapter::{self, Anatomy, Blocks, Named, Roles, Site, cut, named};
use crate::error::{Context, Result};
use crate::graph::{DType, Graph, Shape, ValueId, fold, infer, rewrite};
use crate::{onnx, precision};

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
    /// Images to boundary tokens, frozen features and, where `summary` is not empty, what tokens say on the way:
    /// everything that is computed once an image.
    pub trunk: Graph,
    /// Widths of the parts of the summary.
    pub summary: Vec<usize>,
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
    /// As [`onnx::read`], and where no feature is found in it.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_sized(path, None)
    }

    /// The same for images of `[height, width]` where the file leaves these open.
    ///
    /// # Errors
    /// As [`Backbone::read`].
    pub fn read_sized(path: &Path, image: Option<[usize; 2]>) -> Result<Self> {
        let place = || path.display().to_string();
        let graph = onnx::read(path).at(place)?;
        // Beside the graph, the file need not stand in memory a second time.
        let mut hash = Sha256::new();
        let length = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut hash)).at(place)?;
        Self::new(graph, hash, length, image).at(place)
    }

    /// From bytes that hold their own weights.
    ///
    /// # Errors
    /// As [`onnx::from_bytes`], and where no feature is found in it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_sized(bytes, None)
    }

    /// The same for images of `[height, width]` where the file leaves these open.
    ///
    /// # Errors
    /// As [`Backbone::from_bytes`].
    pub fn from_bytes_sized(bytes: &[u8], image: Option<[usize; 2]>) -> Result<Self> {
        let hash = Sha256::new().chain_update(bytes);
        Self::new(onnx::from_bytes(bytes)?, hash, bytes.len() as u64, image)
    }

    /// `hash` has read the file, which has `length` bytes.
    fn new(graph: Graph, hash: Sha256, length: u64, image: Option<[usize; 2]>) -> Result<Self> {
        let sha256 = identity(&graph, hash, length);
        let mut graph = image::sized(image::channels_first(graph)?, image)?;
        infer::all(&mut graph)?;
        let graph = rewrite::unpack_late(fold::constants(graph)?);
        let (graph, feature) = adapter::feature(graph)?;
        let anatomy = adapter::anatomy(&graph, feature)?;
        Ok(Self { graph, feature, anatomy, sha256 })
    }

    /// The same with the sites and the boundary that the user names.
    ///
    /// # Errors
    /// As [`named::apply`].
    pub fn named(self, named: &Named) -> Result<Self> {
        let Self { graph, feature, anatomy, sha256 } = self;
        let anatomy = named::apply(&graph, feature, anatomy, named)?;
        Ok(Self { graph, feature, anatomy, sha256 })
    }

    /// The same network with its matrices stored in `dtype`, f16 or bf16, and unpacked where they are used. Its features
    /// differ by the rounding, so state of the one does not fit the other.
    ///
    /// # Errors
    /// As [`precision::store`].
    pub fn with_weights(self, dtype: DType) -> Result<Self> {
        let graph = precision::store(self.graph, dtype)?;
        let anatomy = adapter::anatomy(&graph, self.feature)?;
        let mut hash = Sha256::new();
        hash.update(self.sha256);
        hash.update(dtype.name());
        Ok(Self { graph, feature: self.feature, anatomy, sha256: hash.finalize().into() })
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
        let chosen = self.select(blocks, roles)?;
        let mut whole = rewrite::extract(&self.graph, &self.graph.inputs, &[self.feature])?;
        let sites = adapter::in_part(&self.graph, &chosen, &whole)?;
        cut::name_features(&mut whole);
        Ok((whole, sites))
    }

    /// Cuts before the first of `blocks` and finds the sites of `roles` behind the cut.
    ///
    /// # Errors
    /// As [`adapter::select`] and [`cut::cut`].
    pub fn parts(&self, blocks: Blocks, roles: Roles) -> Result<Parts> {
        let chosen = self.select(blocks, roles)?;
        let first = chosen.first().map(|s| s.block);
        let block = self.anatomy.blocks.iter().find(|b| b.sites.first().map(|s| s.block) == first);
        let boundary = block.ok_or_else(|| crate::err!(Bug, "a site outside every block"))?.input;
        let (prefix, mut suffix) = cut::cut(&self.graph, boundary, self.feature)?;
        let (trunk, summary) = self.trunk(boundary)?;
        let sites = adapter::in_part(&self.graph, &chosen, &suffix)?;
        cut::name_features(&mut suffix);
        Ok(Parts { trunk, summary, prefix, suffix, sites })
    }

    /// Images to boundary tokens, features and the summary, and the widths of its parts.
    fn trunk(&self, boundary: ValueId) -> Result<(Graph, Vec<usize>)> {
        let depths = summary::depths(&self.graph, &self.anatomy);
        let mut outputs = vec![boundary, self.feature];
        outputs.extend(&depths);
        let mut trunk = cut::ending(&self.graph, &outputs)?;
        let depths = trunk.outputs.split_off(2);
        let mut widths = Vec::new();
        if !depths.is_empty() {
            let (row, parts) = summary::append(&mut trunk, &depths, Say::Spread)?;
            trunk.outputs.push(row);
            widths = parts;
        }
        for (i, name) in
            [cut::BOUNDARY, cut::FEATURES, cut::SUMMARY].into_iter().enumerate().take(trunk.outputs.len())
        {
            let v = trunk.outputs[i];
            trunk.rename(v, name);
        }
        Ok((trunk, widths))
    }

    /// `suffix` of [`Backbone::parts`] with a second output, what tokens say before its last blocks, and the widths of its
    /// parts: none where the suffix is too short. Sites stay where they are.
    ///
    /// # Errors
    /// As [`Backbone::parts`].
    pub fn deepened(&self, mut suffix: Graph) -> Result<(Graph, Vec<usize>)> {
        let late = summary::late(&self.graph, &self.anatomy, &suffix);
        if late.is_empty() {
            return Ok((suffix, Vec::new()));
        }
        let (row, widths) = summary::append(&mut suffix, &late, Say::Mean)?;
        suffix.outputs.push(row);
        Ok((suffix, widths))
    }

    fn select(&self, blocks: Blocks, roles: Roles) -> Result<Vec<Site>> {
        if self.anatomy.blocks.is_empty() {
            crate::bail!(
                NotFound,
                "no transformer block found: no softmax(q k^T) v over linear layers with constant weights. Name the \
                 layers to adapt (--sites PATTERN); the linear layers are: {}",
                named::candidates(&self.graph, self.feature)
            );
        }
        adapter::select(&self.anatomy, blocks, roles)
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
