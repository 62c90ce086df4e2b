//! Any text is a suite in YAML or an error, whatever it includes and sets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::scenario::fuzzing;

fuzz_target!(|text: &str| fuzzing::yaml_text(text));
