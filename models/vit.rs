//! A small vision transformer as a graph, its weights as inputs (to be trained) or as constants (to be shipped).
//!
//! ```text
//! x0 = [cls ; patches W + b] + pos                                                       [N, 65, width]
//! x  = x + proj(softmax(q k^T / sqrt(d)) v),  q, k, v = split(norm(x) Wqkv + b)          pre-norm, fused qkv
//! x  = x + fc2(gelu(fc1(norm(x))))
//! features = norm(x)[:, 0]                logits = features Whead^T + b
//! ```
//!
//! The shipped operators are those of the usual PyTorch export: Conv, Reshape, Transpose, Expand, Concat,
//! LayerNormalization, MatMul + Add, Split, Softmax, GELU through Erf, Gather, Gemm. While training, images enter as
//! patches and the patch embedding is the matrix product that the convolution is.
//!
//! Architecture: Dosovitskiy et al., arXiv 2010.11929.

use std::collections::BTreeMap;

use perennial::graph::{Attr, DType, Dim, Emit, Graph, Shape, Tensor, ValueId};
use perennial::{Result, err};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Sizes of the network.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub image: usize,
    pub patch: usize,
    pub width: usize,
    pub depth: usize,
    pub heads: usize,
    pub hidden: usize,
    pub classes: usize,
}

/// A parameter: matrices are stored as `x W` needs them, `[in, out]`, the head alone as `[out, in]`.
#[derive(Clone)]
pub struct Weight {
    pub name: String,
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
    /// Whether weight decay applies: to matrices, not to biases, norms and embeddings.
    pub decay: bool,
}

/// What the weights are in a graph, and in which form images enter it.
#[derive(Clone, Copy, PartialEq)]
pub enum Form {
    /// Graph inputs; images are patches, `[N, patches, 3 * patch * patch]`.
    Training,
    /// Constants; images are `[N, 3, image, image]`.
    Shipping,
}

/// The graph and its landmarks. `weights` are in the order given.
pub struct Vit {
    pub graph: Graph,
    pub images: ValueId,
    /// All tokens after the last norm, `[N, 1 + patches, width]`.
    pub tokens: ValueId,
    pub features: ValueId,
    pub logits: ValueId,
    pub weights: Vec<ValueId>,
}

impl Sizes {
    /// Patches of an image.
    pub fn patches(&self) -> usize {
        (self.image / self.patch).pow(2)
    }

    /// Untrained parameters: matrices with standard deviation `0.7 / sqrt(in)`, positions as waves, the rest small.
    pub fn untrained(&self, rng: &mut ChaCha8Rng) -> Vec<Weight> {
        let (w, hidden, patch) = (self.width, self.hidden, 3 * self.patch * self.patch);
        let fan = |n: usize| 0.7 / (n as f32).sqrt();
        let mut rows = vec![
            ("patch_embed.weight".into(), vec![patch, w], 1.4 * fan(patch)),
            ("patch_embed.bias".into(), vec![w], 0.0),
            ("cls_token".into(), vec![1, 1, w], 0.02),
            ("pos_embed".into(), vec![1, self.patches() + 1, w], 0.0),
        ];
        for i in 0..self.depth {
            let mut linear = |name: &str, from: usize, to: usize| {
                rows.push((format!("blocks.{i}.{name}.weight"), vec![from, to], fan(from)));
                rows.push((format!("blocks.{i}.{name}.bias"), vec![to], 0.0));
            };
            linear("qkv", w, 3 * w);
            linear("proj", w, w);
            linear("fc1", w, hidden);
            linear("fc2", hidden, w);
            rows.extend(["norm1", "norm2"].iter().flat_map(|n| norm_rows(&format!("blocks.{i}.{n}"), w)));
        }
        rows.extend(norm_rows("norm", w));
        rows.push(("head.weight".into(), vec![self.classes, w], 0.02));
        rows.push(("head.bias".into(), vec![self.classes], 0.0));
        let mut weights: Vec<Weight> =
            rows.into_iter().map(|(name, shape, sd)| start(name, shape, sd, rng)).collect();
        if let Some(pos) = weights.iter_mut().find(|w| w.name == "pos_embed") {
            pos.data[w..].copy_from_slice(&self.waves());
        }
        weights
    }

    /// Rows and columns of the patches as sines and cosines of falling frequency, `[patches, width]`: neighbours start
    /// out alike.
    fn waves(&self) -> Vec<f32> {
        let (side, quarter) = (self.image / self.patch, self.width / 4);
        let wave = |at: usize, j: usize| {
            let angle = at as f32 * 100f32.powf(-((j % quarter) as f32) / quarter as f32);
            0.3 * if j < quarter { angle.sin() } else { angle.cos() }
        };
        let one = |i: usize| {
            let half = move |at: usize| (0..2 * quarter).map(move |j| wave(at, j));
            half(i / side).chain(half(i % side)).collect::<Vec<f32>>()
        };
        (0..self.patches()).flat_map(one).collect()
    }

    /// The network for batches of `batch`, a number or a symbol.
    pub fn graph(&self, form: Form, batch: &Dim, weights: &[Weight]) -> Result<Vit> {
        let mut graph = Graph::new("perennial-tiny", 17);
        let images = match form {
            Form::Training => {
                vec![batch.clone(), self.patches().into(), (3 * self.patch * self.patch).into()]
            }
            Form::Shipping => vec![batch.clone(), 3.into(), self.image.into(), self.image.into()],
        };
        let images = graph.add_input("images", DType::F32, Shape(images));
        let mut values = Vec::with_capacity(weights.len());
        for w in weights {
            values.push(match form {
                Form::Training => graph.add_input(&w.name, DType::F32, Shape::fixed(&w.shape)),
                Form::Shipping => graph.add_constant(&w.name, w.shipped(self)?),
            });
        }
        let named = weights.iter().map(|w| w.name.clone()).zip(values.iter().copied()).collect();
        let mut b =
            Builder { emit: Emit::new(&mut graph, "embed"), sizes: *self, batch: batch.clone(), named };
        let mut x = b.tokens(images, form)?;
        for i in 0..self.depth {
            x = b.block(x, &format!("blocks.{i}"))?;
        }
        let (tokens, features, logits) = b.features_and_logits(x)?;
        graph.rename(features, "features");
        graph.rename(logits, "logits");
        Ok(Vit { graph, images, tokens, features, logits, weights: values })
    }
}

fn norm_rows(name: &str, width: usize) -> [(String, Vec<usize>, f32); 2] {
    [(format!("{name}.weight"), vec![width], 1.0), (format!("{name}.bias"), vec![width], 0.0)]
}

/// Vectors start as the constant `sd`, everything else normally distributed.
pub fn start(name: String, shape: Vec<usize>, sd: f32, rng: &mut ChaCha8Rng) -> Weight {
    let count = shape.iter().product();
    let mut normal = || sd * Distribution::<f32>::sample(&StandardNormal, rng);
    let data = if shape.len() == 1 { vec![sd; count] } else { (0..count).map(|_| normal()).collect() };
    let decay = shape.len() == 2;
    Weight { name, shape, data, decay }
}

impl Weight {
    /// As the shipped graph stores it: the patch embedding becomes the kernel `[width, 3, patch, patch]` of a Conv.
    fn shipped(&self, sizes: &Sizes) -> Result<Tensor> {
        if self.name != "patch_embed.weight" {
            return Tensor::f32(&self.shape, &self.data);
        }
        let (width, len) = (sizes.width, self.data.len() / sizes.width);
        let kernel: Vec<f32> = (0..width * len).map(|i| self.data[i % len * width + i / len]).collect();
        Tensor::f32(&[width, 3, sizes.patch, sizes.patch], &kernel)
    }
}

struct Builder<'g> {
    emit: Emit<'g>,
    sizes: Sizes,
    batch: Dim,
    named: BTreeMap<String, ValueId>,
}

impl Builder<'_> {
    fn weight(&self, name: &str) -> Result<ValueId> {
        let missing = || err!(Mismatch, "no weight {name:?} was given");
        self.named.get(name).copied().ok_or_else(missing)
    }

    fn shape(&self, rest: &[usize]) -> Shape {
        let rest = rest.iter().map(|&d| Dim::Known(d));
        Shape(std::iter::once(self.batch.clone()).chain(rest).collect())
    }

    /// `x W + b`.
    fn linear(&mut self, x: ValueId, name: &str) -> Result<ValueId> {
        let (w, b) = (self.weight(&format!("{name}.weight"))?, self.weight(&format!("{name}.bias"))?);
        let product = self.emit.matmul(x, w)?;
        self.emit.add(product, b)
    }

    fn norm(&mut self, x: ValueId, name: &str) -> Result<ValueId> {
        let (w, b) = (self.weight(&format!("{name}.weight"))?, self.weight(&format!("{name}.bias"))?);
        self.emit.op("LayerNormalization", &[x, w, b], &[("axis", (-1).into()), ("epsilon", 1e-6.into())])
    }

    /// Images to tokens, the class token first.
    fn tokens(&mut self, images: ValueId, form: Form) -> Result<ValueId> {
        let patches = match form {
            Form::Training => self.linear(images, "patch_embed")?,
            Form::Shipping => self.convolved(images)?,
        };
        let cls = self.weight("cls_token")?;
        let rows = self.rows(images, form)?;
        let cls = self.emit.op("Expand", &[cls, rows], &[])?;
        let x = self.emit.concat(&[cls, patches], 1)?;
        let pos = self.weight("pos_embed")?;
        self.emit.add(x, pos)
    }

    fn convolved(&mut self, images: ValueId) -> Result<ValueId> {
        let (w, b) = (self.weight("patch_embed.weight")?, self.weight("patch_embed.bias")?);
        let side = Attr::Ints(vec![self.sizes.patch as i64; 2]);
        let map =
            self.emit.op("Conv", &[images, w, b], &[("kernel_shape", side.clone()), ("strides", side)])?;
        let flat = self.emit.reshape(map, &self.shape(&[self.sizes.width, self.sizes.patches()]))?;
        self.emit.transpose(flat, &[0, 2, 1])
    }

    /// `[N, 1, width]` as a tensor; computed from the images where N is a symbol.
    fn rows(&mut self, images: ValueId, form: Form) -> Result<ValueId> {
        let width = self.sizes.width as i64;
        if let (Form::Training, Dim::Known(n)) = (form, &self.batch) {
            return Ok(self.emit.constant(Tensor::ints(&[*n as i64, 1, width])));
        }
        let shape = self.emit.op("Shape", &[images], &[])?;
        let (from, to) = (self.emit.constant(Tensor::ints(&[0])), self.emit.constant(Tensor::ints(&[1])));
        let n = self.emit.op("Slice", &[shape, from, to], &[])?;
        let rest = self.emit.constant(Tensor::ints(&[1, width]));
        self.emit.concat(&[n, rest], 0)
    }

    fn block(&mut self, x: ValueId, name: &str) -> Result<ValueId> {
        self.emit.set_scope(name);
        let y = self.norm(x, &format!("{name}.norm1"))?;
        let y = self.attention(y, name)?;
        let x = self.emit.add(x, y)?;
        let y = self.norm(x, &format!("{name}.norm2"))?;
        let y = self.linear(y, &format!("{name}.fc1"))?;
        let y = self.gelu(y)?;
        let y = self.linear(y, &format!("{name}.fc2"))?;
        self.emit.add(x, y)
    }

    fn attention(&mut self, x: ValueId, name: &str) -> Result<ValueId> {
        let (tokens, heads, width) = (self.sizes.patches() + 1, self.sizes.heads, self.sizes.width);
        let each = width / heads;
        let qkv = self.linear(x, &format!("{name}.qkv"))?;
        let qkv = self.emit.reshape(qkv, &self.shape(&[tokens, 3, heads, each]))?;
        let qkv = self.emit.transpose(qkv, &[2, 0, 3, 1, 4])?;
        let ones = self.emit.constant(Tensor::ints(&[1, 1, 1]));
        let parts = self.emit.op_n("Split", &[qkv, ones], 3, &[("axis", 0.into())])?;
        let axis = self.emit.constant(Tensor::ints(&[0]));
        let mut part = |i: usize| self.emit.op("Squeeze", &[parts[i], axis], &[]);
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let q = self.emit.scale(q, 1.0 / (each as f64).sqrt())?;
        let k = self.emit.swap(k)?;
        let scores = self.emit.matmul(q, k)?;
        let share = self.emit.op("Softmax", &[scores], &[("axis", (-1).into())])?;
        let mixed = self.emit.matmul(share, v)?;
        let mixed = self.emit.transpose(mixed, &[0, 2, 1, 3])?;
        let mixed = self.emit.reshape(mixed, &self.shape(&[tokens, width]))?;
        self.linear(mixed, &format!("{name}.proj"))
    }

    /// `x (1 + erf(x / sqrt 2)) / 2`.
    fn gelu(&mut self, x: ValueId) -> Result<ValueId> {
        let (root, one) = (self.emit.scalar_like(x, 2f64.sqrt())?, self.emit.scalar_like(x, 1.0)?);
        let y = self.emit.div(x, root)?;
        let y = self.emit.op("Erf", &[y], &[])?;
        let y = self.emit.add(y, one)?;
        let y = self.emit.mul(x, y)?;
        self.emit.scale(y, 0.5)
    }

    fn features_and_logits(&mut self, x: ValueId) -> Result<(ValueId, ValueId, ValueId)> {
        self.emit.set_scope("head");
        let tokens = self.norm(x, "norm")?;
        let first = self.emit.constant(Tensor::ints(&[0]).reshape(&[])?);
        let features = self.emit.op("Gather", &[tokens, first], &[("axis", 1.into())])?;
        let (w, b) = (self.weight("head.weight")?, self.weight("head.bias")?);
        let logits = self.emit.op("Gemm", &[features, w, b], &[("transB", 1.into())])?;
        Ok((tokens, features, logits))
    }
}
