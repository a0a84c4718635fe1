//! NTK-CL as released: its objective against PyTorch, what each of its quirks does, and the whole in a learner.
#![cfg(feature = "tract")]

mod fixtures;
mod lessons;

use std::collections::BTreeMap;

use fixtures::{distance, floats, session};
use lessons::{bytes, pictures, resumed, settings};
use ndarray::{Array1, Array2, ArrayD, array};
use perennial::adapter::{Blocks, Lora, Mechanism, Roles, Sharing, Site, inject};
use perennial::engine::{Data, Port, Tract};
use perennial::gradcheck;
use perennial::graph::{DType, Dim, Graph, Shape, rewrite};
use perennial::joint::{Branches, Joint, Objective, Terms, minimising};
use perennial::learner::{Learner, Settings};
use perennial::strategy::{
    Classifier, Goal, Memory, Moments, NtkFaithful, SlotShape, Strategy, TaskContext, Trained,
};
use serde_json::Value;

const RELEASED: Terms = Terms {
    dissimilarity: 1.0,
    orthogonality: 1.0,
    anchor: 0.0,
    temperature: 0.2,
    contrast: true,
    residual: true,
};

/// The objective on features that are the input itself: those of both branches side by side, `[batch, 2 width]`.
fn step(terms: Terms, width: usize, prototypes: usize, directions: usize) -> Joint {
    let mut graph = Graph::new("features", 17);
    let shape = Shape(vec![Dim::symbol("batch"), Dim::Known(2 * width)]);
    let images = graph.add_input("images", DType::F32, shape);
    let mut emit = perennial::graph::Emit::new(&mut graph, "features");
    let branches = [0, width].map(|start| emit.columns(images, start, start + width).unwrap());
    graph.outputs = branches.to_vec();
    let objective = Objective::Branches(Branches { terms, prototypes, directions });
    minimising(&objective, graph, &[], 8, false).unwrap()
}

fn run(step: &Joint, batch: usize, value: impl Fn(&Port) -> Data) -> BTreeMap<String, Vec<f32>> {
    let session = session(&step.graph, batch);
    let inputs: Vec<Data> = session.inputs().iter().map(value).collect();
    let names = session.outputs().iter().map(|p| p.name.clone());
    names.zip(session.run(&inputs).unwrap().iter().map(floats)).collect()
}

fn integers(value: &Value) -> Data {
    Array1::from_iter(value.as_array().unwrap().iter().map(|l| l.as_i64().unwrap())).into()
}

fn tensor(value: &Value) -> ArrayD<f32> {
    let numbers = |v: &Value| v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    let shape: Vec<usize> = numbers(&value["shape"]).iter().map(|&x| x as usize).collect();
    ArrayD::from_shape_vec(shape, numbers(&value["data"]).iter().map(|&x| x as f32).collect()).unwrap()
}

/// Against PyTorch, f64 (tests/golden/branches_golden.py), whose fusion is a whole attention over one key.
#[test]
fn methods_2_11_the_released_objective_is_that_of_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("golden/branches_golden.json")).unwrap();
    let [dissimilarity, orthogonality, anchor, temperature] =
        [0, 1, 2, 3].map(|i| golden["weights"][i].as_f64().unwrap() as f32);
    for (form, released) in [("released", true), ("mended", false)] {
        let terms = Terms {
            dissimilarity,
            orthogonality,
            anchor,
            temperature,
            contrast: released,
            residual: released,
        };
        let classes = golden["classes"].as_u64().unwrap() as usize;
        let outputs = run(&step(terms, 5, 4, 2), 5, |port| match port.name.as_str() {
            "labels" => integers(&golden["labels"]),
            "prototype_labels" => integers(&golden["prototype_labels"]),
            "places" => Array1::from_iter(0..5i64).into(),
            "class_mask" => Array1::from_shape_fn(8, |i| f32::from(i < classes)).into(),
            name => Data::F32(tensor(&golden["inputs"][name])),
        });
        let (loss, want) = (f64::from(outputs["loss"][0]), golden[form]["loss"].as_f64().unwrap());
        assert!((loss - want).abs() < 1e-5 * want, "{form}: loss {loss}, PyTorch {want}");
        for name in ["head_weight", "head_scale", "fusion_weight", "fusion_bias"] {
            let want = tensor(&golden[form]["gradients"][name]);
            let (have, want) = (&outputs[&format!("{name}.grad")], want.iter().copied().collect::<Vec<_>>());
            let size = want.iter().fold(0.0f32, |a, x| a.max(x.abs()));
            assert!(size > 0.0 && distance(&want, have) < 1e-4 * size, "{form} {name}: {have:?} {want:?}");
        }
    }
}

/// Through both passes of a small network, with every adapter of both branches.
#[test]
fn gradients_of_two_branches_are_central_differences() {
    let fixture = fixtures::one("split_dynamo_op20_dynamic");
    let roles = Roles::Q | Roles::FC2 | Roles::PROMPT;
    let roles =
        if fixture.backbone().whole(Blocks::All, roles).is_ok() { roles } else { Roles::Q | Roles::PREFIX };
    let lora = Lora { rank: 2, alpha: 3.0, blocks: Blocks::All, roles };
    let (whole, sites) = fixture.backbone().whole(lora.blocks, lora.roles).unwrap();
    let is_token = |site: &Site| !site.role.mechanism().adds_up();
    let (tokens, rest): (Vec<Site>, Vec<Site>) = sites.iter().cloned().partition(is_token);
    assert!(!tokens.is_empty() && !rest.is_empty());
    for (contrast, residual) in [(true, true), (false, false)] {
        let (mut graph, mut slots) = inject(whole.clone(), &rest, &lora, Sharing::Shared).unwrap();
        let (other, patch) = inject(whole.clone(), &tokens, &lora, Sharing::Shared).unwrap();
        let here = rewrite::beside(&mut graph, &other).unwrap();
        graph.outputs.push(here[&other.outputs[0]]);
        slots.extend(patch.into_iter().map(|mut slot| {
            slot.lora_a = here[&slot.lora_a];
            slot.lora_b = slot.lora_b.map(|b| here[&b]);
            slot
        }));
        let terms = Terms { anchor: 1e-3, temperature: 0.5, contrast, residual, ..RELEASED };
        let objective = Objective::Branches(Branches { terms, prototypes: 5, directions: 3 });
        let step = minimising(&objective, graph, &slots, 16, false).unwrap();
        let checks = gradcheck::run(&Tract::new(1), &step.graph, 4, 7).unwrap();
        assert_eq!(checks.len(), 4 + slots.iter().flat_map(|s| s.adapters()).count());
        for check in checks {
            assert!(check.analytic != 0.0 && check.relative_error < gradcheck::TOLERANCE, "{check:?}");
        }
    }
}

/// The terms of two rows of one class and a third of another, with a fusion of zeros and nothing beside the features: `z_m` is
/// `z_c`. The cross-entropy is taken off.
fn terms_of(terms: Terms, features: &Array2<f32>, prototypes: &Array2<f32>, subspace: &Array2<f32>) -> f32 {
    let loss = |terms: Terms| {
        let step = step(terms, 3, prototypes.nrows(), subspace.ncols());
        let outputs = run(&step, 3, |port| match port.name.as_str() {
            "labels" => array![0i64, 0, 1].into(),
            "prototype_labels" => Array1::from_iter(5..5 + prototypes.nrows() as i64).into(),
            "places" => array![0i64, 1, 2].into(),
            "class_mask" => Array1::from_shape_fn(8, |i| f32::from(i < 2)).into(),
            "sample_weights" => Array1::from_elem(3, 1.0f32 / 3.0).into(),
            "images" => {
                ndarray::concatenate![ndarray::Axis(1), *features, Array2::<f32>::zeros((3, 3))].into()
            }
            "prototypes" => prototypes.clone().into(),
            "subspace" => subspace.clone().into(),
            "head_scale" => array![1.0f32].into(),
            _ => Data::F32(ArrayD::zeros(port.shape.known().unwrap())),
        });
        outputs["loss"][0]
    };
    loss(terms) - loss(Terms { dissimilarity: 0.0, orthogonality: 0.0, ..terms })
}

/// Columns of the new section are the last three of nine.
fn placed(rows: &Array2<f32>) -> Array2<f32> {
    ndarray::concatenate![ndarray::Axis(1), Array2::<f32>::zeros((rows.nrows(), 6)), *rows]
}

/// Quirk: minimising the released dissimilarity drives apart what is of one class. The mended one has nothing to say of it.
#[test]
fn the_released_dissimilarity_rises_as_one_class_comes_together() {
    let close = array![[1.0, 0.1, 0.0], [1.0, -0.1, 0.0], [0.0, 0.0, 1.0]];
    let apart = array![[1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
    let old = placed(&array![[0.0, 0.0, -1.0]]);
    let of = |terms, features| {
        terms_of(Terms { orthogonality: 0.0, ..terms }, features, &old, &old.t().to_owned())
    };
    let (together, separate) = (of(RELEASED, &close), of(RELEASED, &apart));
    assert!(together > separate + 0.5, "{together} together, {separate} apart");
    let mended = Terms { contrast: false, ..RELEASED };
    let (together, separate) = (of(mended, &close), of(mended, &apart));
    assert!((together - separate).abs() < 1e-4, "{together} {separate}");
}

/// Quirk: the released orthogonality is no measure of it. Inside the old subspace it is zero, and outside it can be driven below
/// zero; the mended one is the share inside.
#[test]
fn the_released_orthogonality_is_zero_inside_the_old_subspace() {
    let old = placed(&array![[1.0, 0.0, 0.0]]);
    let subspace = old.t().to_owned();
    let of = |residual, x: f32, y: f32| {
        let rows = array![[x, y, 0.0], [x, y, 0.0], [x, y, 0.0]];
        terms_of(Terms { dissimilarity: 0.0, residual, ..RELEASED }, &rows, &old, &subspace)
    };
    let close = |have: f32, want: f32| assert!((have - want).abs() < 1e-4, "{have}, not {want}");
    // The patch view is zero and costs nothing.
    close(of(true, 1.0, 0.0), 0.0);
    close(of(true, 0.0, 1.0), 1.0);
    close(of(true, 0.0, -1.0), -1.0);
    close(of(false, 1.0, 0.0), 1.0);
    close(of(false, 0.0, 1.0), 0.0);
    close(of(false, 0.0, -1.0), 0.0);
}

fn slot(name: &str, mechanism: Mechanism, outputs: usize) -> SlotShape {
    SlotShape { name: name.into(), inputs: 8, outputs, tap: 0, mechanism }
}

/// Quirk: the released start leaves one vector a block, whatever its tokens are told; untied they go their own ways.
#[test]
fn released_tokens_start_at_zero_and_stay_one_vector() {
    let task = TaskContext { index: 0, seed: 5, rank: 4 };
    for tied in [true, false] {
        let strategy = NtkFaithful { tied, ..NtkFaithful::default() };
        let mut memory = Memory::new(
            vec![
                slot("block0.parallel", Mechanism::Bottleneck, 8),
                slot("block0.prompt", Mechanism::Prompt, 0),
            ],
            4,
        );
        strategy.begin(&task, &mut memory).unwrap();
        assert!(
            memory.current[0].a.iter().any(|x| *x != 0.0) && memory.current[0].b.iter().all(|x| *x == 0.0)
        );
        assert_eq!(memory.current[1].a.iter().all(|x| *x == 0.0), tied);
        for pass in 0..3 {
            let told = Array2::from_shape_fn((4, 8), |(i, j)| ((pass * 31 + i * 8 + j) as f32).sin());
            let sum = told.sum_axis(ndarray::Axis(0));
            let pair = perennial::strategy::Pair { a: told, b: Array2::zeros((0, 4)) };
            let mut gradient = Trained { pair, mixing: Array1::zeros(0) };
            let found = 2.0 * strategy.terms.anchor * (&memory.current[1].a - &memory.found[1].a);
            strategy.gradient(&memory, 1, &mut gradient);
            if tied {
                let moved = &gradient.pair.a - &found;
                assert!(moved.rows().into_iter().all(|row| (&row - &sum).iter().all(|x| x.abs() < 1e-6)));
            }
            memory.current[1].a.scaled_add(-0.1, &gradient.pair.a);
        }
        let first = memory.current[1].a.row(0).to_owned();
        let one = memory.current[1].a.rows().into_iter().all(|row| row == first);
        assert_eq!(one, tied);
        strategy.end(&task, &mut memory, &Moments::default()).unwrap();
        let networks = strategy.networks(&memory).unwrap();
        let ranks: Vec<Vec<usize>> =
            networks.iter().map(|pairs| pairs.iter().map(|pair| pair.rank()).collect()).collect();
        assert_eq!(ranks, [[4, 0], [0, 4], [4, 0], [0, 4]], "mean and newest of channel and patch");
    }
}

#[test]
fn the_constants_are_those_of_the_release() {
    let strategy = NtkFaithful::default();
    assert_eq!(strategy.reading().classifier, Classifier::Sections { weights: Some([1.0, 0.3, 0.1]) });
    let Goal::Branches(terms) = strategy.goal() else { panic!("another goal") };
    assert_eq!((terms.dissimilarity, terms.orthogonality), (0.03, 1e-4));
    assert_eq!((terms.anchor, terms.temperature, terms.contrast, terms.residual), (1e-3, 0.1, true, true));
}

/// Two passes over the suffix are two chains of blocks, each computed again for itself.
#[test]
fn both_branches_compute_activations_again() {
    let steps = |recompute: bool| {
        let lora = Lora { roles: Roles::PARALLEL | Roles::PROMPT, blocks: Blocks::All, ..settings().lora };
        let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
        let settings = Settings { lora, micro: 4, recompute, ..settings() };
        let builder = Learner::builder(backbone).strategy("ntk-faithful").settings(settings);
        let mut learner = builder.build().unwrap();
        let (images, labels) = pictures(0, 8, 0);
        learner.begin_task("a").unwrap();
        learner.observe(images.view(), &labels).unwrap()
    };
    let (kept, again) = (steps(false), steps(true));
    assert!(kept.len() > 1);
    for (kept, again) in kept.iter().zip(&again) {
        let close = |a: f32, b: f32| assert!((a - b).abs() <= 1e-3 * b.abs(), "{again:?}, not {kept:?}");
        close(again.loss, kept.loss);
        close(again.gradient_norm, kept.gradient_norm);
    }
}

/// Both branches move, images pass four networks, old tasks are known afterwards, and what is stored goes on as it was.
#[test]
fn two_branches_learn_and_are_stored() {
    let lora = Lora { roles: Roles::PARALLEL | Roles::PROMPT, ..settings().lora };
    let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
    let settings = Settings { lora, micro: 4, ..settings() };
    let mut learner = Learner::builder(backbone).strategy("ntk-faithful").settings(settings).build().unwrap();
    let start = learner.state().memory.clone();
    for task in 0..2 {
        lessons::learn_and_commit(&mut learner, task);
    }
    let memory = &learner.state().memory;
    for (slot, (now, before)) in memory.slots.iter().zip(memory.current.iter().zip(&start.current)) {
        assert_ne!(now.a, before.a, "{} was not learned", slot.name);
        if slot.mechanism == Mechanism::Prompt {
            let first = now.a.row(0).to_owned();
            assert!(now.a.rows().into_iter().all(|row| row == first), "{}: tokens differ", slot.name);
        }
    }
    let answers = |learner: &Learner| {
        (0..2).flat_map(|task| learner.predict(pictures(task, 8, 77).0.view()).unwrap()).collect::<Vec<_>>()
    };
    let labels: Vec<&str> = (0..2).flat_map(|task| pictures(task, 8, 77).1).collect();
    let right = answers(&learner).iter().zip(&labels).filter(|(a, l)| a.name == **l).count();
    assert!(right * 10 >= labels.len() * 8, "{right} of {}", labels.len());
    let mut again = resumed(postcard::from_bytes(&bytes(&learner)).unwrap());
    assert_eq!(bytes(&again), bytes(&learner));
    assert_eq!(answers(&again), answers(&learner));
    lessons::learn_and_commit(&mut again, 2);
    lessons::learn_and_commit(&mut learner, 2);
    assert_eq!(bytes(&again), bytes(&learner), "a restart changes what is learned");
}
