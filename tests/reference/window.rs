//! Windows over images, element by element: `Conv`, `ConvTranspose`, `AveragePool`, and what is normalized a channel.

use ndarray::IxDyn;

use super::{Array, Call, Evaluate};

pub(super) const FAMILY: &[(&str, Evaluate)] = &[
    ("AveragePool", average_pool),
    ("BatchNormalization", batch_norm),
    ("Conv", conv),
    ("ConvTranspose", conv_transpose),
    ("GlobalMaxPool", global_max),
    ("GroupNormalization", group_norm),
    ("InstanceNormalization", instance_norm),
    ("MaxPool", max_pool),
];

/// Every index of `shape`, row-major.
fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<> {
    let shape = shape.to_vec();
    let count: usize = shape.iter().product();
    (0..count).map(move |mut flat| {
        let mut index = vec![0; shape.len()];
        for (i, n) in shape.iter().enumerate().rev() {
            index[i] = flat % n;
            flat /= n;
        }
        index
    })
}

struct Geometry {
    kernel: Vec<usize>,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    pads: Vec<usize>,
    group: usize,
}

impl Geometry {
    fn read(c: &Call, kernel: &[usize]) -> Self {
        let auto = c.node.str("auto_pad", "NOTSET");
        assert!(auto == "NOTSET" || auto == "VALID", "explicit pads only");
        let list = |name: &str, default: usize, n: usize| -> Vec<usize> {
            c.node.ints(name).map_or(vec![default; n], |l| l.iter().map(|&x| x as usize).collect())
        };
        let rank = kernel.len();
        Self {
            kernel: kernel.to_vec(),
            strides: list("strides", 1, rank),
            dilations: list("dilations", 1, rank),
            pads: list("pads", 0, 2 * rank),
            group: c.node.int("group", 1) as usize,
        }
    }

    /// Place in the padded-away frame that element `k` of the window at `at` falls on; `None` outside `lengths`.
    fn place(&self, at: &[usize], k: &[usize], lengths: &[usize]) -> Option<Vec<usize>> {
        (0..k.len())
            .map(|i| {
                let place = (at[i] * self.strides[i] + k[i] * self.dilations[i]).checked_sub(self.pads[i])?;
                (place < lengths[i]).then_some(place)
            })
            .collect()
    }

    fn windows(&self, lengths: &[usize]) -> Vec<usize> {
        let rank = self.kernel.len();
        (0..rank)
            .map(|i| {
                let reach = self.dilations[i] * (self.kernel[i] - 1) + 1;
                (lengths[i] + self.pads[i] + self.pads[i + rank] - reach) / self.strides[i] + 1
            })
            .collect()
    }
}

fn join(a: usize, b: usize, rest: &[usize]) -> IxDyn {
    IxDyn(&[&[a, b], rest].concat())
}

fn conv(c: &Call) -> Array {
    let (x, w) = (c.x(0), c.x(1));
    let g = Geometry::read(c, &w.shape()[2..]);
    let lengths = &x.shape()[2..];
    let (out, per_group) = (w.shape()[0], w.shape()[1]);
    let mut y = Array::zeros(join(x.shape()[0], out, &g.windows(lengths)));
    for at in indices(y.shape()) {
        let first = at[1] / (out / g.group) * per_group;
        let mut sum = c.has(2).map_or(0.0, |b| b[[at[1]]]);
        for k in indices(&g.kernel) {
            let Some(place) = g.place(&at[2..], &k, lengths) else { continue };
            for channel in 0..per_group {
                sum += x[join(at[0], first + channel, &place)] * w[join(at[1], channel, &k)];
            }
        }
        y[IxDyn(&at)] = sum;
    }
    y
}

fn conv_transpose(c: &Call) -> Array {
    let (x, w) = (c.x(0), c.x(1));
    let g = Geometry::read(c, &w.shape()[2..]);
    let rank = g.kernel.len();
    let beyond: Vec<usize> =
        c.node.ints("output_padding").map_or(vec![0; rank], |l| l.iter().map(|&x| x as usize).collect());
    let lengths: Vec<usize> = (0..rank)
        .map(|i| {
            let reach = g.dilations[i] * (g.kernel[i] - 1) + 1;
            (x.shape()[2 + i] - 1) * g.strides[i] + reach + beyond[i] - g.pads[i] - g.pads[i + rank]
        })
        .collect();
    let (from, per_group) = (w.shape()[0], w.shape()[1]);
    let mut y = Array::zeros(join(x.shape()[0], per_group * g.group, &lengths));
    for at in indices(x.shape()) {
        let first = at[1] / (from / g.group) * per_group;
        for k in indices(&g.kernel) {
            let Some(place) = g.place(&at[2..], &k, &lengths) else { continue };
            for channel in 0..per_group {
                y[join(at[0], first + channel, &place)] += x[IxDyn(&at)] * w[join(at[1], channel, &k)];
            }
        }
    }
    y
}

fn average_pool(c: &Call) -> Array {
    let x = c.x(0);
    let kernel: Vec<usize> = c.node.ints("kernel_shape").unwrap().iter().map(|&k| k as usize).collect();
    let g = Geometry::read(c, &kernel);
    let lengths = &x.shape()[2..];
    let all = c.node.int("count_include_pad", 0) != 0;
    let mut y = Array::zeros(join(x.shape()[0], x.shape()[1], &g.windows(lengths)));
    for at in indices(y.shape()) {
        let places: Vec<_> = indices(&kernel).filter_map(|k| g.place(&at[2..], &k, lengths)).collect();
        let count = if all { kernel.iter().product() } else { places.len() };
        let sum: f64 = places.iter().map(|p| x[join(at[0], at[1], p)]).sum();
        y[IxDyn(&at)] = sum / count as f64;
    }
    y
}

fn max_pool(c: &Call) -> Array {
    let x = c.x(0);
    let kernel: Vec<usize> = c.node.ints("kernel_shape").unwrap().iter().map(|&k| k as usize).collect();
    let g = Geometry::read(c, &kernel);
    let lengths = &x.shape()[2..];
    let mut y = Array::zeros(join(x.shape()[0], x.shape()[1], &g.windows(lengths)));
    for at in indices(y.shape()) {
        let places = indices(&kernel).filter_map(|k| g.place(&at[2..], &k, lengths));
        y[IxDyn(&at)] = places.map(|p| x[join(at[0], at[1], &p)]).fold(f64::NEG_INFINITY, f64::max);
    }
    y
}

/// Statistics over a group of channels; scale and bias a group before opset 21, a channel from then on.
fn group_norm(c: &Call) -> Array {
    let (x, epsilon) = (c.x(0), f64::from(c.node.float("epsilon", 1e-5)));
    let per_group = x.shape()[1] / c.node.int("num_groups", 1) as usize;
    let mut y = x.clone();
    for at in indices(x.shape()) {
        let group = at[1] / per_group;
        let all: Vec<f64> = (0..per_group).flat_map(|k| channel(x, at[0], group * per_group + k)).collect();
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64;
        let own = [if c.opset < 21 { group } else { at[1] }];
        y[IxDyn(&at)] = (x[IxDyn(&at)] - mean) / (variance + epsilon).sqrt() * c.x(1)[own] + c.x(2)[own];
    }
    y
}

fn batch_norm(c: &Call) -> Array {
    let (x, epsilon) = (c.x(0), f64::from(c.node.float("epsilon", 1e-5)));
    let mut y = x.clone();
    for at in indices(x.shape()) {
        let channel = [at[1]];
        let unit = (x[IxDyn(&at)] - c.x(3)[channel]) / (c.x(4)[channel] + epsilon).sqrt();
        y[IxDyn(&at)] = unit * c.x(1)[channel] + c.x(2)[channel];
    }
    y
}

/// The elements of one channel of one image.
fn channel(x: &Array, image: usize, channel: usize) -> Vec<f64> {
    x.index_axis(ndarray::Axis(0), image).index_axis(ndarray::Axis(0), channel).iter().copied().collect()
}

fn global_max(c: &Call) -> Array {
    let x = c.x(0);
    let mut y = Array::zeros(join(x.shape()[0], x.shape()[1], &vec![1; x.ndim() - 2]));
    for at in indices(y.shape()) {
        y[IxDyn(&at)] = channel(x, at[0], at[1]).into_iter().fold(f64::NEG_INFINITY, f64::max);
    }
    y
}

fn instance_norm(c: &Call) -> Array {
    let (x, epsilon) = (c.x(0), f64::from(c.node.float("epsilon", 1e-5)));
    let mut y = x.clone();
    for at in indices(x.shape()) {
        let all = channel(x, at[0], at[1]);
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        let variance = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / all.len() as f64;
        y[IxDyn(&at)] =
            (x[IxDyn(&at)] - mean) / (variance + epsilon).sqrt() * c.x(1)[[at[1]]] + c.x(2)[[at[1]]];
    }
    y
}
