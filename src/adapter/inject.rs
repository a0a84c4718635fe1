//! Adapters as graph inputs.

use super::choice::Lora;
use super::linear::Form;
use super::role::Mechanism;
use super::site::{Layer, Place, Site};
use super::tap::{batch, rows};
use super::tokens;
use crate::error::Result;
use crate::graph::{Emit, Graph, Shape, Tensor, ValueId, rewrite};

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
    /// Graph input `<name>.lora_b`; a prompt has none.
    pub lora_b: Option<ValueId>,
}

impl Slot {
    /// Width of the site's input.
    pub fn inputs(&self) -> usize {
        self.site.inputs()
    }

    /// Width of what the adapter changes; 0 where there is no B.
    pub fn outputs(&self) -> usize {
        self.site.outputs()
    }

    /// Its graph inputs.
    pub fn adapters(&self) -> impl Iterator<Item = ValueId> {
        [self.lora_a].into_iter().chain(self.lora_b)
    }
}

/// Adds an adapter at every site. With `lora_b = 0` the graph computes what it did, unless tokens are added.
///
/// Sites of one layer (queries and values of a fused layer) share two products and one sum, whatever their number.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a rank of zero or above a layer's width, and for two kinds of
/// tokens at one attention.
pub fn inject(mut graph: Graph, sites: &[Site], lora: &Lora, sharing: Sharing) -> Result<(Graph, Vec<Slot>)> {
    let mut slots: Vec<Slot> = Vec::with_capacity(sites.len());
    for site in sites {
        let (width, name) = (widest(site), site.name.clone());
        if lora.rank == 0 || lora.rank > width {
            crate::bail!(InvalidArgument, "rank {} at {name}: it must be between 1 and {width}", lora.rank);
        }
        let (lora_a, lora_b) = inputs(&mut graph, site, lora, sharing)?;
        slots.push(Slot { name, site: site.clone(), lora_a, lora_b });
    }
    let mut groups: Vec<Vec<Part>> = Vec::new();
    for Slot { site, lora_a, lora_b, .. } in &slots {
        let part = Part { site, a: *lora_a, b: *lora_b };
        match groups.iter_mut().find(|group| group[0].target() == part.target()) {
            Some(_) if site.layer().is_none() => {
                crate::bail!(
                    InvalidArgument,
                    "{}: an attention takes a prefix or a prompt, not both",
                    site.name
                )
            }
            Some(group) => group.push(part),
            None => groups.push(vec![part]),
        }
    }
    for group in groups {
        graph = apply(graph, &group, lora.scaling(), sharing)?;
    }
    Ok((graph, slots))
}

/// The highest rank that says something new at `site`.
pub fn widest(site: &Site) -> usize {
    match site.outputs() {
        0 => site.inputs(),
        outputs => site.inputs().min(outputs),
    }
}

/// The graph with the adapters of one layer or the tokens of one attention.
pub(super) fn apply(graph: Graph, parts: &[Part], scaling: f32, sharing: Sharing) -> Result<Graph> {
    let first = &parts[0];
    let Layer { linear, .. } = match &first.site.place {
        Place::Layer(layer) => layer,
        Place::Attention(meeting) => return tokens::join(graph, first, meeting, sharing),
    };
    rewrite::splice(graph, linear.y, |emit, y| {
        emit.set_scope(&first.site.name);
        let delta = delta(emit, parts, scaling, sharing)?;
        emit.add(y, delta)
    })
}

fn inputs(
    graph: &mut Graph,
    site: &Site,
    lora: &Lora,
    sharing: Sharing,
) -> Result<(ValueId, Option<ValueId>)> {
    let dtype = graph.dtype(site.reads())?;
    let batch = match sharing {
        Sharing::Shared => None,
        Sharing::PerImage => Some(batch(graph)?),
    };
    let mut input = |suffix: &str, rows: usize, columns: usize| {
        let mut shape = Shape::fixed(&[rows, columns]);
        shape.splice(0..0, batch.clone());
        graph.add_input(&format!("{}.{suffix}", site.name), dtype, shape)
    };
    let a = input("lora_a", lora.rank, site.inputs());
    let b = (site.outputs() > 0).then(|| input("lora_b", site.outputs(), lora.rank));
    Ok((a, b))
}

/// An adapter: A and B as values of the graph.
pub(super) struct Part<'s> {
    pub site: &'s Site,
    pub a: ValueId,
    pub b: Option<ValueId>,
}

impl Part<'_> {
    /// What adapters that share their products have in common: what they change, what they read, and whether that bends.
    fn target(&self) -> (ValueId, ValueId, bool) {
        match &self.site.place {
            Place::Layer(Layer { linear, .. }) => {
                (linear.y, linear.x, self.site.role.mechanism() == Mechanism::Bottleneck)
            }
            Place::Attention(meeting) => (meeting.answer, meeting.scores, false),
        }
    }
}

/// `scaling * (x A^T) B^T`, of a bottleneck with `relu` between the two, summed over the adapters of one layer: A below
/// A, and B^T, widened with zeros where the site is a part of the layer, below B^T.
fn delta(emit: &mut Emit<'_>, parts: &[Part], scaling: f32, sharing: Sharing) -> Result<ValueId> {
    let layers: Vec<(&Layer, ValueId, ValueId)> =
        parts.iter().filter_map(|part| Some((part.site.layer()?, part.a, part.b?))).collect();
    let Some((Layer { linear, .. }, ..)) = layers.first() else {
        crate::bail!(Bug, "an adapter without a layer");
    };
    let y = emit.shape(linear.y)?;
    let (mut down, mut up) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
    for &(layer, a, b) in &layers {
        let b = emit.swap(b)?;
        down.push(a);
        up.push(widen(emit, layer, b)?);
    }
    let (a, b) = match (down.as_slice(), up.as_slice()) {
        ([a], [b]) => (*a, *b),
        (down, up) => (emit.concat(down, -2)?, emit.concat(up, -2)?),
    };
    let a = emit.swap(a)?;
    // Rows of an image where every image has its own adapter, or where the channels come first.
    let x = match (linear.form, sharing) {
        (Form::Rows, Sharing::Shared) => linear.x,
        _ => rows(emit, linear)?,
    };
    let hidden = emit.matmul(x, a)?;
    let mut hidden = emit.scale(hidden, f64::from(scaling))?;
    if parts[0].site.role.mechanism() == Mechanism::Bottleneck {
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
fn widen(emit: &mut Emit<'_>, Layer { linear, columns }: &Layer, b: ValueId) -> Result<ValueId> {
    let (own, outputs) = (columns.len(), linear.outputs);
    if own == outputs {
        return Ok(b);
    }
    let Some(run) = columns.range() else {
        let mut rows = vec![0.0; own * outputs];
        (0..own).for_each(|i| rows[i * outputs + columns.at(i)] = 1.0);
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
