//! The scenario language: raw types, validation, an immutable plan.
//!
//! A suite is read in three steps. [`Suite::parse`] turns text into raw types with a decoder that
//! notes every problem instead of stopping at the first; validation checks what concerns more than
//! one value and makes a [`ScenarioPlan`] of each scenario; a plan is never changed, only replaced
//! by another ([`ScenarioPlan::with_overrides`]). Owns the language and nothing that runs it; of files it
//! reads those that a suite includes.

use std::io;
use std::path::Path;

mod backend;
mod capacity;
mod data;
mod event;
mod expect;
mod fault;
#[cfg(fuzzing)]
pub mod fuzzing;
mod identify;
mod load;
mod overrides;
mod plan;
mod protocol;
mod reader;
mod step;
mod suite;
mod target;
mod think_time;
mod tls;
mod value;

pub use crate::data::Order as DataOrder;
pub use backend::{
    BackendPlan, BackendRole, BalanceAlgorithm, BalanceLayer, BalanceOptions, HeaderRoute,
    ProxyOptions, ServeOptions, ServiceTimes,
};
pub use capacity::{CapacityError, CapacityPlan};
pub use data::{DataSource, RowPer, WhenOut};
pub use event::{Deed, DeedBody, EventPlan, ExecDeed, HttpDeed};
pub use fault::Faults;
pub use identify::Identify;
pub(crate) use identify::one_group;
pub use overrides::{OverrideError, Overrides};
pub use plan::{Elsewhere, FileRole, NamedFile, Plan, ScenarioPlan};
pub(crate) use protocol::check_header_name;
pub(crate) use protocol::check_request_header_name;
pub(crate) use protocol::tcp::{MAX_REGEX_BYTES, from_hex, regex};
pub use protocol::{
    Answer, CircuitBreaker, Codec, CodecError, Compression, ConnectionPer, Endian, GrpcCall,
    GrpcPlan, GrpcStreamEnd, HealthCheck, HttpBody, HttpPlan, HttpRequest, HttpVersion,
    LengthPrefix, MessageStream, Payload, PerMessageDeflate, Pick, Protocol, ProtocolPlan,
    ReplyMark, Retry, RetryThrottling, Spoken, TcpExchange, TcpPayload, TcpPlan, TcpReceive,
    WebsocketExchange, WebsocketMessages, WebsocketPlan,
};
pub(crate) use reader::json::join;
pub use reader::problem::{Problem, SuiteError};
pub(crate) use step::all as all_steps;
pub use step::{Action, Alternative, Step, StreamEnd};
pub use suite::print::to_json;
pub use suite::schema::schema;
pub use suite::select::{SelectError, UnknownName};
pub use suite::{Assignment, AssignmentError, Suite, SuiteSource, to_yaml};
pub use tls::Tls;
pub use value::Source;
pub use value::address_list::AddressList;
pub(crate) use value::base64::from_base64;
pub(crate) use value::base64::is_base64;
pub use value::target::{Target, TargetError};

/// What comes with the library: a file for each protocol.
const SHIPPED: [(&str, &str); 4] = [
    ("grpc.json", include_str!("../../../scenarios/grpc.json")),
    (
        "websocket.json",
        include_str!("../../../scenarios/websocket.json"),
    ),
    ("http.json", include_str!("../../../scenarios/http.json")),
    ("tcp.json", include_str!("../../../scenarios/tcp.json")),
];

/// What starts servers of its own, which the others know nothing of.
const SHIPPED_WITH_SERVERS: [(&str, &str); 2] = [
    (
        "balance.json",
        include_str!("../../../scenarios/balance.json"),
    ),
    (
        "routing.json",
        include_str!("../../../scenarios/routing.json"),
    ),
];

/// The suite that comes with the library: a file for each protocol, which name no targets, and those with servers
/// of their own.
#[must_use]
pub fn shipped() -> Suite {
    shipped_with(&[]).expect("the shipped suites are valid, which a test checks")
}

/// The suite that comes with the library, with what is set in it.
///
/// # Errors
/// [`SuiteError`] for what cannot be set, and for a suite that is not valid with it.
pub fn shipped_with(set: &[Assignment]) -> Result<Suite, SuiteError> {
    let with_servers = SHIPPED_WITH_SERVERS.map(|(name, text)| SuiteSource::new(name, text));
    let known = with_servers.iter().map(Suite::read);
    let known: Vec<Suite> = known.collect::<Result<_, _>>()?;
    // By its place whose an assignment is; what is to no server there is is told by the first of them.
    let whose = |it: &Assignment| {
        let of = known.iter().position(|suite| it.is_of(suite));
        of.or_else(|| it.is_of_servers().then_some(0))
    };
    let others = set.iter().filter(|it| whose(it).is_none());
    let others: Vec<Assignment> = others.cloned().collect();
    let all = serde_json::json!({ "include": SHIPPED.map(|(name, _)| name) }).to_string();
    let file = |path: &Path| {
        let named = SHIPPED.iter().find(|(name, _)| path == Path::new(name));
        let (_, text) = named.ok_or(io::ErrorKind::NotFound)?;
        Ok((*text).to_owned())
    };
    let source = SuiteSource::new("the shipped scenarios", &all).files(&file);
    let mut suite = Suite::read(&source.set(&others))?;
    for (place, source) in with_servers.iter().enumerate() {
        let is_for = |it: &&Assignment| it.is_for_all() || whose(it) == Some(place);
        let theirs: Vec<Assignment> = set.iter().filter(is_for).cloned().collect();
        suite = suite.or(Suite::read(&source.set(&theirs))?);
    }
    Ok(suite)
}

#[cfg(test)]
mod tests;
