//! The masked, weighted cross-entropy.

use ndarray::array;
use perennial::autodiff::{differentiate, loss::cross_entropy};
use perennial::error::ErrorKind;
use perennial::graph::{DType, Dim, Emit, Graph, Shape, ValueId};

use crate::reference::{Array, run};

/// Graph, `[logits, labels, mask, weights]`, loss.
fn build(classes: usize) -> (Graph, [ValueId; 4], ValueId) {
    let mut graph = Graph::new("loss", 17);
    let n = Dim::symbol("N");
    let logits = graph.add_input("logits", DType::F64, Shape(vec![n.clone(), Dim::Known(classes)]));
    let labels = graph.add_input("labels", DType::I64, Shape(vec![n.clone()]));
    let mask = graph.add_input("class_mask", DType::F64, Shape::fixed(&[classes]));
    let weights = graph.add_input("sample_weights", DType::F64, Shape(vec![n]));
    let mut e = Emit::new(&mut graph, "loss");
    let loss = cross_entropy(&mut e, &[logits], labels, mask, weights).unwrap();
    (graph, [logits, labels, mask, weights], loss)
}

fn evaluate(logits: Array, labels: Array, mask: Array, weights: Array) -> (f64, Array) {
    let (graph, v, loss) = build(mask.len());
    let (joint, grads) = differentiate(graph, loss, &v[..1]).unwrap();
    let feeds = v.into_iter().zip([logits, labels, mask, weights]).collect::<Vec<_>>();
    let out = run(&joint, &feeds, &[loss, grads[0]]);
    (out[0].sum(), out[1].clone())
}

#[test]
fn equals_the_formula_over_the_classes_that_exist() {
    let logits = array![[1.0, -2.0, 50.0, 0.5], [0.0, 3.0, -1.0, 2.0]].into_dyn();
    let mask = array![1.0, 1.0, 0.0, 1.0].into_dyn();
    let (loss, grad) =
        evaluate(logits.clone(), array![3.0, 1.0].into_dyn(), mask.clone(), array![0.25, 2.0].into_dyn());
    let mut expected = 0.0;
    for (i, label, weight) in [(0, 3, 0.25), (1, 1, 2.0)] {
        let total: f64 = [0, 1, 3].iter().map(|c| f64::exp(logits[[i, *c]])).sum();
        expected += weight * (total.ln() - logits[[i, label]]);
        for c in 0..4 {
            let p = logits[[i, c]].exp() / total * mask[c];
            let d = weight * (p - f64::from(u8::from(c == label)));
            assert!((grad[[i, c]] - d).abs() < 1e-12, "gradient of logit {i},{c}");
        }
    }
    assert!((loss - expected).abs() < 1e-12, "{loss} and {expected}");
}

#[test]
fn samples_of_weight_zero_are_silent_whatever_their_label() {
    let mask = array![1.0, 1.0].into_dyn();
    for label in [-1.0, 0.0, 99.0] {
        let logits = array![[1.0, 2.0], [7.0, -7.0]].into_dyn();
        let (loss, grad) =
            evaluate(logits, array![0.0, label].into_dyn(), mask.clone(), array![1.0, 0.0].into_dyn());
        assert!((loss - 1f64.exp().ln_1p()).abs() < 1e-12);
        assert!(grad[[1, 0]] == 0.0 && grad[[1, 1]] == 0.0);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let (mut graph, v, _) = build(3);
    let long = graph.add_input("long", DType::F64, Shape::fixed(&[4]));
    let mut e = Emit::new(&mut graph, "again");
    let error = cross_entropy(&mut e, &[v[0]], v[1], long, v[3]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape);
    assert!(error.to_string().contains("class_mask"), "{error}");
}
