//! A learner on the engine learns what a learner on tract learns.

use std::sync::Arc;

use perennial::adapter::{Blocks, Lora, Roles};
use perennial::engine::{Engine, by_name};
use perennial::learner::{Learner, Settings};

use crate::fixtures;
use crate::suite::{Case, Class, Subject, case};

pub fn cases() -> Vec<Case> {
    vec![case("learner/two kinds of pictures", Class::Network, learns)]
}

/// The same losses and answers as on tract, whose micro-batches run beside each other.
fn learns(subject: &Subject) -> Result<f64, String> {
    let lora = Lora { rank: 2, alpha: 2.0, blocks: Blocks::All, roles: Roles::Q | Roles::V };
    let settings = Settings { lora, batch: 8, micro: 4, random_features: 64, ..Settings::default() };
    let learned = |engine: Arc<dyn Engine>| {
        let backbone = fixtures::one("timm_legacy_op17_dynamic").backbone();
        let builder = Learner::builder(backbone).strategy("pegp").engine(engine).settings(settings.clone());
        let mut learner = builder.build().map_err(|e| e.to_string())?;
        let (images, labels) = fixtures::pictures(1, [3, 4], ["ant", "bee"]);
        learner.begin_task("a").unwrap();
        let steps = learner.observe(images.view(), &labels).map_err(|e| e.to_string())?;
        learner.end_task().unwrap();
        learner.commit_anyway().unwrap();
        let answers = learner
            .predict(fixtures::pictures(2, [3, 4], ["ant", "bee"]).0.view())
            .map_err(|e| e.to_string())?;
        let names: Vec<String> = answers.into_iter().map(|a| a.name).collect();
        Ok::<_, String>((steps, names))
    };
    let (steps, answers) = learned(subject.engine())?;
    let (want, others) = learned(by_name("tract", 1).unwrap())?;
    assert_eq!(answers, others);
    assert_eq!(answers, fixtures::pictures(2, [3, 4], ["ant", "bee"]).1);
    let errors = steps.iter().zip(&want).map(|(a, b)| f64::from((a.loss - b.loss).abs()));
    Ok(errors.fold(0.0, f64::max))
}
