//! A learner on networks that are no plain transformers: windows, maps, rotary embeddings, contrib operators, named sites.

use ndarray::{Array4, Axis};
use perennial::adapter::{Blocks, Lora, Named, Roles};
use perennial::learner::{Learner, Settings};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::cell::{Row, backbone, rows};

const MODELS: [&str; 7] = [
    "swin.dynamo18.dynamic",
    "swin.legacy20.fixed",
    "mobilevit.legacy17.dynamic",
    "eva02.dynamo22.dynamic",
    "cait.legacy13.dynamic",
    "hf_siglip.orttransformers13.dynamic",
    "repvit.dynamo20.dynamic",
];

/// Two coarse patterns with noise.
fn pictures(side: usize, seed: u64) -> (Array4<f32>, Vec<&'static str>) {
    let patterns = [3, 4].map(|s| {
        let mut rng = ChaCha8Rng::seed_from_u64(s);
        let coarse: Vec<f32> = (0..48).map(|_| rng.gen_range(-1.5..1.5)).collect();
        Array4::from_shape_fn((1, 3, side, side), |(_, c, y, x)| {
            coarse[16 * c + 4 * (4 * y / side) + 4 * x / side]
        })
    });
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut images = Array4::zeros((24, 3, side, side));
    for (i, mut row) in images.axis_iter_mut(Axis(0)).enumerate() {
        row.assign(&patterns[i % 2].index_axis(Axis(0), 0));
        row.mapv_inplace(|x| x + rng.gen_range(-0.5f32..0.5));
    }
    (images, (0..24).map(|i| ["ant", "bee"][i % 2]).collect())
}

fn learn(row: &Row) {
    let backbone = backbone(row).unwrap();
    let side = backbone.image().unwrap()[1];
    let blocks = backbone.anatomy().blocks.len();
    let named = match blocks {
        0 => Named { sites: Some("*channel_mixer*,*conv2d_*".into()), boundary: None },
        _ => Named::default(),
    };
    let lora =
        Lora { rank: 2, alpha: 2.0, blocks: Blocks::Last(blocks.clamp(1, 2)), roles: Roles::Q | Roles::V };
    let settings = Settings { lora, named, batch: 8, micro: 4, random_features: 64, ..Settings::default() };
    let mut learner = Learner::builder(backbone).strategy("pegp").settings(settings).build().unwrap();
    let (images, labels) = pictures(side, 1);
    for task in ["a", "b"] {
        learner.begin_task(task).unwrap();
        let renamed: Vec<String> = labels.iter().map(|l| format!("{l} {task}")).collect();
        let names: Vec<&str> = renamed.iter().map(String::as_str).collect();
        let pictures = if task == "a" { images.clone() } else { images.mapv(|x| 1.0 - 2.0 * x) };
        let steps = learner.observe(pictures.view(), &names).unwrap();
        assert!(steps.iter().all(|s| s.loss.is_finite() && s.gradient_norm > 0.0), "{}", row.name());
        learner.end_task().unwrap();
        learner.commit_anyway().unwrap();
    }
    let (images, labels) = pictures(side, 2);
    let right = learner
        .predict(images.view())
        .unwrap()
        .iter()
        .zip(&labels)
        .filter(|(p, l)| p.name == format!("{l} a"))
        .count();
    println!("{:<40} {right} of {} right after two tasks", row.name(), labels.len());
    assert!(right >= 20, "{}: {right} of {}", row.name(), labels.len());
}

#[test]
fn a_learner_learns_two_tasks_on_networks_of_every_kind() {
    let rows = rows();
    for name in MODELS {
        learn(rows.iter().find(|r| r.name() == name).unwrap_or_else(|| panic!("no {name} in the zoo")));
    }
}
