//! Multiply-adds of a graph, counted from shapes: products of matrices and convolutions. Elementwise work is left out,
//! so a share of the sgemm peak says how far an engine is from doing nothing but products.

use crate::error::Result;
use crate::graph::{Graph, Node, Shape, ValueId, fold};

/// Multiply-adds of the `MatMul`, `Gemm` and `Conv` nodes of `graph` for `batch` rows.
///
/// # Errors
/// [`Shape`](crate::ErrorKind::Shape) where a shape stays open although the batch is bound.
pub fn multiply_adds(graph: &Graph, batch: usize) -> Result<u64> {
    let symbol = fold::batch_symbol(graph);
    let shape = |v: ValueId| -> Result<Vec<usize>> {
        let shape: &Shape = graph.shape(v)?;
        let bound = symbol.map_or_else(|| shape.clone(), |s| shape.bind(s, batch));
        bound
            .known()
            .ok_or_else(|| crate::err!(Shape, "{:?} has the open shape {shape}", graph.value(v).name))
    };
    let count = |node: &Node| -> Result<u64> {
        let inner = match node.op.as_str() {
            "MatMul" => shape(node.need(0)?)?.last().copied().unwrap_or(1),
            "Gemm" => shape(node.need(0)?)?[usize::from(node.int("transA", 0) == 0)],
            // Weights [out, in / group, kernel..]: every result sums over all but the first axis.
            "Conv" => shape(node.need(1)?)?.iter().skip(1).product(),
            _ => return Ok(0),
        };
        Ok(inner as u64 * shape(node.output()?)?.iter().product::<usize>() as u64)
    };
    graph.nodes().iter().map(count).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{DType, Emit};

    #[test]
    fn products_and_convolutions_are_counted() {
        let mut graph = Graph::new("test", 17);
        let batch = crate::graph::Dim::symbol("N");
        let mut input = |name: &str, first: Option<&crate::graph::Dim>, rest: &[usize]| {
            let mut shape = Shape::fixed(rest);
            shape.splice(0..0, first.cloned());
            graph.add_input(name, DType::F32, shape)
        };
        let a = input("a", Some(&batch), &[3, 4]);
        let b = input("b", None, &[4, 5]);
        let g = input("g", None, &[6, 7]);
        let h = input("h", None, &[6, 8]);
        let x = input("x", Some(&batch), &[3, 8, 8]);
        let w = input("w", None, &[2, 3, 4, 4]);
        let mut emit = Emit::new(&mut graph, "test");
        emit.matmul(a, b).unwrap();
        emit.op("Gemm", &[g, h], &[("transA", 1.into())]).unwrap();
        emit.op("Conv", &[x, w], &[("strides", vec![4i64, 4].into())]).unwrap();
        let conv = 2 * 2 * 2 * (3 * 4 * 4);
        assert_eq!(multiply_adds(&graph, 2).unwrap(), 2 * 3 * 4 * 5 + 6 * 7 * 8 + 2 * conv);
    }
}
