//! The same tools by day and by night: what a model that learned by day makes of the night, and what it keeps of the day once it has learned both.
//!
//! ```text
//! cargo run --release --example domain_shift
//! ```

use std::path::Path;

use ndarray::{Array4, Axis};
use perennial::adapter::{Blocks, Lora};
use perennial::backbone::Backbone;
use perennial::data::draw::Family;
use perennial::frame::{Format, Frame, Plane, Preprocess, Scratch};
use perennial::learner::{Labelled, Learner, Settings};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 96;

/// What the camera sees of it at night: a quarter of the light, a blue lamp, and the noise of a sensor that is turned up.
fn at_night(rgb: &mut [u8], seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for (i, level) in rgb.iter_mut().enumerate() {
        let lamp = if i % 3 == 2 { 34.0 } else { 12.0 };
        *level = (f32::from(*level) * 0.25 + lamp + random.gen_range(-14.0..14.0)).clamp(0.0, 255.0) as u8;
    }
}

/// Frames `from..from + n` of every class, as images of the model, and their names.
fn seen(
    tools: &Family,
    side: u32,
    night: bool,
    from: u64,
    n: u64,
) -> perennial::Result<(Array4<f32>, Vec<String>)> {
    let all: Vec<(usize, u64)> = (from..from + n).flat_map(|i| (0..5).map(move |class| (class, i))).collect();
    let (preprocess, mut scratch) = (Preprocess::direct(side), Scratch::new());
    let mut images = Array4::zeros((all.len(), 3, side as usize, side as usize));
    for (mut image, &(class, i)) in images.axis_iter_mut(Axis(0)).zip(&all) {
        let mut rgb = tools.draw(class, 0, i, SIDE);
        if night {
            at_night(&mut rgb, i);
        }
        let frame = Frame::new(Format::Rgb, SIDE as u32, SIDE as u32, &[Plane::new(&rgb, 3 * SIDE)])?;
        preprocess.write(&frame, &mut scratch, image.as_slice_mut().expect("a row of a new array"))?;
    }
    Ok((images, all.iter().map(|&(class, _)| tools.name(class)).collect()))
}

fn main() -> perennial::Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/perennial-tiny.onnx");
    let backbone = Backbone::read(&model)?;
    let side = backbone.image()?[2] as u32;
    let lora = Lora { blocks: Blocks::Last(2), ..Lora::default() };
    let settings = Settings { lora, random_features: 500, ..Settings::default() };
    let mut learner = Learner::builder(backbone).settings(settings).build()?;
    let [_, tools, ..] = Family::themes();

    let right = |learner: &Learner, night: bool| -> perennial::Result<usize> {
        let (images, names) = seen(&tools, side, night, 1000, 20)?;
        let answers = learner.predict(images.view())?;
        Ok(answers.iter().zip(&names).filter(|(answer, name)| answer.name == **name).count())
    };
    let mut table = Vec::new();
    for (lesson, night) in [("day", false), ("night", true)] {
        let (images, names) = seen(&tools, side, night, 0, 20)?;
        let (images, batch) = (images.view(), learner.settings().batch);
        learner.learn(lesson, 2, Labelled::batches(&images, &names, batch), |_, _| {})?;
        learner.commit()?;
        table.push([right(&learner, false)?, right(&learner, true)?]);
    }
    println!("of 100 tools that were never seen       by day   at night");
    println!("learned by day                          {:>6}   {:>8}", table[0][0], table[0][1]);
    println!("learned by day, then at night           {:>6}   {:>8}", table[1][0], table[1][1]);
    println!("classes: {}", learner.classes().join(", "));
    Ok(())
}
