//! A promise about memory: the plan is refused before anything is spent, the message says what would do, and what fits is found.
//!
//! ```text
//! cargo run --release --example bounded
//! ```

use std::path::Path;

use perennial::adapter::{Blocks, Lora};
use perennial::backbone::Backbone;
use perennial::learner::{Budget, Builder, Learner, Settings};

/// Bytes of RAM.
const PROMISED: usize = 32 << 20;

fn main() -> perennial::Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/timm_legacy_op17_dynamic.onnx");
    let backbone = Backbone::read(&model)?;
    let lora = Lora { blocks: Blocks::Last(1), ..Lora::default() };
    let builder = |ram: usize| -> Builder {
        let settings = Settings { lora, ..Settings::default() };
        Learner::builder(backbone.clone())
            .settings(settings)
            .budget(Budget { ram: Some(ram), ..Budget::default() })
    };

    println!("the default settings would take\n{}\n", builder(PROMISED).plan()?);
    match builder(PROMISED).build() {
        Ok(_) => println!("{PROMISED} bytes would do after all"),
        Err(e) => println!("{e}\n"),
    }
    let (builder, fitted) = builder(PROMISED).fitted()?;
    println!("{fitted}\n");
    println!("{}", builder.build()?.footprint());
    Ok(())
}
