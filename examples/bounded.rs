//! A promise about memory: the plan is refused before anything is spent, and the message says what would do.
//!
//! ```text
//! cargo run --release --example bounded
//! ```

use std::path::Path;

use perennial::adapter::{Blocks, Lora};
use perennial::backbone::Backbone;
use perennial::learner::{Budget, Builder, Learner, Settings};

const MIB: usize = 1 << 20;

fn main() -> perennial::Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/timm_legacy_op17_dynamic.onnx");
    let backbone = Backbone::read(&model)?;
    let lora = Lora { blocks: Blocks::Last(1), ..Lora::default() };
    let with = |ram: usize, cache: usize, random_features: usize| -> Builder {
        let settings = Settings { lora, random_features, ..Settings::default() };
        Learner::builder(backbone.clone()).settings(settings).budget(Budget {
            ram: Some(ram),
            cache,
            ..Budget::default()
        })
    };

    println!("the default settings would take\n{}\n", with(16 * MIB, 256 * MIB, 2000).plan()?);
    match with(16 * MIB, 256 * MIB, 2000).build() {
        Ok(_) => println!("16 MiB would do after all"),
        Err(e) => println!("with 16 MiB: {e}\n"),
    }
    let learner = with(16 * MIB, 2 * MIB, 300).build()?;
    println!("a smaller cache and head fit into 16 MiB\n{}", learner.footprint());
    Ok(())
}
