//! Tasks without announced boundaries: where does one end, and is the next one new?
//!
//! ```text
//! sample ──> z under the signature of the current task ──> CUSUM ──alarm──> a few more samples ──> same, recurs, new
//!                                                            │
//!                                          falls to zero: the sample is the task's own, and its signature grows
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `cusum` | [`Cusum`], [`CusumRule`]: the sequential test and its calibration to a false-alarm rate |
//! | `labels` | [`LabelSurprise`]: labels of the samples as a second signal, where they are known |
//! | `rows` | the bounded buffer of features, in halves |
//! | `watch` | what is watched of a task: signature, threshold, labels |
//! | `params` | [`SegmenterParams`], with and without labels |
//! | `segmenter` | [`Segmenter`]: features in, boundaries out |
//! | `metrics` | [`Segmentation`]: delay, false boundaries, purity |
//!
//! Decisions, where methods.md 5.7 and A.8 leave room:
//!
//! * **The current task is watched, not the best of all tasks.** `max_k z_k` never falls when an *old* task comes back, and
//!   the more tasks there are the less it falls when a new one comes.
//! * **Signatures come from the stream itself.** The first `opening` samples fix the space, the next `warm_up` the first
//!   signature (rows that the space was fitted to look too familiar), and the first `warm_up` of a new task its own. They
//!   are one task by assumption, and while they are collected no boundary is seen. A signature is fitted again each time its samples have doubled, up to the size of the buffer.
//! * **One allowance for everything.** The drift is the mean surprise, in deviations, that counts as nothing. A task
//!   explains a segment if its mean surprise there is below the drift: its own CUSUM would not have risen. Only samples
//!   after the alarm are asked: those before it raised it.
//! * **Divergences between mixtures are no test here.** A mixture of 20 samples in 192 dimensions differs from every
//!   signature by its own noise; the samples themselves say more.
//!   [`DpGmm::symmetric_divergence`](crate::mixture::DpGmm::symmetric_divergence) is there for longer segments.
//!
//! Invariants: state is bounded by two buffers of `buffer` rows and one signature a task; the same samples give the same
//! boundaries; a segmenter read back goes on as the one that was stored.
//!
//! It does not learn, and it keeps no images. Tasks shorter than the warm-up are not seen.

mod cusum;
mod labels;
mod metrics;
mod params;
mod rows;
mod segmenter;
mod watch;

pub use cusum::{Cusum, CusumRule};
pub use labels::LabelSurprise;
pub use metrics::Segmentation;
pub use params::SegmenterParams;
pub use segmenter::{Boundary, Segmenter, Verdict};
