//! Windows that move over images: convolution, pooling. `g = dL/dy`.
//!
//! `y = conv(x, W)` is linear in `x`; its transpose is the operator `ConvTranspose` with the same weight, strides,
//! dilations, pads and groups, so `dx = conv_transpose(g, W)`. Averages are convolutions with equal weights.

use super::{Grads, Step};
use crate::autodiff::forms;
use crate::error::Result;
use crate::graph::{Attr, Dim, Emit, Shape, Tensor, ValueId};

/// How windows move over the spatial axes of `x`, `[N, C, spatial..]`.
pub(super) struct Windows {
    /// Elements of a window along each axis.
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    before: Vec<usize>,
    after: Vec<usize>,
    /// Lengths of `x` and of `y`.
    lengths: Vec<(usize, usize)>,
}

impl Windows {
    /// Of a node that reads `x` and gives `y` by windows of `kernel`.
    pub fn read(e: &Emit, s: &Step, kernel: Vec<usize>) -> Result<Self> {
        let (x, y) = (e.shape(s.x(0)?)?, e.shape(s.y()?)?);
        let rank = kernel.len();
        let lengths: Option<Vec<_>> = (2..x.rank()).map(|i| Some((x[i].known()?, y[i].known()?))).collect();
        let Some(lengths) = lengths.filter(|l| l.len() == rank) else {
            crate::bail!(Unsupported, "windows over {x}; the lengths of its spatial axes must be numbers");
        };
        let list = |name: &str, default: usize| -> Vec<usize> {
            let given = s.node.ints(name).unwrap_or(&[]);
            (0..rank)
                .map(|i| given.get(i).and_then(|&n| usize::try_from(n).ok()).unwrap_or(default))
                .collect()
        };
        let (strides, dilations) = (list("strides", 1), list("dilations", 1));
        let pads = s.node.ints("pads").unwrap_or(&[]);
        let pad = |i: usize| pads.get(i).and_then(|&n| usize::try_from(n).ok()).unwrap_or(0);
        let (mut before, mut after): (Vec<_>, Vec<_>) = (0..rank).map(|i| (pad(i), pad(i + rank))).unzip();
        let auto = s.node.str("auto_pad", "NOTSET");
        if auto.starts_with("SAME") {
            for i in 0..rank {
                let reach = dilations[i] * (kernel[i] - 1) + 1;
                let all = ((lengths[i].1 - 1) * strides[i] + reach).saturating_sub(lengths[i].0);
                let less = all / 2;
                (before[i], after[i]) =
                    if auto == "SAME_UPPER" { (less, all - less) } else { (all - less, less) };
            }
        }
        Ok(Self { kernel, strides, dilations, before, after, lengths })
    }

    /// What the windows put back: `conv_transpose(g, w)` in the lengths of `x`.
    pub fn put_back(&self, e: &mut Emit, g: ValueId, w: ValueId, group: usize) -> Result<ValueId> {
        let mut beyond = Vec::with_capacity(self.kernel.len());
        for (i, &(x, y)) in self.lengths.iter().enumerate() {
            let reach = (y - 1) * self.strides[i] + self.dilations[i] * (self.kernel[i] - 1) + 1;
            let Some(rest) = (x + self.before[i] + self.after[i]).checked_sub(reach) else {
                crate::bail!(
                    Unsupported,
                    "windows that reach beyond the padding (ceil_mode) have no gradient"
                );
            };
            beyond.push(rest);
        }
        let ints = |list: &[usize]| Attr::from(list.iter().map(|&n| n as i64).collect::<Vec<_>>());
        let pads = [self.before.as_slice(), self.after.as_slice()].concat();
        let attrs = [
            ("dilations", ints(&self.dilations)),
            ("group", Attr::Int(group as i64)),
            ("kernel_shape", ints(&self.kernel)),
            ("output_padding", ints(&beyond)),
            ("pads", ints(&pads)),
            ("strides", ints(&self.strides)),
        ];
        e.op("ConvTranspose", &[g, w], &attrs)
    }

    /// Elements of `x` in the window at each place of `y`, row-major; padding counts if `padding`.
    fn counts(&self, padding: bool) -> Vec<f64> {
        let axis = |i: usize| -> Vec<f64> {
            let (x, y) = self.lengths[i];
            let inside = |at: usize, k: usize| {
                let place = at * self.strides[i] + k * self.dilations[i];
                padding || (self.before[i]..self.before[i] + x).contains(&place)
            };
            (0..y).map(|at| (0..self.kernel[i]).filter(|&k| inside(at, k)).count() as f64).collect()
        };
        (0..self.kernel.len()).map(axis).fold(vec![1.0], |outer, inner| {
            outer.iter().flat_map(|a| inner.iter().map(move |b| a * b)).collect()
        })
    }
}

/// `y = conv(x, W) + b`: `(conv_transpose(g, W), refused, sum g)`.
pub(super) fn conv(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (w, g) = (s.x(1)?, s.grad()?);
    if s.needs(1) {
        crate::bail!(Unsupported, "the weight of a convolution with overlapping windows cannot be trained");
    }
    let shape = e.shape(w)?;
    let kernel: Option<Vec<usize>> = shape.iter().skip(2).map(|d| d.known()).collect();
    let kernel = kernel.ok_or_else(|| crate::err!(Unsupported, "a kernel {shape} that is open"))?;
    let by_x = s.when(0, || {
        let group = usize::try_from(s.node.int("group", 1)).unwrap_or(1);
        Windows::read(e, s, kernel)?.put_back(e, g, w, group)
    })?;
    let by_b = s.when(2, || {
        let axes: Vec<usize> = (0..e.shape(g)?.rank()).filter(|&a| a != 1).collect();
        e.reduce_sum(g, &axes, false)
    })?;
    Ok(vec![by_x, None, by_b])
}

/// `y = mean of a window`: each element's share of `g`.
pub(super) fn average_pool(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (x, g) = (e.shape(s.x(0)?)?, s.grad()?);
    let given = s.node.ints("kernel_shape").unwrap_or(&[]);
    let kernel: Vec<usize> = given.iter().filter_map(|&k| usize::try_from(k).ok()).collect();
    let Some(channels) = x[1].known() else {
        crate::bail!(Unsupported, "windows over {x}; the number of channels must be a number");
    };
    let windows = Windows::read(e, s, kernel)?;
    let counts = windows.counts(s.node.int("count_include_pad", 0) != 0);
    let dtype = e.graph().dtype(g)?;
    let places: Vec<usize> = [1, 1].into_iter().chain(windows.lengths.iter().map(|l| l.1)).collect();
    let counts = e.constant(Tensor::from_f64(dtype, &places, &counts)?);
    let share = e.div(g, counts)?;
    let size: Vec<usize> = [channels, 1].into_iter().chain(windows.kernel.iter().copied()).collect();
    let ones = vec![1.0; size.iter().product()];
    let ones = e.constant(Tensor::from_f64(dtype, &size, &ones)?);
    Ok(vec![Some(windows.put_back(e, share, ones, channels)?)])
}

/// Below every number of a network, and representable in every float.
const LOWEST: f64 = -6e4;

/// `y = largest of a window`: `g` to the elements that equal `y`, shared evenly.
///
/// A convolution with rows of the unit matrix writes the elements of a window side by side; its transpose puts their
/// shares back.
pub(super) fn max_pool(e: &mut Emit, s: &Step) -> Result<Grads> {
    let (x, y, g) = (s.x(0)?, s.y()?, s.grad()?);
    let shape = e.shape(x)?;
    let given = s.node.ints("kernel_shape").unwrap_or(&[]);
    let kernel: Vec<usize> = given.iter().filter_map(|&k| usize::try_from(k).ok()).collect();
    let (Some(channels), true) = (shape[1].known(), kernel.len() == 2) else {
        crate::bail!(Unsupported, "windows over {shape}; [batch, channels, height, width] has a gradient");
    };
    let mut windows = Windows::read(e, s, kernel)?;
    let count: usize = windows.kernel.iter().product();
    let rows: Vec<f64> =
        (0..channels * count * count).map(|i| f64::from(u8::from(i / count % count == i % count))).collect();
    let dtype = e.graph().dtype(x)?;
    let size = [channels * count, 1, windows.kernel[0], windows.kernel[1]];
    let unit = e.constant(Tensor::from_f64(dtype, &size, &rows)?);
    let (padded, before) = windows.pad_lowest(e, x)?;
    let ints = |list: &[usize]| Attr::from(list.iter().map(|&n| n as i64).collect::<Vec<_>>());
    let attrs = [
        ("dilations", ints(&windows.dilations)),
        ("group", Attr::Int(channels as i64)),
        ("kernel_shape", ints(&windows.kernel)),
        ("strides", ints(&windows.strides)),
    ];
    let beside = e.op("Conv", &[padded, unit], &attrs)?;
    let places = e.shape(beside)?;
    let apart = Shape(vec![
        shape[0].clone(),
        Dim::Known(channels),
        Dim::Known(count),
        places[2].clone(),
        places[3].clone(),
    ]);
    let beside = e.reshape(beside, &apart)?;
    let largest = e.unsqueeze(y, &[2])?;
    let hit = e.op("Equal", &[beside, largest], &[])?;
    let hit = e.cast(hit, dtype)?;
    let ties = e.reduce_sum(hit, &[2], true)?;
    let g = e.unsqueeze(g, &[2])?;
    let share = e.div(g, ties)?;
    let share = e.mul(share, hit)?;
    let share = e.reshape(share, &places)?;
    let mut back = windows.put_back(e, share, unit, channels)?;
    for (i, (start, length)) in before.iter().enumerate() {
        back = forms::slice(e, back, i + 2, *start as i64, (start + length) as i64)?;
    }
    Ok(vec![Some(back)])
}

impl Windows {
    /// `x` with its padding filled in, so that the windows need none; and where `x` lies in it, by axis.
    fn pad_lowest(&mut self, e: &mut Emit, x: ValueId) -> Result<(ValueId, Vec<(usize, usize)>)> {
        let inside: Vec<_> = self.before.iter().zip(&self.lengths).map(|(&b, l)| (b, l.0)).collect();
        let ends = [&[0, 0], self.before.as_slice(), &[0, 0], self.after.as_slice()].concat();
        let ends: Vec<i64> = ends.iter().map(|&n| n as i64).collect();
        for (i, length) in self.lengths.iter_mut().enumerate() {
            length.0 += self.before[i] + self.after[i];
            (self.before[i], self.after[i]) = (0, 0);
        }
        let (ends, lowest) = (e.constant(Tensor::ints(&ends)), e.scalar_like(x, LOWEST)?);
        Ok((e.op("Pad", &[x, ends, lowest], &[("mode", "constant".into())])?, inside))
    }
}
