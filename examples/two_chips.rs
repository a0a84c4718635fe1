//! One chip sees, another one knows: the first runs the network and sends features, the second holds the state and answers. What
//! the second does, it does without an operating system: `targets/thumbv7em-none-eabihf` is this example's second half under QEMU.
//!
//! ```text
//! cargo run --release --example two_chips
//! cargo run --release --example two_chips -- FOLDER perennial-compact     # also writes what goes between the chips
//! ```

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array4};
use perennial::adapter::{Blocks, Lora, fold};
use perennial::backbone::Backbone;
use perennial::data::draw::Family;
use perennial::learner::{Features, Learner, Model, Scored, Settings, State};
use perennial::store::{self, Header, record};
use serde::Serialize;

/// Pictures of two classes, as the model takes them, and their names.
fn pictures(from: u64, n: u64, side: usize) -> (Array4<f32>, Vec<String>) {
    let [signs, ..] = Family::themes();
    let all: Vec<(usize, u64)> = (from..from + n).flat_map(|i| [(0, i), (1, i)]).collect();
    let mut images = Array4::zeros((all.len(), 3, side, side));
    for (row, &(class, i)) in all.iter().enumerate() {
        let rgb = signs.draw(class, 0, i, side);
        for ((c, y, x), pixel) in images.index_axis_mut(ndarray::Axis(0), row).indexed_iter_mut() {
            *pixel = f32::from(rgb[3 * (side * y + x) + c]) / 127.5 - 1.0;
        }
    }
    (images, all.iter().map(|&(class, _)| signs.name(class)).collect())
}

/// A value as a message: checked by its checksum, and bound to the backbone whose numbers it holds.
fn message<T: Serialize>(learner: &Learner, value: &T) -> perennial::Result<Vec<u8>> {
    let payload = store::encoded(value)?;
    record::encode(&Header::new(learner.state().commits, learner.backbone_sha256(), &payload), &payload)
}

/// The first chip: learns, and says what its networks make of new pictures.
fn sees(strategy: &str) -> perennial::Result<(Learner, Arc<Model>, Array4<f32>)> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/perennial-tiny.onnx");
    let backbone = Backbone::read(&model)?;
    let side = backbone.image()?[2];
    let lora = Lora { blocks: Blocks::Last(1), ..Lora::default() };
    let settings = Settings { lora, random_features: 200, ..Settings::default() };
    let mut learner = Learner::builder(backbone).strategy(strategy).settings(settings).build()?;
    let (images, names) = pictures(0, 12, side);
    let labels: Vec<&str> = names.iter().map(String::as_str).collect();
    learner.begin_task("signs")?;
    learner.observe(images.view(), &labels)?;
    learner.end_task()?;
    learner.commit_anyway()?;
    let model = learner.predictor().model();
    Ok((learner, model, pictures(100, 4, side).0))
}

/// The second chip: answers from two messages.
fn knows(state: &[u8], features: &[u8]) -> perennial::Result<Vec<Scored>> {
    let (header, payload) = record::decode(state, None)?;
    let backbone = header.backbone;
    let (_, mut state): (_, State) = store::decoded((header, payload.to_vec()))?;
    state.solve()?;
    let (header, payload) = record::decode(features, Some(backbone))?;
    let (_, features): (_, Features) = store::decoded((header, payload.to_vec()))?;
    state.score(&features)
}

/// What was answered, for whoever compares: the name, the score of every class and the familiarity, by picture.
fn told(answers: &[Scored]) -> Vec<(&str, &[f32], f32)> {
    answers.iter().map(|a| (a.prediction.name.as_str(), &a.classes[..], a.prediction.familiarity)).collect()
}

/// A weight of ones that has taken up the state's first adapter.
fn adapted(state: &State) -> perennial::Result<Array2<f32>> {
    let pair = state.memory.sum(0)?;
    let mut weight = Array2::ones((pair.b.nrows(), pair.a.ncols()));
    fold(weight.view_mut(), pair.a.view(), pair.b.view(), state.settings.lora.scaling())?;
    Ok(weight)
}

fn main() -> perennial::Result<()> {
    let mut words = std::env::args().skip(1);
    let (folder, strategy) = (words.next(), words.next());
    let (learner, model, images) = sees(strategy.as_deref().unwrap_or("perennial"))?;
    let images = model.encode(images.view())?;
    let features = message(&learner, &model.features(&images)?)?;
    let state = message(&learner, learner.state())?;
    println!("a state of {} bytes, features of {} pictures in {}", state.len(), images.len(), features.len());

    let expected = model.score_encoded(&images)?;
    let answers = knows(&state, &features)?;
    assert_eq!(answers, expected, "both chips say the same");
    println!("{}", told(&answers).iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", "));

    if let Some(folder) = folder {
        let answers = message(&learner, &(told(&answers), adapted(learner.state())?))?;
        for (name, bytes) in [("state", &state), ("features", &features), ("answers", &answers)] {
            fs::write(Path::new(&folder).join(name), bytes)?;
        }
    }
    Ok(())
}
