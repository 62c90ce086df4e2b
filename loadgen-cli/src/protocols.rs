//! What the command line knows of each protocol: one row for each, in the order of [`Protocol`].
//!
//! Whoever adds a protocol adds its row, and to `args::serve` the command that serves it alone. Flags,
//! variables of the environment and the embedded backend are made from here.

use loadgen_backends::{RunningServer, ServeError, ServerConfig, start_grpc, start_websocket};
use loadgen_core::scenario::Protocol;

/// All protocols.
pub(crate) const ALL: [&Spoken; 2] = [
    &Spoken {
        protocol: Protocol::Grpc,
        name: "gRPC",
        plain: "http",
        encrypted: "https",
        target_flag: "grpc-target",
        target_help: "Where to send gRPC, `host:port` or `https://host:port`; repeatable, or with commas",
        variables: Variables {
            host: "GRPC_HOST",
            port: "GRPC_PORT",
            default_port: 50051,
        },
        address_flag: "grpc-address",
        address_help: "Address to listen on for gRPC; port 0 takes a free one",
        address: GRPC_ADDRESS,
        serve: start_grpc,
    },
    &Spoken {
        protocol: Protocol::Websocket,
        name: "WebSocket",
        plain: "ws",
        encrypted: "wss",
        target_flag: "websocket-target",
        target_help: "Where to send WebSocket, `host:port`, `ws://host:port` or `wss://host:port`; repeatable, or with commas",
        variables: Variables {
            host: "WEBSOCKET_HOST",
            port: "WEBSOCKET_PORT",
            default_port: 8080,
        },
        address_flag: "websocket-address",
        address_help: "Address to listen on for WebSocket; port 0 takes a free one",
        address: WEBSOCKET_ADDRESS,
        serve: start_websocket,
    },
];

/// Where the gRPC server listens unless told.
pub(crate) const GRPC_ADDRESS: &str = "127.0.0.1:50051";
/// Where the WebSocket server listens unless told.
pub(crate) const WEBSOCKET_ADDRESS: &str = "127.0.0.1:8080";

/// A protocol, as the command line has it.
#[derive(Debug)]
pub(crate) struct Spoken {
    /// Which one.
    pub(crate) protocol: Protocol,
    /// Its name for people.
    pub(crate) name: &'static str,
    /// The scheme of its targets without TLS.
    pub(crate) plain: &'static str,
    /// The scheme of its targets with TLS.
    pub(crate) encrypted: &'static str,
    /// The flag of `run` that names its targets, without the dashes.
    pub(crate) target_flag: &'static str,
    /// What the help says of that flag.
    pub(crate) target_help: &'static str,
    /// What the environment calls its target.
    pub(crate) variables: Variables,
    /// The flag of `serve all` that says where its server listens, without the dashes.
    pub(crate) address_flag: &'static str,
    /// What the help says of that flag.
    pub(crate) address_help: &'static str,
    /// Where its server listens unless told.
    pub(crate) address: &'static str,
    /// Starts its reference server.
    pub(crate) serve: fn(ServerConfig) -> Result<RunningServer, ServeError>,
}

/// What the environment calls an address.
#[derive(Debug)]
pub(crate) struct Variables {
    /// The variable of the host.
    pub(crate) host: &'static str,
    /// The variable of the port.
    pub(crate) port: &'static str,
    /// The port when only the host is set.
    pub(crate) default_port: u16,
}

impl Spoken {
    /// The flag that names its targets, as it is written.
    pub(crate) fn target_flag(&self) -> String {
        format!("--{}", self.target_flag)
    }
}

/// The row of a protocol.
pub(crate) fn of(protocol: Protocol) -> Option<&'static Spoken> {
    ALL.into_iter().find(|it| it.protocol == protocol)
}

/// The row of the protocol whose targets have this scheme.
pub(crate) fn of_scheme(scheme: &str) -> Option<&'static Spoken> {
    let is = |known: &str| known.eq_ignore_ascii_case(scheme);
    ALL.into_iter().find(|it| is(it.plain) || is(it.encrypted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_a_row_in_its_order() {
        let rows = ALL.map(|it| it.protocol);
        assert_eq!(Protocol::all().collect::<Vec<_>>(), rows);
    }
}
