//! Where a life is led: drawn things that come again and again, each time in other pictures.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::backbone::Backbone;
use crate::cli::options::Pixels;
use crate::cli::{Global, embedded};
use crate::data::draw::Family;
use crate::data::{Dataset, Picture, Preprocess, Split};
use crate::error::Result;

/// Pictures of a class to learn from: in the first lesson, which the network is adapted to, and in later ones.
const FIRST: usize = 24;
const LATER: usize = 8;

/// Classes of the first lesson, and the most of a later one.
const FIRST_CLASSES: usize = 6;
const MOST_CLASSES: usize = 5;

/// Pictures of a class that answers are measured on.
const TEST: usize = 4;

/// Seeds of the drawings that are only asked about.
const ASKED: u64 = 0x5eed_0000_0000;

/// Pictures as a learner takes them.
pub struct Pictures {
    /// `[n, channels, height, width]`, in one row.
    pub pixels: Vec<f32>,
    /// Name of every picture's class.
    pub labels: Vec<String>,
}

impl Pictures {
    /// The names as they are given to a learner.
    pub fn labels(&self) -> Vec<&str> {
        self.labels.iter().map(String::as_str).collect()
    }
}

/// The things, and how they are seen.
pub struct World {
    families: Vec<Family>,
    /// Family and number of every class.
    classes: Vec<(usize, usize)>,
    seed: u64,
    size: u32,
    preprocess: Preprocess,
}

impl World {
    /// As `backbone` sees it.
    pub fn new(global: &Global, backbone: &Backbone) -> Result<Self> {
        let [_, height, width] = backbone.image()?;
        let size = height.max(width);
        let size = u32::try_from(size).map_err(|_| crate::err!(Shape, "an image {size} pixels wide"))?;
        let families = Family::themes().to_vec();
        let of =
            |(at, family): (usize, &Family)| (0..family.classes()).map(move |class| (at, class)).collect();
        let classes: Vec<Vec<_>> = families.iter().enumerate().map(of).collect();
        let nothing = Dataset::default();
        let pixels = Pixels { preprocess: None };
        let preprocess = pixels.resolve(global, backbone, embedded::NAME.as_ref(), &nothing)?;
        Ok(Self { families, classes: classes.concat(), seed: global.seed, size, preprocess })
    }

    /// What lesson `index` teaches; with `other`, what it teaches another device.
    pub fn lesson(&self, index: usize, other: bool) -> Result<Pictures> {
        let seed = self.seed ^ ((index as u64) << 8) ^ u64::from(other);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut all: Vec<usize> = (0..self.classes.len()).collect();
        all.shuffle(&mut rng);
        let (count, each) = match index {
            0 => (FIRST_CLASSES, FIRST),
            _ => (rng.gen_range(3..=MOST_CLASSES), LATER),
        };
        all.truncate(count);
        let one = |i: usize| (all[i % count], (i / count) as u64);
        self.pictures((0..count * each).map(one), seed | 1 << 63)
    }

    /// One picture, as often as a camera that has stopped gives it.
    pub fn frozen(&self, index: usize) -> Result<Pictures> {
        self.pictures((0..LATER).map(|_| (index % self.classes.len(), 0)), index as u64)
    }

    /// Pictures of everything that are never learned from.
    pub fn questions(&self) -> Result<Pictures> {
        self.pictures((0..self.classes.len() * TEST).map(|i| (i / TEST, (i % TEST) as u64)), ASKED)
    }

    /// Pictures of classes, each with its number among those of one class.
    fn pictures(&self, which: impl Iterator<Item = (usize, u64)>, seed: u64) -> Result<Pictures> {
        let (mut drawn, mut labels) = (Vec::new(), Vec::new());
        for (class, index) in which {
            let (family, number) = (&self.families[self.classes[class].0], self.classes[class].1);
            let rgb = family.draw(number, seed, index, self.size as usize);
            drawn.push((0, Picture::new(self.size, self.size, rgb)?));
            labels.push(family.name(number));
        }
        let ids: Vec<usize> = (0..drawn.len()).collect();
        let data = Dataset::from_pictures(vec!["drawn".into()], drawn, Vec::new())?;
        Ok(Pictures { pixels: data.load(Split::Train, &ids, &self.preprocess)?.pixels, labels })
    }
}
