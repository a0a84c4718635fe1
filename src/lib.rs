//! Perennial: a runtime that lets robots and cameras keep learning after they have shipped, without forgetting,
//! without old images, inside a promised memory budget.
//!
//! The idea that carries everything: **training is compiled into an inference graph**. A frozen ONNX vision
//! transformer is read ([`onnx`], [`graph`]), its blocks are found by structure and LoRA is injected ([`adapter`]),
//! the graph is differentiated into standard ONNX operators ([`autodiff`], [`joint`]), and any engine that runs
//! inference ([`engine`]) becomes a trainer. What crosses back to the host is small; the optimizer ([`optim`]),
//! the gradient projection ([`subspace`], [`strategy`]), the classifiers ([`head`]) and the signatures that
//! recognise tasks ([`mixture`], [`signature`]) work on that.
//!
//! [`learner::Learner`] is the one object that most users hold:
//!
//! ```text
//! builder ── build ── begin_task ── observe .. epoch .. ── end_task ── commit | rollback
//!                                predict, at any time
//! ```
//!
//! [`background::Background`] lets it learn on a thread of its own, while [`learner::Predictor`]s answer every frame.
//!
//! It does no I/O. [`frame`] makes its input of what a camera delivers; [`store`] saves its state: atomically, checksummed,
//! bound to the backbone by SHA-256.
//!
//! Invariants: nothing grows without a limit that was planned; the same data and seed give the same bytes,
//! whatever the number of threads; on an error the state is what it was; no image is kept after its task.
//!
//! Without features it is the **small core**, `no_std` and `alloc`: a state is read, solved, asked
//! ([`State::score`](learner::State::score)) and written, a head learns rows and an adapter is folded into a weight, on a chip that gets its features
//! from another one.
//!
//! | feature | adds |
//! |---|---|
//! | `std` (in each of the others) | all but the small core: graphs, engines, learning, files |
//! | `tract` (default) | the pure-Rust engine |
//! | `eval` | `data`, `eval`, `report`, `measure`: pictures and data sets, scenarios and metrics, the HTML report, speed and memory |
//! | `peft` | `peft`: adapters in the files of the PEFT library |
//! | `bundle` | `bundle`: tasks as signed files |
//! | `fleet` | `fleet`: bundles between devices, by a folder or by Zenoh |
//! | `sealed` | `store::StateKey`: states that are encrypted with a key from the caller |
//! | `serve` | `service`: a learner behind a Unix socket or HTTP on loopback, with a live page |
//! | `ffi` | the C ABI; `targets/c` has its header |
//! | `cli` (default) | the `perennial` program, with all of the above but the engine |
//!
//! The folders stand on floors and import downwards only; ARCHITECTURE.md has the table, a test enforces it.
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

extern crate alloc;

pub mod error;
#[cfg(feature = "std")]
pub mod graph;
pub mod linalg;

pub mod adapter;
#[cfg(feature = "std")]
pub mod autodiff;
#[cfg(feature = "std")]
pub mod frame;
pub mod mixture;
#[cfg(feature = "std")]
pub mod onnx;
#[cfg(feature = "std")]
pub mod precision;
pub mod subspace;

#[cfg(feature = "std")]
pub mod backbone;
#[cfg(feature = "std")]
pub mod engine;
pub mod head;
pub mod joint;
#[cfg(feature = "std")]
pub mod optim;
#[cfg(feature = "std")]
pub mod plan;
pub mod signature;

#[cfg(feature = "std")]
pub mod gradcheck;
pub mod strategy;

pub mod learner;

#[cfg(feature = "std")]
pub mod background;
#[cfg(feature = "peft")]
pub mod peft;
pub mod store;

#[cfg(feature = "bundle")]
pub mod bundle;
#[cfg(feature = "eval")]
pub mod data;
#[cfg(feature = "eval")]
pub mod eval;
#[cfg(feature = "fleet")]
pub mod fleet;
#[cfg(feature = "eval")]
pub mod measure;
#[cfg(feature = "eval")]
pub mod report;
#[cfg(all(feature = "serve", unix))]
pub mod service;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "ffi")]
pub mod ffi;

pub use error::{Error, ErrorKind, Result};
