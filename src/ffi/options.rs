//! How a learner is built.

use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::time::Duration;

use super::border;
use super::log::{Log, perennial_log_fn};
use super::status::{call, perennial_error, perennial_status};
use crate::adapter::{Blocks, Lora};
use crate::backbone::Backbone;
use crate::engine;
use crate::error::Result;
use crate::learner::{Budget, Builder, Learner, Settings, Spill};

/// Options of a learner. Start from [`perennial_options_default`].
#[repr(C)]
#[derive(Clone, Copy)]
pub struct perennial_options {
    /// `sizeof(perennial_options)`, as [`perennial_options_default`] has set it.
    pub struct_size: usize,
    /// Who runs the graphs: "tract", "rten", or "onnxruntime[:PROVIDER[+cpu][,KEY=VALUE]..]"; null for tract.
    pub engine: *const c_char,
    /// Threads of the engine; tract takes one a micro-batch.
    pub threads: usize,
    /// Name of the strategy; null for "perennial".
    pub strategy: *const c_char,
    /// Which layers are adapted, such as "q,v"; null for these.
    pub roles: *const c_char,
    /// In the last so many transformer blocks, or in all for 0 and where there are fewer.
    pub blocks: usize,
    /// Rank of every adapter.
    pub rank: usize,
    /// Scaling is alpha over rank; 0 for a scaling of 1.
    pub alpha: f32,
    /// Learning rate; 0 for the usual one.
    pub learning_rate: f32,
    /// Pictures an optimizer step.
    pub batch: usize,
    /// Pictures a pass through the engine.
    pub micro: usize,
    /// Columns of a random-feature head.
    pub random_features: usize,
    /// Crops in which a picture is learned, 1 to 5; 0 for as many as the strategy wants.
    pub crops: usize,
    /// Everything random derives from it.
    pub seed: u64,
    /// Promised bytes of RAM, or 0: settings become as small as it takes, and what cannot fit is refused.
    pub ram: u64,
    /// Promised bytes of a stored state, or 0.
    pub flash: u64,
    /// Bytes of RAM for what is kept of a task's pictures.
    pub cache: u64,
    /// A folder for a file without a name, gone with the task, that takes most of what is kept of its pictures; null for none.
    pub spill_folder: *const c_char,
    /// Most bytes of that file.
    pub spill: u64,
    /// Classes that are planned for.
    pub classes: usize,
    /// Longest time of a pass of a training step in microseconds, or 0.
    pub step_time_us: u64,
    /// Not 0 where tasks are to be exported as bundles.
    pub sharing: u32,
    /// Not used; 0.
    pub reserved: u32,
    /// Called with what the library has to say, on the threads of the calls; null for nobody.
    pub log: perennial_log_fn,
    /// First argument of `log`, for any thread.
    pub log_context: *mut c_void,
}

impl Default for perennial_options {
    fn default() -> Self {
        let (settings, budget) = (Settings::default(), Budget::default());
        Self {
            struct_size: size_of::<Self>(),
            engine: std::ptr::null(),
            threads: 1,
            strategy: std::ptr::null(),
            roles: std::ptr::null(),
            blocks: 4,
            rank: settings.lora.rank,
            alpha: 0.0,
            learning_rate: 0.0,
            batch: settings.batch,
            micro: settings.micro,
            random_features: settings.random_features,
            crops: 0,
            seed: settings.seed,
            ram: 0,
            flash: 0,
            cache: budget.cache as u64,
            spill_folder: std::ptr::null(),
            spill: 0,
            classes: budget.classes,
            step_time_us: 0,
            sharing: 0,
            reserved: 0,
            log: None,
            log_context: std::ptr::null_mut(),
        }
    }
}

/// Bytes of the options of the first version.
const FIRST: usize = size_of::<perennial_options>();

/// Writes the defaults, and the size; `struct_size` is `sizeof(perennial_options)`.
///
/// Every pointer is valid or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn perennial_options_default(
    options: *mut perennial_options,
    struct_size: usize,
    error: *mut perennial_error,
) -> perennial_status {
    let default = perennial_options { struct_size, ..Default::default() };
    // SAFETY: the caller's promises, as the header has them.
    unsafe { call(error, || border::write_sized(options, struct_size, FIRST, "options", &default)) }
}

impl perennial_options {
    /// The caller's, with defaults for what it does not know.
    ///
    /// SAFETY: as [`border::sized`], and its strings as [`border::text`].
    pub unsafe fn read(options: *const Self) -> Result<Self> {
        if options.is_null() {
            return Ok(Self::default());
        }
        // SAFETY: as this function's; every bit pattern is one of these.
        unsafe { border::sized(options, Self::default(), FIRST, "options") }
    }

    pub fn log(&self) -> Log {
        Log::new(self.log, self.log_context)
    }

    /// A builder on `backbone`.
    ///
    /// SAFETY: its strings as [`border::text`].
    pub unsafe fn builder(&self, backbone: &Backbone) -> Result<Builder> {
        let or = |text: *const c_char, what: &str, default: &'static str| match text.is_null() {
            true => Ok(default),
            // SAFETY: as this function's.
            false => unsafe { border::text(text, what) },
        };
        let engine = engine::by_name(or(self.engine, "engine", "tract")?, self.threads.max(1))?;
        let roles = or(self.roles, "roles", "q,v")?.parse()?;
        let blocks = match self.blocks {
            0 => Blocks::All,
            some => Blocks::Last(some.min(backbone.anatomy().blocks.len()).max(1)),
        };
        let alpha = if self.alpha > 0.0 { self.alpha } else { self.rank as f32 };
        let usual = Settings::default();
        let settings = Settings {
            lora: Lora { rank: self.rank, alpha, blocks, roles },
            seed: self.seed,
            batch: self.batch,
            micro: self.micro,
            learning_rate: if self.learning_rate > 0.0 { self.learning_rate } else { usual.learning_rate },
            random_features: self.random_features,
            crops: (self.crops > 0).then_some(self.crops),
            ..usual
        };
        let spill = match self.spill_folder.is_null() {
            true => None,
            // SAFETY: as this function's.
            false => Some(PathBuf::from(unsafe { border::text(self.spill_folder, "spill_folder")? })),
        };
        let bytes = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let some = |n: u64| (n > 0).then(|| bytes(n));
        let budget = Budget {
            ram: some(self.ram),
            flash: some(self.flash),
            cache: bytes(self.cache),
            classes: self.classes,
            spill: spill.map(|folder| Spill { folder, bytes: bytes(self.spill) }),
            step_time: (self.step_time_us > 0).then(|| Duration::from_micros(self.step_time_us)),
            ..Budget::default()
        };
        let fits = budget.ram.is_some() || budget.step_time.is_some();
        let builder = Learner::builder(backbone.clone())
            .engine(engine)
            .strategy(or(self.strategy, "strategy", "perennial")?)
            .settings(settings)
            .budget(budget)
            .sharing(self.sharing != 0);
        Ok(if fits { builder.fitted()?.0 } else { builder })
    }
}
