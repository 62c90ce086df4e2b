//! Any text is an expression or a template that comes to something or to a sentence, within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::expression;

fuzz_target!(|text: &str| expression::fuzzing::expression_text(text));
