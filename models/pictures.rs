//! Writes drawn pictures to standard output, for looking at and for trying things outside Rust.
//!
//! `pictures FAMILY SEED FIRST COUNT [SIZE]` writes, for each index in FIRST..FIRST+COUNT and each class in turn, the
//! raw RGB bytes. FAMILY is `lessons`, `strangers` or a theme. A fifth argument that is not empty adds what each pixel shows.

use std::io::Write;

use perennial::data::draw::Family;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, seed, first, count, rest @ ..] = args.as_slice() else {
        return Err("usage: pictures FAMILY SEED FIRST COUNT [SIZE]".into());
    };
    let families = Family::themes().into_iter().chain([Family::lessons(), Family::strangers()]);
    let family = families.into_iter().find(|f| f.theme() == name).ok_or("no such family")?;
    let (seed, first, count): (u64, u64, u64) = (seed.parse()?, first.parse()?, count.parse()?);
    let size = rest.first().map_or(Ok(64), |s| s.parse())?;
    let mut out = std::io::stdout().lock();
    for index in first..first + count {
        for class in 0..family.classes() {
            let (rgb, shown) = family.draw_labelled(class, seed, index, size);
            out.write_all(&rgb)?;
            if rest.len() > 1 {
                out.write_all(&shown)?;
            }
        }
    }
    Ok(())
}
