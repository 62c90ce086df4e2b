//! The WebSocket driver takes any frames from a server: it counts them, or fails the step, and
//! never panics, never answers more round trips than it sent messages.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::driver::websocket::fuzzing;

fuzz_target!(|data: &[u8]| fuzzing::replay(data));
