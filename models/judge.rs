//! How good the features of a model are on classes it has never seen.

use ndarray::{Array1, Array2};
use perennial::data::draw::Family;
use perennial::engine::{Data, Engine, Tract};
use perennial::graph::Graph;
use perennial::{Result, err};

use super::vit::Sizes;

/// Pictures a class that are learned from, and that are asked.
const SHOWN: u64 = 20;
const ASKED: u64 = 50;

/// The patches of an RGB picture, each `[channel, row, column]`, with pixels in -1..1.
pub fn patches(rgb: &[u8], sizes: &Sizes) -> Vec<f32> {
    let (side, p) = (sizes.image, sizes.patch);
    let corners = (0..side / p).flat_map(|y| (0..side / p).map(move |x| (y * p, x * p)));
    let pixel = |y: usize, x: usize, c: usize| f32::from(rgb[(y * side + x) * 3 + c]) / 127.5 - 1.0;
    let inside =
        |(y, x): (usize, usize)| (0..3 * p * p).map(move |i| pixel(y + i / p % p, x + i % p, i / (p * p)));
    corners.flat_map(inside).collect()
}

/// Unit features of `count` pictures of each class of each family, classes in order, from `first` on.
fn features(graph: &Graph, families: &[Family], first: u64, count: u64) -> Result<(Array2<f32>, Vec<usize>)> {
    let session = Tract::new(1).compile(graph, count as usize)?;
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    let all = families.iter().flat_map(|f| (0..f.classes()).map(move |c| (f, c)));
    for (label, (family, class)) in all.enumerate() {
        let mut planes = Vec::new();
        for index in first..first + count {
            let rgb = family.draw(class, 1, index, 64);
            planes
                .extend((0..3).flat_map(|c| rgb[c..].iter().step_by(3).map(|&x| f32::from(x) / 127.5 - 1.0)));
        }
        let outputs = session.run(&[Data::floats(&[count as usize, 3, 64, 64], planes)?])?;
        for row in outputs[0].as_f32()?.outer_iter() {
            let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            rows.extend(row.iter().map(|x| x / norm));
            labels.push(label);
        }
    }
    let width = rows.len() / labels.len();
    let rows = Array2::from_shape_vec((labels.len(), width), rows);
    Ok((rows.map_err(|e| err!(Bug, "{e}"))?, labels))
}

/// Prints nearest-class-mean and nearest-neighbour accuracy on the held-out themes.
pub fn report(graph: &Graph) -> Result<()> {
    let themes = Family::themes();
    let (shown, known) = features(graph, &themes, 0, SHOWN)?;
    let (asked, truth) = features(graph, &themes, SHOWN, ASKED)?;
    let classes: usize = themes.iter().map(Family::classes).sum();
    let mut means = Array2::<f32>::zeros((classes, shown.ncols()));
    for (row, &c) in shown.outer_iter().zip(&known) {
        means.row_mut(c).scaled_add(1.0, &row);
    }
    means.outer_iter_mut().for_each(|mut m| {
        let norm = m.dot(&m).sqrt();
        m /= norm;
    });
    let to_means = asked.dot(&means.t());
    let all: Vec<usize> = (0..classes).collect();
    println!("held-out themes, {SHOWN} pictures a class shown, {ASKED} asked:");
    println!("  nearest class mean, {classes} classes  {:5.1} %", among(&to_means, &truth, &all));
    let tens =
        (0..classes / 10).map(|k| all.iter().copied().skip(k).step_by(classes / 10).collect::<Vec<_>>());
    let tens: Array1<f32> = tens.map(|chosen| among(&to_means, &truth, &chosen)).collect();
    println!("  nearest class mean, 10 classes  {:5.1} %", tens.mean().unwrap_or(0.0));
    let mut first = 0;
    for theme in &themes {
        let own: Vec<usize> = (first..first + theme.classes()).collect();
        first += theme.classes();
        println!(
            "  within {:<8}  {} classes       {:5.1} %",
            theme.theme(),
            own.len(),
            among(&to_means, &truth, &own)
        );
    }
    let near = asked.dot(&shown.t());
    let right =
        near.outer_iter().zip(&truth).filter(|(row, c)| known[super::best(row.iter())] == **c).count();
    println!("  nearest neighbour, {classes} classes   {:5.1} %", 100.0 * right as f32 / truth.len() as f32);
    Ok(())
}

/// Percentage right when only `classes` exist.
fn among(scores: &Array2<f32>, truth: &[usize], classes: &[usize]) -> f32 {
    let rows = scores.outer_iter().zip(truth).filter(|(_, c)| classes.contains(c));
    let right: Vec<bool> =
        rows.map(|(row, c)| classes[super::best(classes.iter().map(|&k| &row[k]))] == *c).collect();
    100.0 * right.iter().filter(|r| **r).count() as f32 / right.len() as f32
}
