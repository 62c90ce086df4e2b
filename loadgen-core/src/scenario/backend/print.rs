//! Servers as they are written.

use super::raw::{
    RawAlgorithm, RawBackend, RawBackends, RawBalance, RawProtocol, RawServe, RawServer,
    RawServiceTimes,
};
use super::route;
use super::value::{
    BackendName, BalancerSpan, DelayText, ErrorCode, ListenText, ShareText, VersionText,
};
use super::{
    BackendPlan, BackendRole, BalanceAlgorithm, BalanceLayer, BalanceOptions, ServeOptions,
    ServiceTimes,
};
use crate::scenario::fault::raw::RawFaults;
use crate::scenario::protocol::Protocol;
use crate::scenario::reader::{Entries, Entry, List};
use crate::scenario::value::{Bounded, FilePath, PositiveSpan};

pub(in crate::scenario) fn backends(plans: &[BackendPlan]) -> Entry<RawBackends> {
    if plans.is_empty() {
        return Entry::Absent;
    }
    let servers = plans
        .iter()
        .map(|it| (it.name.clone(), Entry::Given(RawBackend(backend(it)))));
    Entry::Given(RawBackends {
        serve: Entry::Absent,
        servers: servers.collect(),
    })
}

fn backend(plan: &BackendPlan) -> RawServer {
    let mut raw = RawServer {
        threads: Entry::Given(Bounded::of(plan.threads)),
        ..RawServer::default()
    };
    match &plan.role {
        BackendRole::Serve(options) => {
            for (protocol, address) in &plan.addresses {
                let place = match (plan.addresses.as_slice(), protocol) {
                    ([_], _) => &mut raw.address,
                    (_, Protocol::Grpc) => &mut raw.grpc_address,
                    (_, Protocol::Websocket) => &mut raw.websocket_address,
                    (_, Protocol::Http) => &mut raw.http_address,
                    (_, Protocol::Tcp) => &mut raw.tcp_address,
                };
                *place = Entry::Given(ListenText(*address));
            }
            raw.serve = Entry::Given(match plan.addresses.as_slice() {
                [(Protocol::Grpc, _)] => RawServe::Grpc,
                [(Protocol::Websocket, _)] => RawServe::Websocket,
                [(Protocol::Http, _)] => RawServe::Http,
                [(Protocol::Tcp, _)] => RawServe::Tcp,
                _ => RawServe::All,
            });
            serve(options, &mut raw);
        }
        BackendRole::Balance(options) => {
            let address = plan.addresses.first().map(|(_, it)| ListenText(*it));
            raw.address = Entry::from_option(address);
            raw.protocol = spoken(plan);
            balance(options, &mut raw);
        }
        BackendRole::Proxy(options) => {
            let address = plan.addresses.first().map(|(_, it)| ListenText(*it));
            raw.threads = Entry::Absent;
            raw.address = Entry::from_option(address);
            raw.protocol = spoken(plan);
            raw.serve = Entry::Given(RawServe::Proxy);
            raw.to = Entry::Given(BackendName(options.to.clone()));
            if !options.faults.is_empty() {
                let mut faults = RawFaults::default();
                faults.set_faults(&options.faults);
                raw.faults = Entry::Given(faults);
            }
        }
    }
    raw
}

fn spoken(plan: &BackendPlan) -> Entry<RawProtocol> {
    Entry::from_option(plan.addresses.first().map(|(it, _)| match it {
        Protocol::Grpc => RawProtocol::Grpc,
        Protocol::Websocket => RawProtocol::Websocket,
        Protocol::Http => RawProtocol::Http,
        Protocol::Tcp => RawProtocol::Tcp,
    }))
}

fn serve(options: &ServeOptions, raw: &mut RawServer) {
    let share = |it: &Option<String>| Entry::from_option(it.clone().map(ShareText));
    let flag = |it: bool| {
        if it {
            Entry::Given(true)
        } else {
            Entry::Absent
        }
    };
    raw.delay = Entry::from_option(options.delay.clone().map(DelayText));
    raw.stall = Entry::from_option(options.stall.map(PositiveSpan));
    raw.stall_rate = share(&options.stall_rate);
    raw.error_rate = share(&options.error_rate);
    raw.error_code = Entry::from_option(options.error_code.clone().map(ErrorCode));
    raw.refuse_rate = share(&options.refuse_rate);
    raw.cut_after = Entry::from_option(options.cut_after.map(Bounded));
    raw.throttle = Entry::from_option(options.throttle.map(Bounded::of));
    raw.capacity = Entry::from_option(options.capacity);
    raw.service_times = Entry::from_option(options.service_times.map(|it| match it {
        ServiceTimes::Constant => RawServiceTimes::Constant,
        ServiceTimes::Exponential => RawServiceTimes::Exponential,
    }));
    raw.lines = flag(options.lines);
    raw.identity_on_connect = flag(options.identity_on_connect);
    raw.version = Entry::from_option(options.version.clone().map(VersionText));
    raw.log_streams = flag(options.log_streams);
    raw.lame_duck = Entry::from_option(options.lame_duck.map(BalancerSpan));
    if let Some((certificate, key)) = &options.tls {
        raw.tls_cert = Entry::Given(FilePath::of(certificate));
        raw.tls_key = Entry::Given(FilePath::of(key));
    }
}

fn balance(options: &BalanceOptions, raw: &mut RawServer) {
    raw.balance = Entry::Given(match options.layer {
        BalanceLayer::Tcp => RawBalance::Tcp,
        BalanceLayer::Http => RawBalance::Http,
    });
    let names = options
        .backends
        .iter()
        .map(|(it, _)| BackendName(it.clone()));
    raw.backends = Entry::Given(List::of(names));
    raw.algorithm = Entry::Given(match options.algorithm {
        BalanceAlgorithm::RoundRobin => RawAlgorithm::RoundRobin,
        BalanceAlgorithm::WeightedRoundRobin => RawAlgorithm::WeightedRoundRobin,
        BalanceAlgorithm::LeastConnections => RawAlgorithm::LeastConnections,
    });
    if options.algorithm == BalanceAlgorithm::WeightedRoundRobin {
        raw.weights = Entries::of(&options.backends, Bounded::of);
    }
    let span = |it: Option<std::time::Duration>| Entry::from_option(it.map(BalancerSpan));
    raw.health_interval = span(options.health_interval);
    raw.health_timeout = span(options.health_timeout);
    raw.health_rise = Entry::from_option(options.health_rise.map(Bounded::of));
    raw.health_fall = Entry::from_option(options.health_fall.map(Bounded::of));
    raw.connect_timeout = span(options.connect_timeout);
    raw.response_timeout = span(options.response_timeout);
    raw.retries = Entry::from_option(options.retries.map(Bounded::of));
    raw.route = route::print(&options.routes);
}
