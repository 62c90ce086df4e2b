//! loadgen's own HTTP/2 takes any bytes from a server: it never panics, in whatever pieces they come it does the
//! same, it owes the server no more than it was asked for, and all of that is what the library `h2` does, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::driver::grpc::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::http2_answers(data));
