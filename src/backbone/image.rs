//! Images as the runtime gives them, `[batch, channels, height, width]` of a known size.
//!
//! Keras has the channels last; a transposition in front of the network takes them first. Some exporters name channels, height and width as they name the batch. The first convolution says how many channels
//! there are; a network with a table of positions fits images of one size only, which is found by trying; the others
//! take the size that the user names.

use crate::error::Result;
use crate::graph::{Dim, Emit, Graph, Shape, fold, rewrite};

/// Multiples of the first convolution's stride that are tried.
const TRIED: usize = 96;

/// The graph with channels, height and width of its images known; `named` are height and width where the file leaves
/// them open.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where no size or more than one fits, and what to do.
pub(super) fn sized(mut graph: Graph, named: Option<[usize; 2]>) -> Result<Graph> {
    let Some([channels, height, width]) = open(&graph) else { return Ok(graph) };
    let (depth, stride) = stem(&graph).unwrap_or((3, 16));
    if let Some(symbol) = channels {
        graph = fold::bind(graph, &symbol, depth)?;
    }
    let sides = || height.iter().chain(&width);
    if sides().next().is_none() {
        return Ok(graph);
    }
    if let Some(size) = named {
        let open =
            [&height, &width].into_iter().zip(size).filter_map(|(symbol, n)| Some((symbol.as_ref()?, n)));
        return open.into_iter().try_fold(graph, |g, (symbol, n)| fold::bind(g, symbol, n));
    }
    let mut fits: Vec<(usize, Graph)> = Vec::new();
    for side in (1..=TRIED).map_while(|k| stride.checked_mul(k)) {
        let bound = sides().try_fold(graph.clone(), |g, symbol| fold::bind(g, symbol, side));
        fits.extend(bound.ok().map(|g| (side, g)));
        if fits.len() > 2 {
            break;
        }
    }
    match (fits.len(), fits.pop()) {
        (1, Some((_, graph))) => Ok(graph),
        (n, _) => Err(crate::err!(
            Shape,
            "the size of an image is open and {} fit; name it (--image-size 224), or export the model with a fixed one",
            if n == 0 { "no square multiples of the stride" } else { "several sizes" }
        )),
    }
}

/// The graph with the channels of its images first.
///
/// # Errors
/// Whatever inference refuses.
pub(super) fn channels_first(mut graph: Graph) -> Result<Graph> {
    let Some(&images) = graph.inputs.first() else { return Ok(graph) };
    let Some(shape) = graph.value(images).shape.clone() else { return Ok(graph) };
    let few = |d: &Dim| matches!(d, Dim::Known(1 | 3));
    let [batch, height, width, channels] = shape.as_slice() else { return Ok(graph) };
    if few(height) || !few(channels) {
        return Ok(graph);
    }
    let first = Shape(vec![batch.clone(), channels.clone(), height.clone(), width.clone()]);
    let (name, dtype) = (graph.value(images).name.clone(), graph.dtype(images)?);
    graph.inputs.remove(0);
    let aside = format!("{name}.channels_last");
    graph.rename(images, &aside);
    let input = graph.add_input(&name, dtype, first);
    graph.inputs.rotate_right(1);
    let turned = Emit::new(&mut graph, "images").transpose(input, &[0, 2, 3, 1])?;
    rewrite::replace_uses(&mut graph, images, turned);
    rewrite::order(graph)
}

/// Symbols of channels, height and width, if any of them is one.
fn open(graph: &Graph) -> Option<[Option<String>; 3]> {
    let shape = graph.value(*graph.inputs.first()?).shape.as_ref()?;
    let [_, dims @ ..] = shape.as_slice() else { return None };
    let symbol = |d: &Dim| match d {
        Dim::Symbolic { symbol, times: 1 } => Some(symbol.to_string()),
        _ => None,
    };
    let symbols: [Option<String>; 3] = dims.iter().map(symbol).collect::<Vec<_>>().try_into().ok()?;
    symbols.iter().any(Option::is_some).then_some(symbols)
}

/// Channels and stride of the first convolution over the images.
fn stem(graph: &Graph) -> Option<(usize, usize)> {
    let conv = graph.nodes().iter().find(|n| n.is("Conv"))?;
    let weight = graph.constant(conv.input(1)?)?.shape();
    let group = usize::try_from(conv.int("group", 1)).ok()?;
    let stride = conv.ints("strides").and_then(|s| s.first().copied()).unwrap_or(1);
    Some((weight.get(1)?.checked_mul(group)?, usize::try_from(stride).ok()?.max(1)))
}
