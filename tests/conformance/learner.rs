//! A learner on the engine learns what a learner on tract learns.

use std::sync::Arc;

use ndarray::{Array4, Axis};
use perennial::adapter::{Blocks, Lora, Roles};
use perennial::engine::{Engine, by_name};
use perennial::learner::{Learner, Settings};
use rand::Rng;

use crate::fixtures::{self, rng};
use crate::suite::{Case, Class, Subject, case};

pub fn cases() -> Vec<Case> {
    vec![case("learner/two kinds of pictures", Class::Network, learns)]
}

/// Two patterns with noise.
fn pictures(seed: u64) -> (Array4<f32>, Vec<&'static str>) {
    let patterns = [3, 4].map(|s| {
        let mut rng = rng(s);
        let coarse: Vec<f32> = (0..192).map(|_| rng.gen_range(-1.5..1.5)).collect();
        Array4::from_shape_fn((1, 3, 32, 32), |(_, c, y, x)| coarse[64 * c + 8 * (y / 4) + x / 4])
    });
    let mut rng = rng(seed);
    let mut images = Array4::zeros((20, 3, 32, 32));
    for (i, mut row) in images.axis_iter_mut(Axis(0)).enumerate() {
        row.assign(&patterns[i % 2].index_axis(Axis(0), 0));
        row.mapv_inplace(|x| x + rng.gen_range(-0.7f32..0.7));
    }
    (images, (0..20).map(|i| ["ant", "bee"][i % 2]).collect())
}

/// The same losses and answers as on tract, whose micro-batches run beside each other.
fn learns(subject: &Subject) -> Result<f64, String> {
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::All, roles: Roles::Q | Roles::V };
    let settings = Settings { lora, batch: 8, micro: 4, random_features: 64, ..Settings::default() };
    let learned = |engine: Arc<dyn Engine>| {
        let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
        let builder = Learner::builder(backbone).engine(engine).settings(settings.clone());
        let mut learner = builder.build().map_err(|e| e.to_string())?;
        let (images, labels) = pictures(1);
        learner.begin_task("a").unwrap();
        let steps = learner.observe(images.view(), &labels).map_err(|e| e.to_string())?;
        learner.end_task().unwrap();
        learner.commit().unwrap();
        let answers = learner.predict(pictures(2).0.view()).map_err(|e| e.to_string())?;
        let names: Vec<String> = answers.into_iter().map(|a| a.name).collect();
        Ok::<_, String>((steps, names))
    };
    let (steps, answers) = learned(subject.engine())?;
    let (want, others) = learned(by_name("tract", 1).unwrap())?;
    assert_eq!(answers, others);
    assert_eq!(answers, pictures(2).1);
    let errors = steps.iter().zip(&want).map(|(a, b)| f64::from((a.loss - b.loss).abs()));
    Ok(errors.fold(0.0, f64::max))
}
