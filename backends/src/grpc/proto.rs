//! The generated types of the reference service: messages, client and server.
//!
//! A client takes any `tonic` channel or service: `GreeterClient::new(channel)`.

#![expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

tonic::include_proto!("loadgen.v1");

/// The service's name in requests' paths and in health checks.
pub const GREETER: &str = greeter_server::SERVICE_NAME;

/// The descriptors of everything in this module, as an encoded `FileDescriptorSet`.
pub const FILE_DESCRIPTOR_SET: &[u8] =
    include_bytes!(concat!(env!("OUT_DIR"), "/loadgen.v1.descriptors.bin"));
