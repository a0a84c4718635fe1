//! `perennial fleet join`.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::super::options::{Pixels, Unlock};
use super::super::{Global, bundle::now, options, show};
use super::Held;
use super::reach::Way;
use crate::bundle::{self, Here, preprocessing};
use crate::data::Dataset;
use crate::error::Result;
use crate::fleet::{Progress, Round, Shelf, Taken, offer, round, take};
use crate::learner::{Digest, State};
use crate::store::Place;

/// Shortest time from one round to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// Options of `join`.
#[derive(clap::Args)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model
    #[arg(long)]
    backbone: std::path::PathBuf,
    /// State that takes over what others learned, a file or partition:PATH; without it, bundles are only held and passed on
    #[arg(long)]
    state: Option<Place>,
    #[command(flatten)]
    unlock: Unlock,
    #[command(flatten)]
    held: Held,
    #[command(flatten)]
    way: Way,
    /// One round, and end
    #[arg(long)]
    once: bool,
    /// How often everybody is asked for everything that is there; what is told in between is heard at once
    #[arg(long, default_value = "60s", value_name = "TIME", value_parser = humantime::parse_duration)]
    every: Duration,
    /// Largest share of right answers, in percent, that old classes may lose to one bundle
    #[arg(long, default_value_t = 100.0 * bundle::Limits::default().loss, value_name = "PERCENT")]
    max_loss: f64,
    #[command(flatten)]
    pixels: Pixels,
}

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let device = Device::open(global, args)?;
    let mut shelf = args.held.open(Some(Digest(device.here.backbone)))?;
    shelf.clean()?;
    let mut transport = args.way.open(shelf.backbone())?;
    offer(&shelf, transport.as_mut(), &Default::default())?;
    let (mut first, mut all) = (true, true);
    let mut listed = Instant::now();
    loop {
        let started = Instant::now();
        let bar = Bar::new(global);
        // One bundle at a time, so that what has come is of use while the next one comes.
        let done = round(&mut shelf, transport.as_mut(), now(), all, 1, &mut |progress| bar.tell(progress))?;
        bar.0.finish_and_clear();
        let changed = first || !done.fetched.is_empty() || done.withdrawals > 0;
        let taken = if changed { device.take(&shelf)? } else { Taken::default() };
        print(global, &shelf, &done, &taken, started.elapsed())?;
        first = false;
        if done.left > 0 {
            all = true;
            continue;
        }
        if args.once {
            return Ok(());
        }
        if all {
            listed = started;
        }
        // Whoever tells much is listened to no more often than that.
        std::thread::sleep(PAUSE.saturating_sub(started.elapsed()));
        transport.wait(args.every.saturating_sub(listed.elapsed()))?;
        all = listed.elapsed() >= args.every;
    }
}

/// The state that takes things over.
struct Device {
    place: Option<Place>,
    here: Here,
    limits: bundle::Limits,
}

impl Device {
    fn open(global: &Global, args: &Args) -> Result<Self> {
        let backbone = options::backbone(global, &args.backbone)?;
        let preprocess = args.pixels.resolve(global, &backbone, &args.backbone, &Dataset::default())?;
        let here = Here {
            backbone: backbone.sha256(),
            preprocessing: preprocessing(&preprocess)?,
            now: now(),
            rename: None,
        };
        let limits = bundle::Limits { loss: args.max_loss / 100.0, ..bundle::Limits::default() };
        let place = args.state.as_ref().map(|place| args.unlock.open(place)).transpose()?;
        Ok(Self { place, here, limits })
    }

    /// The state is read anew, for others write it too.
    fn take(&self, shelf: &Shelf) -> Result<Taken> {
        let Some(place) = &self.place else { return Ok(Taken::default()) };
        let (_, state): (_, State) = place.load(Some(self.here.backbone))?;
        let here = Here { now: now(), ..self.here.clone() };
        let (after, done) = take(&state, shelf, &here, &self.limits)?;
        if done.changed() {
            place.save(self.here.backbone, after.commits, &after)?;
        }
        Ok(done)
    }
}

/// What is fetched, on stderr.
struct Bar(ProgressBar);

impl Bar {
    fn new(global: &Global) -> Self {
        let bar = ProgressBar::no_length();
        if global.json {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        if let Ok(style) =
            ProgressStyle::with_template("{msg:<28} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
        {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn tell(&self, progress: Progress<'_>) -> bool {
        self.0.set_message(progress.notice.task.clone());
        self.0.set_length(progress.notice.bytes);
        self.0.set_position(progress.here);
        true
    }
}

fn print(global: &Global, shelf: &Shelf, done: &Round, taken: &Taken, took: Duration) -> Result<()> {
    if global.json {
        let line = json!({ "round": done, "state": taken, "seconds": took.as_secs_f64(), "bundles": shelf.notices().count() });
        // One line a round: this goes on for days.
        println!("{line}");
        return Ok(());
    }
    for id in &done.fetched {
        let said = shelf.notices().find(|said| said.statement().bundle == *id);
        let Some(said) = said else { continue };
        let maker = shelf.trust().name(said.maker()).unwrap_or("nobody known");
        println!(
            "fetched {:?} of {maker}, {}",
            said.statement().task,
            show::mib(said.statement().bytes as usize)
        );
    }
    for intake in &taken.taken {
        println!("taken over: {:?} of {}: {}", intake.task, intake.maker, intake.new_classes.join(", "));
    }
    for refusal in &taken.refused {
        println!("not taken over: {:?}: {}", refusal.task, refusal.why);
    }
    for forgotten in &taken.forgotten {
        println!("forgotten: {}", forgotten.classes.join(", "));
    }
    for complaint in &done.complaints {
        println!("refused: {complaint}");
    }
    if !done.removed.is_empty() || !done.missing.is_empty() {
        println!("{} removed, {} not fetched to their end", done.removed.len(), done.missing.len());
    }
    Ok(())
}
