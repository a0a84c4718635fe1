//! NTK-CL's objective as released (arXiv 2407.17120): two branches, three views, and its quirks as flags.
//!
//! ```text
//! z_c  = [frozen | slow_c | features_c]          z_p = [frozen | slow_p | features_p]
//! z_m  = 0.5 (z_c W + b) + z_c + 0.1 z_p         attention over one key is its value: W_q and W_k select nothing
//! loss = sum_i w_i CE(sigma cos(z_i, proxies))   over z_c, z_p and z_m
//!      + eta D(z_m) + nu O(z_c, z_p) + lambda (|W - W_0|^2 + |b - b_0|^2)
//!
//! D, `contrast`      log sum_{i != j, y_i = y_j} e^S_ij - mean_i log sum_{j != i} e^S_ij,   S = cos / tau
//!                    over the rows of the batch and prototypes of old classes: the *negated* contrast, so minimizing it
//!                    drives apart what is of one class
//! D, else            mean_i log sum_c e^{cos(z_i, mu_c) / tau}                              as [`Views`](super::Views)
//! O, `residual`      sum of all entries of z - z U U^T, with their signs                    no measure of orthogonality
//! O, else            mean_i |U^T z_i|^2                                                     as [`Views`](super::Views)
//! ```
//!
//! `z` under `D` and `O` has rows of length 1. `D` of the release couples the rows of a batch; a step that is split into micro-batches takes
//! it within each, so it is the published one where a micro-batch is a batch. Without a pair of one class it is left out, as the release
//! replaces its infinity by zero. Dropout is left out.

use super::Terms;
use super::contrast::{Old, contrast};
use super::rows::Rows;
use super::step::{Head, cross_entropy};
use super::views::{away, inside, unit, weighted};
use crate::error::Result;
use crate::graph::{DType, Dim, Emit, Graph, Shape, ValueId};

/// Two branches side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Branches {
    /// The terms.
    pub terms: Terms,
    /// Prototypes of old classes; 0 leaves `nu` out, and prototypes out of `eta`.
    pub prototypes: usize,
    /// Directions of their subspace.
    pub directions: usize,
}

/// The fusion, and where the task found it.
struct Fusion {
    now: [ValueId; 2],
    found: [ValueId; 2],
}

impl Branches {
    /// Appends head and loss behind the features of both branches.
    pub(super) fn append(&self, graph: &mut Graph, features: [ValueId; 2], common: &Rows) -> Result<Head> {
        let float = graph.dtype(features[0])?;
        let shape = graph.shape(features[0])?.clone();
        let (Some(batch), Some(width)) = (shape.first().cloned(), shape.last().and_then(Dim::known)) else {
            crate::bail!(Shape, "features must be [batch, width], they are {shape}");
        };
        let whole = 3 * width;
        let matrix = Shape::fixed;
        let beside = graph.add_input("beside", float, Shape(vec![batch.clone(), Dim::Known(whole)]));
        let places = self.terms.contrast.then(|| graph.add_input("places", DType::I64, Shape(vec![batch])));
        let old = (self.prototypes > 0).then(|| Old {
            count: self.prototypes,
            prototypes: graph.add_input("prototypes", float, matrix(&[self.prototypes, whole])),
            labels: graph.add_input("prototype_labels", DType::I64, matrix(&[self.prototypes])),
            subspace: graph.add_input("subspace", float, matrix(&[whole, self.directions])),
        });
        let mut both = |name: &str, end: &str| {
            [
                graph.add_input(&format!("{name}_weight{end}"), float, matrix(&[whole, whole])),
                graph.add_input(&format!("{name}_bias{end}"), float, matrix(&[whole])),
            ]
        };
        let fusion = Fusion { now: both("fusion", ""), found: both("fusion", "_found") };
        let weight = graph.add_input("head_weight", float, matrix(&[common.capacity, whole]));
        let scale = graph.add_input("head_scale", float, matrix(&[1]));
        let mut emit = Emit::new(graph, "branches");
        let views = self.views(&mut emit, beside, features, &fusion, width)?;
        let proxies = unit(&mut emit, weight)?;
        let proxies = emit.swap(proxies)?;
        let mut logits = Vec::with_capacity(views.len());
        for view in views {
            let view = emit.mul(view, scale)?;
            logits.push(emit.matmul(view, proxies)?);
        }
        let mut loss = cross_entropy(&mut emit, &logits, common)?;
        emit.set_scope("terms");
        let mut terms = vec![self.anchor(&mut emit, &fusion, common)?];
        terms.extend(self.apart(&mut emit, views[2], places, old.as_ref(), common)?);
        terms.extend(self.orthogonal(&mut emit, &views[..2], old.as_ref(), common)?);
        for term in terms {
            loss = emit.add(loss, term)?;
        }
        let old = old.into_iter().flat_map(|old| [old.prototypes, old.labels, old.subspace]);
        let data = [beside].into_iter().chain(places).chain(old).chain(fusion.found).collect();
        let [fusion_weight, fusion_bias] = fusion.now;
        Ok(Head { logits: logits[2], loss, data, trained: vec![weight, scale, fusion_weight, fusion_bias] })
    }

    /// `z_c`, `z_p` and `z_m`, each with rows of length 1.
    fn views(
        &self,
        emit: &mut Emit<'_>,
        beside: ValueId,
        features: [ValueId; 2],
        fusion: &Fusion,
        width: usize,
    ) -> Result<[ValueId; 3]> {
        let mut part = |i: usize| emit.columns(beside, i * width, (i + 1) * width);
        let (frozen, slow) = (part(0)?, [part(1)?, part(2)?]);
        let z_c = emit.concat(&[frozen, slow[0], features[0]], 1)?;
        let z_p = emit.concat(&[frozen, slow[1], features[1]], 1)?;
        let values = emit.matmul(z_c, fusion.now[0])?;
        let values = emit.add(values, fusion.now[1])?;
        let (values, less) = (emit.scale(values, 0.5)?, emit.scale(z_p, 0.1)?);
        let sum = emit.add(values, z_c)?;
        let z_m = emit.add(sum, less)?;
        Ok([unit(emit, z_c)?, unit(emit, z_p)?, unit(emit, z_m)?])
    }

    /// `lambda |fusion - found|^2`, once a step however it is split.
    fn anchor(&self, emit: &mut Emit<'_>, fusion: &Fusion, common: &Rows) -> Result<ValueId> {
        let mut sum = None;
        for (now, found) in fusion.now.into_iter().zip(fusion.found) {
            let moved = emit.sub(now, found)?;
            let square = emit.mul(moved, moved)?;
            let axes: Vec<usize> = (0..emit.shape(square)?.rank()).collect();
            let square = emit.reduce_sum(square, &axes, false)?;
            sum = Some(sum.map_or(Ok(square), |sum| emit.add(sum, square))?);
        }
        let sum = sum.ok_or_else(|| crate::err!(Bug, "a fusion without parameters"))?;
        let sum = emit.scale(sum, f64::from(self.terms.anchor))?;
        let share = emit.reduce_sum(common.sample_weights, &[0], false)?;
        emit.mul(sum, share)
    }

    /// `eta D`.
    fn apart(
        &self,
        emit: &mut Emit<'_>,
        z: ValueId,
        places: Option<ValueId>,
        old: Option<&Old>,
        common: &Rows,
    ) -> Result<Option<ValueId>> {
        let Terms { dissimilarity, temperature, .. } = self.terms;
        match (places, old) {
            (Some(places), _) => {
                let pairs = contrast(emit, z, places, old, common, temperature)?;
                emit.scale(pairs, f64::from(dissimilarity)).map(Some)
            }
            (None, Some(old)) => {
                let rows = away(emit, z, old.prototypes, temperature)?;
                let rows = emit.scale(rows, f64::from(dissimilarity))?;
                weighted(emit, rows, common.sample_weights).map(Some)
            }
            (None, None) => Ok(None),
        }
    }

    /// `nu O`.
    fn orthogonal(
        &self,
        emit: &mut Emit<'_>,
        views: &[ValueId],
        old: Option<&Old>,
        common: &Rows,
    ) -> Result<Option<ValueId>> {
        let Some(old) = old else { return Ok(None) };
        let mut sum = None;
        for &z in views {
            let rows = if self.terms.residual {
                let held = emit.matmul(z, old.subspace)?;
                let back = emit.swap(old.subspace)?;
                let held = emit.matmul(held, back)?;
                let rest = emit.sub(z, held)?;
                emit.reduce_sum(rest, &[1], true)?
            } else {
                inside(emit, z, old.subspace)?
            };
            sum = Some(sum.map_or(Ok(rows), |sum| emit.add(sum, rows))?);
        }
        let Some(sum) = sum else { return Ok(None) };
        let sum = emit.scale(sum, f64::from(self.terms.orthogonality))?;
        weighted(emit, sum, common.sample_weights).map(Some)
    }
}
