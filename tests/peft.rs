//! Adapters in the files of the PEFT library: what it wrote is read, what was learned is written, and versions become one.
//!
//! `tests/golden/peft_golden.py` made the files and says what PyTorch computes with them; with `--check` it reads what
//! `perennial export` wrote.
#![cfg(all(feature = "tract", feature = "peft"))]

mod fixtures;
mod lessons;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lessons::{learn_and_commit, learner, pictures, settings};
use ndarray::Array2;
use perennial::adapter::{Blocks, Lora, Role, Roles};
use perennial::backbone::Backbone;
use perennial::engine::Data;
use perennial::graph::Graph;
use perennial::learner::{Learner, Settings};
use perennial::peft::{Adapter, Module};
use perennial::strategy::Pair;
use perennial::{ErrorKind, onnx};
use rand::Rng;

const MODEL: &str = "timm_legacy_op17_dynamic";

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/peft")
}

/// The first output of `graph` for the two images.
fn output(graph: &Graph) -> Vec<f32> {
    let images = fixtures::images(2);
    let data = Data::floats(&[2, 3, 32, 32], images.iter().copied().collect()).unwrap();
    fixtures::floats(&fixtures::run(graph, 2, &[data])[0])
}

#[test]
fn what_peft_saved_computes_here_what_it_computes_in_pytorch() {
    let text = std::fs::read_to_string(golden().join("expected.json")).unwrap();
    let expected: BTreeMap<String, Vec<Vec<f32>>> = serde_json::from_str(&text).unwrap();
    assert_eq!(expected.len(), 3);
    for (name, logits) in &expected {
        let adapter = Adapter::read(&golden().join(name)).unwrap();
        let logits: Vec<f32> = logits.concat();
        for model in [MODEL, "timm_dynamo_op18_dynamic"] {
            let backbone = fixtures::one(model).backbone();
            let off = fixtures::distance(&output(&adapter.fold(&backbone).unwrap()), &logits);
            let moved = fixtures::distance(&output(backbone.graph()), &logits);
            println!("{name} on {model}: off by {off:.1e}, moved by {moved:.1e}");
            assert!(off < 5e-5 && moved > 0.1, "{name} on {model}: {off} of {moved}");
        }
    }
}

fn taught(strategy: &str, roles: Roles) -> Learner {
    let lora = Lora { rank: 3, alpha: 4.5, blocks: Blocks::All, roles };
    let settings = Settings { lora, ..settings() };
    let backbone = fixtures::one(MODEL).backbone();
    let mut learner = Learner::builder(backbone).strategy(strategy).settings(settings).build().unwrap();
    learn_and_commit(&mut learner, 0);
    learner
}

#[test]
fn what_was_learned_goes_out_and_comes_in_as_the_same_network() {
    let backbone = fixtures::one(MODEL).backbone();
    let folder = tempfile::tempdir().unwrap();
    for roles in [Roles::Q | Roles::V, Roles::Q | Roles::K | Roles::O | Roles::FC1, Roles::QKV] {
        let learner = taught("ranpac-first", roles);
        let state = learner.state();
        let adapter = Adapter::of(state, &backbone, 0).unwrap();
        adapter.write(folder.path()).unwrap();
        let again = Adapter::read(folder.path()).unwrap();
        assert_eq!(again, adapter, "{roles}: A, B and scaling come back");
        let (merged, folded) = (state.merged(&backbone, 0).unwrap(), again.fold(&backbone).unwrap());
        // By hand: what the state holds of a site is what its rows of the layer's weight moved by.
        let (whole, sites) = state.adapters(&backbone, 0).unwrap();
        for (site, pair) in &sites {
            let layer = site.layer().unwrap();
            let name = &whole.value(layer.linear.weight).name;
            let weight = |graph: &Graph| graph.constant(graph.find(name).unwrap()).unwrap().to_f64();
            let (before, after) = (weight(backbone.graph()), weight(&folded));
            let delta = pair.b.dot(&pair.a) * 1.5;
            for ((out, input), d) in delta.indexed_iter() {
                let at = input * layer.linear.outputs + layer.columns.at(out);
                assert!((after[at] - before[at] - f64::from(*d)).abs() < 1e-6, "{}", site.name);
            }
            assert!(delta.iter().any(|d| d.abs() > 1e-4), "{} learned nothing", site.name);
            assert!(site.role != Role::Qkv || layer.columns.len() == 96);
        }
        // The merged model gives features, the folded one logits: as models of their own they have the same feature.
        let path = folder.path().join("folded.onnx");
        onnx::write(&folded, &path).unwrap();
        let folded = Backbone::read(&path).unwrap();
        let (features, _) = folded.whole(Blocks::All, Roles::Q).unwrap();
        let off = fixtures::distance(&output(&features), &output(&merged));
        assert!(off < 1e-5, "{roles}: {off}");
    }
}

#[test]
fn a_folded_model_predicts_what_the_learner_predicted() {
    let backbone = fixtures::one(MODEL).backbone();
    let mut adapted = learner("ranpac-first");
    (0..3).for_each(|task| learn_and_commit(&mut adapted, task));
    let folder = tempfile::tempdir().unwrap();
    Adapter::of(adapted.state(), &backbone, 0).unwrap().write(folder.path()).unwrap();
    let folded = Adapter::read(folder.path()).unwrap().fold(&backbone).unwrap();
    onnx::write(&folded, folder.path().join("adapted.onnx")).unwrap();
    let folded = Backbone::read(&folder.path().join("adapted.onnx")).unwrap();
    let mut frozen = Learner::builder(folded).strategy("ranpac-frozen").settings(settings()).build().unwrap();
    (0..3).for_each(|task| learn_and_commit(&mut frozen, task));
    for task in 0..3 {
        let (images, _) = pictures(task, 8, 55);
        let (a, b) = (adapted.predict(images.view()).unwrap(), frozen.predict(images.view()).unwrap());
        for (a, b) in a.iter().zip(&b) {
            // The learner's tokens pass its cut in f16.
            assert!((a.score - b.score).abs() < 0.02, "{} and {}", a.score, b.score);
        }
        let same = a.iter().zip(&b).filter(|(a, b)| a.name == b.name).count();
        assert!(same >= 15, "{same} of 16");
    }
}

fn version(seed: u64, rank: usize, scaling: f32) -> Adapter {
    let mut rng = fixtures::rng(seed);
    let mut random =
        |rows, columns| Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-1.0f32..1.0));
    let mut module = |inputs, outputs| Module {
        pair: Pair { a: random(rank, inputs), b: random(outputs, rank) },
        scaling,
    };
    let names = [("blocks.0.attn.qkv", 32, 96), ("blocks.1.mlp.fc2", 64, 32)];
    Adapter { modules: names.map(|(name, inputs, outputs)| (name.into(), module(inputs, outputs))).into() }
}

/// `scaling B A` of every module, in f64.
fn dense(adapter: &Adapter) -> BTreeMap<String, Array2<f64>> {
    let product = |m: &Module| m.pair.b.mapv(f64::from).dot(&m.pair.a.mapv(f64::from)) * f64::from(m.scaling);
    adapter.modules.iter().map(|(name, m)| (name.clone(), product(m))).collect()
}

fn energy(m: &Array2<f64>) -> f64 {
    m.iter().map(|x| x * x).sum()
}

#[test]
fn versions_merge_to_the_dense_mean_whatever_their_order_and_a_cut_is_the_best_one() {
    for seed in 0..12 {
        let ranks = [1 + seed as usize % 4, 2, 3];
        let versions: Vec<Adapter> =
            (0..3).map(|i| version(10 * seed + i, ranks[i as usize], 0.5 + i as f32)).collect();
        let weights = [3.0, 1.0 + seed as f32, 0.25];
        let total: f32 = weights.iter().sum();
        let mut mean = dense(&versions[0]);
        mean.values_mut().for_each(|m| m.fill(0.0));
        for (version, weight) in versions.iter().zip(weights) {
            for (name, product) in dense(version) {
                *mean.get_mut(&name).unwrap() += &(product * f64::from(weight / total));
            }
        }
        let (exact, lost) = Adapter::merge(&versions, &weights, usize::MAX).unwrap();
        assert_eq!(lost, 0.0);
        let order = [2, 0, 1];
        let turned: Vec<Adapter> = order.iter().map(|&i| versions[i].clone()).collect();
        let (other, _) = Adapter::merge(&turned, &order.map(|i| weights[i]), usize::MAX).unwrap();
        for (name, sum) in dense(&exact) {
            assert!(energy(&(&sum - &mean[&name])) < 1e-10 * energy(&sum), "{name}");
            assert!(
                energy(&(&sum - &dense(&other)[&name])) < 1e-10 * energy(&sum),
                "{name} in another order"
            );
        }
        let rank = 4;
        let (cut, lost) = Adapter::merge(&versions, &weights, rank).unwrap();
        let mut worst = 0.0f64;
        for (name, sum) in dense(&cut) {
            assert!(cut.modules[&name].pair.rank() <= rank);
            let values = perennial::linalg::svd_thin(mean[&name].view()).unwrap().values;
            let rest: f64 = values.iter().skip(rank).map(|s| s * s).sum();
            let off = energy(&(&sum - &mean[&name]));
            assert!(
                (off - rest).abs() < 1e-5 * energy(&mean[&name]),
                "{name}: {off} beside the best, {rest}"
            );
            worst = worst.max(rest / energy(&mean[&name]));
        }
        assert!((lost - worst).abs() < 1e-6, "{lost} and {worst}");
    }
}

#[test]
fn means_of_factors_would_be_another_matrix() {
    let (a, b) = (version(1, 2, 1.0), version(2, 2, 1.0));
    let (merged, _) = Adapter::merge(&[a.clone(), b.clone()], &[1.0, 1.0], 4).unwrap();
    for (name, sum) in dense(&merged) {
        let (a, b) = (&a.modules[&name].pair, &b.modules[&name].pair);
        let averaged = ((&a.b + &b.b) / 2.0).dot(&((&a.a + &b.a) / 2.0)).mapv(f64::from);
        assert!(energy(&(&averaged - &sum)) > 0.1 * energy(&sum));
    }
}

#[test]
fn damaged_and_hostile_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let from = golden().join("patterns");
    let names = ["adapter_config.json", "adapter_model.safetensors"];
    let good = names.map(|name| std::fs::read(from.join(name)).unwrap());
    let backbone = fixtures::one(MODEL).backbone();
    let mut rng = fixtures::rng(5);
    let (mut errors, mut tried) = (0, 0);
    let mut attempt = |which: usize, bytes: &[u8]| {
        for (i, name) in names.iter().enumerate() {
            std::fs::write(folder.path().join(name), if i == which { bytes } else { &good[i] }).unwrap();
        }
        tried += 1;
        match Adapter::read(folder.path()).and_then(|adapter| adapter.fold(&backbone)) {
            Ok(_) => false,
            Err(e) => {
                assert_ne!(e.kind(), ErrorKind::Bug, "{e}");
                errors += 1;
                true
            }
        }
    };
    for (which, whole) in good.iter().enumerate() {
        for _ in 0..250 {
            let mut bytes = whole.clone();
            for _ in 0..rng.gen_range(1..4) {
                let at = if which == 1 { rng.gen_range(0..900) } else { rng.gen_range(0..bytes.len()) };
                bytes[at] ^= 1 << rng.gen_range(0..8);
            }
            attempt(which, &bytes);
            let end = rng.gen_range(0..whole.len() - 1);
            assert!(attempt(which, &whole[..end]), "cut at {end}");
        }
    }
    // A header that says it is longer than the file, than memory, and one whose tensors overlap nothing.
    for length in [u64::MAX, 1 << 40, good[1].len() as u64, 0] {
        let mut bytes = good[1].clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        assert!(attempt(1, &bytes));
    }
    println!("fault: damaged PEFT adapter | {tried} | 0 | an error ({errors}), or an adapter that is finite");
}

#[test]
fn what_has_no_form_there_or_here_is_refused_by_name() {
    let backbone = fixtures::one(MODEL).backbone();
    let bottleneck = taught("ranpac-first", Roles::PARALLEL);
    let refused = Adapter::of(bottleneck.state(), &backbone, 0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert!(refused.to_string().contains("block0.parallel") && refused.to_string().contains("--onnx"));
    // The merged model has a form for it all the same.
    assert!(bottleneck.state().merged(&backbone, 0).is_ok());
    let mut frozen = learner("ncm-frozen");
    learn_and_commit(&mut frozen, 0);
    assert_eq!(Adapter::of(frozen.state(), &backbone, 0).unwrap_err().kind(), ErrorKind::State);
    let several = taught("ease", Roles::Q | Roles::V);
    let beyond = Adapter::of(several.state(), &backbone, 1).unwrap_err();
    assert!(beyond.to_string().contains("ease keeps 1"), "{beyond}");
    let other = fixtures::one("split_legacy_op20_fixed").backbone();
    let foreign = Adapter::read(&golden().join("plain")).unwrap().fold(&other).unwrap_err();
    assert!(foreign.to_string().contains("no layer blocks.0.attn.qkv"), "{foreign}");

    let folder = tempfile::tempdir().unwrap();
    let config = std::fs::read_to_string(golden().join("plain/adapter_config.json")).unwrap();
    let tensors = golden().join("plain/adapter_model.safetensors");
    std::fs::copy(tensors, folder.path().join("adapter_model.safetensors")).unwrap();
    for (from, to, says) in [
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora is true"),
        ("\"peft_type\": \"LORA\"", "\"peft_type\": \"IA3\"", "peft_type is \"IA3\""),
        ("\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa\"", "init_lora_weights is \"pissa\""),
        ("\"alpha_pattern\": {}", "\"alpha_pattern\": {\"blocks.*\": 3}", "regular expression"),
        ("\"lora_alpha\": 5", "\"lora_alpha\": \"five\"", "lora_alpha is no number"),
    ] {
        assert!(config.contains(from), "{from}");
        std::fs::write(folder.path().join("adapter_config.json"), config.replace(from, to)).unwrap();
        let refused = Adapter::read(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(says) && refused.contains("adapter_config.json"), "{refused}");
    }
    for weights in [&[1.0][..], &[1.0, -1.0], &[0.0, 0.0], &[f32::NAN, 1.0]] {
        let two = [version(1, 2, 1.0), version(2, 2, 1.0)];
        assert_eq!(Adapter::merge(&two, weights, 4).unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

#[cfg(feature = "cli")]
#[test]
fn the_program_writes_both_forms_and_folds_versions() {
    use std::process::Command;
    let folder = tempfile::tempdir().unwrap();
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{MODEL}.onnx"));
    let model = model.to_str().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
        let output = command.current_dir(folder.path()).arg("--json").args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let learner = taught("perennial", Roles::Q | Roles::V);
    let state = folder.path().join("a.state");
    perennial::store::save(&state, learner.backbone_sha256(), 1, learner.state()).unwrap();
    let common = ["export", "--backbone", model, "--state", "a.state"];
    let said = run(&[&common[..], &["--peft", "adapter", "--onnx", "adapted.onnx"]].concat());
    assert_eq!(said["modules"][1]["name"], "blocks.1.attn.qkv");
    assert_eq!(said["modules"][1]["rank"], 6, "queries and values of one layer");
    let two = ["--peft", "adapter", "--peft", "adapter", "--weights", "3,1", "--rank", "6"];
    let said = run(&[&["import", "--backbone", model, "--onnx", "both.onnx"], &two[..]].concat());
    assert!(said["given_up"].as_f64().unwrap() < 1e-9);
    let feature = |name: &str| {
        let (whole, _) =
            Backbone::read(&folder.path().join(name)).unwrap().whole(Blocks::All, Roles::Q).unwrap();
        output(&whole)
    };
    let off = fixtures::distance(&feature("adapted.onnx"), &feature("both.onnx"));
    assert!(off < 1e-4, "{off}");
    if let Ok(keep) = std::env::var("PERENNIAL_PEFT_OUT") {
        // For `peft_golden.py --check`.
        std::fs::create_dir_all(&keep).unwrap();
        run(&[
            &common[..],
            &["--peft", &format!("{keep}/adapter"), "--onnx", &format!("{keep}/adapted.onnx")],
        ]
        .concat());
    }
}
