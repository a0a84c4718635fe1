//! Procedurally drawn pictures: a data set that is a function.
//!
//! A picture is determined by family, class, seed, index and size, bit for bit on every platform:
//!
//! ```text
//! class --(hand: proportions)--> Picture of inked shapes --(hand: pose, colours, light, ...)--> RGB bytes
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `shape`, `pattern` | signed distance functions: bounded shapes, endless patterns |
//! | `picture` | layers of inked shapes; the random hand |
//! | `scene` | everything that varies inside a class: pose, colours, backdrop, shadow, occlusion, light, noise |
//! | `lessons` | the classes to pre-train on: geometry combined with treatments |
//! | `signs`, `tools`, `letters`, `textures`, `toys`, `strangers` | the held-out classes: composed by hand |
//!
//! The two kinds of classes are disjoint by construction: the lessons combine single shapes, fills, counts, lattice
//! glyphs and patterns by rule, the held-out classes are pictograms, letters and materials that no such rule produces.
//! They share the scene, as a camera shares its optics.
//!
//! Knows nothing about models, tensors or files.

mod lessons;
mod letters;
mod pattern;
mod picture;
mod scene;
mod shape;
mod signs;
mod strangers;
mod textures;
mod tools;
mod toys;

use picture::{Hand, Picture};

/// A class composed by hand: its name and how to draw it.
type Class = (&'static str, fn(&mut Hand) -> Picture);

/// A set of drawn classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    theme: &'static str,
    classes: Option<&'static [Class]>,
    stream: u64,
}

impl Family {
    /// The classes to pre-train on.
    pub fn lessons() -> Self {
        Self { theme: "lessons", classes: None, stream: 0 }
    }

    /// The held-out themes, one task each: signs, tools, letters, textures, toys.
    pub fn themes() -> [Self; 5] {
        [
            Self::held_out("signs", signs::CLASSES, 1),
            Self::held_out("tools", tools::CLASSES, 2),
            Self::held_out("letters", letters::CLASSES, 3),
            Self::held_out("textures", textures::CLASSES, 4),
            Self::held_out("toys", toys::CLASSES, 5),
        ]
    }

    /// Held-out classes that nothing ever learns, to test the detection of the unknown.
    pub fn strangers() -> Self {
        Self::held_out("strangers", strangers::CLASSES, 6)
    }

    fn held_out(theme: &'static str, classes: &'static [Class], stream: u64) -> Self {
        Self { theme, classes: Some(classes), stream }
    }

    /// Name of the theme.
    pub fn theme(&self) -> &'static str {
        self.theme
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes.map_or_else(lessons::count, <[Class]>::len)
    }

    /// Name of a class; the number is taken modulo [`Family::classes`].
    pub fn name(&self, class: usize) -> String {
        let class = class % self.classes();
        self.classes.map_or_else(|| lessons::name(class), |c| c[class].0.into())
    }

    /// Picture `index` of `class` (modulo [`Family::classes`]): `size * size * 3` bytes, RGB, rows from the top.
    pub fn draw(&self, class: usize, seed: u64, index: u64, size: usize) -> Vec<u8> {
        self.draw_labelled(class, seed, index, size).0
    }

    /// The same picture, and what each of its `size * size` pixels shows: 0 for the backdrop, otherwise a number for the
    /// ink, as if nothing stood in front.
    pub fn draw_labelled(&self, class: usize, seed: u64, index: u64, size: usize) -> (Vec<u8>, Vec<u8>) {
        let class = class % self.classes();
        let mut hand = Hand::new(self.stream, class as u64, seed, index);
        let picture = match self.classes {
            Some(classes) => classes[class].1(&mut hand),
            None => lessons::picture(class, &mut hand),
        };
        scene::photograph(&picture, &mut hand, size)
    }
}
