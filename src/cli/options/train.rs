//! How tasks are learned, and what is promised of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;
use serde::Serialize;

use super::Adapt;
use crate::backbone::Backbone;
use crate::cli::Global;
use crate::error::{Context, ErrorKind, Result};
use crate::head::Vectors;
use crate::learner::{Budget, Builder, Descent, Fitted, Learner, Lever, Settings, Spill, State};
use crate::store::Place;

/// How to train.
#[derive(Args, Clone, Debug)]
pub struct Train {
    /// Passes over the pictures of a task
    #[arg(long, default_value_t = 3)]
    pub epochs: usize,
    /// Pictures an optimizer step
    #[arg(long, default_value_t = 16)]
    pub batch: usize,
    /// Pictures a pass through the engine
    #[arg(long, default_value_t = 4)]
    pub micro: usize,
    /// Compute activations again in the backward pass instead of keeping them: less memory, more time
    #[arg(long)]
    pub recompute: bool,
    /// adamw, or sgd (Nesterov momentum 0.9; half the memory, needs a larger rate)
    #[arg(long, default_value = "adamw", value_name = "NAME")]
    pub optimizer: Descent,
    /// Learning rate [default: 0.001, with sgd 0.05]
    #[arg(long)]
    pub learning_rate: Option<f32>,
    /// Columns of a random-feature head
    #[arg(long, default_value_t = 2000)]
    pub random_features: usize,
    /// Crops of a picture that is learned: the whole, and up to 4 corner windows of 9/10 of its sides [default: as the strategy
    /// wants, 3 for perennial]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub crops: Option<u8>,
    /// Class vectors for NAME+vectors, such as text embeddings of the classes' names: a JSON object of name and list of
    /// numbers, as wide as the model's feature
    #[arg(long, value_name = "FILE")]
    pub class_vectors: Option<PathBuf>,
    /// Factor on the likeness to class vectors (CLIP's logit scale)
    #[arg(long, default_value_t = 100.0, value_name = "SCALE")]
    pub logit_scale: f32,
    /// Promised RAM, such as 150MB: micro-batches, random features and cache become as small as it takes, activations are computed
    /// again if that helps, and what cannot fit is refused before the start
    #[arg(long, value_name = "SIZE")]
    pub budget: Option<ByteSize>,
    /// Longest time of a pass of a training step, such as 200ms: it is measured, and micro-batches become as small as it takes
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub step_time: Option<Duration>,
    /// Promised size of the state, such as 2MB: a task that would make it larger is not kept
    #[arg(long, value_name = "SIZE")]
    pub flash: Option<ByteSize>,
    /// What may be given up before a task is not kept for that, in this order: features (random ones, by halves), components (of
    /// signatures), tasks (two that share classes become one), directions (protected ones), ranks (of adapters); `nothing` refuses
    #[arg(long, value_name = "LIST", default_value = GIVE_UP, value_parser = give_up)]
    pub give_up: GiveUp,
    /// RAM for what is kept of a task's pictures, in MiB
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    pub cache: usize,
    /// A folder for a file, without a name and gone with the task, that takes most of what is kept of a task's pictures
    #[arg(long, value_name = "DIR")]
    pub spill: Option<PathBuf>,
    /// Most bytes of that file
    #[arg(long, value_name = "SIZE", default_value = "1GB")]
    pub spill_size: ByteSize,
}

/// Levers, in the order in which they are pulled.
pub type GiveUp = Arc<[Lever]>;

/// All of them, in the library's order.
pub const GIVE_UP: &str = "features,components,tasks,directions,ranks";

/// Reads a list of levers, or `nothing`.
///
/// # Errors
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) with the names there are.
pub fn give_up(list: &str) -> Result<GiveUp> {
    match list {
        "nothing" => Ok(Arc::new([])),
        list => list.split(',').map(|name| name.trim().parse()).collect(),
    }
}

impl Train {
    /// As the library takes it.
    ///
    /// # Errors
    /// As [`Adapt::lora`].
    pub fn settings(&self, adapt: &Adapt, backbone: &Backbone, seed: u64) -> Result<Settings> {
        Ok(Settings {
            lora: adapt.lora(backbone)?,
            named: adapt.named(),
            seed,
            batch: self.batch,
            micro: self.micro,
            recompute: self.recompute,
            descent: self.optimizer,
            learning_rate: self.learning_rate.unwrap_or(self.optimizer.usual_rate()),
            random_features: self.random_features,
            crops: self.crops.map(usize::from),
            ..Settings::default()
        })
    }

    /// `builder` with the class vectors that were given.
    ///
    /// # Errors
    /// [`Io`](crate::ErrorKind::Io) and [`Parse`](crate::ErrorKind::Parse) for a file that cannot be read.
    pub fn with_vectors(&self, builder: Builder) -> Result<Builder> {
        let Some(path) = &self.class_vectors else { return Ok(builder) };
        let text = std::fs::read_to_string(path).at(|| format!("reading {}", path.display()))?;
        let vectors = serde_json::from_str(&text).map_err(|e| {
            crate::err!(Parse, "{}: {e}; it must hold {{\"name\": [numbers], ..}}", path.display())
        })?;
        Ok(builder.class_vectors(Vectors::new(&vectors, self.logit_scale)?))
    }

    /// `builder` inside the promised RAM and time, where there is a promise; says on stderr what became smaller for it.
    ///
    /// # Errors
    /// As [`Builder::fitted`].
    pub fn fitted(&self, global: &Global, builder: Builder) -> Result<(Builder, Option<Promise>)> {
        let builder = builder.budget(self.promised());
        if self.budget.is_none() && self.step_time.is_none() {
            return Ok((builder, None));
        }
        let (builder, fitted) = builder.fitted()?;
        if !global.json {
            eprintln!("{fitted}");
        }
        Ok((builder, Some(Promise { promised: self.budget.map(|size| size.as_u64()), fitted })))
    }

    /// The learner whose state is at `place`, or a new one where there is none; with class vectors and inside the promises.
    ///
    /// # Errors
    /// As [`Place::load`], [`Train::with_vectors`], [`Train::fitted`] and [`Builder::build`].
    pub fn learner(
        &self,
        global: &Global,
        builder: Builder,
        place: &Place,
        backbone: [u8; 32],
    ) -> Result<Learner> {
        let builder = match place.load::<State>(Some(backbone)) {
            Ok((_, state)) => builder.resume(state),
            Err(e) if e.kind() == ErrorKind::NotFound => builder,
            Err(e) => return Err(e),
        };
        self.fitted(global, self.with_vectors(builder)?)?.0.build()
    }

    /// As the library takes it.
    pub fn promised(&self) -> Budget {
        let bytes = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        let (ram, flash) = (self.budget.map(bytes), self.flash.map(bytes));
        let spill = |folder: &PathBuf| Spill { folder: folder.clone(), bytes: bytes(self.spill_size) };
        let (spill, give_up) = (self.spill.as_ref().map(spill), self.give_up.to_vec());
        Budget {
            ram,
            flash,
            give_up,
            cache: self.cache << 20,
            spill,
            step_time: self.step_time,
            ..Budget::default()
        }
    }
}

/// A promise of RAM or time, and what was taken to keep it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Promise {
    /// Bytes, where RAM was.
    pub promised: Option<u64>,
    /// How.
    #[serde(flatten)]
    pub fitted: Fitted,
}
