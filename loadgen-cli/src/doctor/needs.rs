//! What a run needs of the machine, and what stands in its way.
//!
//! What cannot work is an error before the load begins; what may spoil it is a warning with the
//! command that helps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use loadgen_core::scenario::{
    AddressList, ConnectionPer, ProtocolPlan, ScenarioPlan, Step, Target, WebsocketPlan,
};
use loadgen_core::schedule::Load;
use loadgen_core::workload::OPENED_AT_ONCE;

use super::check::{CONNTRACK, REUSE, SOMAXCONN, sysctl, widen_ports};
use super::facts::{Facts, Ports};
use super::judge::{Reuse, TIME_WAIT_S, reuse};
use super::reckoning::Reckoning;
use crate::human;

/// Share of the local ports from which on finding a free one takes long.
const NEARLY_ALL: f64 = 0.9;
/// What the embedded backend is called before it has an address.
const EMBEDDED: &str = "the embedded backend";

/// What a run needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Needs {
    /// Worker threads.
    pub(crate) workers: usize,
    /// Connections at a time, to all targets.
    pub(crate) connections: u64,
    /// The target that gets the most of them.
    pub(crate) busiest: String,
    /// How many that is.
    pub(crate) connections_per_target: u64,
    /// The most connections that may be opened at once to one server on this machine.
    pub(crate) local_burst: u64,
    /// New connections a second to one target that is not on this machine, where that is planned.
    pub(crate) new_connections_per_s: f64,
    /// The memory that it takes.
    pub(crate) memory: Reckoning,
}

/// What one target gets.
#[derive(Debug, Clone, Copy, Default)]
struct Share<'a> {
    target: Option<&'a Target>,
    connections: u64,
    burst: u64,
    new_per_s: f64,
    /// Each address that connections come from has all ports to itself.
    from: u64,
}

impl Needs {
    /// What these scenarios need together. Those without targets are the embedded backend's.
    /// `addresses` tells how many addresses a target's name has.
    pub(crate) fn of(
        scenarios: &[ScenarioPlan],
        workers: usize,
        addresses: impl Fn(&Target) -> u64,
    ) -> Self {
        let guests: Vec<ScenarioPlan> = scenarios.iter().flat_map(ScenarioPlan::guests).collect();
        let all_of = |it: &ScenarioPlan| {
            let elsewhere = it.guests().iter().map(|it| connections(it, workers)).sum();
            connections(it, workers).saturating_add(elsewhere)
        };
        let mut needs = Self {
            workers,
            memory: Reckoning::of(scenarios, workers, all_of),
            ..Self::default()
        };
        // Where a connection goes is what counts, not what is spoken over it.
        let mut shares: BTreeMap<Option<(&str, u16)>, Share<'_>> = BTreeMap::new();
        let scenarios = scenarios.iter().map(|it| (it, new_per_s(it)));
        // A user goes elsewhere when it comes and when it leaves, and not with each iteration.
        for (scenario, new_per_s) in scenarios.chain(guests.iter().map(|it| (it, 0.0))) {
            let all = connections(scenario, workers);
            needs.connections += all;
            let targets: Vec<Option<&Target>> = match scenario.targets.as_slice() {
                [] => vec![None],
                targets => targets.iter().map(Some).collect(),
            };
            let count = targets.len() as u64;
            for target in targets {
                let key = target.map(|it| (it.host.as_str(), it.port));
                let share = shares.entry(key).or_default();
                share.target = target;
                share.from = share.from.max(scenario.bind.len() as u64);
                share.connections += all.div_ceil(count);
                share.burst += burst(scenario, all, workers).div_ceil(count);
                share.new_per_s += new_per_s / count as f64;
            }
        }
        for share in shares.into_values() {
            let target = share.target;
            if target.is_none_or(is_local) {
                needs.local_burst = needs.local_burst.max(share.burst);
            } else {
                needs.new_connections_per_s = needs.new_connections_per_s.max(share.new_per_s);
            }
            // UNIX sockets have no ports, and who is on a list is not known yet.
            if target.is_some_and(|it| it.socket().is_some() || it.list().is_some()) {
                continue;
            }
            // The addresses of a name take turns, and each has all ports to itself.
            let spread = target.map_or(1, &addresses).max(1) * share.from.max(1);
            let each = share.connections.div_ceil(spread);
            if each > needs.connections_per_target {
                needs.connections_per_target = each;
                needs.busiest = target.map_or_else(|| EMBEDDED.to_owned(), shown);
            }
        }
        needs
    }
}

/// Connections of a scenario at a time.
fn connections(scenario: &ScenarioPlan, workers: usize) -> u64 {
    match &scenario.protocol {
        ProtocolPlan::Websocket(websocket) => {
            u64::from(scenario.load.max_users()).saturating_mul(paths(websocket))
        }
        ProtocolPlan::Http(_) | ProtocolPlan::Tcp(_) => u64::from(scenario.load.max_users()),
        ProtocolPlan::Grpc(grpc) if grpc.connection_per.is_some() => {
            u64::from(scenario.load.max_users())
        }
        ProtocolPlan::Grpc(grpc) => {
            let by_default = workers.saturating_mul(scenario.targets.len().max(1)) as u64;
            grpc.connections
                .map_or(by_default, |it| u64::from(it).max(workers as u64))
        }
        _ => 0,
    }
}

/// Connections of one WebSocket user: one for each path.
fn paths(websocket: &WebsocketPlan) -> u64 {
    let parts = [&websocket.begin, &websocket.steps, &websocket.end];
    let exchanges = parts.into_iter().flatten().filter_map(Step::spoken);
    let paths: BTreeSet<&str> = exchanges.map(|it| it.path.as_str()).collect();
    paths.len().max(1) as u64
}

/// Connections that may be under way to a server at once.
fn burst(scenario: &ScenarioPlan, connections: u64, workers: usize) -> u64 {
    let own = match &scenario.protocol {
        ProtocolPlan::Websocket(plan) => Some((plan.connect_rate, plan.connection_per)),
        ProtocolPlan::Http(plan) => Some((plan.connect_rate, plan.connection_per)),
        ProtocolPlan::Tcp(plan) => Some((plan.connect_rate, plan.connection_per)),
        ProtocolPlan::Grpc(plan) => plan.connection_per.map(|per| (plan.connect_rate, per)),
        _ => None,
    };
    if let Some((connect_rate, connection_per)) = own {
        // A rate of connecting lets at most a tenth of a second's through at once.
        if let Some(rate) = connect_rate {
            return connections.min((rate.per_second() / 10.0).ceil() as u64);
        }
        // Connections that are opened when an iteration needs them may all be needed at once.
        let by_user = connection_per == ConnectionPer::User;
        let opens_ahead = by_user && matches!(scenario.load, Load::Closed(_));
        if !opens_ahead {
            return connections;
        }
    }
    connections.min((OPENED_AT_ONCE as u64).saturating_mul(workers as u64))
}

/// New connections a second that the plan comes to, where it does.
fn new_per_s(scenario: &ScenarioPlan) -> f64 {
    let each = match &scenario.protocol {
        ProtocolPlan::Websocket(plan) if plan.connection_per == ConnectionPer::Iteration => {
            paths(plan)
        }
        ProtocolPlan::Http(plan) if plan.connection_per == ConnectionPer::Iteration => 1,
        ProtocolPlan::Tcp(plan) if plan.connection_per == ConnectionPer::Iteration => 1,
        ProtocolPlan::Grpc(plan) if plan.connection_per == Some(ConnectionPer::Iteration) => 1,
        _ => 0,
    };
    match &scenario.load {
        Load::Open(open) => {
            let rates = open.stages.iter().map(|it| it.from.max(it.to));
            rates.fold(0.0, f64::max) * each as f64
        }
        Load::Closed(_) => 0.0,
    }
}

fn is_local(target: &Target) -> bool {
    if target.socket().is_some() {
        return true;
    }
    let host = match target.list() {
        Some(AddressList::Dns { name }) => name,
        _ => &target.host,
    };
    let address: Result<IpAddr, _> = host.parse();
    address.map_or(host == "localhost", |it| it.is_loopback())
}

fn shown(target: &Target) -> String {
    if target.host.contains(':') {
        format!("[{}]:{}", target.host, target.port)
    } else {
        format!("{}:{}", target.host, target.port)
    }
}

/// More connections to one target than there are local ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", in_words(self))]
pub(crate) struct PortError {
    busiest: String,
    connections: u64,
    ports: Ports,
}

fn in_words(error: &PortError) -> String {
    let PortError {
        busiest,
        connections,
        ports,
    } = error;
    let (first, last) = ports.widest();
    let widen = if ports.usable() + ports.gain() >= *connections {
        format!(
            "widen the range with `{}` (as root), ",
            widen_ports((first, last))
        )
    } else {
        String::new()
    };
    format!(
        "{} to {busiest} need a local port each, and there are {} for one target ({} to {}); \
         {widen}spread them over more targets (each address and port takes as many), or ask for \
         fewer",
        human::counted(*connections, "connection"),
        human::count(ports.usable()),
        ports.first,
        ports.last
    )
}

impl Needs {
    /// Makes sure that there are enough local ports. Where the system does not tell, there are.
    ///
    /// # Errors
    /// [`PortError`] when there are not.
    pub(crate) fn check_ports(&self, ports: Option<&Ports>) -> Result<(), PortError> {
        match ports {
            Some(ports) if self.connections_per_target > ports.usable() => Err(PortError {
                busiest: self.busiest.clone(),
                connections: self.connections_per_target,
                ports: *ports,
            }),
            _ => Ok(()),
        }
    }
}

/// What may spoil such a run on such a machine, a line each, with what helps.
pub(crate) fn warnings(facts: &Facts, needs: &Needs) -> Vec<String> {
    [
        few_ports(facts, needs),
        short_backlog(facts, needs),
        full_table(facts, needs),
        ports_in_time_wait(facts, needs),
        tight_quota(facts, needs),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn few_ports(facts: &Facts, needs: &Needs) -> Option<String> {
    let ports = facts.ports?;
    let usable = ports.usable();
    if (needs.connections_per_target as f64) <= usable as f64 * NEARLY_ALL {
        return None;
    }
    let help = if ports.gain() > 0 {
        format!("`{}` widens the range", widen_ports(ports.widest()))
    } else {
        "more targets take as many each".to_owned()
    };
    Some(format!(
        "{} to {} leave few of the {} local ports for one target: connecting gets slow, and fails \
         where others hold some; {help}",
        human::counted(needs.connections_per_target, "connection"),
        needs.busiest,
        human::count(usable)
    ))
}

fn short_backlog(facts: &Facts, needs: &Needs) -> Option<String> {
    let most = facts.backlog?.most();
    (needs.local_burst > most).then(|| {
        format!(
            "up to {} at once to a server on this machine, which can keep {} waiting: the rest may \
             take 1 s or more to connect; `{}` before the server starts, or a rate of connecting, \
             helps",
            human::counted(needs.local_burst, "connection"),
            human::count(most),
            sysctl(SOMAXCONN, &needs.local_burst.to_string())
        )
    })
}

fn full_table(facts: &Facts, needs: &Needs) -> Option<String> {
    let table = facts.conntrack.filter(|it| it.in_use > 0)?;
    let room = table.most.saturating_sub(table.in_use);
    (needs.connections > room).then(|| {
        format!(
            "{} and room for {} in the connection tracking table: a full one drops packets; \
             `{}` makes room",
            human::counted(needs.connections, "connection"),
            human::count(room),
            sysctl(
                CONNTRACK,
                &(table.in_use + needs.connections * 2).to_string()
            )
        )
    })
}

fn ports_in_time_wait(facts: &Facts, needs: &Needs) -> Option<String> {
    let (ports, wait) = (facts.ports?, facts.time_wait?);
    let most = ports.usable() / TIME_WAIT_S;
    let too_many = needs.new_connections_per_s > most as f64 && reuse(&wait) != Reuse::Always;
    too_many.then(|| {
        format!(
            "new connections to one target at {}, where {}/s go on for long, as one that the \
             server does not close first holds its port for {TIME_WAIT_S} s; `{}` lets ports be \
             used again",
            human::rate(needs.new_connections_per_s),
            human::count(most),
            sysctl(REUSE, "1")
        )
    })
}

fn tight_quota(facts: &Facts, needs: &Needs) -> Option<String> {
    let quota = facts.quota.as_ref()?;
    (needs.workers as f64 > quota.cpus).then(|| {
        format!(
            "{} share a quota of {} CPUs: the kernel stops them all when it is used up, which \
             shows as lateness; `--workers {}`, or `echo {} > {}`, helps",
            human::counted(needs.workers as u64, "worker"),
            human::significant(quota.cpus),
            (quota.cpus as u64).max(1),
            quota.unlimited,
            quota.file.display()
        )
    })
}
