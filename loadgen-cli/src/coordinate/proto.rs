//! What shards and their coordinator say to each other, as `proto/loadgen/coordinate/v1/coordinate.proto` has it.

#![expect(
    unreachable_pub,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated from the file, which says what all of it means"
)]

tonic::include_proto!("loadgen.coordinate.v1");
