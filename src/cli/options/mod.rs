//! Options shared by commands.

mod train;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::{Global, embedded};
use crate::adapter::{Blocks, Lora, Named, Roles};
use crate::backbone::Backbone;
use crate::data::folder::image_folder;
use crate::data::{Dataset, Hints, Overrides, Preprocess, resolve};
use crate::engine::{self, Engine};
use crate::error::Result;
use crate::learner::State;
use crate::store::{Place, StateKey};

pub use train::{GIVE_UP, GiveUp, Promise, Train, give_up};

/// The model in the file `model`, or the embedded one for `default`.
pub fn backbone(global: &Global, model: &Path) -> Result<Backbone> {
    match model == Path::new(embedded::NAME) {
        true => embedded::backbone(),
        false => Backbone::read_sized(model, global.image_size),
    }
}

/// The key of a state that is encrypted.
#[derive(Args, Clone, Debug)]
pub struct Unlock {
    /// Key of an encrypted state (perennial state keygen); without one, states are written as they are
    #[arg(long, value_name = "FILE")]
    state_key: Option<PathBuf>,
}

impl Unlock {
    /// `place`, with the key where one was given.
    pub fn open(&self, place: &Place) -> Result<Place> {
        Ok(match &self.state_key {
            Some(path) => place.clone().sealed(StateKey::read(path)?),
            None => place.clone(),
        })
    }
}

/// Where a state is kept.
#[derive(Args, Clone, Debug)]
pub struct Kept {
    /// The learner's state, a file or partition:PATH
    #[arg(long)]
    state: Place,
    #[command(flatten)]
    unlock: Unlock,
}

impl Kept {
    /// The place, with the key where one was given.
    pub fn open(&self) -> Result<Place> {
        self.unlock.open(&self.state)
    }

    /// Another place, with the same key.
    pub fn open_other(&self, place: &Place) -> Result<Place> {
        self.unlock.open(place)
    }
}

/// A backbone and what was learned on it.
#[derive(Args, Clone, Debug)]
pub struct Learned {
    /// An ONNX file, or `default` for the embedded model
    #[arg(long)]
    pub backbone: PathBuf,
    #[command(flatten)]
    pub kept: Kept,
}

impl Learned {
    /// Both, read; a state of another backbone is refused.
    pub fn read(&self, global: &Global) -> Result<(Backbone, State)> {
        let backbone = backbone(global, &self.backbone)?;
        let (_, state) = self.kept.open()?.load(Some(backbone.sha256()))?;
        Ok((backbone, state))
    }
}

/// Pictures that teach a task, and what they teach it to.
#[derive(Args, Clone, Debug)]
pub struct Lesson {
    #[command(flatten)]
    pub learned: Learned,
    /// A folder with one folder of pictures a class: DIR/<class>/*.{jpg,png,webp,bmp}
    #[arg(long)]
    pub data: PathBuf,
    /// Name of the task
    #[arg(long)]
    pub task: String,
    #[command(flatten)]
    pixels: Pixels,
}

impl Lesson {
    /// The pictures, every one of which was opened, and how they become pixels for `backbone`; says on stderr which are skipped.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) and [`Io`](crate::ErrorKind::Io) for a folder that cannot be read, and as [`Pixels::resolve`].
    pub fn pictures(&self, global: &Global, backbone: &Backbone) -> Result<(Dataset, Preprocess)> {
        let mut data = image_folder(&self.data)?;
        data.verify()?;
        for skipped in &data.skipped {
            eprintln!("skipped {}: {}", skipped.path.display(), skipped.reason);
        }
        let preprocess = self.pixels.resolve(global, backbone, &self.learned.backbone, &data)?;
        Ok((data, preprocess))
    }
}

/// `224` or `224x320`.
pub fn size(text: &str) -> std::result::Result<[usize; 2], String> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    match (height.parse(), width.parse()) {
        (Ok(height), Ok(width)) if height > 0 && width > 0 => Ok([height, width]),
        _ => Err("write a number of pixels, such as 224, or 224x320".into()),
    }
}

/// The engine of `--engine`.
pub fn engine(global: &Global) -> Result<Arc<dyn Engine>> {
    // tract's micro-batches run beside each other, one thread each; the others share threads inside an operator.
    let threads = if global.engine == "tract" { 1 } else { rayon::current_num_threads() };
    engine::by_name(&global.engine, threads)
}

/// Where to adapt, and with how much.
#[derive(Args, Clone, Debug)]
pub struct Adapt {
    /// Adapt the last K transformer blocks; 0 means all [default: 4, or all where there are fewer]
    #[arg(long, value_name = "K")]
    pub blocks: Option<usize>,
    /// Rank of every adapter
    #[arg(long, default_value_t = 4)]
    pub rank: usize,
    /// LoRA alpha [default: the rank, so that the scaling is 1]
    #[arg(long)]
    pub alpha: Option<f32>,
    /// Where in a block: a list of layers (q, k, v, qkv, o, fc1, fc2, gate), bottlenecks (parallel, series) and tokens
    /// (prefix or prompt)
    #[arg(long, default_value = "q,v")]
    pub roles: Roles,
    /// Adapt the layers whose names match, instead of those of blocks and roles: '*attn*qkv*,*fc1*'
    #[arg(long, value_name = "PATTERN")]
    pub sites: Option<String>,
    /// Cut the network at this value, instead of before the first adapted block
    #[arg(long, value_name = "VALUE")]
    pub boundary: Option<String>,
}

impl Adapt {
    /// As the library takes it.
    pub fn named(&self) -> Named {
        Named { sites: self.sites.clone(), boundary: self.boundary.clone() }
    }

    /// As the library takes it.
    ///
    /// # Errors
    /// As [`Backbone::named`].
    pub fn lora(&self, backbone: &Backbone) -> Result<Lora> {
        let have = backbone.clone().named(&self.named())?.anatomy().blocks.len();
        Ok(Lora {
            rank: self.rank,
            alpha: self.alpha.unwrap_or(self.rank as f32),
            blocks: match self.blocks {
                Some(0) => Blocks::All,
                Some(k) => Blocks::Last(k),
                None => Blocks::Last(have.clamp(1, 4)),
            },
            roles: self.roles,
        })
    }
}

/// How pictures become pixels.
#[derive(Args, Clone, Debug)]
pub struct Pixels {
    /// Preprocessing where the model's own is missing or wrong, such as resize=248,crop=224,mean=0.5,std=0.5
    #[arg(long, value_name = "FIELDS")]
    pub preprocess: Option<Overrides>,
}

impl Pixels {
    /// From the options, the model's metadata, a file beside it, or the default, said on stderr.
    pub fn resolve(
        &self,
        global: &Global,
        backbone: &Backbone,
        model: &Path,
        data: &Dataset,
    ) -> Result<Preprocess> {
        let [_, height, width] = backbone.image()?;
        let size = |n: usize| u32::try_from(n).map_err(|_| crate::err!(Shape, "an image {n} pixels wide"));
        let hints = Hints {
            metadata: Some(&backbone.graph().metadata),
            model: Some(model),
            input: Some((size(width)?, size(height)?)),
            pictures: data.picture_size(),
        };
        let resolved = resolve(&self.preprocess.clone().unwrap_or_default(), &hints)?;
        if !global.json {
            eprintln!("{resolved}");
        }
        Ok(resolved.preprocess)
    }
}
