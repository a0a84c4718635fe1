//! LoRA folded into the weights.
//!
//! A float weight takes the sum up. A weight that is stored in int8, f16 or bf16 and unpacked by the graph cannot: rounding
//! to its grid would lose what was learned, and unpacking it for good would lose the memory. There A and B become
//! constants beside the layer, which is exact and costs two small products a run. So they do for a bottleneck, which is no
//! sum of weights.

use ndarray::ArrayView2;

use super::inject::{self, Part, Sharing};
use super::site::Site;
use crate::error::Result;
use crate::graph::{Graph, Tensor, rewrite};

/// Adds `scaling * B A` to the weight of `site`, or beside it where the weight is stored small. `a` is `[rank, in]`, `b` is
/// `[out, rank]`.
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
    let linear = &site.linear;
    if a.ncols() != linear.inputs || b.nrows() != site.columns.len() || a.nrows() != b.ncols() {
        let name = &site.name;
        crate::bail!(Shape, "A {:?} and B {:?} do not fit {name}", a.shape(), b.shape());
    }
    let foldable = |w: &&Tensor| w.dtype().is_float() && !site.role.bends();
    let Some(weight) = graph.constant(linear.weight).filter(foldable) else {
        return beside(graph, site, a, b, scaling);
    };
    let (dtype, shape) = (weight.dtype(), weight.shape().to_vec());
    let mut data = weight.to_f64();
    let delta = b.mapv(f64::from).dot(&a.mapv(f64::from)) * f64::from(scaling);
    for ((out, input), d) in delta.indexed_iter() {
        let column = site.columns.at(out);
        let at =
            if linear.transposed { column * linear.inputs + input } else { input * linear.outputs + column };
        data[at] += d;
    }
    graph.set_constant(linear.weight, Tensor::from_f64(dtype, &shape, &data)?);
    Ok(graph)
}

/// The adapter as constants beside the layer.
fn beside(
    mut graph: Graph,
    site: &Site,
    a: ArrayView2<'_, f32>,
    b: ArrayView2<'_, f32>,
    scaling: f32,
) -> Result<Graph> {
    let (name, dtype) = (site.name.clone(), graph.dtype(site.linear.x)?);
    let tensor = |m: ArrayView2<'_, f32>| {
        Tensor::from_f64(dtype, m.shape(), &m.iter().map(|&x| f64::from(x)).collect::<Vec<_>>())
    };
    let a = graph.add_constant(&format!("{name}.merged_a"), tensor(a)?);
    let b = graph.add_constant(&format!("{name}.merged_b"), tensor(b)?);
    rewrite::splice(graph, site.linear.y, |emit, y| {
        emit.set_scope(&name);
        let delta = inject::delta(emit, &[Part { site, a, b }], scaling, Sharing::Shared)?;
        emit.add(y, delta)
    })
}
