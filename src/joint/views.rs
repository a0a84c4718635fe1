//! NTK-CL's objective (arXiv 2407.17120), corrected as methods.md 2.10 says.
//!
//! ```text
//! z    = [beside | features]                                  sections that do not move in this task, and the one that does
//! z_m  = 1.1 z + 0.5 gate z                                   the fused view, E parameters instead of E x E
//! loss = sum_i w_i ( CE(sigma cos(z_i, W)) + CE(sigma cos(z_m_i, W))
//!                    + eta logsumexp_c(cos(z_m_i, mu_c) / tau)      away from the prototypes of old classes
//!                    + nu |U^T z_m_i / |z_m_i||^2 )                 out of the subspace of the old prototypes
//! ```
//!
//! Released code uses the other sign before `eta` and a signed sum outside the subspace for `nu`; neither does what the paper
//! says. `mu` and `U` are data: no gradient goes into them.

use super::rows;
use super::step::{Head, cross_entropy};
use crate::autodiff;
use crate::error::Result;
use crate::graph::{DType, Dim, Emit, Graph, Shape, ValueId};

/// Sizes and weights of the terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Views {
    /// Width of the sections that stand beside the features.
    pub beside: usize,
    /// Prototypes of old classes; 0 leaves `eta` and `nu` out.
    pub prototypes: usize,
    /// Directions of their subspace.
    pub directions: usize,
    /// `eta`.
    pub dissimilarity: f32,
    /// `nu`.
    pub orthogonality: f32,
    /// `tau`.
    pub temperature: f32,
}

/// Keeps the slope of a square root or a logarithm finite at zero.
pub(super) const TINY: f64 = 1e-12;

/// Rows of length 1.
pub(super) fn unit(emit: &mut Emit<'_>, z: ValueId) -> Result<ValueId> {
    let axis = emit.shape(z)?.rank() - 1;
    let square = emit.mul(z, z)?;
    let sum = emit.reduce_sum(square, &[axis], true)?;
    let tiny = emit.scalar_like(sum, TINY)?;
    let sum = emit.add(sum, tiny)?;
    let norm = emit.op("Sqrt", &[sum], &[])?;
    emit.div(z, norm)
}

/// `sum_i w_i x_i` of `[N, 1]` or `[N]`.
pub(super) fn weighted(emit: &mut Emit<'_>, x: ValueId, weights: ValueId) -> Result<ValueId> {
    let flat = emit.shape(weights)?;
    let x = emit.reshape(x, &flat)?;
    let x = emit.mul(x, weights)?;
    emit.reduce_sum(x, &[0], false)
}

impl Views {
    /// Appends head and loss; returns logits, loss, further inputs and further trained values.
    pub(super) fn append(&self, graph: &mut Graph, features: ValueId, common: &rows::Rows) -> Result<Head> {
        let float = graph.dtype(features)?;
        let shape = graph.shape(features)?.clone();
        let (Some(batch), Some(width)) = (shape.first().cloned(), shape.last().and_then(Dim::known)) else {
            crate::bail!(Shape, "features must be [batch, width], they are {shape}");
        };
        let whole = self.beside + width;
        let beside = graph.add_input("beside", float, Shape(vec![batch, Dim::Known(self.beside)]));
        let old = self.old(graph, float, whole);
        let weight = graph.add_input("head_weight", float, Shape::fixed(&[common.capacity, whole]));
        let scale = graph.add_input("head_scale", float, Shape::fixed(&[1]));
        let gate = graph.add_input("head_gate", float, Shape::fixed(&[whole]));
        let mut emit = Emit::new(graph, "views");
        let z = emit.concat(&[beside, features], 1)?;
        let gated = emit.mul(z, gate)?;
        let (plain, gated) = (emit.scale(z, 1.1)?, emit.scale(gated, 0.5)?);
        let fused = emit.add(plain, gated)?;
        let proxies = unit(&mut emit, weight)?;
        let proxies = emit.swap(proxies)?;
        let fused = unit(&mut emit, fused)?;
        let mut logits = Vec::with_capacity(2);
        for view in [unit(&mut emit, z)?, fused] {
            let view = emit.mul(view, scale)?;
            logits.push(emit.matmul(view, proxies)?);
        }
        let mut loss = cross_entropy(&mut emit, &logits, common)?;
        let logits = logits[1];
        if let Some([prototypes, directions]) = old {
            emit.set_scope("old");
            let terms = [
                (away(&mut emit, fused, prototypes, self.temperature)?, self.dissimilarity),
                (inside(&mut emit, fused, directions)?, self.orthogonality),
            ];
            for (term, factor) in terms {
                let term = emit.scale(term, f64::from(factor))?;
                let term = weighted(&mut emit, term, common.sample_weights)?;
                loss = emit.add(loss, term)?;
            }
        }
        let data = [beside].into_iter().chain(old.into_iter().flatten()).collect();
        Ok(Head { logits, loss, data, trained: vec![weight, scale, gate] })
    }

    fn old(&self, graph: &mut Graph, float: DType, whole: usize) -> Option<[ValueId; 2]> {
        (self.prototypes > 0).then(|| {
            let prototypes = graph.add_input("prototypes", float, Shape::fixed(&[self.prototypes, whole]));
            [prototypes, graph.add_input("subspace", float, Shape::fixed(&[whole, self.directions]))]
        })
    }
}

/// `logsumexp_c(cos(z, mu_c) / tau)`, `[N, 1]`; `z` and `mu` have rows of length 1.
pub(super) fn away(
    emit: &mut Emit<'_>,
    z: ValueId,
    prototypes: ValueId,
    temperature: f32,
) -> Result<ValueId> {
    let prototypes = emit.swap(prototypes)?;
    let cosine = emit.matmul(z, prototypes)?;
    let scores = emit.scale(cosine, 1.0 / f64::from(temperature))?;
    autodiff::loss::log_sum_exp(emit, scores)
}

/// `|U^T z|^2`, `[N, 1]`.
pub(super) fn inside(emit: &mut Emit<'_>, z: ValueId, directions: ValueId) -> Result<ValueId> {
    let inside = emit.matmul(z, directions)?;
    let square = emit.mul(inside, inside)?;
    emit.reduce_sum(square, &[1], true)
}

/// Sum of all entries of a matrix.
pub(super) fn total(emit: &mut Emit<'_>, x: ValueId) -> Result<ValueId> {
    emit.reduce_sum(x, &[0, 1], false)
}
