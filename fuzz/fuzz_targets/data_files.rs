//! Any bytes are a file of test data whose rows can be read, or are refused in a sentence.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::data;

fuzz_target!(|data: &[u8]| data::fuzzing::data_file(data));
