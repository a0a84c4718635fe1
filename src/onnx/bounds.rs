//! How much memory the messages of a file will take, before any is built.
//!
//! An empty node takes two bytes of a file and more than a hundred of memory, so a small file could ask for a
//! hundred times its size. The file is therefore read twice: first into messages that count and keep
//! nothing (a `Vec` of zero-sized elements never allocates), then for good. The fixtures' messages need up
//! to 3.3 times the size of their file, and whole decoding of the worst bytes made for `tests/onnx_hostile.rs`
//! 54 times.

use prost::Message;
use prost::bytes::Buf;

use super::schema::{AttributeProto, NodeProto, StringStringEntryProto, TensorProto, ValueInfoProto};
use crate::error::Result;

/// Memory that messages may take per byte of the file.
const PER_BYTE: usize = 32;
/// And without regard to the size.
const FREE: usize = 1 << 20;

/// Messages that count. They bear the names of the real ones because errors print these.
mod count {
    use prost::Message;

    use super::super::schema::Present;

    #[derive(Clone, PartialEq, Message)]
    pub struct ModelProto {
        #[prost(message, optional, tag = "7")]
        pub graph: Option<GraphProto>,
        #[prost(message, repeated, tag = "8")]
        pub opset_import: Vec<Present>,
        #[prost(message, repeated, tag = "14")]
        pub metadata_props: Vec<Present>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct GraphProto {
        #[prost(message, repeated, tag = "1")]
        pub node: Vec<NodeProto>,
        #[prost(message, repeated, tag = "5")]
        pub initializer: Vec<Present>,
        #[prost(message, repeated, tag = "11")]
        pub input: Vec<Present>,
        #[prost(message, repeated, tag = "12")]
        pub output: Vec<Present>,
        #[prost(message, repeated, tag = "13")]
        pub value_info: Vec<Present>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub struct NodeProto {
        #[prost(message, repeated, tag = "5")]
        pub attribute: Vec<Present>,
    }
}

impl count::ModelProto {
    /// Bytes of memory that the counted messages take themselves, without what they point to.
    fn cost(&self) -> usize {
        let Some(g) = &self.graph else { return 0 };
        let attributes: usize = g.node.iter().map(|n| n.attribute.len()).sum();
        let values = g.input.len() + g.output.len() + g.value_info.len();
        let pairs = self.opset_import.len() + self.metadata_props.len();
        g.node.len() * size_of::<NodeProto>()
            + attributes * (size_of::<AttributeProto>() + size_of::<TensorProto>())
            + g.initializer.len() * size_of::<TensorProto>()
            + values * size_of::<ValueInfoProto>()
            + pairs * size_of::<StringStringEntryProto>()
    }
}

/// Refuses bytes that are no protobuf, or whose messages would take far more memory than the bytes do.
pub fn check(bytes: &[u8]) -> Result<()> {
    let count: count::ModelProto = parse(&mut &*bytes)?;
    let (cost, limit) = (count.cost(), bytes.len().saturating_mul(PER_BYTE).saturating_add(FREE));
    if cost > limit {
        crate::bail!(
            Parse,
            "{} bytes hold so many empty messages that reading them would take {cost} bytes of memory \
             (limit {limit}); this is not a model",
            bytes.len()
        );
    }
    Ok(())
}

/// Reads one message; an error names the field and the byte offset.
pub fn parse<M: Message + Default>(buf: &mut impl Buf) -> Result<M> {
    let total = buf.remaining();
    let mut message = M::default();
    match message.merge(&mut *buf) {
        Ok(()) => Ok(message),
        Err(e) => {
            Err(crate::err!(Parse, "not a readable ONNX model; was it downloaded or copied completely?")
                .caused_by(e)
                .at(format!("byte {} of {total}", total - buf.remaining())))
        }
    }
}
