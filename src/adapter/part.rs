//! Sites in a part of the graph, whose values have other ids and the same names.

use super::linear::{Linear, linears};
use super::meeting::Meeting;
use super::role::Mechanism;
use super::site::{Layer, Place, Site};
use crate::error::Result;
use crate::graph::{Graph, ValueId};

/// `sites` of `graph` in `part`.
///
/// # Errors
/// [`Bug`](crate::ErrorKind::Bug) where a site is not there.
pub fn in_part(graph: &Graph, sites: &[Site], part: &Graph) -> Result<Vec<Site>> {
    let move_to = Moving { graph, part, linears: linears(part)? };
    let moved = |site: &Site| {
        let place = match &site.place {
            Place::Layer(layer) => move_to.layer(layer, site.role.mechanism()).map(Place::Layer),
            Place::Attention(meeting) => move_to.meeting(meeting).map(|m| Place::Attention(Box::new(m))),
        };
        let place = place.ok_or_else(|| crate::err!(Bug, "site {} is not behind the cut", site.name))?;
        Ok(Site { place, ..site.clone() })
    };
    sites.iter().map(moved).collect()
}

struct Moving<'g> {
    graph: &'g Graph,
    part: &'g Graph,
    linears: Vec<Linear>,
}

impl Moving<'_> {
    fn value(&self, v: ValueId) -> Option<ValueId> {
        self.part.find(&self.graph.value(v).name)
    }

    fn layer(&self, Layer { linear, columns }: &Layer, mechanism: Mechanism) -> Option<Layer> {
        let (weight, y) = (self.value(linear.weight)?, self.value(linear.y)?);
        let mut found = self.linears.iter().find(|l| l.weight == weight && l.y == y)?.clone();
        if mechanism == Mechanism::Bottleneck {
            // It reads something else than the layer whose output it adds to.
            (found.x, found.inputs) = (self.value(linear.x)?, linear.inputs);
        }
        Some(Layer { linear: found, columns: columns.clone() })
    }

    fn meeting(&self, meeting: &Meeting) -> Option<Meeting> {
        let made = match meeting.made.as_deref() {
            Some([keys, values]) => {
                let layer = |layer| self.layer(layer, Mechanism::Prompt);
                Some(Box::new([layer(keys)?, layer(values)?]))
            }
            None => None,
        };
        let (queries, scores) = (self.value(meeting.queries)?, self.value(meeting.scores)?);
        let (weights, answer) = (self.value(meeting.weights)?, self.value(meeting.answer)?);
        Some(Meeting { queries, scores, weights, answer, made, ..meeting.clone() })
    }
}
