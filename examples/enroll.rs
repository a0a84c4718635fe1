//! People at a door: five photos each, strangers that are said to be strangers, and a person who is forgotten on request.
//!
//! ```text
//! cargo run --release --example enroll
//! cargo run --release --example enroll -- people/ MODEL       people/<name>/*.jpg, and people/stranger/*.jpg of those who are not enrolled
//! ```
//!
//! Of every person five photos are learned and the others asked about. Without photos, faces are drawn; the embedded model never saw a face, so
//! a stranger often looks like somebody it knows. Of real faces give a backbone that was trained on some.

use std::path::Path;

use ndarray::{Array4, Axis};
use perennial::adapter::{Blocks, Lora};
use perennial::backbone::Backbone;
use perennial::data::folder::image_folder;
use perennial::data::{Picture, Preprocess};
use perennial::learner::{Labelled, Learner, Prediction, Settings};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Photos of a person that are learned.
const ENROLLED: usize = 5;
const STRANGER: &str = "stranger";
const SIDE: usize = 96;

/// A person, and photos of them.
type Person = (String, Vec<Picture>);

/// Photo `i` of a drawn face: the person's features by `who`, light and place by `i`.
fn face(who: u64, i: u64) -> perennial::Result<Picture> {
    let (mut of, mut now) = (ChaCha8Rng::seed_from_u64(who), ChaCha8Rng::seed_from_u64(1000 * who + i + 7));
    let mut colour = |from: [f32; 3], to: [f32; 3]| {
        let share: f32 = of.gen_range(0.0..1.0);
        [0, 1, 2].map(|c| from[c] + share * (to[c] - from[c]) + of.gen_range(-12.0..12.0))
    };
    let skin = colour([85.0, 55.0, 40.0], [240.0, 205.0, 180.0]);
    let hair = colour([20.0, 15.0, 15.0], [215.0, 170.0, 90.0]);
    let shirt = colour([30.0, 60.0, 160.0], [200.0, 70.0, 60.0]);
    let mut feature = |low: f32, high: f32| of.gen_range(low..high);
    let (long, wide) = (feature(0.52, 0.66), feature(0.38, 0.5));
    let (apart, eyes, mouth) = (feature(0.12, 0.2), feature(0.03, 0.06), feature(0.1, 0.22));
    let (fringe, beard, glasses) = (feature(0.1, 0.55), feature(0.0, 1.0) > 0.7, feature(0.0, 1.0) > 0.6);
    let mut moment = |low: f32, high: f32| now.gen_range(low..high);
    let (x0, y0, size) = (moment(-0.1, 0.1), moment(-0.1, 0.1), moment(0.85, 1.1));
    let (light, side, smile) = (moment(0.75, 1.15), moment(-0.25, 0.25), moment(-0.05, 0.08));
    let wall = [moment(90.0, 170.0), moment(90.0, 170.0), moment(90.0, 170.0)];
    let mut rgb = Vec::with_capacity(3 * SIDE * SIDE);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let place = |at: usize, middle: f32| (2.0 * at as f32 / SIDE as f32 - 1.0 - middle) / size;
            let (x, y) = (place(column, x0), place(row, y0));
            let inside =
                |cx: f32, cy: f32, rx: f32, ry: f32| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0;
            let eye = inside(-apart, -0.08, eyes, eyes) || inside(apart, -0.08, eyes, eyes);
            let frame = |cx: f32| inside(cx, -0.08, 0.14, 0.11) && !inside(cx, -0.08, 0.11, 0.08);
            let lips = inside(0.0, 0.3 - smile * (1.0 - (x / mouth).powi(2)), mouth, 0.035);
            let ink = match () {
                () if eye || (glasses && (frame(-apart) || frame(apart))) => [25.0; 3],
                () if lips => [170.0, 60.0, 70.0],
                () if inside(0.0, 0.0, wide, long) && y > fringe * 0.8 - long => match beard && y > 0.18 {
                    true => hair,
                    false => skin,
                },
                () if inside(0.0, -0.12, wide + 0.1, long + 0.05) && y < 0.35 => hair,
                () if inside(0.0, 1.1, 0.75, 0.6) => shirt,
                () => wall,
            };
            let shade = light * (1.0 + side * x);
            rgb.extend(ink.map(|c| (c * shade + now.gen_range(-6.0..6.0)).clamp(0.0, 255.0) as u8));
        }
    }
    Picture::new(SIDE as u32, SIDE as u32, rgb)
}

/// Six people who are enrolled, and twenty who are not.
fn drawn() -> perennial::Result<(Vec<Person>, Vec<Picture>)> {
    let photos = |who: u64, n: u64| (0..n).map(|i| face(who, i)).collect::<perennial::Result<Vec<_>>>();
    let people = ["Ada", "Bo", "Cem", "Dina", "Eli", "Fay"];
    let person = |(who, name): (u64, &&str)| Ok((name.to_string(), photos(who, 25)?));
    let people = (0..).zip(&people).map(person).collect::<perennial::Result<Vec<_>>>()?;
    let strangers = (100..120).map(|who| photos(who, 5)).collect::<perennial::Result<Vec<_>>>()?;
    Ok((people, strangers.concat()))
}

/// Those of a folder.
fn photographed(folder: &Path) -> perennial::Result<(Vec<Person>, Vec<Picture>)> {
    let data = image_folder(folder)?;
    let mut photos = vec![Vec::new(); data.classes.len()];
    for sample in data.train.iter().chain(&data.test) {
        photos[sample.class].push(data.picture(sample)?);
    }
    let all = data.classes.into_iter().zip(photos);
    let (strangers, people): (Vec<_>, Vec<_>) = all.partition(|(name, _)| name == STRANGER);
    Ok((people, strangers.into_iter().flat_map(|(_, photos)| photos).collect()))
}

/// Photos as images of the model.
fn images(photos: &[&Picture], side: usize) -> perennial::Result<Array4<f32>> {
    let (preprocess, mut images) =
        (Preprocess::direct(side as u32), Array4::zeros((photos.len(), 3, side, side)));
    for (mut image, photo) in images.axis_iter_mut(Axis(0)).zip(photos) {
        if let Some(tensor) = image.as_slice_mut() {
            preprocess.apply(photo, tensor)?;
        }
    }
    Ok(images)
}

/// Learns five photos of each of `group` as one task.
fn enroll(door: &mut Learner, group: &[Person], task: &str, side: usize) -> perennial::Result<()> {
    let five = group.iter().flat_map(|(name, photos)| photos.iter().take(ENROLLED).map(move |p| (name, p)));
    let (labels, photos): (Vec<&String>, Vec<&Picture>) = five.unzip();
    let (images, batch) = (images(&photos, side)?, door.settings().batch);
    door.learn(task, 2, Labelled::batches(&images.view(), &labels, batch), |_, _| {})?;
    let names: Vec<&str> = group.iter().map(|(name, _)| name.as_str()).collect();
    match door.settle()? {
        None => println!("enrolled {}", names.join(", ")),
        Some(why) => println!("not enrolled {}: {why}", names.join(", ")),
    }
    Ok(())
}

fn ask(door: &Learner, photos: &[Picture], side: usize) -> perennial::Result<Vec<Prediction>> {
    door.predict(images(&photos.iter().collect::<Vec<_>>(), side)?.view())
}

fn main() -> perennial::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/perennial-tiny.onnx");
    let (people, strangers) = match arguments.first() {
        Some(folder) => photographed(Path::new(folder))?,
        None => drawn()?,
    };
    let backbone = Backbone::read(arguments.get(1).map_or(own.as_path(), Path::new))?;
    let side = backbone.image()?[2];
    let lora = Lora { blocks: Blocks::Last(2), ..Lora::default() };
    let settings = Settings { lora, random_features: 500, ..Settings::default() };
    let mut door = Learner::builder(backbone).settings(settings).build()?;

    // The household at first, then one after the other. Tasks have numbers: names would outlive their people.
    let (household, later) = people.split_at(people.len().min(3));
    for (i, group) in std::iter::once(household).chain(later.chunks(1)).enumerate() {
        enroll(&mut door, group, &format!("enrolment {}", i + 1), side)?;
    }

    println!("\n{:<10} {:>7} {:>7} {:>8}", "", "photos", "known", "unknown");
    for (name, photos) in &people {
        let said = ask(&door, &photos[ENROLLED.min(photos.len())..], side)?;
        let right = said.iter().filter(|p| !p.unknown && p.name == *name).count();
        let unknown = said.iter().filter(|p| p.unknown).count();
        println!("{name:<10} {:>7} {right:>7} {unknown:>8}", said.len());
    }
    let said = ask(&door, &strangers, side)?;
    let unknown = said.iter().filter(|p| p.unknown).count();
    println!("{:<10} {:>7} {:>7} {unknown:>8}", "strangers", said.len(), "");

    // On request: nothing of one of them is left, and the others are answered as before, to the bit.
    let [(gone, theirs), (stays, photos), ..] = &people[..] else { return Ok(()) };
    let scores = |door: &Learner| -> perennial::Result<Vec<u32>> {
        let said = ask(door, photos, side)?;
        Ok(said.iter().filter(|p| p.name == *stays).map(|p| p.score.to_bits()).collect())
    };
    let before = scores(&door)?;
    let forgotten = door.forget_class(gone)?;
    let after = scores(&door)?;
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    let strange = ask(&door, theirs, side)?.iter().filter(|p| p.unknown).count();
    let stored = postcard::to_allocvec(door.state())
        .map_err(|e| perennial::Error::new(perennial::ErrorKind::Io, e.to_string()))?;
    let left = stored.windows(gone.len()).any(|bytes| bytes == gone.as_bytes());
    println!(
        "\nforgot {gone}: {changed} of {} scores of {stays} changed, {strange} of {} photos of {gone} are a stranger's now, the name is {} the state",
        after.len(),
        theirs.len(),
        if left { "in" } else { "not in" }
    );
    for residue in forgotten.residues {
        println!("  left: {residue}");
    }
    Ok(())
}
