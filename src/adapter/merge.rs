//! LoRA folded into the weights.
//!
//! A float weight takes the sum up. A weight that is stored in int8, f16 or bf16 and unpacked by the graph cannot: rounding
//! to its grid would lose what was learned, and unpacking it for good would lose the memory. There A and B become
//! constants beside the layer, which is exact and costs two small products a run. So they do for a bottleneck and for
//! tokens, which are no sum of weights.

use ndarray::ArrayView2;

use super::fold::delta;
use super::inject::{self, Part, Sharing};
use super::role::Mechanism;
use super::site::{Layer, Site};
use crate::error::Result;
use crate::graph::{Graph, Tensor};

/// Adds `scaling * B A` to the weight of `site`, or beside it where the weight is stored small. `a` is `[rank, in]`, `b` is
/// `[out, rank]`. Tokens become constants beside the attention.
///
/// The sum is made in f64 and rounded once to the weight's dtype.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where A, B and the site do not fit.
pub fn merge(
    mut graph: Graph,
    site: &Site,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    scaling: f32,
) -> Result<Graph> {
    if a.ncols() != site.inputs() || b.nrows() != site.outputs() || a.nrows() != b.ncols() {
        let name = &site.name;
        crate::bail!(Shape, "A {:?} and B {:?} do not fit {name}", a.shape(), b.shape());
    }
    let lora = site.role.mechanism() == Mechanism::Lora;
    let Some(Layer { linear, columns }) = site.layer().filter(|_| lora) else {
        return beside(graph, site, a, b, scaling);
    };
    let Some(weight) = graph.constant(linear.weight).filter(|w| w.dtype().is_float()) else {
        return beside(graph, site, a, b, scaling);
    };
    let (dtype, shape) = (weight.dtype(), weight.shape().to_vec());
    let mut data = weight.to_f64();
    for ((out, input), d) in delta(a, b, scaling)?.indexed_iter() {
        let column = columns.at(out);
        let at =
            if linear.transposed { column * linear.inputs + input } else { input * linear.outputs + column };
        data[at] += d;
    }
    graph.set_constant(linear.weight, Tensor::from_f64(dtype, &shape, &data)?);
    Ok(graph)
}

/// The adapter as constants beside what it changes.
fn beside(
    mut graph: Graph,
    site: &Site,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    scaling: f32,
) -> Result<Graph> {
    let (name, dtype) = (&site.name, graph.dtype(site.reads())?);
    let tensor = |m: ArrayView2<'_, f32>| {
        Tensor::from_f64(dtype, m.shape(), &m.iter().map(|&x| f64::from(x)).collect::<Vec<_>>())
    };
    let a = graph.add_constant(&format!("{name}.merged_a"), tensor(a)?);
    let b = match site.outputs() {
        0 => None,
        _ => Some(graph.add_constant(&format!("{name}.merged_b"), tensor(b)?)),
    };
    inject::apply(graph, &[Part { site, a, b }], scaling, Sharing::Shared)
}
