//! What the demonstration is played on: the model, the drawn pictures, and their encoding.

use std::sync::Arc;

use super::restart::Check;
use super::{Args, STRATEGY, say};
use crate::adapter::{Blocks, Lora, Roles};
use crate::backbone::Backbone;
use crate::cli::options::{self, Pixels};
use crate::cli::{Global, embedded, show};
use crate::data::draw::Family;
use crate::data::{Dataset, Picture, Split};
use crate::engine::Engine;
use crate::error::Result;
use crate::eval::{self, Bank, Course, EvalResult, Plan, Scenario, Told, Trace, Trunk};
use crate::learner::{Builder, Learner, Prediction, Settings};
use crate::report::{GalleryRow, LossCurve, Report, Thumbnail};
use crate::strategy;

/// Seeds of the drawings, apart so that no test picture is learned from.
const TRAIN_SEED: u64 = 1;
const TEST_SEED: u64 = 2;

/// Where the network is adapted, and with how much.
const RANK: usize = 4;
const BLOCKS: usize = 4;

/// Pictures a row of the gallery.
const SHOWN: usize = 9;

/// Model, pictures and their encoding.
pub struct Stage<'a> {
    pub global: &'a Global,
    args: &'a Args,
    pub backbone: Backbone,
    engine: Arc<dyn Engine>,
    data: Dataset,
    pub scenario: Scenario,
    train: Bank,
    test: Bank,
}

impl<'a> Stage<'a> {
    /// Draws the pictures and passes them through the frozen network, once for all strategies.
    pub fn set(global: &'a Global, args: &'a Args) -> Result<Self> {
        let backbone = options::backbone(global, &args.backbone)?;
        let engine = options::engine(global)?;
        let (data, scenario) = draw(args, backbone.image()?)?;
        let preprocess = Pixels { preprocess: None }.resolve(global, &backbone, &args.backbone, &data)?;
        let encoder = Trunk::new(&backbone, &settings(global))?.compile(engine.as_ref())?;
        let crops = crops(global)?;
        let bar = show::bar(global, crops * data.train.len() + data.test.len(), "frozen network");
        let encode = |split: Split, crops| {
            let ids: Vec<usize> = (0..data.samples(split).len()).collect();
            Bank::encode(&encoder, (&data, split), (&ids, crops), &preprocess, &mut |n| bar.inc(n as u64))
        };
        let (train, test) = (encode(Split::Train, crops)?, encode(Split::Test, 1)?);
        bar.finish_and_clear();
        Ok(Self { global, args, backbone, engine, data, scenario, train, test })
    }

    /// Number of training and of test pictures.
    pub fn pictures(&self) -> [usize; 2] {
        [self.data.train.len(), self.data.test.len()]
    }

    /// The tasks with their pictures.
    pub fn course(&self) -> Course<'_> {
        Course { data: &self.data, scenario: &self.scenario, train: &self.train, test: &self.test }
    }

    /// How every strategy learns.
    pub fn plan(&self) -> Plan {
        Plan { epochs: self.args.epochs, told: Told::Boundaries }
    }

    /// A learner to be built, with the settings of the demonstration.
    pub fn learner(&self, strategy: &str) -> Builder {
        Learner::builder(self.backbone.clone())
            .engine(self.engine.clone())
            .strategy(strategy)
            .settings(settings(self.global))
    }

    /// A strategy on the same course, without a restart.
    pub fn measure(&self, strategy: &str) -> Result<EvalResult> {
        let bar = show::bar(self.global, self.scenario.tasks.len(), strategy);
        let (course, mut learner) = (self.course(), self.learner(strategy).build()?);
        let mut on = |event: eval::Event<'_>| say::progress(&bar, strategy, &event);
        let mut run = eval::Run::new(&course, self.plan(), self.facts());
        for t in 0..self.scenario.tasks.len() {
            run.learn(&mut learner, t, &mut on)?;
            run.measure(&learner, t, &mut on)?;
        }
        run.meet_unknown(&learner, self.scenario.tasks.len())?;
        bar.finish_and_clear();
        Ok(run.finish(&learner)?.0)
    }

    /// What is known before a run.
    pub fn facts(&self) -> EvalResult {
        let config = [
            ("blocks", format!("the last {BLOCKS}")),
            ("rank", RANK.to_string()),
            ("roles", lora().roles.to_string()),
            ("epochs", self.args.epochs.to_string()),
        ];
        let sha = hex::encode(self.backbone.sha256());
        let name = match self.args.backbone.as_os_str() == embedded::NAME {
            true => "perennial-tiny".into(),
            false => self.args.backbone.file_name().unwrap_or_default().to_string_lossy(),
        };
        EvalResult {
            data: "drawn pictures".into(),
            backbone: format!("{name} {}", &sha[..8]),
            seed: self.global.seed,
            threads: rayon::current_num_threads(),
            config: config.into_iter().map(|(k, v)| (k.to_string(), v)).collect(),
            ..EvalResult::default()
        }
    }

    /// Test pictures of every theme and of the strangers, with what `learner` says of them.
    pub fn gallery(&self, learner: &Learner) -> Result<Vec<GalleryRow>> {
        let known = self.scenario.classes_until(self.scenario.tasks.len());
        let row = |name: &str, ids: &[usize]| -> Result<GalleryRow> {
            let shown = SHOWN.min(ids.len());
            let spread: Vec<usize> = (0..shown).map(|i| ids[i * ids.len() / shown]).collect();
            let (ids, answers) = self.course().predictions(learner, &spread)?;
            let thumbnail = |(id, answer): (&usize, &Prediction)| {
                let sample = &self.data.test[*id];
                let class = &self.data.classes[sample.class];
                let said = if answer.unknown { "unknown" } else { &answer.name };
                let right = if known.contains(&sample.class) { said == class } else { answer.unknown };
                Thumbnail::new(&self.data.picture(sample)?, class, said, right)
            };
            Ok(GalleryRow {
                task: name.into(),
                pictures: ids.iter().zip(&answers).map(thumbnail).collect::<Result<_>>()?,
            })
        };
        let themes = self.scenario.tasks.iter().map(|t| row(&t.name, &t.test));
        themes.chain([row("never learned", &self.scenario.unknown)]).collect()
    }

    /// The page.
    pub fn report(
        &self,
        results: &[EvalResult],
        trace: Trace,
        gallery: Vec<GalleryRow>,
        check: &Check,
    ) -> Report {
        let mut command = vec!["perennial".to_string()];
        command.extend(std::env::args().skip(1));
        Report {
            title: "Five lessons, one after another".into(),
            summary: format!(
                "{STRATEGY} learns {} classes of drawn pictures in {} tasks and keeps no picture. After task {} it was \
                 switched off and restored from {} on disk.",
                results[0].tasks.iter().map(|t| t.classes.len()).sum::<usize>(),
                results[0].tasks.len(),
                check.after_task,
                show::mib(check.file_bytes),
            ),
            command: command.join(" "),
            results: results.to_vec(),
            loss: LossCurve { loss: trace.loss, task_starts: trace.task_starts },
            gallery,
            notes: vec![say::check(check)],
            ..Report::default()
        }
    }
}

fn settings(global: &Global) -> Settings {
    Settings { lora: lora(), seed: global.seed, ..Settings::default() }
}

/// Crops in which the strategy that is shown learns a picture.
fn crops(global: &Global) -> Result<usize> {
    Ok(strategy::by_name(STRATEGY, settings(global).random_features)?.strategy.crops())
}

fn lora() -> Lora {
    Lora { rank: RANK, alpha: RANK as f32, blocks: Blocks::Last(BLOCKS), roles: Roles::Q | Roles::V }
}

/// Themes and strangers as one data set, pictures as large as the model takes them.
fn draw(args: &Args, [_, height, width]: [usize; 3]) -> Result<(Dataset, Scenario)> {
    let size = height.max(width);
    let side = u32::try_from(size).map_err(|_| crate::err!(Shape, "an image {size} pixels wide"))?;
    let (mut classes, mut groups) = (Vec::new(), Vec::new());
    let (mut train, mut test) = (Vec::new(), Vec::new());
    let themes = Family::themes().map(|family| (family, args.train));
    for (family, count) in themes.into_iter().chain([(Family::strangers(), 0)]) {
        let first = classes.len();
        for class in 0..family.classes() {
            let picture = |seed: u64, index: usize| {
                let rgb = family.draw(class, seed, index as u64, size);
                Ok((first + class, Picture::new(side, side, rgb)?))
            };
            train.extend((0..count).map(|i| picture(TRAIN_SEED, i)).collect::<Result<Vec<_>>>()?);
            test.extend((0..args.test).map(|i| picture(TEST_SEED, i)).collect::<Result<Vec<_>>>()?);
            classes.push(family.name(class));
        }
        if count > 0 {
            groups.push((family.theme().to_string(), (first..classes.len()).collect()));
        }
    }
    let data = Dataset::from_pictures(classes, train, test)?;
    let scenario = Scenario::groups(&data, groups)?;
    Ok((data, scenario))
}
