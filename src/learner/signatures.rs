//! Signatures of tasks in one space: that of the frozen network, or that of every task's own network.

use alloc::vec::Vec;

use ndarray::{Array1, Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::mixture::{DpGmm, Overlap};
use crate::signature::{Reduced, Reduction, Router, Signature};

/// Signatures by task, and the reduction that all of them share, fitted on the first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signatures {
    pub(super) reduction: Option<Reduction>,
    pub(super) router: Router,
}

impl Signatures {
    /// Drops what is of `class` in the signature of `task`; `false` where some of it stays.
    pub fn forget(&mut self, task: usize, class: usize) -> Result<bool> {
        self.router.get_mut(task).map_or(Ok(true), |signature| signature.forget(class))
    }

    /// Drops the signature of `task`; later tasks move down by one.
    pub fn forget_task(&mut self, task: usize) {
        drop(self.router.remove(task));
    }

    /// Merges two components of one class, the two in all signatures that cost least; gives the cost in nats a sample, `None` where there
    /// are no two.
    pub fn merge_components(&mut self) -> Result<Option<f64>> {
        let mut best: Option<(usize, Signature, f64)> = None;
        for (task, signature) in self.router.signatures().iter().enumerate() {
            let Some((smaller, cost)) = signature.smaller()? else { continue };
            if best.as_ref().is_none_or(|(_, _, least)| cost < *least) {
                best = Some((task, smaller, cost));
            }
        }
        let Some((task, smaller, cost)) = best else { return Ok(None) };
        if let Some(own) = self.router.get_mut(task) {
            *own = smaller;
        }
        Ok(Some(cost))
    }

    /// What it costs, in nats a sample, to make two tasks one, and the bytes that it saves.
    pub fn cost_of_union(&self, kept: usize, other: usize) -> Result<(f64, usize)> {
        let [own, gone] = [kept, other].map(|task| self.router.signatures().get(task));
        let (Some(own), Some(gone)) = (own, gone) else { crate::bail!(Bug, "tasks without signatures") };
        let (united, cost) = own.united(gone)?;
        Ok((cost, (own.bytes() + gone.bytes()).saturating_sub(united.bytes())))
    }

    /// Makes two tasks one, the earlier of the two; later tasks move down by one.
    pub fn unite(&mut self, kept: usize, other: usize) -> Result<()> {
        let Some(gone) = self.router.remove(other) else { return Ok(()) };
        if let Some(own) = self.router.get_mut(kept) {
            *own = own.united(&gone)?.0;
        }
        Ok(())
    }

    /// Bounds on taking one task for another that need no images.
    pub fn overlap(&self) -> Result<Overlap> {
        Overlap::new(&self.mixtures())
    }

    pub(super) fn mixtures(&self) -> Vec<&DpGmm> {
        self.router.signatures().iter().map(Signature::mixture).collect()
    }

    /// Whether there is one for each of `tasks` tasks, all of them in the same space.
    pub(super) fn fits(&self, tasks: usize) -> bool {
        let signatures = self.router.signatures();
        let width = self.reduction.as_ref().map(Reduction::dims);
        signatures.len() == tasks
            && signatures.iter().all(|s| s.fits() && Some(s.mixture().n_features()) == width)
    }

    /// Log densities under every task, `[n, tasks]`.
    pub fn scores(&self, features: ArrayView2<'_, f32>) -> Result<Array2<f64>> {
        self.router.scores(&reduced(self.space()?, features)?)
    }

    /// Log densities under `task` alone, `[n]`.
    pub fn scores_of(&self, task: usize, features: ArrayView2<'_, f32>) -> Result<Array1<f64>> {
        let signature = self.router.signatures().get(task);
        let signature = signature.ok_or_else(|| crate::err!(Bug, "task {task} has no signature"))?;
        signature.score(&reduced(self.space()?, features)?)
    }

    pub(super) fn space(&self) -> Result<&Reduction> {
        self.reduction.as_ref().ok_or_else(|| crate::err!(State, "no signature was learned yet"))
    }

    /// The reduction that all signatures share; `None` before the first.
    pub fn reduction(&self) -> Option<&Reduction> {
        self.reduction.as_ref()
    }

    /// Adds the signature of a task that was learned elsewhere, in the same space.
    ///
    /// # Errors
    /// [`Mismatch`](crate::ErrorKind::Mismatch) for one of another form or width.
    pub fn absorb(&mut self, signature: Signature) -> Result<()> {
        let own = self.router.signatures().first();
        if !own.is_some_and(|own| own.is_like(&signature)) {
            crate::bail!(
                Mismatch,
                "a signature of another form than those here; both must come from one common state"
            );
        }
        self.router.push(signature);
        Ok(())
    }

    /// The signatures.
    pub fn router(&self) -> &Router {
        &self.router
    }

    /// Bytes at rest.
    pub fn bytes(&self) -> usize {
        self.router.bytes() + self.reduction.as_ref().map_or(0, Reduction::bytes)
    }
}

/// Reduced features, scored as they are: the background of the first task, fitted to few images, is no measure of later
/// ones.
pub(super) fn reduced(reduction: &Reduction, features: ArrayView2<'_, f32>) -> Result<Reduced> {
    Ok(Reduced::plain(reduction.apply(features)?.z))
}
