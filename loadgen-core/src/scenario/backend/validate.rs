//! A suite's servers, from the raw form: what concerns more than one value.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::placing;
use super::raw::{RawAlgorithm, RawBackends, RawBalance, RawServe, RawServer, RawServiceTimes};
use super::route;
use super::value::{ListenText, is_backend_name};
use super::{
    BackendPlan, BalanceAlgorithm, BalanceLayer, BalanceOptions, ProxyOptions, ServeOptions,
    ServiceTimes,
};
use crate::nearest::did_you_mean;
use crate::scenario::fault::Faults;
use crate::scenario::protocol::Protocol;
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entry, Fields as _, List};
use crate::scenario::value::FilePath;

/// The most servers of a suite: each is a process.
const MOST: usize = 64;

/// Fields of servers that answer, and of balancers; what is in neither is of both.
const OF_SERVE: [&str; 21] = [
    "grpc_address",
    "websocket_address",
    "http_address",
    "tcp_address",
    "delay",
    "stall",
    "stall_rate",
    "error_rate",
    "error_code",
    "refuse_rate",
    "cut_after",
    "throttle",
    "capacity",
    "service_times",
    "lines",
    "identity_on_connect",
    "version",
    "log_streams",
    "lame_duck",
    "tls_cert",
    "tls_key",
];
const OF_BALANCE: [&str; 12] = [
    "protocol",
    "backends",
    "weights",
    "algorithm",
    "health_interval",
    "health_timeout",
    "health_rise",
    "health_fall",
    "connect_timeout",
    "response_timeout",
    "retries",
    "route",
];
/// What to do with a field of a fault proxy.
const NO_PROXY: &str = "a field of a server that answers; a fault proxy has `\"serve\": \"proxy\"`";
const OF_PROXY: [&str; 2] = ["to", "faults"];
const EACH_ADDRESS: [&str; 4] = [
    "grpc_address",
    "websocket_address",
    "http_address",
    "tcp_address",
];

/// The servers, each after those that stand behind it; `None` when something is wrong with them.
pub(in crate::scenario) fn backends(
    raw: &RawBackends,
    base_dir: Option<&Path>,
    problems: &Problems,
) -> Option<Vec<BackendPlan>> {
    let names: Vec<&str> = raw.servers.iter().map(|(name, _)| name.as_str()).collect();
    let mut all_well = raw.serve != Entry::Broken;
    if names.is_empty() || names.len() > MOST {
        let found = match names.len() {
            0 => "no server".to_owned(),
            many => format!("{many} servers"),
        };
        problems.add(
            "backends",
            found,
            format!("1 to {MOST} servers by name"),
            None,
        );
        return None;
    }
    let mut left = Vec::new();
    for (name, entry) in &raw.servers {
        if !is_backend_name(name) {
            let shown: String = name.chars().take(60).collect();
            problems.add(
                "backends",
                format!("the name {shown:?}"),
                "names of 1 to 100 letters, digits, `_` and `-`, beginning with a letter",
                None,
            );
            all_well = false;
        } else if let Some(server) = entry.given() {
            let room = Room {
                name,
                path: format!("backends.{name}"),
                raw: &server.0,
                default: &raw.serve,
                names: &names,
                base_dir,
                problems,
            };
            match room.check() {
                Some(role) => left.push((room, role)),
                None => all_well = false,
            }
        } else {
            all_well = false;
        }
    }
    let placed = placing::placed(left, problems).filter(|_| all_well)?;
    placing::no_address_twice(&placed, problems).then_some(placed)
}

/// A server that is being looked at.
pub(super) struct Room<'a> {
    pub(super) name: &'a str,
    pub(super) path: String,
    pub(super) raw: &'a RawServer,
    default: &'a Entry<RawServe>,
    names: &'a [&'a str],
    base_dir: Option<&'a Path>,
    problems: &'a Problems,
}

/// What a server is, as far as it can be said without the others.
pub(super) enum Role {
    Serve(RawServe, ServeOptions),
    Balance(BalanceOptions),
    Proxy(ProxyOptions),
}

impl Role {
    /// The field that has the names of those it stands in front of.
    pub(super) fn names(&self) -> &'static str {
        match self {
            Self::Proxy(_) => ".to",
            Self::Serve(..) | Self::Balance(_) => ".backends",
        }
    }

    /// The names of those it stands in front of.
    pub(super) fn behind(&self) -> Vec<&str> {
        match self {
            Self::Serve(..) => Vec::new(),
            Self::Balance(options) => options.backends.iter().map(|(it, _)| it.as_str()).collect(),
            Self::Proxy(options) => vec![&options.to],
        }
    }
}

impl Room<'_> {
    pub(super) fn refuse(&self, field: &str, found: &str, expected: &str, help: Option<String>) {
        self.problems
            .add(format!("{}{field}", self.path), found, expected, help);
    }

    fn check(&self) -> Option<Role> {
        match (&self.raw.serve, &self.raw.balance) {
            (Entry::Broken, _) | (_, Entry::Broken) => None,
            (Entry::Given(_), Entry::Given(_)) => {
                self.refuse("", "`serve` and `balance` together", "one of them", None);
                None
            }
            (_, Entry::Given(layer)) => self.balance(*layer).map(Role::Balance),
            (Entry::Given(what), Entry::Absent) => self.served(*what),
            (Entry::Absent, Entry::Absent) => match self.default {
                Entry::Given(what) => self.served(*what),
                Entry::Broken => None,
                Entry::Absent => {
                    let help = "a `serve` beside the names is for all that say nothing";
                    let expected = "what it does: `serve` or `balance`";
                    self.refuse("", "nothing", expected, Some(help.to_owned()));
                    None
                }
            },
        }
    }

    /// Whether it has none of these fields; notes those that it has.
    fn has_none(&self, fields: &[&str], of: &str, expected: &str) -> bool {
        let mut none = true;
        for field in fields.iter().filter(|it| self.raw.has(it)) {
            self.refuse(&format!(".{field}"), of, expected, None);
            none = false;
        }
        none
    }

    fn served(&self, what: RawServe) -> Option<Role> {
        match what {
            RawServe::Proxy => self.proxy().map(Role::Proxy),
            what => self.serve(what),
        }
    }

    fn proxy(&self) -> Option<ProxyOptions> {
        let raw = self.raw;
        let of = "a field of others";
        let expected = "a field of a fault proxy: `to`, `address`, `protocol` or `faults`";
        let of_balance = OF_BALANCE.into_iter().filter(|it| *it != "protocol");
        let others: Vec<&str> = OF_SERVE
            .into_iter()
            .chain(of_balance)
            .chain(["threads"])
            .collect();
        let mut fits = self.has_none(&others, of, expected);
        let to = match &raw.to {
            Entry::Given(name) => self.one_behind(".to", &name.0),
            Entry::Broken => None,
            Entry::Absent => {
                let expected = "the name of the server that it stands in front of";
                self.refuse(".to", "nothing", expected, None);
                None
            }
        };
        let path = format!("{}.faults", self.path);
        let faults = raw.faults.or_else_with(
            || Some(Faults::default()),
            |it| it.faults(&path, self.problems),
        )??;
        if let Some(field) = faults.once() {
            let expected = "what lasts: no connection is open at its start";
            self.refuse(
                &format!(".faults.{field}"),
                "what is done once",
                expected,
                None,
            );
            fits = false;
        }
        let to = to?;
        (fits && self.is_whole()).then_some(ProxyOptions { to, faults })
    }

    fn serve(&self, what: RawServe) -> Option<Role> {
        let raw = self.raw;
        let mut fits = self.has_none(
            &OF_BALANCE,
            "a field of a balancer",
            "a field of a server that answers; a balancer has `balance`",
        );
        fits &= self.has_none(&OF_PROXY, "a field of a fault proxy", NO_PROXY);
        let is_tcp = matches!(what, RawServe::Tcp | RawServe::All);
        if !is_tcp {
            let of = ["lines", "identity_on_connect"];
            fits &= self.has_none(&of, "a field of TCP", "it where TCP is served");
        }
        if matches!(what, RawServe::Tcp | RawServe::Websocket) {
            let expected = "it where gRPC or HTTP is served";
            fits &= self.has_none(&["error_code"], "a status", expected);
        }
        if what != RawServe::Grpc {
            let expected = "it where gRPC alone is served";
            fits &= self.has_none(&["version"], "a version", expected);
            fits &= self.has_none(&["log_streams"], "a log of streams", expected);
        }
        if what == RawServe::All {
            let expected = "an address for each protocol: `grpc_address`, `websocket_address`, \
                            `http_address`, `tcp_address`; any free port where there is none";
            fits &= self.has_none(&["address"], "one address", expected);
        } else {
            let expected = "`address`, where one protocol is served";
            fits &= self.has_none(&EACH_ADDRESS, "an address for one of several", expected);
        }
        for (field, with) in [
            ("stall_rate", "stall"),
            ("error_code", "error_rate"),
            ("service_times", "capacity"),
        ] {
            if raw.has(field) && !raw.has(with) {
                self.refuse(
                    &format!(".{field}"),
                    &format!("it without `{with}`"),
                    "both, or neither",
                    None,
                );
                fits = false;
            }
        }
        if raw.has("tls_cert") != raw.has("tls_key") {
            let (field, of) = match raw.has("tls_cert") {
                true => (".tls_key", "the key of the certificate in `tls_cert`"),
                false => (".tls_cert", "the certificate that `tls_key` is the key of"),
            };
            self.refuse(field, "nothing", of, None);
            fits = false;
        }
        let text = |entry: Option<&String>| entry.cloned();
        let file = |it: &FilePath| self.resolve(it);
        let tls = raw
            .tls_cert
            .given()
            .map(file)
            .zip(raw.tls_key.given().map(file));
        let options = ServeOptions {
            delay: text(raw.delay.given().map(|it| &it.0)),
            stall: raw.stall.given().map(|it| it.0),
            stall_rate: text(raw.stall_rate.given().map(|it| &it.0)),
            error_rate: text(raw.error_rate.given().map(|it| &it.0)),
            error_code: text(raw.error_code.given().map(|it| &it.0)),
            refuse_rate: text(raw.refuse_rate.given().map(|it| &it.0)),
            cut_after: raw.cut_after.given().map(|it| it.0),
            throttle: raw.throttle.given().map(|it| it.small()),
            capacity: raw.capacity.given().copied(),
            service_times: raw.service_times.given().map(|it| match it {
                RawServiceTimes::Constant => ServiceTimes::Constant,
                RawServiceTimes::Exponential => ServiceTimes::Exponential,
            }),
            lines: raw.lines.given().copied().unwrap_or(false),
            identity_on_connect: raw.identity_on_connect.given().copied().unwrap_or(false),
            version: text(raw.version.given().map(|it| &it.0)),
            log_streams: raw.log_streams.given().copied().unwrap_or(false),
            lame_duck: raw.lame_duck.given().map(|it| it.0),
            tls,
        };
        (fits && self.is_whole()).then_some(Role::Serve(what, options))
    }

    fn resolve(&self, file: &FilePath) -> PathBuf {
        let base_dir = self.base_dir.unwrap_or(Path::new(""));
        base_dir.join(&file.0)
    }

    /// Whether none of its fields has been complained about.
    fn is_whole(&self) -> bool {
        !self.problems.any_below(&self.path)
    }

    fn balance(&self, layer: RawBalance) -> Option<BalanceOptions> {
        let raw = self.raw;
        let mut fits = self.has_none(
            &OF_SERVE,
            "a field of a server that answers",
            "a field of a balancer",
        );
        fits &= self.has_none(
            &OF_PROXY,
            "a field of a fault proxy",
            "a field of a balancer",
        );
        if layer == RawBalance::Tcp {
            let of = ["response_timeout", "retries", "route"];
            let expected = "it where requests are balanced (`\"balance\": \"http\"`)";
            fits &= self.has_none(&of, "a field of HTTP", expected);
        }
        let algorithm = match raw.algorithm.given() {
            None | Some(RawAlgorithm::RoundRobin) => BalanceAlgorithm::RoundRobin,
            Some(RawAlgorithm::WeightedRoundRobin) => BalanceAlgorithm::WeightedRoundRobin,
            Some(RawAlgorithm::LeastConnections) => BalanceAlgorithm::LeastConnections,
        };
        let backends = self.behind(&mut fits);
        let mut weights = Vec::new();
        for (name, weight) in raw.weights.given().map_or(&[][..], |it| &it.0) {
            if !backends.contains(name) {
                let help = did_you_mean(name, backends.iter().map(String::as_str));
                let found = format!("the weight of `{name}`");
                self.refuse(".weights", &found, "weights of its `backends`", help);
                fits = false;
            }
            weights.extend(weight.given().map(|it| (name.as_str(), it.small())));
        }
        if raw.has("weights") && algorithm != BalanceAlgorithm::WeightedRoundRobin {
            let found = format!("weights, which `{}` does not look at", algorithm.as_str());
            let expected = "them with `\"algorithm\": \"weighted_round_robin\"`";
            self.refuse(".weights", &found, expected, None);
            fits = false;
        }
        let interval = raw.health_interval.given().map(|it| it.0);
        let timeout = raw.health_timeout.given().map(|it| it.0);
        if let (Some(interval), Some(timeout)) = (interval, timeout)
            && timeout > interval
        {
            let expected = "at most the `health_interval`: one check is over when the next begins";
            self.refuse(".health_timeout", "a longer time", expected, None);
            fits = false;
        }
        let routes = route::routes(raw, &self.path, &backends, self.problems);
        fits &= routes.is_some();
        let weight = |name: &str| {
            let mut weights = weights.iter();
            weights.find(|(it, _)| *it == name).map_or(1, |(_, it)| *it)
        };
        let backends = backends.into_iter().map(|it| {
            let weight = weight(&it);
            (it, weight)
        });
        let options = BalanceOptions {
            layer: match layer {
                RawBalance::Tcp => BalanceLayer::Tcp,
                RawBalance::Http => BalanceLayer::Http,
            },
            backends: backends.collect(),
            algorithm,
            health_interval: interval,
            health_timeout: timeout,
            health_rise: raw.health_rise.given().map(|it| it.small()),
            health_fall: raw.health_fall.given().map(|it| it.small()),
            connect_timeout: raw.connect_timeout.given().map(|it| it.0),
            response_timeout: raw.response_timeout.given().map(|it| it.0),
            retries: raw.retries.given().map(|it| it.small()),
            routes: routes.unwrap_or_default(),
        };
        (fits && self.is_whole()).then_some(options)
    }

    /// The names of those behind a balancer.
    fn behind(&self, fits: &mut bool) -> Vec<String> {
        let list = match &self.raw.backends {
            Entry::Given(List(items)) if !items.is_empty() => items,
            Entry::Broken => return Vec::new(),
            _ => {
                let found = if self.raw.has("backends") {
                    "an empty array"
                } else {
                    "nothing"
                };
                let expected = "the names of the servers that it stands in front of";
                self.refuse(".backends", found, expected, None);
                *fits = false;
                return Vec::new();
            }
        };
        let mut behind: Vec<String> = Vec::with_capacity(list.len());
        for (index, name) in list.iter().enumerate() {
            let Some(name) = name.given().map(|it| it.0.as_str()) else {
                continue;
            };
            let field = format!(".backends[{index}]");
            if behind.iter().any(|it| it == name) {
                let found = format!("`{name}` a second time");
                self.refuse(&field, &found, "each server once", None);
                *fits = false;
            } else {
                match self.one_behind(&field, name) {
                    Some(name) => behind.push(name),
                    None => *fits = false,
                }
            }
        }
        behind
    }

    /// Another server of this suite.
    fn one_behind(&self, field: &str, name: &str) -> Option<String> {
        if name == self.name {
            let found = format!("`{name}`, which it is itself");
            self.refuse(field, &found, "another server", None);
            return None;
        }
        if !self.names.contains(&name) {
            let others = self.names.iter().copied().filter(|it| *it != self.name);
            let help = did_you_mean(name, others.clone()).unwrap_or_else(|| {
                format!("the others are {}", others.collect::<Vec<_>>().join(", "))
            });
            let expected = "the name of a server of this suite";
            self.refuse(field, &format!("`{name}`"), expected, Some(help));
            return None;
        }
        Some(name.to_owned())
    }

    /// Where it listens.
    pub(super) fn addresses(&self, what: RawServe) -> Vec<(Protocol, SocketAddr)> {
        let raw = self.raw;
        let at = |entry: &Entry<ListenText>| entry.given().unwrap_or(&ListenText::ANY).0;
        match what {
            RawServe::Grpc => vec![(Protocol::Grpc, at(&raw.address))],
            RawServe::Websocket => vec![(Protocol::Websocket, at(&raw.address))],
            RawServe::Http => vec![(Protocol::Http, at(&raw.address))],
            RawServe::Tcp => vec![(Protocol::Tcp, at(&raw.address))],
            // It has that of what it speaks.
            RawServe::Proxy => Vec::new(),
            RawServe::All => vec![
                (Protocol::Grpc, at(&raw.grpc_address)),
                (Protocol::Websocket, at(&raw.websocket_address)),
                (Protocol::Http, at(&raw.http_address)),
                (Protocol::Tcp, at(&raw.tcp_address)),
            ],
        }
    }
}
