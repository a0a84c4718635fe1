//! What every run of one command shares: backbone, data, preprocessing, engine, encoded pictures.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::super::{Global, options};
use super::job::{Case, Job};
use super::{Args, Setting};
use crate::backbone::Backbone;
use crate::data::{ClassNames, Dataset, Identity, Layout, Limits, Preprocess, Split};
use crate::engine::{self, Engine};
use crate::error::{Context, Result};
use crate::eval::{ClassOrder, EvalResult, Plan, Provenance, Scenario, ScenarioKind, Told};
use crate::learner::{Builder, Learner, Settings};
use crate::strategy;

/// Pictures a step of `--online`.
const ONLINE_BATCH: usize = 10;

/// See the module page.
pub struct Setup<'a> {
    pub global: &'a Global,
    pub args: &'a Args,
    pub backbone: Backbone,
    pub data: Dataset,
    pub engine: Arc<dyn Engine>,
    pub preprocess: Preprocess,
    /// Of the training and the test pictures.
    pub identities: [Vec<Identity>; 2],
    data_sha256: String,
    program_sha256: String,
}

impl<'a> Setup<'a> {
    /// Reads the backbone and lists the data.
    pub fn open(global: &'a Global, args: &'a Args) -> Result<Self> {
        if args.train.step_time.is_some() {
            crate::bail!(
                InvalidArgument,
                "eval runs settings as they are; give --step-time to learn or inspect"
            );
        }
        let backbone = options::backbone(global, &args.backbone)?;
        let data = open_data(args)?;
        let quiet = Global { json: global.json || args.worker, ..global.clone() };
        let preprocess = args.pixels.resolve(&quiet, &backbone, &args.backbone, &data)?;
        let identities = [data.identities(Split::Train)?, data.identities(Split::Test)?];
        let data_sha256 = hex::encode(data.fingerprint(&identities[0], &identities[1]));
        let program = std::env::current_exe().and_then(std::fs::read).at(|| "reading this program".into())?;
        let program_sha256 = hex::encode(Sha256::digest(program));
        let engine = options::engine(global)?;
        Ok(Self { global, args, backbone, data, engine, preprocess, identities, data_sha256, program_sha256 })
    }

    /// The stream of `job`.
    pub fn scenario(&self, job: &Job) -> Result<Scenario> {
        let order = |names: &[String]| order(&job.order, names);
        let mut scenario = match self.args.tasks.as_str() {
            "folders" => Scenario::folders(&self.data, 0)?.ordered(&order(&self.data.tasks)?, &self.data)?,
            _ if self.args.scenario == Setting::Domain => crate::bail!(
                InvalidArgument,
                "--scenario domain needs a folder for every domain: {{train,test}}/<domain>/<class>/ and --tasks folders"
            ),
            number => {
                let tasks = number.parse();
                let tasks = tasks.map_err(|_| {
                    crate::err!(InvalidArgument, "--tasks takes a number or `folders`, not {number:?}")
                })?;
                Scenario::class_incremental(&self.data, tasks, &order(&self.data.classes)?, 0)?
            }
        };
        if self.args.blur > 0.0 {
            scenario = scenario.blurred(self.args.blur, job.seed)?;
        }
        if self.args.scenario == Setting::Task {
            scenario.kind = ScenarioKind::TaskIncremental;
        }
        Ok(scenario)
    }

    /// `job` with what is known before it runs.
    pub fn case(&self, job: &Job) -> Result<Case> {
        let scenario = self.scenario(job)?;
        Case::new(job.clone(), self.facts(job, &scenario)?, &self.args.out)
    }

    /// Settings of a learner with this seed.
    pub fn settings(&self, seed: u64) -> Result<Settings> {
        let mut settings = self.args.train.settings(&self.args.adapt, &self.backbone, seed)?;
        if self.args.online {
            settings.batch = ONLINE_BATCH;
        }
        Ok(settings)
    }

    /// How the pictures of a task are passed over.
    pub fn plan(&self, job: &Job) -> Plan {
        let epochs = if self.args.online { 1 } else { self.args.train.epochs };
        let told = match (job.is_joint(), self.args.task_free) {
            (true, _) => Told::Jointly,
            (false, true) => Told::Nothing,
            (false, false) => Told::Boundaries,
        };
        Plan { epochs, told }
    }

    /// A learner to be built.
    pub fn learner(&self, job: &Job) -> Result<Builder> {
        let mut budget = self.args.train.promised();
        if job.is_joint() {
            // The upper reference sees all data at once; it is no device.
            budget.cache = usize::MAX;
        }
        let builder = Learner::builder(self.backbone.clone())
            .engine(self.engine.clone())
            .strategy(&job.strategy)
            .settings(self.settings(job.seed)?)
            .budget(budget);
        self.args.train.with_vectors(builder)
    }

    /// Crops in which a picture is learned.
    pub fn crops(&self, job: &Job) -> Result<usize> {
        let settings = self.settings(job.seed)?;
        match settings.crops {
            Some(crops) => Ok(crops),
            None => Ok(strategy::by_name(&job.strategy, settings.random_features)?.strategy.crops()),
        }
    }

    /// SHA-256 of the backbone.
    pub fn backbone_sha256(&self) -> [u8; 32] {
        self.backbone.sha256()
    }

    fn facts(&self, job: &Job, scenario: &Scenario) -> Result<EvalResult> {
        let (adapt, train, settings) = (&self.args.adapt, &self.args.train, self.settings(job.seed)?);
        let vectors = match &train.class_vectors {
            Some(path) => {
                let bytes = std::fs::read(path).at(|| format!("reading {}", path.display()))?;
                format!("{}, scale {}", hex::encode(Sha256::digest(bytes)), train.logit_scale)
            }
            None => "none".into(),
        };
        let config = [
            ("engine", self.global.engine.clone()),
            ("blocks", settings.lora.blocks.to_string()),
            ("rank", adapt.rank.to_string()),
            ("alpha", settings.lora.alpha.to_string()),
            ("roles", adapt.sites.clone().unwrap_or_else(|| adapt.roles.to_string())),
            ("epochs", self.plan(job).epochs.to_string()),
            ("batch", settings.batch.to_string()),
            ("micro", settings.micro.to_string()),
            ("optimizer", format!("{:?}", settings.descent)),
            ("learning_rate", settings.learning_rate.to_string()),
            ("random_features", train.random_features.to_string()),
            ("class_vectors", vectors),
            ("crops", self.crops(job)?.to_string()),
            ("cache_mib", train.cache.to_string()),
            ("recompute", train.recompute.to_string()),
            ("tasks", self.args.tasks.clone()),
            ("boundaries", if self.args.task_free { "found" } else { "announced" }.into()),
            ("validate", self.args.validate.map_or("no".into(), |share| share.to_string())),
        ];
        let file = self.args.backbone.file_name().unwrap_or(self.args.backbone.as_os_str());
        Ok(EvalResult {
            scenario: scenario.kind,
            data: self.args.data.to_string(),
            stream: self.args.title.clone().unwrap_or_default(),
            backbone: file.to_string_lossy().into_owned(),
            seed: job.seed,
            threads: rayon::current_num_threads(),
            config: config.into_iter().map(|(k, v)| (k.to_string(), v)).collect(),
            provenance: self.provenance(job, scenario),
            ..EvalResult::default()
        })
    }

    fn provenance(&self, job: &Job, scenario: &Scenario) -> Provenance {
        let preprocessing = self.preprocess.to_string();
        let tasks = scenario.tasks.iter();
        let order_list = match self.args.tasks == "folders" {
            true => tasks.map(|task| task.name.clone()).collect(),
            false => tasks.flat_map(|task| &task.classes).map(|&c| self.data.classes[c].clone()).collect(),
        };
        let command = std::env::args().filter(|arg| arg != "--worker").collect::<Vec<_>>().join(" ");
        Provenance {
            perennial: env!("CARGO_PKG_VERSION").into(),
            program_sha256: self.program_sha256.clone(),
            engine: self.global.engine.clone(),
            engine_version: engine::version(&self.global.engine),
            backbone_sha256: hex::encode(self.backbone.sha256()),
            data_sha256: self.data_sha256.clone(),
            preprocessing_sha256: hex::encode(Sha256::digest(&preprocessing)),
            preprocessing,
            order: job.order_name(),
            order_list,
            online: self.args.online,
            blur: self.args.blur,
            command,
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        }
    }

    /// Says which runs are there, and warns of those that another build made.
    pub fn say_what_is_done(&self, cases: &[Case]) {
        let done: Vec<&Case> = cases.iter().filter(|case| case.is_done()).collect();
        let foreign = |case: &&&Case| {
            case.read().is_ok_and(|r| r.result.provenance.program_sha256 != self.program_sha256)
        };
        let foreign = done.iter().filter(foreign).count();
        if !done.is_empty() && !self.global.json {
            eprintln!("{} of {} runs are in {}", done.len(), cases.len(), self.args.out.display());
        }
        if foreign > 0 {
            eprintln!(
                "{foreign} of them were made by another build of this program; --fresh runs them again"
            );
        }
    }
}

fn open_data(args: &Args) -> Result<Dataset> {
    let names = match args.scenario {
        Setting::Class | Setting::Task => ClassNames::PerTask,
        Setting::Domain => ClassNames::Shared,
    };
    let layout = if args.tasks == "folders" { Layout::Tasks(names) } else { Layout::Classes };
    let limits = Limits { train_per_class: args.train_per_class, test_per_class: args.test_per_class };
    let mut data = Dataset::open(&args.data, layout, limits)?;
    if let Some(share) = args.validate {
        data.hold_out(share)?;
    }
    if !args.worker {
        data.skipped.iter().for_each(|skipped| eprintln!("{skipped}"));
    }
    Ok(data)
}

/// What `--orders` says, over these names.
fn order(text: &str, names: &[String]) -> Result<ClassOrder> {
    match (text, text.parse()) {
        ("listed", _) => Ok(ClassOrder::Listed),
        (_, Ok(seed)) => Ok(ClassOrder::Shuffled(seed)),
        (path, _) => {
            ClassOrder::read(path.as_ref(), names).at(|| "--orders takes files, seeds, or `listed`".into())
        }
    }
}
