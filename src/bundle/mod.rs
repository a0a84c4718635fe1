//! Tasks as signed files, which other devices can take over without trusting the way they came.
//!
//! Floor 7. A bundle holds what one task taught ([`Lesson`](crate::learner::Lesson)): statistics of its
//! classes and its signature, no image and no adapter. It is for learners that have everything else in common: backbone, preprocessing, and the
//! [`Space`](crate::learner::Space) of features, which is compared by hash.
//!
//! ```text
//! offset
//! 0    "PRNB"        magic
//! 4    u16 le        format version
//! 6    32 bytes      the maker's public key, Ed25519
//! 38   64 bytes      signature over "perennial bundle" | version | key | content
//! 102  u32 le  n     length of the content
//! 106  n bytes       Content, postcard; in it the lesson as bytes of its own
//! ```
//!
//! The [`Bundle::id`] is the SHA-256 of the content. Nothing of the content is looked at before the signature holds, and nothing of
//! the lesson before maker, age and space are the right ones.
//!
//! | file | holds |
//! |---|---|
//! | `content` | [`Content`]: what is signed, and its limits |
//! | `file` | [`Bundle`]: bytes, signature, id |
//! | `key` | keys, and whom to trust |
//! | `intake` | [`intake()`]: the checks before a bundle becomes part of a state |
//! | `trial` | [`Trial`]: old classes asked before and after |
//!
//! Invariants: a state takes a bundle over whole or not at all; taking it over twice is taking it over once; the order in which
//! bundles come changes nothing but the order of classes and rounding.
//!
//! What it does not promise: that a maker who is trusted says the truth. Statistics that *could* be those of images are taken for that; the
//! trial finds those that take answers away from old classes, not those that teach new classes wrongly.

mod content;
mod file;
mod intake;
mod key;
mod trial;

pub use content::{Content, Label, preprocessing, source};
pub use file::{Bundle, MAX_FILE};
pub use intake::{Here, Intake, Outcome, intake};
pub use key::{PublicKey, SecretKey, Trust};
pub use trial::{Limits, Trial};
