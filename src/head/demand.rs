//! What heads take of RAM, from their sizes alone.

use super::{Better, Blend, ClassMeans, Lda, Mda, Ridge, Subspaces, better, mda, metric, ridge};
use crate::linalg::{Cholesky, PackedGram};

const NARROW: usize = size_of::<f32>();
const WIDE: usize = size_of::<f64>();

/// Bytes of a head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// As long as it is there, solved.
    pub held: usize,
    /// While it observes the rows of a task and is solved, beyond that, but for the rows themselves.
    pub ending: usize,
}

/// Numbers of a packed triangle.
fn triangle(width: usize) -> usize {
    width * (width + 1) / 2
}

/// Bytes of asking held-out rows under a covariance of `width`.
fn asking(width: usize, classes: usize, pictures: usize, crops: usize) -> usize {
    let block = metric::BLOCK * crops * width * WIDE * 3;
    // Products and distances by class, and scores at one temperature.
    block + pictures * classes * WIDE * (crops + 3) + pictures * crops * crops * WIDE
}

impl ClassMeans {
    /// Of `classes` classes of rows of `width`.
    pub fn demand(width: usize, classes: usize) -> Demand {
        Demand { held: classes * width * (WIDE + NARROW), ending: classes * width * WIDE }
    }
}

impl Subspaces {
    /// In the spaces of `networks` networks.
    pub fn demand(width: usize, classes: usize, networks: usize) -> Demand {
        let one = ClassMeans::demand(width, classes);
        Demand { held: one.held * networks, ending: one.ending * networks }
    }
}

impl Lda {
    /// Of `classes` classes of rows of `width`, of which `crops` of a picture are held out.
    pub fn demand(width: usize, classes: usize, crops: usize) -> Demand {
        let weights = classes * width;
        let held = triangle(width) * WIDE + weights * (WIDE + NARROW);
        // The scatter beside the sums, and its factor.
        let solving = triangle(width) * WIDE + width * width * WIDE + 3 * weights * WIDE;
        Demand { held, ending: solving + asking(width, classes, better::ASKED, crops) }
    }
}

impl Mda {
    /// Of `centres` centres of rows of `width`, of which `crops` of a picture are held out.
    pub fn demand(width: usize, centres: usize, crops: usize) -> Demand {
        let weights = centres * width;
        let held = triangle(width) * NARROW + weights * (WIDE + NARROW) + centres * centres * WIDE;
        let observing = mda::BLOCK * width * (WIDE + NARROW) + width * PackedGram::<f32>::PANEL * NARROW;
        let solving = width * width * WIDE + 3 * weights * WIDE + 3 * centres * centres * WIDE;
        let fresh = mda::ASKED * crops * width * NARROW;
        Demand { held, ending: fresh + observing.max(solving + asking(width, centres, mda::ASKED, crops)) }
    }
}

impl Ridge {
    /// On `lifted` columns made of `width`, where `chosen` says whether the ridge parameter is searched for.
    pub fn demand(width: usize, lifted: usize, classes: usize, crops: usize, chosen: bool) -> Demand {
        let (weights, random) = (classes * lifted, if lifted == width + 1 { 0 } else { width * lifted });
        let held = triangle(lifted) * NARROW + weights * (WIDE + NARROW) + random * NARROW;
        let observing =
            ridge::BLOCK * lifted * (WIDE + 2 * NARROW) + lifted * PackedGram::<f32>::PANEL * NARROW;
        let factor = lifted * lifted * WIDE + 3 * weights * WIDE;
        let search = if chosen { lifted * Cholesky::PANEL * WIDE } else { 0 };
        let block = ridge::ASKED * crops * lifted * (NARROW + 3 * WIDE);
        Demand { held, ending: observing.max(factor + search.max(block)) }
    }
}

impl Blend {
    /// Of [`Mda`] on `width` columns and [`Ridge`] on `lifted` made of the first `narrow`.
    pub fn demand([width, narrow]: [usize; 2], lifted: usize, centres: usize, crops: usize) -> Demand {
        let (mda, ridge) =
            (Mda::demand(width, centres, crops), Ridge::demand(narrow, lifted, centres, crops, false));
        // Rows held out, and what discriminants say of them, wait for the ridge.
        let waiting = mda::ASKED * (crops * width * NARROW + centres * WIDE);
        Demand { held: mda.held + ridge.held, ending: mda.ending.max(waiting + ridge.ending) }
    }
}

impl Better {
    /// Of both heads on the same rows.
    pub fn demand(width: usize, lifted: usize, classes: usize, crops: usize) -> Demand {
        let (ridge, lda) =
            (Ridge::demand(width, lifted, classes, crops, true), Lda::demand(width, classes, crops));
        let fresh = better::ASKED * crops * width * NARROW;
        Demand { held: ridge.held + lda.held, ending: fresh + ridge.ending.max(lda.ending) }
    }
}
