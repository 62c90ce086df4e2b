//! Any text is a `.proto` file that is compiled, or is refused in a sentence fit for a terminal, and
//! never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::driver::grpc::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::proto_text(data));
