//! What a step says in whichever protocol: those before and after iterations may speak another one than the
//! scenario.

use super::raw::RawStep;
use super::room::Room;
use super::{
    GrpcCall, GrpcPlan, HttpPlan, HttpRequest, Protocol, TcpExchange, TcpPlan, WebsocketExchange,
    WebsocketPlan, grpc, http, tcp, websocket,
};
use crate::scenario::reader::Entry;

/// What a step says, in one of the protocols.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Spoken {
    /// A gRPC call.
    Grpc(GrpcCall),
    /// An exchange over WebSocket.
    Websocket(WebsocketExchange),
    /// An HTTP request.
    Http(HttpRequest),
    /// An exchange over TCP.
    Tcp(TcpExchange),
}

impl Spoken {
    /// In which protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Grpc(_) => Protocol::Grpc,
            Self::Websocket(_) => Protocol::Websocket,
            Self::Http(_) => Protocol::Http,
            Self::Tcp(_) => Protocol::Tcp,
        }
    }

    /// What a step without a name is called, and after what.
    pub(in crate::scenario) fn short_name(&self) -> (String, &'static str) {
        match self {
            Self::Grpc(call) => GrpcPlan::short_name(call),
            Self::Websocket(exchange) => WebsocketPlan::short_name(exchange),
            Self::Http(request) => HttpPlan::short_name(request),
            Self::Tcp(exchange) => TcpPlan::short_name(exchange),
        }
    }

    /// Adds it to a step's raw form.
    pub(in crate::scenario) fn print(&self, raw: &mut RawStep) {
        match self {
            Self::Grpc(call) => raw.grpc = Entry::Given(grpc::print::grpc(call)),
            Self::Websocket(exchange) => {
                raw.websocket = Entry::Given(websocket::print::websocket(exchange));
            }
            Self::Http(request) => raw.http = Entry::Given(http::print::http(request)),
            Self::Tcp(exchange) => raw.tcp = Entry::Given(tcp::print::tcp(exchange)),
        }
    }
}

impl From<GrpcCall> for Spoken {
    fn from(call: GrpcCall) -> Self {
        Self::Grpc(call)
    }
}

impl From<WebsocketExchange> for Spoken {
    fn from(exchange: WebsocketExchange) -> Self {
        Self::Websocket(exchange)
    }
}

impl From<HttpRequest> for Spoken {
    fn from(request: HttpRequest) -> Self {
        Self::Http(request)
    }
}

impl From<TcpExchange> for Spoken {
    fn from(exchange: TcpExchange) -> Self {
        Self::Tcp(exchange)
    }
}
