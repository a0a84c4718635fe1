//! `perennial draw`: pictures to try things with.

use std::path::PathBuf;

use serde_json::json;

use super::{Global, show};
use crate::data::Picture;
use crate::data::draw::Family;
use crate::error::{Context, Result};

/// Options of `draw`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where to; files that are there are replaced
    out: PathBuf,
    /// Pictures of a class
    #[arg(long, default_value_t = 24, value_name = "N")]
    pictures: u64,
    /// Pixels a side
    #[arg(long, default_value_t = 96, value_name = "N", value_parser = clap::value_parser!(u16).range(8..=1024))]
    side: u16,
}

const EXAMPLES: &str = "\
Five themes, as OUT/THEME/CLASS/NUMBER.png. The seed (--seed) draws others of the same classes.

Examples:
  perennial draw pictures/
  perennial learn --backbone default --data pictures/tools --task tools --state my.state
  perennial --seed 1 draw new/ && perennial predict --backbone default --state my.state new/tools/*/0.png";

/// Runs the command.
pub fn run(global: &Global, args: &Args) -> Result<()> {
    let (themes, side) = (Family::themes(), usize::from(args.side));
    let classes: usize = themes.iter().map(Family::classes).sum();
    let bar = show::bar(global, classes * args.pictures as usize, "drawing");
    for theme in &themes {
        for class in 0..theme.classes() {
            let folder = args.out.join(theme.theme()).join(theme.name(class));
            std::fs::create_dir_all(&folder).at(|| folder.display().to_string())?;
            for i in 0..args.pictures {
                let rgb = theme.draw(class, global.seed, i, side);
                let picture = Picture::new(args.side.into(), args.side.into(), rgb)?;
                let path = folder.join(format!("{i}.png"));
                std::fs::write(&path, picture.to_png()?).at(|| path.display().to_string())?;
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let names: Vec<&str> = themes.iter().map(Family::theme).collect();
    if global.json {
        return show::json(
            &json!({ "out": args.out, "themes": names, "classes": classes, "pictures": args.pictures }),
        );
    }
    println!(
        "drew {} pictures of {classes} classes in {}",
        classes as u64 * args.pictures,
        args.out.display()
    );
    names.iter().for_each(|name| println!("  {}", args.out.join(name).display()));
    Ok(())
}
