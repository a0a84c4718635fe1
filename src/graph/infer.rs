//! Shape and dtype inference, one rule per operator.

use super::{Graph, NodeId};
use crate::error::Result;

/// Infers dtype and shape of the results of one node from its operands.
pub fn node(_graph: &mut Graph, _id: NodeId) -> Result<()> {
    Ok(())
}
