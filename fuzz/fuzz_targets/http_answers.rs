//! The HTTP driver takes any bytes from a server for an answer, or for none: it never panics, and in
//! whatever pieces they come, it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::driver::http::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::read(data));
