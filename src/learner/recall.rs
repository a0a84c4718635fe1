//! What old classes still answer, asked without an image.
//!
//! Statistics that say how rows of a class lie can be asked for some: `N(m, S / T)` around every centre, drawn with a fixed seed. Rows of
//! the old classes are answered by the classifier as it was and as it is. What takes answers away from them (a class that
//! lies where another lies, a spread that blurs all) shows here, and costs no state.
//!
//! What it does not see: what real images do that no Gaussian does, and a network that has moved away from under its statistics.

use std::collections::BTreeMap;

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use super::State;
use crate::error::Result;
use crate::head::Head;

/// Rows of a centre, and of all centres together.
const ROWS: usize = 16;
const ALL_ROWS: usize = 4096;
/// Everybody draws the same rows.
const SEED: u64 = 0x7269_616c;

/// Old classes asked before and after something was learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// Rows of old classes.
    pub rows: usize,
    /// Share of them that was answered rightly.
    pub before: f64,
    /// Share of them that is.
    pub after: f64,
    /// Old classes that lose answers, the most first.
    pub taken: Vec<Taken>,
}

/// Answers that one class loses to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// The old class.
    pub class: String,
    /// What is answered instead.
    pub by: String,
    /// Share of the old class's rows.
    pub share: f64,
}

/// What heads answer to rows of every class.
pub struct Asked {
    /// Class of every row.
    pub labels: Vec<usize>,
    /// Length of every row.
    pub lengths: Vec<f64>,
    /// Answers of every head.
    pub answers: Vec<Vec<usize>>,
}

impl Asked {
    /// Rows of every class of `state`, as many of each as are asked of `known`'s, asked of `heads`, a block at a time; `None` where the
    /// classifier does not know how they lie.
    ///
    /// # Errors
    /// As [`Recall::between`].
    pub fn of(state: &State, known: &State, heads: &[&dyn Head]) -> Result<Option<Self>> {
        let per = (ALL_ROWS / known.known().count().max(1)).clamp(1, ROWS);
        let Some(statistics) = &state.statistics else { return Ok(None) };
        let Some(imagined) = statistics.imagined(per, SEED)? else { return Ok(None) };
        let mut asked =
            Self { labels: Vec::new(), lengths: Vec::new(), answers: vec![Vec::new(); heads.len()] };
        for block in imagined {
            let (rows, labels) = block?;
            asked.labels.extend(labels);
            let square = |row: ArrayView1<'_, f32>| row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
            asked.lengths.extend(rows.rows().into_iter().map(|row| square(row).sqrt()));
            for (head, answers) in heads.iter().zip(&mut asked.answers) {
                answers.extend(head.predict(rows.view())?);
            }
        }
        Ok(Some(asked))
    }
}

impl Recall {
    /// Asks both states, which are solved; `None` before anything was learned, and where the classifier does not know how rows of a class
    /// lie.
    ///
    /// # Errors
    /// [`Numeric`](crate::ErrorKind::Numeric) when the statistics are degenerate.
    pub fn between(before: &State, after: &State) -> Result<Option<Self>> {
        let (Some(old), Some(new)) = (&before.statistics, &after.statistics) else { return Ok(None) };
        let asked = Asked::of(before, before, &[old.head(), new.head()])?;
        Ok(asked.map(|asked| Self::of(after, &asked)))
    }

    /// Of what two heads answered, the first before and the second after.
    pub fn of(after: &State, asked: &Asked) -> Self {
        let Asked { labels, answers, .. } = asked;
        let right = |answers: &[usize]| {
            share(answers.iter().zip(labels).filter(|(a, b)| a == b).count(), labels.len())
        };
        Self {
            rows: labels.len(),
            before: right(&answers[0]),
            after: right(&answers[1]),
            taken: taken(after, labels, answers),
        }
    }

    /// Share of all right answers that is lost.
    pub fn lost(&self) -> f64 {
        self.before - self.after
    }

    /// The class that loses the largest share of its own rows.
    pub fn worst_class(&self) -> Option<(&str, f64)> {
        let mut lost: BTreeMap<&str, f64> = BTreeMap::new();
        self.taken.iter().for_each(|t| *lost.entry(t.class.as_str()).or_default() += t.share);
        lost.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The classes that lose most, and to which: `cup to mug, fork to knife`.
    pub fn worst(&self) -> String {
        let worst = self.taken.iter().take(3).map(|t| format!("{} to {}", t.class, t.by));
        worst.collect::<Vec<_>>().join(", ")
    }
}

/// `some / all`, and 0 of nothing.
pub fn share(some: usize, all: usize) -> f64 {
    some as f64 / all.max(1) as f64
}

/// Who loses answers to whom.
fn taken(after: &State, labels: &[usize], answers: &[Vec<usize>]) -> Vec<Taken> {
    let (mut lost, mut all): (BTreeMap<_, usize>, BTreeMap<usize, usize>) = Default::default();
    for ((&label, &before), &now) in labels.iter().zip(&answers[0]).zip(&answers[1]) {
        *all.entry(label).or_default() += 1;
        if before == label && now != label {
            *lost.entry((label, now)).or_default() += 1;
        }
    }
    let name = |class: usize| after.classes.get(class).cloned().unwrap_or_default();
    let one = |((class, by), count): ((usize, usize), usize)| Taken {
        class: name(class),
        by: name(by),
        share: share(count, all[&class]),
    };
    let mut taken: Vec<Taken> = lost.into_iter().map(one).collect();
    taken.sort_by(|a, b| b.share.total_cmp(&a.share));
    taken
}
