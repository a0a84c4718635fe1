//! ONNX: bytes to [`Graph`](crate::graph::Graph) and back.
//!
//! ```text
//! bytes --bounds--> counted --prost--> messages --decode--> Graph --encode--> bytes
//!                                         |
//!                              External (a folder, a map, or none)
//! ```
//!
//! Floor 2. Opsets 13 to 22; f16, bf16, f32, f64, integer and bool tensors, raw, typed or in external files.
//! What is read is written again: `decode(encode(g)) == g` up to dtypes and shapes of intermediate values,
//! which the file does not carry. The same graph gives the same bytes.
//!
//! Reading trusts nothing: a length is believed only where the bytes are there, counts are checked
//! before messages are built, external files cannot leave the model's folder, and every refusal says where
//! (byte offset, node, tensor) and what to do. No input may panic.
//!
//! Does not: run or check operators (their schemas are the engines' business), read sub-graphs, functions,
//! sparse tensors, strings or training information.
//!
//! | file | holds |
//! |---|---|
//! | `schema` | the protobuf messages |
//! | `bounds` | counts before anything is built |
//! | `decode` | messages to graph |
//! | `order` | execution order, missing values, cycles |
//! | `contrib` | operators of ONNX Runtime, written out in standard ones |
//! | `parts` | tensors, attributes, dimensions, both ways |
//! | `external` | where external data may come from |
//! | `encode` | graph to messages |
//! | `write` | files, all or nothing |

mod bounds;
mod contrib;
mod decode;
mod encode;
mod external;
mod order;
mod parts;
mod schema;
#[cfg(test)]
mod tests;
mod write;

pub use contrib::written_out;
pub use decode::{OPSETS, decode, from_bytes, read};
pub use encode::encode;
pub use external::{External, Folder, NoExternal};
pub use write::{encode_apart, write, write_external};
