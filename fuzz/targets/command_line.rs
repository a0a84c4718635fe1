//! Arguments, one a line: parsed, never run. What options hold that are taken apart later is taken apart here.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use clap::Parser;
use perennial::cli::Cli;
use perennial::data::DataSpec;
use perennial::{engine, strategy};
use perennial_fuzz::{bounded, sound};

const A_BYTE: usize = 1000;
const FREE: usize = 16 << 20;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let words: Vec<&OsStr> = bytes.split(|&b| b == b'\n').map(OsStr::from_bytes).collect();
    let all = [OsStr::new("perennial")].into_iter().chain(words.iter().copied());
    bounded(A_BYTE * bytes.len() + FREE, || {
        if let Err(e) = Cli::try_parse_from(all) {
            assert!(!e.render().to_string().is_empty());
        }
        for text in words.iter().filter_map(|word| word.to_str()) {
            let _ = sound(strategy::by_name(text, 2000));
            let _ = sound(engine::known(text));
            let _ = sound(text.parse::<DataSpec>());
        }
    });
});
