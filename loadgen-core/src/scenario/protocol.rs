//! What a scenario speaks, and the fields that are not for it.

use super::plan::Protocol;
use super::raw::RawStep;
use super::validate::Layers;

impl Layers<'_> {
    /// What the steps speak; `None` when they speak nothing, or not one protocol.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        let steps = self.pick("steps", |raw| &raw.steps).entry.given()?;
        let any = |get: fn(&RawStep) -> bool| steps.given().any(|(_, step)| get(step));
        match (
            any(|step| !step.grpc.is_absent()),
            any(|step| !step.websocket.is_absent()),
        ) {
            (true, false) => Some(Protocol::Grpc),
            (false, true) => Some(Protocol::Websocket),
            _ => None,
        }
    }

    /// Whether the scenario itself has fields of another protocol; notes each. Those of `defaults`
    /// and profiles are for whatever scenario they fit.
    pub(super) fn has_foreign_fields(&self, protocol: Protocol) -> bool {
        let Some(own) = self
            .layers
            .iter()
            .find(|layer| layer.path == self.own_path)
            .map(|layer| layer.raw)
        else {
            return false;
        };
        let (fields, theirs, ours): (&[(&str, bool, &str)], _, _) = match protocol {
            Protocol::Grpc => (
                &[
                    (
                        "connection_per",
                        own.connection_per.is_absent(),
                        "gRPC users share `connections`",
                    ),
                    (
                        "connect_rate",
                        own.connect_rate.is_absent(),
                        "gRPC `connections` are opened before the load begins",
                    ),
                    (
                        "headers",
                        own.headers.is_absent(),
                        "what gRPC sends beside messages is `metadata`",
                    ),
                    (
                        "subprotocols",
                        own.subprotocols.is_absent(),
                        "gRPC has no subprotocols",
                    ),
                ],
                "WebSocket",
                "gRPC",
            ),
            Protocol::Websocket => (
                &[
                    (
                        "connections",
                        own.connections.is_absent(),
                        "each user has a connection of its own: `load.closed.users`, `load.open.users.max`",
                    ),
                    (
                        "streams_per_connection",
                        own.streams_per_connection.is_absent(),
                        "a WebSocket connection is one stream, and each user has its own",
                    ),
                    (
                        "keepalive",
                        own.keepalive.is_absent(),
                        "a WebSocket step can send a `ping`, with `every`",
                    ),
                    (
                        "metadata",
                        own.metadata.is_absent(),
                        "what WebSocket sends beside messages is `headers`",
                    ),
                    (
                        "protos",
                        own.protos.is_absent(),
                        "WebSocket messages need no description",
                    ),
                ],
                "gRPC",
                "WebSocket",
            ),
        };
        let mut any = false;
        for (field, absent, help) in fields {
            if !absent {
                any = true;
                self.problems.add(
                    format!("{}.{field}", self.own_path),
                    format!("a field of {theirs} in a {ours} scenario"),
                    format!("fields of {ours} only"),
                    Some((*help).to_owned()),
                );
            }
        }
        any
    }
}
