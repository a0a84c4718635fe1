//! The model inside the program, so that the demonstration needs no file: a small vision transformer, pre-trained on
//! drawn pictures only (`models/pretrain.rs`), images `[N, 3, 64, 64]`.

use crate::backbone::Backbone;
use crate::error::{Context, Result};

/// What stands for the embedded model where a command takes a file.
pub const NAME: &str = "default";

/// `models/perennial-tiny.onnx`.
const BYTES: &[u8] = include_bytes!("../../models/perennial-tiny.onnx");

/// The embedded model.
///
/// # Errors
/// As [`Backbone::from_bytes`].
pub fn backbone() -> Result<Backbone> {
    Backbone::from_bytes(BYTES).at(|| "the embedded model".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// State files name the model by this sum: another model under the same name would refuse them.
    const SHA256: &str = "8dd405c9337ee9fab31b3bf9814937b74987264d7cd64b5b7806cddc122bea50";

    #[test]
    fn is_the_model_that_state_files_name() {
        let model = backbone().unwrap();
        assert_eq!(hex::encode(model.sha256()), SHA256);
        assert_eq!(model.image().unwrap(), [3, 64, 64]);
    }
}
