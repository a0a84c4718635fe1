//! LoRA and bottlenecks as graph inputs.

use super::linear::Form;
use super::role::Roles;
use super::site::{Blocks, Site};
use super::tap::{batch, tap};
use crate::error::Result;
use crate::graph::{Emit, Graph, Shape, Tensor, ValueId, rewrite};

/// What to adapt, and with how much.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Lora {
    /// Rank of every adapter.
    pub rank: usize,
    /// Scaling is `alpha / rank`.
    pub alpha: f32,
    /// Which blocks.
    pub blocks: Blocks,
    /// Which of their layers.
    pub roles: Roles,
}

impl Lora {
    /// `alpha / rank`.
    pub fn scaling(&self) -> f32 {
        self.alpha / self.rank as f32
    }
}

impl Default for Lora {
    /// Rank 4, scaling 1, queries and values of the last four blocks.
    fn default() -> Self {
        Self { rank: 4, alpha: 4.0, blocks: Blocks::Last(4), roles: Roles::Q | Roles::V }
    }
}

/// Whether a batch shares one adapter or every image brings its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// `lora_a` is `[rank, in]`, `lora_b` is `[out, rank]`.
    Shared,
    /// `lora_a` is `[batch, rank, in]`, `lora_b` is `[batch, out, rank]`.
    PerImage,
}

/// One injected adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// `block3.q`.
    pub name: String,
    /// Where it sits.
    pub site: Site,
    /// Graph input `<name>.lora_a`.
    pub lora_a: ValueId,
    /// Graph input `<name>.lora_b`.
    pub lora_b: ValueId,
}

impl Slot {
    /// Width of the site's input.
    pub fn inputs(&self) -> usize {
        self.site.linear.inputs
    }

    /// Width of what the adapter changes.
    pub fn outputs(&self) -> usize {
        self.site.columns.len()
    }
}

/// Adds an adapter at every site. With `lora_b = 0` the graph computes what it did.
///
/// Sites of one layer (queries and values of a fused layer) share two products and one sum, whatever their number.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a rank of zero or above a layer's width.
pub fn inject(mut graph: Graph, sites: &[Site], lora: &Lora, sharing: Sharing) -> Result<(Graph, Vec<Slot>)> {
    let mut slots: Vec<Slot> = Vec::with_capacity(sites.len());
    for site in sites {
        let (width, name) = (site.linear.inputs.min(site.columns.len()), site.name.clone());
        if lora.rank == 0 || lora.rank > width {
            crate::bail!(InvalidArgument, "rank {} at {name}: it must be between 1 and {width}", lora.rank);
        }
        let (lora_a, lora_b) = inputs(&mut graph, site, lora, sharing)?;
        slots.push(Slot { name, site: site.clone(), lora_a, lora_b });
    }
    let place = |slot: &Slot| (slot.site.linear.y, slot.site.linear.x, slot.site.role.bends());
    let mut layers = Vec::new();
    for slot in &slots {
        if !layers.contains(&place(slot)) {
            layers.push(place(slot));
        }
    }
    for layer in layers {
        let parts = slots.iter().filter(|s| place(s) == layer);
        let parts: Vec<Part> = parts.map(|s| Part { site: &s.site, a: s.lora_a, b: s.lora_b }).collect();
        graph = rewrite::splice(graph, layer.0, |emit, y| {
            emit.set_scope(&parts[0].site.name);
            let delta = delta(emit, &parts, lora.scaling(), sharing)?;
            emit.add(y, delta)
        })?;
    }
    Ok((graph, slots))
}

fn inputs(graph: &mut Graph, site: &Site, lora: &Lora, sharing: Sharing) -> Result<(ValueId, ValueId)> {
    let dtype = graph.dtype(site.linear.x)?;
    let batch = match sharing {
        Sharing::Shared => None,
        Sharing::PerImage => Some(batch(graph)?),
    };
    let mut input = |suffix: &str, rows: usize, columns: usize| {
        let mut shape = Shape::fixed(&[rows, columns]);
        shape.splice(0..0, batch.clone());
        graph.add_input(&format!("{}.{suffix}", site.name), dtype, shape)
    };
    let a = input("lora_a", lora.rank, site.linear.inputs);
    let b = input("lora_b", site.columns.len(), lora.rank);
    Ok((a, b))
}

/// An adapter of a layer: A and B as values of the graph.
pub(super) struct Part<'s> {
    pub site: &'s Site,
    pub a: ValueId,
    pub b: ValueId,
}

/// `scaling * (x A^T) B^T`, of a bottleneck with `relu` between the two, summed over the adapters of one layer: A below
/// A, and B^T, widened with zeros where the site is a part of the layer, below B^T.
pub(super) fn delta(emit: &mut Emit<'_>, parts: &[Part], scaling: f32, sharing: Sharing) -> Result<ValueId> {
    let linear = &parts[0].site.linear;
    let y = emit.shape(linear.y)?;
    let (mut down, mut up) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
    for part in parts {
        let b = emit.swap(part.b)?;
        down.push(part.a);
        up.push(widen(emit, part.site, b)?);
    }
    let (a, b) = match (down.as_slice(), up.as_slice()) {
        ([a], [b]) => (*a, *b),
        (down, up) => (emit.concat(down, -2)?, emit.concat(up, -2)?),
    };
    let a = emit.swap(a)?;
    // Rows of an image where every image has its own adapter, or where the channels come first.
    let x = match (linear.form, sharing) {
        (Form::Rows, Sharing::Shared) => linear.x,
        _ => tap(emit, linear)?,
    };
    let hidden = emit.matmul(x, a)?;
    let mut hidden = emit.scale(hidden, f64::from(scaling))?;
    if parts[0].site.role.bends() {
        hidden = emit.op("Relu", &[hidden], &[])?;
    }
    let mut delta = emit.matmul(hidden, b)?;
    if linear.form == Form::Map {
        delta = emit.swap(delta)?;
    }
    emit.reshape(delta, &y)
}

/// `B^T` placed at the site's columns, zero elsewhere. Columns that are no run are placed by a product with rows of
/// the unit matrix.
fn widen(emit: &mut Emit<'_>, site: &Site, b: ValueId) -> Result<ValueId> {
    let (own, outputs) = (site.columns.len(), site.linear.outputs);
    if own == outputs {
        return Ok(b);
    }
    let Some(run) = site.columns.range() else {
        let mut rows = vec![0.0; own * outputs];
        (0..own).for_each(|i| rows[i * outputs + site.columns.at(i)] = 1.0);
        let dtype = emit.graph().dtype(b)?;
        let rows = emit.constant(Tensor::from_f64(dtype, &[own, outputs], &rows)?);
        return emit.matmul(b, rows);
    };
    let rank = emit.shape(b)?.rank();
    let mut pads = vec![0i64; 2 * rank];
    pads[rank - 1] = run.start as i64;
    pads[2 * rank - 1] = (outputs - run.end) as i64;
    let pads = emit.constant(Tensor::ints(&pads));
    emit.op("Pad", &[b, pads], &[])
}
