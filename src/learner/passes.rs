//! The passes of a training step: one with all adapters, or one for each of two branches.
//!
//! The branches of NTK-CL do not meet before the features: tokens that join an attention (the patch branch) stand in one copy of the
//! suffix, everything else (the channel branch) in the other. Both copies read the same tokens and the same weights.

use super::Settings;
use super::goal::OLD_DIRECTIONS;
use crate::adapter::{Lora, Sharing, Site, Slot, inject};
use crate::error::Result;
use crate::graph::{Graph, ValueId, rewrite};
use crate::joint::{Branches, Joint, Objective, minimising};
use crate::strategy::Goal;

/// The training step that a strategy's goal will need at most, for `classes` rows, and its slots.
pub fn largest(
    settings: &Settings,
    goal: Goal,
    suffix: &Graph,
    sites: &[Site],
    classes: usize,
) -> Result<(Joint, Vec<Slot>)> {
    let objective = match goal {
        Goal::Branches(terms) => {
            Objective::Branches(Branches { terms, prototypes: settings.batch, directions: OLD_DIRECTIONS })
        }
        // Views of one feature cost next to nothing beside the network.
        Goal::Linear | Goal::Views { .. } => Objective::Linear,
    };
    let (graph, slots) = injected(suffix, sites, &settings.lora, &objective)?;
    let step = minimising(&objective, graph, &slots, classes, settings.recompute)?;
    Ok((step, slots))
}

/// `suffix` with adapters at `sites`, and the slots in the order of the sites; its outputs are one feature a pass.
pub fn injected(
    suffix: &Graph,
    sites: &[Site],
    lora: &Lora,
    objective: &Objective,
) -> Result<(Graph, Vec<Slot>)> {
    let mut suffix = suffix.clone();
    // Training reads the feature alone.
    suffix.outputs.truncate(1);
    if !matches!(objective, Objective::Branches(_)) {
        return inject(suffix, sites, lora, Sharing::Shared);
    }
    let (tokens, rest): (Vec<Site>, Vec<Site>) = sites.iter().cloned().partition(is_token);
    let (mut graph, channel) = inject(suffix.clone(), &rest, lora, Sharing::Shared)?;
    let (other, patch) = inject(suffix, &tokens, lora, Sharing::Shared)?;
    let here = rewrite::beside(&mut graph, &other)?;
    let here = |v: ValueId| here.get(&v).copied().ok_or_else(|| crate::err!(Bug, "a branch lost a value"));
    for &v in &other.outputs {
        graph.outputs.push(here(v)?);
    }
    let (mut channel, mut patch, mut slots) = (channel.into_iter(), patch.into_iter(), Vec::new());
    for site in sites {
        slots.extend(match is_token(site) {
            false => channel.next(),
            true => match patch.next() {
                Some(slot) => {
                    let (lora_a, lora_b) = (here(slot.lora_a)?, slot.lora_b.map(here).transpose()?);
                    Some(Slot { lora_a, lora_b, ..slot })
                }
                None => None,
            },
        });
    }
    Ok((graph, slots))
}

/// Whether a site is of the patch branch.
fn is_token(site: &Site) -> bool {
    !site.role.mechanism().adds_up()
}
