//! Any JSON is a message of every kind of field, or is wrong in places that are named.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loadgen_core::driver::grpc::fuzzing;

fuzz_target!(|text: &str| fuzzing::message_json(text));
