//! Generates the reference service's types, and the descriptors that reflection serves, with no
//! protobuf compiler installed.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use prost::Message as _;

const PROTO_ROOT: &str = "../loadgen-core/proto";
const PROTO_FILE: &str = "loadgen/v1/loadgen.proto";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    // Cargo looks at a folder's files, one by one, so a new file counts too.
    println!("cargo:rerun-if-changed={PROTO_ROOT}");

    let descriptors = protox::compile([PROTO_FILE], [PROTO_ROOT])?;
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    fs::write(
        Path::new(&out_dir).join("loadgen.v1.descriptors.bin"),
        descriptors.encode_to_vec(),
    )?;
    tonic_prost_build::configure()
        // The transport is this package's own, and a client brings its own channel.
        .build_transport(false)
        .bytes(".loadgen.v1")
        .codec_path("crate::grpc::codec::SmallBuffers")
        .compile_fds(descriptors)?;
    Ok(())
}
