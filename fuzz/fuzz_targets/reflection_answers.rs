//! Any bytes are an answer of server reflection that is used, or is refused in a sentence fit for a
//! terminal, and never panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::driver::grpc::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::reflection_answer(data));
