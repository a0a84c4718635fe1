//! Convolution over patches that do not overlap, as patch embeddings are.
//!
//! With `kernel == stride`, no padding and one group, the patches of an image are a view of it, so
//! `y = cols W^T + b` with `cols[N*h*w, C*p*q]`, and the gradients are those of a matrix product. Any other
//! convolution is left to [`window`](super::window).

use super::{Grads, Step, window};
use crate::error::Result;
use crate::graph::{Dim, Emit, Shape, ValueId};

/// Sizes of a patch embedding: images `[N, C, h*p, w*q]`, kernel `[E, C, p, q]`, result `[N, E, h, w]`.
struct Patches {
    n: Dim,
    channels: Dim,
    embed: Dim,
    grid: [Dim; 2],
    kernel: [Dim; 2],
}

/// `(dx, dW, db)` of a convolution.
pub(super) fn conv(e: &mut Emit, s: &Step) -> Result<Grads> {
    match read(e, s)?.filter(|p| p.kernel != [Dim::Known(1), Dim::Known(1)] || s.needs(1)) {
        Some(patches) => embedding(e, s, &patches),
        None => window::conv(e, s),
    }
}

fn embedding(e: &mut Emit, s: &Step, p: &Patches) -> Result<Grads> {
    let (x, w, g) = (s.x(0)?, s.x(1)?, s.grad()?);
    let columns = p.channels.times(&p.kernel[0]).times(&p.kernel[1]);
    let rows = p.n.times(&p.grid[0]).times(&p.grid[1]);
    let last = e.transpose(g, &[0, 2, 3, 1])?;
    let flat = e.reshape(last, &Shape(vec![rows.clone(), p.embed.clone()]))?;
    let by_x = s.when(0, || {
        let weight = e.reshape(w, &Shape(vec![p.embed.clone(), columns.clone()]))?;
        let cols = e.matmul(flat, weight)?;
        let apart = e.reshape(cols, &p.apart())?;
        let image = e.transpose(apart, &[0, 3, 1, 4, 2, 5])?;
        let shape = e.shape(x)?;
        e.reshape(image, &shape)
    })?;
    let by_w = s.when(1, || {
        let cols = p.cols(e, x, &rows, &columns)?;
        let transposed = e.swap(flat)?;
        let weight = e.matmul(transposed, cols)?;
        let shape = e.shape(w)?;
        e.reshape(weight, &shape)
    })?;
    let by_b = s.when(2, || e.reduce_sum(flat, &[0], false))?;
    Ok(vec![by_x, by_w, by_b])
}

impl Patches {
    /// `[N, h, w, C, p, q]`.
    fn apart(&self) -> Shape {
        let [h, w] = self.grid.clone();
        let [p, q] = self.kernel.clone();
        Shape(vec![self.n.clone(), h, w, self.channels.clone(), p, q])
    }

    /// The patches of `x` as rows.
    fn cols(&self, e: &mut Emit, x: ValueId, rows: &Dim, columns: &Dim) -> Result<ValueId> {
        let [h, w] = self.grid.clone();
        let [p, q] = self.kernel.clone();
        let split = e.reshape(x, &Shape(vec![self.n.clone(), self.channels.clone(), h, p, w, q]))?;
        let apart = e.transpose(split, &[0, 2, 4, 1, 3, 5])?;
        e.reshape(apart, &Shape(vec![rows.clone(), columns.clone()]))
    }
}

/// `None` where windows overlap, leave gaps or reach outside.
fn read(e: &Emit, s: &Step) -> Result<Option<Patches>> {
    let (x, w) = (e.shape(s.x(0)?)?, e.shape(s.x(1)?)?);
    let kernel: Option<Vec<i64>> =
        w.iter().skip(2).map(|d| d.known().and_then(|n| i64::try_from(n).ok())).collect();
    let plain = s.node.int("group", 1) == 1
        && s.node.ints("dilations").is_none_or(|d| d.iter().all(|x| *x == 1))
        && s.node.ints("pads").is_none_or(|p| p.iter().all(|x| *x == 0))
        && matches!(s.node.str("auto_pad", "NOTSET"), "NOTSET" | "VALID");
    let strided = kernel.as_deref().is_some_and(|k| match s.node.ints("strides") {
        Some(strides) => strides == k,
        None => k.iter().all(|x| *x == 1),
    });
    if x.rank() != 4 || w.rank() != 4 || !plain || !strided {
        return Ok(None);
    }
    let grid = [x[2].divide(&w[2]), x[3].divide(&w[3])];
    if grid.contains(&Dim::Unknown) {
        return Ok(None);
    }
    Ok(Some(Patches {
        n: x[0].clone(),
        channels: x[1].clone(),
        embed: w[0].clone(),
        grid,
        kernel: [w[2].clone(), w[3].clone()],
    }))
}
