//! `perennial soak`: a long life in a short time. Hundreds of lessons, restarts, power cuts and mistakes inside a promise, beside a life
//! without one.

mod life;
mod power;
mod world;

use std::path::PathBuf;

use bytesize::ByteSize;
use serde_json::json;

use super::{Global, embedded, options, show};
use crate::error::{Context, Result};
use crate::learner::{Budget, Learner, Settings};
use crate::report::{self, Happened, LongLife, Soak};
use crate::store::Place;
use life::{Home, Life, Made};
use world::World;

/// Options of `soak`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// An ONNX file, or `default` for the embedded model
    #[arg(long, default_value = embedded::NAME)]
    backbone: PathBuf,
    /// Lessons of the life
    #[arg(long, default_value_t = 500)]
    tasks: usize,
    /// Promised size of the state
    #[arg(long, default_value = "700KB", value_name = "SIZE")]
    flash: ByteSize,
    /// Promised RAM
    #[arg(long, value_name = "SIZE")]
    budget: Option<ByteSize>,
    /// Strategy
    #[arg(long, default_value = "perennial")]
    strategy: String,
    /// Columns of a random-feature head
    #[arg(long, default_value_t = 500)]
    random_features: usize,
    /// What may be given up, in this order
    #[arg(long, value_name = "LIST", default_value = options::GIVE_UP, value_parser = options::give_up)]
    give_up: options::GiveUp,
    /// Lead this life only, not the one without a promise
    #[arg(long)]
    alone: bool,
    /// The page to write
    #[arg(long, default_value = "perennial-soak.html")]
    out: PathBuf,
}

impl Args {
    /// Whether RAM was promised.
    pub fn is_promised(&self) -> bool {
        self.budget.is_some()
    }
}

const EXAMPLES: &str = "\
Examples:
  perennial soak --tasks 50                       # a minute
  perennial soak --tasks 500 --budget 64MB        # half an hour and more
  perennial soak --backbone vit_tiny.onnx --flash 2MB --budget 160MB --alone";

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let (mut lives, scratch) = (Vec::new(), tempfile::tempdir().at(|| "a folder for two lives".to_string())?);
    let backbone = options::backbone(global, &args.backbone)?;
    let world = World::new(global, &backbone)?;
    let flash = usize::try_from(args.flash.as_u64()).unwrap_or(usize::MAX);
    let image = scratch.path().join("flash.img");
    let place: Place = format!("partition:{}", image.display()).parse()?;
    place.format(Some(2 * (flash as u64).next_multiple_of(SECTOR)))?;
    let promised = Budget {
        ram: args.budget.map(|size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX)),
        flash: Some(flash),
        give_up: args.give_up.to_vec(),
        ..Budget::default()
    };
    let mut made = Made {
        backbone,
        engine: options::engine(global)?,
        strategy: args.strategy.clone(),
        settings: settings(global, args),
        budget: promised,
    };
    fit(global, &mut made)?;
    lives.push(lead(global, args, &world, &made, (Home::Partition(image), "held"))?);
    if !args.alone {
        made.budget = Budget::default();
        let home = Home::File(scratch.path().join("free.state"));
        lives.push(lead(global, args, &world, &made, (home, "without a promise"))?);
    }
    let soak = page(args, lives);
    report::write_soak(&soak, &args.out)?;
    tell(global, args, &soak)
}

/// Bytes that partitions are erased in.
const SECTOR: u64 = 4096;

fn settings(global: &Global, args: &Args) -> Settings {
    Settings { seed: global.seed, random_features: args.random_features, ..Settings::default() }
}

/// Makes the learner as small as the promised RAM asks for.
fn fit(global: &Global, made: &mut Made) -> Result<()> {
    if made.budget.ram.is_none() {
        return Ok(());
    }
    let builder = Learner::builder(made.backbone.clone())
        .engine(made.engine.clone())
        .strategy(&made.strategy)
        .settings(made.settings.clone())
        .budget(made.budget.clone());
    let fitted = builder.fitted()?.1;
    if !global.json {
        eprintln!("{fitted}");
    }
    fitted.apply(&mut made.settings, &mut made.budget);
    Ok(())
}

/// One life from its first lesson to its last.
fn lead(
    global: &Global,
    args: &Args,
    world: &World,
    made: &Made,
    (home, name): (Home, &str),
) -> Result<LongLife> {
    let bar = show::bar(global, args.tasks, name);
    let mut life = Life::new(world, made, home, global.seed)?;
    let mut days = Vec::with_capacity(args.tasks);
    for index in 0..args.tasks {
        let day = life.day(index)?;
        bar.set_message(format!("{name}: {:.0} %, {} KB", day.accuracy, day.state_bytes / 1000));
        bar.inc(1);
        days.push(day);
    }
    bar.finish_and_clear();
    let fates =
        life.fates().iter().map(|(fate, [tried, lost])| Happened { fate: *fate, tried: *tried, lost: *lost });
    Ok(LongLife {
        name: name.into(),
        flash: made.budget.flash.map(|bytes| bytes as u64),
        days,
        fates: fates.collect(),
        given_up: life.learner().state().concessions.rows().iter().map(ToString::to_string).collect(),
    })
}

fn page(args: &Args, lives: Vec<LongLife>) -> Soak {
    let mut command = vec!["perennial".to_string()];
    command.extend(std::env::args().skip(1));
    Soak {
        title: format!("{} lessons in {}", args.tasks, args.flash.display().si()),
        summary: format!(
            "A device learns drawn things lesson after lesson, under {}. Between lessons it is switched off, loses its power in the middle of a \
             save, learns mistakes and takes them back, forgets what it is told to, and takes over what another device has learned.",
            args.strategy
        ),
        command: command.join(" "),
        lives,
    }
}

fn tell(global: &Global, args: &Args, soak: &Soak) -> Result<()> {
    let lost: usize = soak.lives.iter().flat_map(|life| &life.fates).map(|one| one.lost).sum();
    if global.json {
        show::json(&json!({ "soak": soak, "report": args.out, "lost": lost }))?;
    } else {
        for life in &soak.lives {
            println!("{life}");
        }
        println!("report: {}", args.out.display());
    }
    match lost {
        0 => Ok(()),
        n => Err(crate::err!(Bug, "{n} times something was lost; the table says what")),
    }
}
