//! Images and other grids, `[batch, channels, spatial..]`.

use super::context::{Operands, agree, one};
use super::{Info, Row, Term};
use crate::error::{Context as _, Result};
use crate::graph::{DType, Dim, Shape};

pub(super) const ROWS: &[Row] = &[
    ("AveragePool", 1, pool),
    ("Conv", 1, conv),
    ("ConvInteger", 10, conv_integer),
    ("ConvTranspose", 1, conv_transpose),
    ("DepthToSpace", 1, depth_to_space),
    ("GlobalAveragePool", 1, global),
    ("GlobalMaxPool", 1, global),
    ("LpPool", 1, pool),
    ("MaxPool", 1, pool),
    ("Resize", 11, resize),
    ("SpaceToDepth", 1, space_to_depth),
];

/// Batch, channels and the spatial axes of operand 0.
fn grid<'a>(o: &Operands<'a>) -> Result<(&'a Dim, &'a Dim, &'a [Dim])> {
    let shape = o.shape(0)?;
    match shape.as_slice() {
        [n, c, spatial @ ..] => Ok((n, c, spatial)),
        _ => Err(crate::err!(Shape, "{shape} has no channels; [batch, channels, ..] would fit")),
    }
}

/// Windows along one axis.
struct Window {
    kernel: usize,
    stride: usize,
    dilation: usize,
    pads: usize,
    same: bool,
    ceil: bool,
}

impl Window {
    fn count(&self, dim: &Dim) -> Result<Dim> {
        let reach = self.kernel.saturating_sub(1).saturating_mul(self.dilation).saturating_add(1);
        let unit = self.stride == 1 && (self.same || reach - 1 == self.pads);
        let Some(n) = dim.known() else {
            return Ok(if unit { dim.clone() } else { Dim::Unknown });
        };
        if self.same {
            return Ok(Dim::Known(n.div_ceil(self.stride)));
        }
        let room = n.saturating_add(self.pads).checked_sub(reach).ok_or_else(|| {
            crate::err!(Shape, "a window of {reach} over {n} elements and {} of padding", self.pads)
        })?;
        let steps = if self.ceil { room.div_ceil(self.stride) } else { room / self.stride };
        Ok(Dim::Known(steps + 1))
    }
}

/// Entry `i` of an integer-list attribute, or `default`.
fn entry(o: &Operands, name: &str, i: usize, default: usize) -> Result<usize> {
    let Some(list) = o.node.ints(name) else { return Ok(default) };
    let value = list.get(i).and_then(|&x| usize::try_from(x).ok());
    value.ok_or_else(|| crate::err!(Unsupported, "{name} {list:?} lacks a non-negative entry {i}"))
}

/// Spatial dimensions after windows of `kernel` moved over `spatial`.
fn windows(o: &Operands, spatial: &[Dim], kernel: &[usize]) -> Result<Vec<Dim>> {
    if kernel.len() != spatial.len() {
        crate::bail!(Shape, "a kernel of {} axes over {} spatial axes", kernel.len(), spatial.len());
    }
    let auto = o.node.str("auto_pad", "NOTSET");
    let rank = spatial.len();
    let mut out = Vec::with_capacity(rank);
    for (i, (dim, &kernel)) in spatial.iter().zip(kernel).enumerate() {
        let pads = match auto {
            "NOTSET" | "" => entry(o, "pads", i, 0)?.saturating_add(entry(o, "pads", i + rank, 0)?),
            _ => 0,
        };
        let window = Window {
            kernel,
            stride: entry(o, "strides", i, 1)?.max(1),
            dilation: entry(o, "dilations", i, 1)?.max(1),
            pads,
            same: auto.starts_with("SAME"),
            ceil: o.node.int("ceil_mode", 0) != 0,
        };
        out.push(window.count(dim).at(|| format!("spatial axis {i}"))?);
    }
    Ok(out)
}

/// `[n, c, ..] * [m, c / group, kernel..] = [n, m, ..]`
fn conv(o: &Operands) -> Result<Vec<Info>> {
    o.one(convolved(o)?)
}

fn conv_integer(o: &Operands) -> Result<Vec<Info>> {
    one(DType::I32, convolved(o)?)
}

fn convolved(o: &Operands) -> Result<Shape> {
    let (n, c, spatial) = grid(o)?;
    let weight = o.shape(1)?;
    let [m, per_group, kernel @ ..] = weight.as_slice() else {
        crate::bail!(Shape, "a weight of shape {weight}; [out, in / group, kernel..] would fit");
    };
    let group = usize::try_from(o.node.int("group", 1)).unwrap_or(1);
    agree(c, &per_group.times(&Dim::Known(group))).at(|| "channels against the weight's".into())?;
    let kernel: Option<Vec<usize>> = kernel.iter().map(Dim::known).collect();
    let spatial = match kernel {
        Some(kernel) => windows(o, spatial, &kernel)?,
        None => vec![Dim::Unknown; spatial.len()],
    };
    Ok(Shape([&[n.clone(), m.clone()], spatial.as_slice()].concat()))
}

/// `[n, c, ..] * [c, m / group, kernel..] = [n, m, ..]` with explicit pads:
/// `(length - 1) stride + output padding + reach - pads`.
fn conv_transpose(o: &Operands) -> Result<Vec<Info>> {
    let (n, c, spatial) = grid(o)?;
    let weight = o.shape(1)?;
    let [from, per_group, kernel @ ..] = weight.as_slice() else {
        crate::bail!(Shape, "a weight of shape {weight}; [in, out / group, kernel..] would fit");
    };
    agree(c, from).at(|| "channels against the weight's".into())?;
    let group = usize::try_from(o.node.int("group", 1)).unwrap_or(1);
    let explicit =
        matches!(o.node.str("auto_pad", "NOTSET"), "NOTSET" | "") && o.node.ints("output_shape").is_none();
    let mut out = vec![n.clone(), per_group.times(&Dim::Known(group))];
    for (i, (dim, kernel)) in spatial.iter().zip(kernel).enumerate() {
        let (Some(length), Some(kernel), true) = (dim.known(), kernel.known(), explicit) else {
            out.push(Dim::Unknown);
            continue;
        };
        let (dilation, stride) = (entry(o, "dilations", i, 1)?, entry(o, "strides", i, 1)?);
        let pads = [entry(o, "pads", i, 0)?, entry(o, "pads", i + spatial.len(), 0)?];
        let more = entry(o, "output_padding", i, 0)?;
        let full =
            dilation.checked_mul(kernel.saturating_sub(1)).zip(length.saturating_sub(1).checked_mul(stride));
        let full =
            full.and_then(|(reach, steps)| reach.checked_add(steps)?.checked_add(more)?.checked_add(1));
        let full = full.ok_or_else(|| crate::err!(Shape, "spatial axis {i} would be longer than memory"))?;
        out.push(Dim::Known(pads.iter().fold(full, |left, &pad| left.saturating_sub(pad))));
    }
    o.one(Shape(out))
}

fn pool(o: &Operands) -> Result<Vec<Info>> {
    let (n, c, spatial) = grid(o)?;
    let kernel = (0..spatial.len()).map(|i| entry(o, "kernel_shape", i, 1)).collect::<Result<Vec<_>>>()?;
    let out = Shape([&[n.clone(), c.clone()], windows(o, spatial, &kernel)?.as_slice()].concat());
    let indices = Info { dtype: DType::I64, shape: Some(out.clone()) };
    Ok(vec![Info { dtype: o.dtype(0)?, shape: Some(out) }, indices])
}

fn global(o: &Operands) -> Result<Vec<Info>> {
    let (n, c, spatial) = grid(o)?;
    o.one(Shape([&[n.clone(), c.clone()], vec![Dim::Known(1); spatial.len()].as_slice()].concat()))
}

fn block(o: &Operands) -> Result<Dim> {
    match usize::try_from(o.node.int("blocksize", 0)) {
        Ok(b) if b > 0 => Ok(Dim::Known(b)),
        _ => Err(crate::err!(Parse, "blocksize must be positive")),
    }
}

fn depth_to_space(o: &Operands) -> Result<Vec<Info>> {
    let ((n, c, spatial), b) = (grid(o)?, block(o)?);
    let channels = c.divide(&b.times(&b));
    let spatial: Vec<Dim> = spatial.iter().map(|d| d.times(&b)).collect();
    o.one(Shape([&[n.clone(), channels], spatial.as_slice()].concat()))
}

fn space_to_depth(o: &Operands) -> Result<Vec<Info>> {
    let ((n, c, spatial), b) = (grid(o)?, block(o)?);
    let spatial: Vec<Dim> = spatial.iter().map(|d| d.divide(&b)).collect();
    o.one(Shape([&[n.clone(), c.times(&b).times(&b)], spatial.as_slice()].concat()))
}

/// New lengths from operand 3 (sizes), else `floor(length * scale)` from operand 2.
fn resize(o: &Operands) -> Result<Vec<Info>> {
    let shape = o.shape(0)?;
    let given: Vec<i64> =
        o.node.ints("axes").map_or_else(|| (0..shape.rank() as i64).collect(), <[i64]>::to_vec);
    let mut out = shape.clone();
    let scales = o.tensor(2).map(crate::graph::Tensor::to_f64).unwrap_or_default();
    let sizes = o.terms(3);
    let stretch = o.node.str("keep_aspect_ratio_policy", "stretch") == "stretch";
    for (i, &axis) in given.iter().enumerate() {
        let axis = o.axis(axis, shape.rank())?;
        let size = sizes.as_ref().and_then(|s| s.get(i)).filter(|_| stretch).map(Term::dim);
        let scaled = || match (scales.get(i), &shape[axis]) {
            (Some(1.0), d) => d.clone(),
            (Some(&s), Dim::Known(n)) => Dim::Known((*n as f64 * f64::from(s as f32)).floor() as usize),
            _ => Dim::Unknown,
        };
        out[axis] = size.unwrap_or_else(scaled);
    }
    o.one(out)
}
