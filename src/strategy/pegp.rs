//! PEGP: gradient projection for parameter-efficient continual tuning (arXiv 2405.13383), as corrected in
//! methods.md 1.11.
//!
//! If the rows of an update `dA` are orthogonal to every input `x` that old tasks send to a site, then
//! `x dA^T = 0` and old outputs do not change. The inputs' subspace `U` is taken from their second moment, in
//! feature space, up to a share of its energy; the *applied* delta (after Adam, momentum and decay) is
//! projected, because an optimizer's element-wise rescaling leaves the subspace.
//!
//! | mode | trains | protects |
//! |---|---|---|
//! | [`Mode::Expand`] | a new branch a task, `A` inside the free subspace, `B = 0` at the start | `B A x_old = 0` for *any* `B`; old branches are frozen and summed |
//! | [`Mode::Shared`] | one adapter | `A` off the inputs' subspace, `B` off the hidden rows' subspace, as published |
//! | [`Mode::SharedDownOnly`] | one adapter | `A` as above; `B` by the exact quadratic form `lambda tr(dB C_Y dB^T)` |
//!
//! The modes of one adapter take all four paradigms of the paper, each with its condition (methods.md 1.2):
//!
//! | adapter | old outputs are kept if |
//! |---|---|
//! | LoRA | `x dA^T = 0` and `y dB^T = 0`, `y = x A^T` |
//! | bottleneck | the same with `y = relu(x A^T)` |
//! | prefix | `q dA^T = 0` in every head: no score moves, so no weight does; and `w dB^T = 0`, `w` the weights of its tokens |
//! | prompt | `q W_K^T dA^T = 0` in every head, and `w dA = 0`: its values are `A W_V` |
//!
//! The paper's condition for prompts is `x dA^T = 0`, from `Z Z^T` with `Z = [p; x]`. Scores are `x W_Q W_K^T A^T`, so that
//! would keep them only if `W_Q W_K^T` were a multiple of the identity; what is protected here is what A is compared with.
//!
//! Does not guarantee that nothing is forgotten: the energy below the threshold may move, and LayerNorm and
//! attention see the sum of all blocks. The report of a task states what was captured.

use ndarray::Array2;
use rand::Rng;

use super::memory::Anchor;
use super::unprotected::start_adapters;
use super::{Memory, Moments, Pair, Reading, Strategy, TaskContext, Trained, Twin, Wants};
use crate::adapter::Mechanism;
use crate::error::Result;
use crate::subspace::{Energy, EnergySchedule, SecondMoment};

/// Where the protected update lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A new branch a task.
    Expand,
    /// One adapter, both factors projected.
    Shared,
    /// One adapter, A projected, B anchored.
    SharedDownOnly,
}

/// The strategy and its settings.
#[derive(Clone, Copy, Debug)]
pub struct Pegp {
    /// Where the update lives.
    pub mode: Mode,
    /// Share of the inputs' energy that is protected, by task.
    pub energy: EnergySchedule,
    /// Settled branches are compressed to this rank a slot, which bounds the state.
    pub max_rank: usize,
    /// Factor on the adapters' deltas after the first task. Features must move little for statistics taken under
    /// older weights to stay true: see the table in ARCHITECTURE.md.
    pub later_rate: f32,
    /// Weight of the anchor of B in [`Mode::SharedDownOnly`].
    pub anchor: f32,
    /// Second model of every later task, merged with the first; only where one adapter is trained on and on.
    pub twin: Option<Twin>,
    /// What predicts.
    pub reading: Reading,
}

impl Pegp {
    /// Default settings in `mode`.
    pub fn new(mode: Mode, reading: Reading) -> Self {
        Self {
            mode,
            energy: EnergySchedule::default(),
            max_rank: 64,
            later_rate: 0.05,
            anchor: 1.0,
            twin: None,
            reading,
        }
    }

    /// The published mode with the two models of the journal's code, merged in equal parts.
    pub fn merged(reading: Reading) -> Self {
        Self { twin: Some(Twin { share: 0.5, weight: 1.0 }), ..Self::new(Mode::Shared, reading) }
    }

    /// A new branch whose A lies in the free subspace and whose B is zero.
    fn branch(task: &TaskContext, memory: &mut Memory) -> Result<()> {
        let mut rng = task.rng();
        for (slot, pair) in memory.slots.iter().zip(&mut memory.current) {
            *pair = Pair::zeros(task.rank, slot.inputs, slot.outputs);
            pair.a = memory.inputs[slot.tap].sample_free(rng.r#gen(), task.rank)?;
        }
        Ok(())
    }
}

impl Strategy for Pegp {
    fn name(&self) -> &'static str {
        match self.mode {
            Mode::Expand => "pegp",
            Mode::Shared if self.twin.is_some() => "pegp-merged",
            Mode::Shared => "pegp-shared",
            Mode::SharedDownOnly => "pegp-shared-down",
        }
    }

    fn reading(&self) -> Reading {
        self.reading
    }

    fn adds_up(&self) -> bool {
        self.mode == Mode::Expand
    }

    fn adapts(&self, _: usize) -> bool {
        true
    }

    fn rate(&self, index: usize) -> f32 {
        if index == 0 { 1.0 } else { self.later_rate }
    }

    fn twin(&self) -> Option<Twin> {
        self.twin
    }

    fn wants(&self) -> Wants {
        Wants { inputs: true, hidden: self.mode != Mode::Expand, ..Wants::default() }
    }

    fn begin(&self, task: &TaskContext, memory: &mut Memory) -> Result<()> {
        match self.mode {
            Mode::Expand => Self::branch(task, memory),
            _ if task.index == 0 => {
                start_adapters(task, memory);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn delta(&self, memory: &Memory, slot: usize, delta: &mut Trained, _: f32) -> Result<()> {
        memory.inputs[memory.slots[slot].tap].project(delta.pair.a.view_mut())?;
        match self.mode {
            // The values of a prompt come from A itself.
            Mode::Shared if memory.slots[slot].mechanism == Mechanism::Prompt => {
                memory.hidden[slot].project(delta.pair.a.view_mut().reversed_axes())
            }
            Mode::Shared => memory.hidden[slot].project(delta.pair.b.view_mut()),
            _ => Ok(()),
        }
    }

    fn gradient(&self, memory: &Memory, slot: usize, gradient: &mut Trained) {
        // d/dB of (anchor / 2) tr((B - B_old) C_Y (B - B_old)^T), C_Y scaled to unit trace.
        if let (Mode::SharedDownOnly, Some(Anchor { b, moment })) = (self.mode, &memory.anchors[slot]) {
            let moved = &memory.current[slot].b - b;
            gradient.pair.b.scaled_add(self.anchor, &moved.dot(moment));
        }
    }

    fn end(&self, task: &TaskContext, memory: &mut Memory, moments: &Moments) -> Result<()> {
        let energy = self.energy.at(task.index);
        for (basis, moment) in memory.inputs.iter_mut().zip(&moments.inputs) {
            basis.extend(moment, energy)?;
        }
        if self.mode == Mode::Expand {
            return memory.settle(self.max_rank);
        }
        memory.round();
        for (slot, hidden) in moments.hidden.iter().enumerate() {
            match self.mode {
                Mode::Shared => {
                    memory.hidden[slot].extend(hidden, energy)?;
                }
                _ => memory.anchor(slot, &unit_trace(hidden)),
            }
        }
        Ok(())
    }
}

/// The moment scaled to trace 1.
fn unit_trace(hidden: &SecondMoment) -> Array2<f32> {
    let trace = hidden.total().max(f64::MIN_POSITIVE);
    hidden.moment().mapv(|x| (x / trace) as f32)
}
