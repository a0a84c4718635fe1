//! All strategies, by name.
//!
//! | name | adapts | protects | head |
//! |---|---|---|---|
//! | `ncm-frozen` | never | | cosine class means |
//! | `ridge-frozen` | never | | ridge |
//! | `lda-frozen` | never | | linear discriminants, a tenth of the memory of the next |
//! | `ranpac-frozen` | never | | random-feature ridge (RanPAC, arXiv 2307.02251, without its first phase) |
//! | `lda-beside`, `ranpac-beside` | never | | one of the two heads of the next |
//! | `best-frozen` | never | | the better of the last two, on frozen features beside mean boundary tokens: what `pegp`'s head alone is worth |
//! | `ranpac-first` | first task only | | random-feature ridge (RanPAC) |
//! | `sequential` | every task | nothing | linear, masked loss |
//! | `joint` | every task | nothing | linear (give it all classes as one task: the upper reference) |
//! | `pegp` | every task, a new branch each | input subspaces (arXiv 2405.13383) | the better of ridge and discriminants, on features side by side |
//! | `pegp-shared` | every task | inputs and hidden rows of one adapter, as published | the same |
//! | `pegp-shared-down` | every task | inputs; an anchor holds B | the same |
//! | `pegp-merged` | every task twice | as `pegp-shared`, merged with an unprotected twin (the journal's code, methods.md 1.6) | the same |
//! | `inflora` | every task, B of a new branch each | A in the free subspace (arXiv 2404.00228) | linear |
//! | `o-lora` | every task, a new branch each | orthogonality loss (arXiv 2310.14152) | linear |
//! | `sd-lora` | every task, a new branch each and all magnitudes | directions are frozen (arXiv 2501.13198) | linear |
//! | `lae` | every task | a slow copy (arXiv 2303.10070) | linear, the surer of two |
//! | `ease` | every task, a network each | nothing is shared (arXiv 2403.12030) | class means in every space |
//! | `ntk-lite` | every task | a mean copy, distance from old prototypes (arXiv 2407.17120) | class means in sections |
//! | `ntk-faithful` | every task, in two branches (`--roles parallel,prompt`) | the same as released, quirks included; four passes an image | class means in sections |
//! | `proteus` | every task, a network each over a shared unit pool | nothing is overwritten (arXiv 2603.13235) | ridge on the network an image is routed to |
//! | `perennial` | first task only | nothing moves after it | centres by class and task over several depths, and random-feature ridge |
//! | `perennial-compact` | the same | the same | centres alone, over fewer depths: below 1 MB |
//!
//! `perennial`, the default, adapts the last blocks once and leaves the network alone, so no statistic ever goes stale: the
//! hooks are those of `ranpac-first`. What it reads is what sets it apart: its feature and, at no further pass, what tokens say
//! before the adapted blocks. What each part buys is in ARCHITECTURE.md.
//!
//! `NAME+HEAD` puts another classifier behind the same features: `sequential+ranpac`. `NAME+HEAD-beside` reads frozen
//! features and mean boundary tokens beside them, `NAME+HEAD-deep` and `-near` what tokens
//! say at several depths. `NAME+vectors` compares the feature with vectors that the caller gives, such as text embeddings of
//! the classes' names, and trains towards them: with a frozen strategy, zero-shot prediction.

use alloc::boxed::Box;
use alloc::string::String;

use super::{
    Classifier, Ease, Frozen, InfLora, Lae, Mode, Ntk, NtkFaithful, OLora, Pegp, Proteus, Reading, SdLora,
    Strategy, Unprotected, View,
};
use crate::error::Result;

/// Names of all strategies.
pub const NAMES: [&str; 24] = [
    "ncm-frozen",
    "ridge-frozen",
    "lda-frozen",
    "ranpac-frozen",
    "lda-beside",
    "ranpac-beside",
    "best-frozen",
    "ranpac-first",
    "sequential",
    "inflora",
    "o-lora",
    "sd-lora",
    "lae",
    "ease",
    "pegp",
    "pegp-shared",
    "pegp-shared-down",
    "pegp-merged",
    "ntk-lite",
    "ntk-faithful",
    "proteus",
    "perennial",
    "perennial-compact",
    "joint",
];

/// Crops of a picture in which the default learns it: the picture and two windows (ARCHITECTURE.md says what they buy).
const CROPS: usize = 3;

/// A strategy and how its features are read.
#[derive(Debug)]
pub struct Choice {
    /// As it was asked for, and is stored: `sequential+ranpac`.
    pub name: String,
    /// The hooks.
    pub strategy: Box<dyn Strategy>,
    /// Its own reading, or the one that was asked for.
    pub reading: Reading,
}

/// The strategy called `name`, or `name+head`; random-feature heads get `random_features` columns.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) lists the names;
/// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for the linear head of a network that is never trained.
pub fn by_name(name: &str, random_features: usize) -> Result<Choice> {
    let (base, head) = name.split_once('+').map_or((name, None), |(base, head)| (base, Some(head)));
    let strategy = hooks(base, random_features)?;
    let mut reading = strategy.reading();
    if let Some(head) = head {
        let views = [("-beside", View::Beside), ("-deep", View::Deep), ("-near", View::Near)];
        let other = views.iter().find_map(|(end, view)| head.strip_suffix(end).map(|head| (head, *view)));
        let (head, view) = other.unwrap_or((head, reading.view));
        reading = Reading { classifier: Classifier::by_name(head, random_features)?, view };
        if reading.classifier == Classifier::Given {
            // Vectors are as wide as one feature.
            reading.view = if strategy.adapts(0) { View::Adapted } else { View::Frozen };
        }
    }
    let trained = strategy.adapts(0) && !reading.view.is_scaled();
    if reading.classifier == Classifier::Linear && !trained {
        crate::bail!(
            InvalidArgument,
            "{name}: a linear head reads the features it was trained on; leave +linear out"
        );
    }
    Ok(Choice { name: name.into(), strategy, reading })
}

fn hooks(name: &str, random_features: usize) -> Result<Box<dyn Strategy>> {
    let ranpac = Classifier::RandomRidge { features: random_features };
    let better = Classifier::Better { features: random_features };
    let reading = |classifier, view| Reading { classifier, view };
    Ok(match name {
        "ncm-frozen" => Box::new(Frozen::new("ncm-frozen", Classifier::ClassMeans)),
        "ridge-frozen" => Box::new(Frozen::new("ridge-frozen", Classifier::Ridge)),
        "lda-frozen" => Box::new(Frozen::new("lda-frozen", Classifier::Discriminants)),
        "ranpac-frozen" => Box::new(Frozen::new("ranpac-frozen", ranpac)),
        "lda-beside" => Box::new(Frozen::new("lda-beside", Classifier::Discriminants).beside()),
        "ranpac-beside" => Box::new(Frozen::new("ranpac-beside", ranpac).beside()),
        "best-frozen" => Box::new(Frozen::new("best-frozen", better).beside()),
        "ranpac-first" => Box::new(Unprotected::first("ranpac-first", reading(ranpac, View::Adapted))),
        "sequential" => Box::new(Unprotected::always("sequential")),
        "joint" => Box::new(Unprotected::always("joint")),
        "inflora" => Box::new(InfLora::default()),
        "o-lora" => Box::new(OLora::default()),
        "sd-lora" => Box::new(SdLora),
        "lae" => Box::new(Lae::default()),
        "ease" => Box::new(Ease),
        "pegp" => Box::new(Pegp::new(Mode::Expand, reading(better, View::Beside))),
        "pegp-shared" => Box::new(Pegp::new(Mode::Shared, reading(better, View::Beside))),
        "pegp-merged" => Box::new(Pegp::merged(reading(better, View::Beside))),
        "pegp-shared-down" => Box::new(Pegp::new(Mode::SharedDownOnly, reading(better, View::Beside))),
        "ntk-lite" => Box::new(Ntk::default()),
        "ntk-faithful" => Box::new(NtkFaithful::default()),
        "perennial" => {
            let blend = Classifier::Blend { features: random_features };
            Box::new(Unprotected::first("perennial", reading(blend, View::Deep)).in_crops(CROPS))
        }
        "perennial-compact" => {
            let centres = reading(Classifier::Centres, View::Near);
            Box::new(Unprotected::first("perennial-compact", centres).in_crops(CROPS))
        }
        "proteus" => Box::new(Proteus::new(ranpac)),
        _ => crate::bail!(
            NotFound,
            "no strategy {name:?}; use one of: {}; with +HEAD for another classifier",
            NAMES.join(", ")
        ),
    })
}
