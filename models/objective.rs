//! What pre-training asks of the network.
//!
//! ```text
//! loss = CE(class token) + CE(mean of the patch tokens) + 5 mean (patch tokens Wd + bd - sketch)^2
//! ```
//!
//! The class token alone learns slowly. The second term reaches every token at once; the third asks each patch what it
//! shows, whatever its colours and light: in each of its 4 x 4 cells, the share of ink and whether an edge passes.
//! Only the weights of the network are shipped; those of the two helper terms, which come last, are dropped.

use perennial::graph::{DType, Dim, Emit, Graph, Shape, Tensor, ValueId};
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

/// The training step for `rows` pictures. In: patches, sketch, labels, class mask, sample weights, every weight of the
/// network, every helper. Out: the first term, its logits, the gradient of each weight.
pub fn step(sizes: &Sizes, rows: usize, weights: &[Weight], helpers: &[Weight]) -> Result<Graph> {
    let Vit { mut graph, images, tokens, logits, weights, .. } =
        sizes.graph(Form::Training, &Dim::Known(rows), weights)?;
    let mut input = |name: &str, dtype, shape: &[usize]| graph.add_input(name, dtype, Shape::fixed(shape));
    let helpers: Vec<ValueId> = helpers.iter().map(|w| input(&w.name, DType::F32, &w.shape)).collect();
    let given = Given {
        sketch: input("sketch", DType::F32, &[rows, sizes.patches(), ASKED]),
        labels: input("labels", DType::I64, &[rows]),
        mask: input("class_mask", DType::F32, &[sizes.classes]),
        shares: input("sample_weights", DType::F32, &[rows]),
    };
    let mut emit = Emit::new(&mut graph, "objective");
    let own = given.cross_entropy(&mut emit, logits)?;
    let patches = patch_tokens(&mut emit, tokens, sizes)?;
    let pooled = given.pooled(&mut emit, patches, &helpers)?;
    let sketched = given.sketched(&mut emit, patches, &helpers)?;
    let loss = emit.add(own, pooled)?;
    let loss = emit.add(loss, sketched)?;
    let wrt: Vec<ValueId> = weights.into_iter().chain(helpers).collect();
    let (mut graph, gradients) = autodiff::differentiate(graph, loss, &wrt)?;
    let given = [images, given.sketch, given.labels, given.mask, given.shares];
    graph.inputs = given.into_iter().chain(wrt).collect();
    graph.outputs = [own, logits].into_iter().chain(gradients).collect();
    graph.verify()?;
    Ok(graph)
}

/// What a batch is compared with, and the share of each picture in the loss.
struct Given {
    sketch: ValueId,
    labels: ValueId,
    mask: ValueId,
    shares: ValueId,
}

impl Given {
    fn cross_entropy(&self, emit: &mut Emit<'_>, logits: ValueId) -> Result<ValueId> {
        autodiff::loss::cross_entropy(emit, &[logits], self.labels, self.mask, self.shares)
    }

    /// Cross-entropy of a second classifier, on the mean of `patches`.
    fn pooled(&self, emit: &mut Emit<'_>, patches: ValueId, helpers: &[ValueId]) -> Result<ValueId> {
        let mean = emit.reduce_mean(patches, &[1])?;
        let axis = emit.constant(Tensor::ints(&[1]));
        let mean = emit.op("Squeeze", &[mean, axis], &[])?;
        let logits = emit.op("Gemm", &[mean, helpers[0], helpers[1]], &[("transB", 1.into())])?;
        self.cross_entropy(emit, logits)
    }

    /// Weighted squared error of the sketch.
    fn sketched(&self, emit: &mut Emit<'_>, patches: ValueId, helpers: &[ValueId]) -> Result<ValueId> {
        let drawn = emit.matmul(patches, helpers[2])?;
        let drawn = emit.add(drawn, helpers[3])?;
        let miss = emit.sub(drawn, self.sketch)?;
        let miss = emit.mul(miss, miss)?;
        let miss = emit.reduce_mean(miss, &[1, 2])?;
        let axes = emit.constant(Tensor::ints(&[1, 2]));
        let miss = emit.op("Squeeze", &[miss, axes], &[])?;
        let miss = emit.mul(miss, self.shares)?;
        let miss = emit.reduce_sum(miss, &[0], false)?;
        emit.scale(miss, SKETCH)
    }
}

/// All tokens but the first.
fn patch_tokens(emit: &mut Emit<'_>, tokens: ValueId, sizes: &Sizes) -> Result<ValueId> {
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
        out.extend(
            cells().map(|(y, x)| {
                pixels(y, x).filter(|&(y, x)| at(y, x) > 0).count() as f32 / (cell * cell) as f32
            }),
        );
        out.extend(cells().map(|(y, x)| {
            f32::from(pixels(y, x).any(|(y, x)| at(y, x) != at(y, x + 1) || at(y, x) != at(y + 1, x)))
        }));
    }
    out
}
