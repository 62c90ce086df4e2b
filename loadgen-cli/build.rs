//! Generates what shards and their coordinator say to each other, with no protobuf compiler installed.

use std::error::Error;

const PROTO_ROOT: &str = "proto";
const PROTO_FILE: &str = "loadgen/coordinate/v1/coordinate.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={PROTO_ROOT}");
    let descriptors = protox::compile([PROTO_FILE], [PROTO_ROOT])?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}
