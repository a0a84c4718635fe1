//! Which version of an engine computed something.

/// What this program was built from.
const LOCK: &str = include_str!("../../Cargo.lock");

/// Version of the engine selected by `name`; of ONNX Runtime, that of the shared library.
pub fn version(name: &str) -> Option<String> {
    match name.split(':').next() {
        Some("tract") => locked("tract-onnx"),
        Some("rten") => locked("rten"),
        #[cfg(feature = "onnxruntime")]
        Some("onnxruntime") => super::onnxruntime::library_version(),
        _ => None,
    }
}

fn locked(package: &str) -> Option<String> {
    let entry = LOCK.split("[[package]]").find(|e| e.contains(&format!("\nname = \"{package}\"\n")))?;
    entry.lines().find_map(|line| line.strip_prefix("version = ")).map(|v| v.trim_matches('"').to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_file_names_the_engines() {
        assert_eq!(version("tract").unwrap(), "0.23.9");
        assert!(version("rten").unwrap().starts_with("0.24."));
        assert_eq!(version("abacus"), None);
    }
}
