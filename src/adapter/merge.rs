//! LoRA folded into the weights.

use ndarray::ArrayView2;

use super::site::Site;
use crate::error::Result;
use crate::graph::{Graph, Tensor};

/// Adds `scaling * B A` to the weight of `site`. `a` is `[rank, in]`, `b` is `[out, rank]`.
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
    let weight = graph
        .constant(linear.weight)
        .ok_or_else(|| crate::err!(Bug, "the weight of {} is not a constant", &site.name))?;
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
