//! Drawn pictures: the same everywhere, disjoint between pre-training and demonstration, and not trivially told apart.
#![cfg(feature = "eval")]

use std::collections::BTreeSet;

use perennial::data::draw::Family;
use sha2::{Digest, Sha256};

fn families() -> Vec<Family> {
    Family::themes().into_iter().chain([Family::lessons(), Family::strangers()]).collect()
}

/// First eight bytes of the SHA-256 over picture 0 of every class. Printed by this test when they differ: a change of
/// drawing changes what the shipped model was trained on and the figures of the README.
const GOLDEN: [(&str, &str); 7] = [
    ("signs", "e630812cc16775b6"),
    ("tools", "5ca2dbd5f2d231e2"),
    ("letters", "bd27a6e82002f0b7"),
    ("textures", "f0ba9ca9795a8f30"),
    ("toys", "ecf4fa869630e6a0"),
    ("lessons", "c40d70afe0f21d38"),
    ("strangers", "e7c78213fc09e349"),
];

#[test]
fn pictures_have_the_same_bytes_everywhere() {
    let found = families().into_iter().map(|f| {
        let mut hash = Sha256::new();
        (0..f.classes()).for_each(|c| hash.update(f.draw(c, 7, 0, 64)));
        (f.theme(), hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect::<String>())
    });
    let found: Vec<_> = found.collect();
    assert_eq!(found, GOLDEN.map(|(theme, hash)| (theme, hash.to_string())));
}

#[test]
fn a_picture_depends_on_each_of_its_coordinates() {
    let f = Family::lessons();
    let picture = f.draw(3, 1, 5, 64);
    assert_eq!(picture.len(), 64 * 64 * 3);
    assert_eq!(picture, f.draw(3, 1, 5, 64));
    assert_eq!(picture, f.draw(3 + f.classes(), 1, 5, 64), "classes wrap");
    for other in
        [f.draw(4, 1, 5, 64), f.draw(3, 2, 5, 64), f.draw(3, 1, 6, 64), Family::themes()[0].draw(3, 1, 5, 64)]
    {
        assert_ne!(picture, other);
    }
    assert_eq!(f.draw(3, 1, 5, 16).len(), 16 * 16 * 3);
}

#[test]
fn every_class_has_a_name_of_its_own() {
    let names: Vec<String> = families().iter().flat_map(|f| (0..f.classes()).map(|c| f.name(c))).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    assert!(Family::lessons().classes() >= 160);
    assert!(Family::themes().iter().all(|t| (5..=8).contains(&t.classes())));
}

#[test]
fn every_picture_shows_something() {
    for f in families() {
        for class in 0..f.classes() {
            let contrast = |index| {
                let p = f.draw(class, 9, index, 64);
                let (low, high) = p.iter().fold((255, 0), |(l, h), &x| (x.min(l), x.max(h)));
                high - low
            };
            let worst = (0..4).map(contrast).min().unwrap();
            assert!(worst > 40, "{} {}: contrast {worst}", f.theme(), f.name(class));
        }
    }
}

/// Mean of each cell of an 8 by 8 grid, by channel.
fn thumbnail(p: &[u8]) -> Vec<f32> {
    let mut cells = vec![0.0; 192];
    for (i, &x) in p.iter().enumerate() {
        let (c, x0, y0) = (i % 3, i / 3 % 64 / 8, i / 192 / 8);
        cells[(y0 * 8 + x0) * 3 + c] += f32::from(x) / 64.0;
    }
    cells
}

/// Raw pixels carry some of the class and far from all of it: there is something for features to add.
#[test]
fn raw_pixels_tell_classes_apart_poorly_but_above_chance() {
    let all: Vec<(Family, usize)> =
        Family::themes().into_iter().flat_map(|f| (0..f.classes()).map(move |c| (f, c))).collect();
    let set = |first: u64, count: u64| -> Vec<(usize, Vec<f32>)> {
        let one = |label: usize, i| (label, thumbnail(&all[label].0.draw(all[label].1, 1, i, 64)));
        (0..all.len())
            .flat_map(|label| (first..first + count).map(move |i| (label, i)))
            .map(|(l, i)| one(l, i))
            .collect()
    };
    let (shown, asked) = (set(0, 20), set(20, 5));
    let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum::<f32>();
    let nearest =
        |q: &[f32]| shown.iter().min_by(|a, b| distance(&a.1, q).total_cmp(&distance(&b.1, q))).unwrap().0;
    let right = asked.iter().filter(|(label, q)| nearest(q) == *label).count();
    let share = right as f32 / asked.len() as f32;
    println!(
        "nearest neighbour on 8x8 thumbnails: {:.1} %, chance {:.1} %",
        100.0 * share,
        100.0 / all.len() as f32
    );
    assert!(share > 2.0 / all.len() as f32 && share < 0.5, "{share}");
}
