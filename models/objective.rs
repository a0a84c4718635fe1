//! What pre-training asks of the network.
//!
//! ```text
//! loss = CE(class token) + CE(mean of the patch tokens) + 5 mean (patch tokens Wd + bd - sketch)^2
//! ```
//!
//! The class token alone learns slowly. The second term reaches every token at once; the third asks each patch what it
//! shows, whatever its colours and light: in each of its 4 x 4 cells, the share of ink and whether an edge passes.
//! Only the weights of the network are shipped; those of the two helper terms, which come last, are dropped.

use perennial::graph::{DType, Dim, Emit, Graph, Shape, ValueId};
use perennial::{Result, autodiff};
use rand_chacha::ChaCha8Rng;

use super::vit::{self, Form, Sizes, Vit, Weight};

/// Cells along a patch.
const CELLS: usize = 4;
/// Numbers asked of a patch: ink and edge by cell.
pub const ASKED: usize = 2 * CELLS * CELLS;
/// Weight of the third term.
const SKETCH: f64 = 5.0;

/// Untrained weights of the helper terms.
pub fn helpers(sizes: &Sizes, rng: &mut ChaCha8Rng) -> Vec<Weight> {
    let rows = [
        ("pooled.weight", vec![sizes.classes, sizes.width], 0.02),
        ("pooled.bias", vec![sizes.classes], 0.0),
        ("sketch.weight", vec![sizes.width, ASKED], 0.07),
        ("sketch.bias", vec![ASKED], 0.0),
    ];
    rows.into_iter().map(|(name, shape, sd)| vit::start(name.into(), shape, sd, rng)).collect()
}

/// The training step for `rows` pictures: patches, sketch, labels, class mask, sample weights and every weight in;
/// loss of the class token, its logits and every gradient out.
pub fn step(sizes: &Sizes, rows: usize, weights: &[Weight], helpers: &[Weight]) -> Result<Graph> {
    let batch = Dim::Known(rows);
    let Vit { mut graph, images, tokens, logits, weights, .. } = sizes.graph(Form::Training, &batch, weights)?;
    let mut wrt = weights;
    wrt.extend(helpers.iter().map(|w| graph.add_input(&w.name, DType::F32, Shape::fixed(&w.shape))));
    let given = Given {
        labels: graph.add_input("labels", DType::I64, Shape::fixed(&[rows])),
        mask: graph.add_input("class_mask", DType::F32, Shape::fixed(&[sizes.classes])),
        shares: graph.add_input("sample_weights", DType::F32, Shape::fixed(&[rows])),
    };
    let sketch = graph.add_input("sketch", DType::F32, Shape::fixed(&[rows, sizes.patches(), ASKED]));
    let mut emit = Emit::new(&mut graph, "objective");
    let own = given.cross_entropy(&mut emit, logits)?;
    let patches = patch_tokens(&mut emit, tokens, sizes)?;
    let [.., pooled_w, pooled_b, sketch_w, sketch_b] = wrt[..] else { unreachable!("four helpers were added") };
    let mean = emit.reduce_mean(patches, &[1])?;
    let mean = emit.reshape(mean, &Shape::fixed(&[rows, sizes.width]))?;
    let pooled = emit.op("Gemm", &[mean, pooled_w, pooled_b], &[("transB", 1.into())])?;
    let pooled = given.cross_entropy(&mut emit, pooled)?;
    let drawn = emit.matmul(patches, sketch_w)?;
    let drawn = emit.add(drawn, sketch_b)?;
    let miss = emit.sub(drawn, sketch)?;
    let miss = emit.mul(miss, miss)?;
    let by_picture = emit.reduce_mean(miss, &[1, 2])?;
    let by_picture = emit.reshape(by_picture, &Shape::fixed(&[rows]))?;
    let weighted = emit.mul(by_picture, given.shares)?;
    let miss = emit.reduce_sum(weighted, &[0], false)?;
    let miss = emit.scale(miss, SKETCH)?;
    let both = emit.add(own, pooled)?;
    let loss = emit.add(both, miss)?;
    let (mut graph, gradients) = autodiff::differentiate(graph, loss, &wrt)?;
    graph.inputs = [images, sketch, given.labels, given.mask, given.shares].into_iter().chain(wrt).collect();
    graph.outputs = [own, logits].into_iter().chain(gradients).collect();
    graph.verify()?;
    Ok(graph)
}

/// Labels and weights, for both classifiers.
struct Given {
    labels: ValueId,
    mask: ValueId,
    shares: ValueId,
}

impl Given {
    fn cross_entropy(&self, emit: &mut Emit<'_>, logits: ValueId) -> Result<ValueId> {
        autodiff::loss::cross_entropy(emit, logits, self.labels, self.mask, self.shares)
    }
}

/// All tokens but the first.
fn patch_tokens(emit: &mut Emit<'_>, tokens: ValueId, sizes: &Sizes) -> Result<ValueId> {
    use perennial::graph::Tensor;
    let (from, to) = (Tensor::ints(&[1]), Tensor::ints(&[1 + sizes.patches() as i64]));
    let (from, to, axis) = (emit.constant(from), emit.constant(to), emit.constant(Tensor::ints(&[1])));
    emit.op("Slice", &[tokens, from, to, axis], &[])
}

/// What each patch shows, from the ink of each pixel: `[patches, ASKED]`, the shares of ink first.
pub fn sketch(shown: &[u8], sizes: &Sizes) -> Vec<f32> {
    let (side, p) = (sizes.image, sizes.patch);
    let cell = p / CELLS;
    let at = |y: usize, x: usize| shown[y.min(side - 1) * side + x.min(side - 1)];
    let pixels = |y0: usize, x0: usize| (0..cell * cell).map(move |i| (y0 + i / cell, x0 + i % cell));
    let mut out = Vec::with_capacity((side / p) * (side / p) * ASKED);
    for patch in 0..sizes.patches() {
        let (y0, x0) = (patch / (side / p) * p, patch % (side / p) * p);
        let cells = || (0..CELLS * CELLS).map(|i| (y0 + i / CELLS * cell, x0 + i % CELLS * cell));
        out.extend(cells().map(|(y, x)| {
            pixels(y, x).filter(|&(y, x)| at(y, x) > 0).count() as f32 / (cell * cell) as f32
        }));
        out.extend(cells().map(|(y, x)| {
            f32::from(pixels(y, x).any(|(y, x)| at(y, x) != at(y, x + 1) || at(y, x) != at(y + 1, x)))
        }));
    }
    out
}
