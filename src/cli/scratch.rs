//! A folder for the time of one command.

use std::path::PathBuf;

use crate::error::{Context, Result};

/// A folder that goes when the command ends.
pub struct Scratch(pub PathBuf);

impl Scratch {
    /// An empty one, in the folder for temporary files.
    pub fn new(command: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("perennial-{command}-{}", std::process::id()));
        std::fs::create_dir_all(&path).at(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Whoever cannot remove it now finds it in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
