//! The shipped model: the file that its page describes, the interface that the library expects, features worth having.

use perennial::graph::{DType, Dim, Graph, Shape};
use sha2::{Digest, Sha256};

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/perennial-tiny.onnx");

fn graph() -> Graph {
    perennial::onnx::read(MODEL).unwrap()
}

#[test]
fn the_file_has_the_hash_that_its_page_states() {
    let bytes = std::fs::read(MODEL).unwrap();
    let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    let page = include_str!("../models/README.md");
    assert!(page.contains(&hash), "models/README.md does not state {hash}");
    assert!(bytes.len() < 3_000_000, "{} bytes", bytes.len());
}

#[test]
fn images_go_in_and_features_and_logits_come_out() {
    let graph = graph();
    graph.verify().unwrap();
    assert_eq!(graph.opset(), 17);
    let port = |v| (graph.value(v).name.clone(), graph.dtype(v).unwrap(), graph.shape(v).unwrap().clone());
    let batch = |rest: &[usize]| {
        Shape(std::iter::once(Dim::symbol("N")).chain(rest.iter().map(|&d| Dim::Known(d))).collect())
    };
    let inputs: Vec<_> = graph.inputs.iter().map(|&v| port(v)).collect();
    assert_eq!(inputs, [("images".into(), DType::F32, batch(&[3, 64, 64]))]);
    let outputs: Vec<_> = graph.outputs.iter().map(|&v| port(v)).collect();
    let want = [("features", 96), ("logits", 296)].map(|(n, d)| (n.to_string(), DType::F32, batch(&[d])));
    assert_eq!(outputs, want);
    for (key, value) in
        [("mean", "[0.5, 0.5, 0.5]"), ("std", "[0.5, 0.5, 0.5]"), ("input_size", "[3, 64, 64]")]
    {
        assert_eq!(graph.metadata.get(key).map(String::as_str), Some(value));
    }
    assert!(graph.metadata.contains_key("license") && graph.metadata.contains_key("produced_by"));
}

#[cfg(all(feature = "tract", feature = "eval"))]
mod features {
    use perennial::data::draw::Family;
    use perennial::engine::{Data, Engine, Tract};

    /// Features of pictures `from..from + 5` of every held-out class, one row a picture.
    fn features(from: u64) -> Vec<(usize, Vec<f32>)> {
        let session = Tract::new(1).compile(&super::graph(), 5).unwrap();
        let classes = Family::themes().into_iter().flat_map(|f| (0..f.classes()).map(move |c| (f, c)));
        let mut rows = Vec::new();
        for (label, (family, class)) in classes.enumerate() {
            let mut planes = Vec::new();
            for index in from..from + 5 {
                let rgb = family.draw(class, 1, index, 64);
                planes.extend((0..3).flat_map(|c| {
                    rgb[c..].iter().step_by(3).map(|&x| f32::from(x) / 127.5 - 1.0).collect::<Vec<_>>()
                }));
            }
            let outputs = session.run(&[Data::floats(&[5, 3, 64, 64], planes).unwrap()]).unwrap();
            let found = outputs[0].as_f32().unwrap();
            rows.extend(found.outer_iter().map(|r| (label, r.iter().copied().collect::<Vec<f32>>())));
        }
        rows
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    }

    /// Five pictures a class, thirty classes: far above raw pixels, which tests/draw.rs gives twenty, and not solved.
    #[test]
    fn features_tell_unseen_classes_apart() {
        let (shown, asked) = (features(0), features(20));
        let nearest =
            |q: &[f32]| shown.iter().max_by(|a, b| cosine(&a.1, q).total_cmp(&cosine(&b.1, q))).unwrap().0;
        let right = asked.iter().filter(|(label, q)| nearest(q) == *label).count();
        let share = right as f32 / asked.len() as f32;
        println!("nearest of five pictures a class, 30 unseen classes: {:.1} %", 100.0 * share);
        assert!(share > 0.45, "{share}");
    }
}
