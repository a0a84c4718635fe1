//! The header of the C ABI is the one that the source makes.
//!
//!     PERENNIAL_WRITE=1 cargo test --features ffi --test header     writes it
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use cbindgen::{Builder, Config, DocumentationStyle, EnumConfig, Language, RenameRule, Style};

const TOP: &str = "/* Perennial: learning on the device, without forgetting. C99 and C++17.
 *
 * Made by tests/header.rs from src/ffi; do not edit.
 *
 * Every call gives a status; 0 is good. What went wrong is copied into the perennial_error that the call is given:
 *
 *     perennial_error error = PERENNIAL_ERROR_INIT;
 *     if (perennial_backbone_read(\"vit_tiny.onnx\", 0, 0, &backbone, &error)) { puts(error.message); }
 *
 * On an error nothing has changed, and no result was written. A handle is the caller's until its _destroy, which takes the address of
 * the handle and sets it to null. Learners are used by one thread at a time, predictors by any number. Nothing is global.
 */";

const END: &str = "/* An error that nothing was written to yet. */
#define PERENNIAL_ERROR_INIT { sizeof(perennial_error), 0, \"\" }
";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn made() -> String {
    let config = Config {
        language: Language::C,
        cpp_compat: true,
        header: Some(TOP.into()),
        trailer: Some(END.into()),
        include_guard: Some("PERENNIAL_H".into()),
        style: Style::Both,
        line_length: 120,
        documentation_style: DocumentationStyle::Doxy,
        usize_is_size_t: true,
        enumeration: EnumConfig {
            prefix_with_name: true,
            rename_variants: RenameRule::ScreamingSnakeCase,
            ..EnumConfig::default()
        },
        ..Config::default()
    };
    // The other files are found from there.
    let builder = Builder::new().with_config(config).with_src(root().join("src/ffi/mod.rs"));
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    String::from_utf8(text).unwrap()
}

#[test]
fn the_header_is_what_the_source_makes() {
    let (path, made) = (root().join("targets/c/perennial.h"), made());
    if std::env::var_os("PERENNIAL_WRITE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "{} is stale; see the top of tests/header.rs", path.display());
}

/// The source's functions stand in the header, all of them, once each.
#[test]
fn every_function_is_in_the_header_once() {
    let header = made();
    let mut functions = 0;
    for entry in std::fs::read_dir(Path::new(&root()).join("src/ffi")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for part in text.split("extern \"C\" fn perennial_").skip(1) {
            let name = part.split('(').next().unwrap();
            let times = header.matches(&format!(" perennial_{name}(")).count()
                + header.matches(&format!("*perennial_{name}(")).count();
            assert_eq!(times, 1, "perennial_{name} in the header");
            functions += 1;
        }
    }
    assert!(functions > 30, "only {functions} functions");
}
