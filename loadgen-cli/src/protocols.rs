//! What the command line knows of each protocol: one row for each, in the order of [`Protocol`].
//!
//! Whoever adds a protocol adds its row. Flags of targets, variables of the environment and the embedded
//! backend are made from here. What is known of the reference servers is in `servers`.

use loadgen_core::scenario::Protocol;

use crate::servers::{self, Server};

/// All protocols.
pub(crate) const ALL: [&Spoken; 4] = [
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
        server: &servers::GRPC,
        trial: "hello_high",
        own: "grpc localhost:50051 list",
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
        server: &servers::WEBSOCKET,
        trial: "echo_stress",
        own: "websocket ws://localhost:8080/ --send hello -c 50 -d 10s",
    },
    &Spoken {
        protocol: Protocol::Http,
        name: "HTTP",
        plain: "http",
        encrypted: "https",
        target_flag: "http-target",
        target_help: "Where to send HTTP, `host:port`, `http://host` or `https://host:port`; repeatable, or with commas",
        variables: Variables {
            host: "HTTP_HOST",
            port: "HTTP_PORT",
            default_port: 8081,
        },
        server: &servers::HTTP,
        trial: "http_hello_high",
        own: "http http://localhost:8080/ -c 50 -d 10s",
    },
    &Spoken {
        protocol: Protocol::Tcp,
        name: "TCP",
        plain: "tcp",
        encrypted: "tls",
        target_flag: "tcp-target",
        target_help: "Where to send TCP, `host:port`, `tls://host:port` or `unix:/path`; repeatable, or with commas",
        variables: Variables {
            host: "TCP_HOST",
            port: "TCP_PORT",
            default_port: 9001,
        },
        server: &servers::TCP,
        trial: "tcp_echo_high",
        own: "tcp localhost:6379 --send 'PING\\r\\n' --until '\\r\\n' -c 50 -d 10s",
    },
];

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
    /// The reference server that answers it.
    pub(crate) server: &'static Server,
    /// The shipped scenario to begin with, which no other protocol has.
    pub(crate) trial: &'static str,
    /// Arguments to go on with, at a service of one's own.
    pub(crate) own: &'static str,
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
    /// Whether its targets have this scheme.
    pub(crate) fn has_scheme(&self, scheme: &str) -> bool {
        let is = |known: &str| known.eq_ignore_ascii_case(scheme);
        is(self.plain) || is(self.encrypted)
    }

    /// The flag that names its targets, as it is written.
    pub(crate) fn target_flag(&self) -> String {
        format!("--{}", self.target_flag)
    }
}

/// The row of a protocol.
pub(crate) fn of(protocol: Protocol) -> Option<&'static Spoken> {
    ALL.into_iter().find(|it| it.protocol == protocol)
}

/// The row of the first protocol whose targets have this scheme.
pub(crate) fn of_scheme(scheme: &str) -> Option<&'static Spoken> {
    ALL.into_iter().find(|it| it.has_scheme(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_protocol_has_a_row_in_its_order() {
        let rows = ALL.map(|it| it.protocol);
        assert_eq!(Protocol::all().collect::<Vec<_>>(), rows);
    }

    #[test]
    fn the_server_of_a_protocol_has_its_name() {
        for row in ALL {
            assert_eq!(row.server.name, row.protocol.as_str());
        }
    }
}
