//! What the command line knows of each reference server: one row for each, in the order in which
//! `serve all` starts and announces them.
//!
//! Whoever adds a server adds its row, and to `args::serve` the command that serves it alone. The flags
//! of `serve all` and what the embedded backend starts are made from here.

use loadgen_backends::{
    Code, RunningServer, ServeError, ServerConfig, TcpOptions, start_grpc, start_http, start_tcp,
    start_websocket,
};

/// All of them.
pub(crate) const ALL: [&Server; 4] = [&GRPC, &WEBSOCKET, &HTTP, &TCP];

/// The gRPC server.
pub(crate) const GRPC: Server = Server {
    name: "grpc",
    address_flag: "grpc-address",
    address_help: "Address to listen on for gRPC; port 0 takes a free one",
    address: GRPC_ADDRESS,
    start: |config, special| {
        start_grpc(ServerConfig {
            version: special.version.clone(),
            stream_log: special.stream_log,
            ..config
        })
    },
};
/// The WebSocket server.
pub(crate) const WEBSOCKET: Server = Server {
    name: "websocket",
    address_flag: "websocket-address",
    address_help: "Address to listen on for WebSocket; port 0 takes a free one",
    address: WEBSOCKET_ADDRESS,
    start: |config, _| start_websocket(config),
};
/// The HTTP server.
pub(crate) const HTTP: Server = Server {
    name: "http",
    address_flag: "http-address",
    address_help: "Address to listen on for HTTP; port 0 takes a free one",
    address: HTTP_ADDRESS,
    start: |config, _| start_http(config),
};
/// The TCP server.
pub(crate) const TCP: Server = Server {
    name: "tcp",
    address_flag: "tcp-address",
    address_help: "Address to listen on for TCP; port 0 takes a free one",
    address: TCP_ADDRESS,
    start: |config, special| start_tcp(config, special.tcp),
};

/// Where the gRPC server listens unless told.
pub(crate) const GRPC_ADDRESS: &str = "127.0.0.1:50051";
/// Where the WebSocket server listens unless told.
pub(crate) const WEBSOCKET_ADDRESS: &str = "127.0.0.1:8080";
/// Where the HTTP server listens unless told.
pub(crate) const HTTP_ADDRESS: &str = "127.0.0.1:8081";
/// Where the TCP server listens unless told.
pub(crate) const TCP_ADDRESS: &str = "127.0.0.1:9001";

/// A reference server, as the command line has it.
#[derive(Debug)]
pub(crate) struct Server {
    /// What it is called in commands, in the line that says that it listens, and in metrics; where
    /// there are scenarios of what it speaks, the name of that.
    pub(crate) name: &'static str,
    /// The flag of `serve all` that says where it listens, without the dashes.
    pub(crate) address_flag: &'static str,
    /// What the help says of that flag.
    pub(crate) address_help: &'static str,
    /// Where it listens unless told.
    pub(crate) address: &'static str,
    /// Starts it.
    pub(crate) start: fn(ServerConfig, &Special) -> Result<RunningServer, ServeError>,
}

/// What only some of them can be told.
#[derive(Debug, Clone)]
pub(crate) struct Special {
    /// The status of errors on purpose, where it speaks of such.
    pub(crate) error_code: Code,
    /// How TCP is answered.
    pub(crate) tcp: TcpOptions,
    /// Which version of what it serves gRPC says that it is.
    pub(crate) version: Option<String>,
    /// Who is told of gRPC's streams.
    pub(crate) stream_log: Option<fn(&str)>,
}

impl Default for Special {
    fn default() -> Self {
        Self {
            error_code: Code::Unavailable,
            tcp: TcpOptions::default(),
            version: None,
            stream_log: None,
        }
    }
}
