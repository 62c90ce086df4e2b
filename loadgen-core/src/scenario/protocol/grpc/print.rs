//! gRPC scenarios as they are written.

use super::plan::{Compression, GrpcCall, GrpcPlan, GrpcStreamEnd};
use super::raw::{RawChecked, RawCodec, RawCompression, RawGrpc, RawStreamEnd};
use super::value::{HealthService, Lasting, Message, Method};
use super::{circuit_breaker, health_check, pick, retry};
use crate::scenario::protocol::raw::{RawScenario, RawStep};
use crate::scenario::protocol::websocket::raw::RawConnectionPer;
use crate::scenario::reader::{Entries, Entry, List};
use crate::scenario::value::{Bounded, FieldPath, FilePath, PositiveSpan, RawSource};

impl GrpcPlan {
    pub(in crate::scenario::protocol) fn print(&self, raw: &mut RawScenario) {
        raw.connections = Entry::from_option(self.connections.map(Bounded::of));
        raw.streams_per_connection =
            Entry::from_option(self.streams_per_connection.map(Bounded::of));
        raw.codec = Entry::from_option(self.codec.map(RawCodec::of));
        raw.connection_per = Entry::from_option(self.connection_per.map(RawConnectionPer::of));
        raw.connect_rate = Entry::from_option(self.connect_rate);
        raw.keepalive = Entry::from_option(self.keepalive.map(PositiveSpan));
        raw.wait_for_ready = match self.wait_for_ready {
            true => Entry::Given(true),
            false => Entry::Absent,
        };
        raw.retry = Entry::from_option(self.retry.as_deref().map(retry::print));
        raw.pick = Entry::from_option(self.pick.as_ref().map(pick::print));
        raw.health_check =
            Entry::from_option(self.health_check.as_deref().map(health_check::print));
        raw.circuit_breaker =
            Entry::from_option(self.circuit_breaker.as_ref().map(circuit_breaker::print));
        raw.metadata = Entries::of(&self.metadata, RawSource::of);
        raw.protos = List::unless_empty(self.protos.iter().map(FilePath::of));
        let print = |call: &GrpcCall, raw: &mut RawStep| raw.grpc = Entry::Given(grpc(call));
        raw.setup = RawStep::part(&self.setup, &print);
        raw.begin = RawStep::part(&self.begin, &print);
        raw.steps = Entry::Given(RawStep::list(&self.steps, &print));
        raw.end = RawStep::part(&self.end, &print);
    }
}

pub(in crate::scenario::protocol) fn grpc(call: &GrpcCall) -> RawGrpc {
    let compression = call.compression.map(|compression| match compression {
        Compression::Gzip => RawCompression::Gzip,
        Compression::Zstd => RawCompression::Zstd,
    });
    if let Some(service) = call.health_service() {
        return RawGrpc {
            health: Entry::Given(HealthService(service.to_owned())),
            metadata: Entries::of(&call.metadata, RawSource::of),
            compression: Entry::from_option(compression),
            ..RawGrpc::default()
        };
    }
    RawGrpc {
        method: Entry::Given(Method(call.method.clone())),
        message: Entry::Given(Message(call.message.clone())),
        repeat: Entry::Given(Bounded::of(call.repeat)),
        every: Entry::from_option(call.every.map(PositiveSpan)),
        in_flight: Entry::Given(Bounded::of(call.in_flight)),
        match_id: Entry::from_option(call.match_id.clone().map(FieldPath)),
        stream: Entry::from_option(call.stream.map(|until| stream_end(until, call.at_least))),
        checked: Entry::from_option(call.checks_each.then_some(RawChecked::Each)),
        metadata: Entries::of(&call.metadata, RawSource::of),
        compression: Entry::from_option(compression),
        health: Entry::Absent,
    }
}

fn stream_end(until: GrpcStreamEnd, at_least: Option<u32>) -> RawStreamEnd {
    let lasting = |lasting| RawStreamEnd {
        duration: Entry::Given(lasting),
        at_least: Entry::from_option(at_least.map(Bounded::of)),
        ..RawStreamEnd::default()
    };
    match until {
        GrpcStreamEnd::Messages(count) => RawStreamEnd {
            messages: Entry::Given(Bounded::of(count)),
            ..RawStreamEnd::default()
        },
        GrpcStreamEnd::After(duration) => lasting(Lasting::Time(duration)),
        GrpcStreamEnd::Load => lasting(Lasting::Load),
    }
}
