//! Two tasks of drawn pictures, learned one after the other, stored and recognised.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

use std::path::Path;

use ndarray::Array4;
use perennial::adapter::{Blocks, Lora};
use perennial::backbone::Backbone;
use perennial::data::draw::Family;
use perennial::learner::{Learner, Settings, State};
use perennial::store;

/// `n` pictures of every one of five classes, as the model takes them, and their names.
fn pictures(task: &Family, from: u64, n: u64, side: usize) -> (Array4<f32>, Vec<String>) {
    let all: Vec<(usize, u64)> = (from..from + n).flat_map(|i| (0..5).map(move |class| (class, i))).collect();
    let mut images = Array4::zeros((all.len(), 3, side, side));
    for (row, &(class, i)) in all.iter().enumerate() {
        let rgb = task.draw(class, 0, i, side);
        for ((c, y, x), pixel) in images.index_axis_mut(ndarray::Axis(0), row).indexed_iter_mut() {
            *pixel = f32::from(rgb[3 * (side * y + x) + c]) / 127.5 - 1.0;
        }
    }
    (images, all.iter().map(|&(class, _)| task.name(class)).collect())
}

fn main() -> perennial::Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/perennial-tiny.onnx");
    let backbone = Backbone::read(&model)?;
    let side = backbone.image()?[2];
    let lora = Lora { blocks: Blocks::Last(2), ..Lora::default() };
    let settings = Settings { lora, random_features: 500, ..Settings::default() };
    let mut learner = Learner::builder(backbone.clone()).settings(settings).build()?;

    let [signs, tools, ..] = Family::themes();
    for task in [&signs, &tools] {
        let (images, names) = pictures(task, 0, 20, side);
        let labels: Vec<&str> = names.iter().map(String::as_str).collect();
        learner.begin_task(task.theme())?;
        learner.observe(images.view(), &labels)?;
        learner.epoch()?;
        let report = learner.end_task()?;
        learner.commit()?; // or rollback()
        println!("learned {:?}: {}", report.name, report.classes.join(", "));
    }

    let path = std::env::temp_dir().join("perennial-quickstart.state");
    store::save(&path, learner.backbone_sha256(), learner.state().commits, learner.state())?;
    let (_, state): (_, State) = store::load(&path, backbone.sha256())?;
    println!("stored {} KiB in {}", state.bytes() / 1024, path.display());

    let learner = Learner::builder(backbone).resume(state).build()?;
    for task in [&signs, &tools] {
        let (images, names) = pictures(task, 100, 10, side);
        let answers = learner.predict(images.view())?;
        let right = answers.iter().zip(&names).filter(|(answer, name)| answer.name == **name).count();
        println!("{}: {right} of {} new pictures right", task.theme(), names.len());
    }
    Ok(())
}
