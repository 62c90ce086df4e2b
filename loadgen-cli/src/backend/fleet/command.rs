//! How a server of a suite is started: the arguments of this program, and a balancer's configuration.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use loadgen_core::scenario::{
    BackendPlan, BackendRole, BalanceLayer, BalanceOptions, Protocol, ServeOptions,
};
use loadgen_core::units::format_duration;
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use super::super::embedded::metrics;
use crate::servers;
use crate::settings::sinks::StatsdSettings;

/// The service of an HTTP balancer that all requests are for.
const SERVICE: &str = "suite";

/// The variable of the environment that tells a fault proxy who may manage it.
pub(super) const TOKEN: &str = "LOADGEN_FAULTS_TOKEN";

/// All that is needed to start a server but where it listens.
#[derive(Debug)]
pub(super) struct Configured {
    args: Vec<String>,
    /// The flag that says where it listens, where that is one address.
    listens: &'static str,
    /// A balancer's, without its address.
    configuration: Option<Map<String, Value>>,
}

impl Configured {
    /// `behind` tells where those listen that a balancer stands in front of.
    pub(super) fn of(
        plan: &BackendPlan,
        behind: impl Fn(&str) -> Option<SocketAddr>,
        statsd: Option<&StatsdSettings>,
    ) -> Self {
        let mut args: Vec<String> = Vec::new();
        let configuration = match &plan.role {
            BackendRole::Serve(options) => {
                let what = match plan.addresses.as_slice() {
                    [(protocol, _)] => protocol.as_str(),
                    _ => "all",
                };
                args.extend(["serve", what, "--id", &plan.name].map(str::to_owned));
                args.extend(["--threads".to_owned(), plan.threads.to_string()]);
                args.extend(flags(options));
                None
            }
            BackendRole::Balance(options) => {
                args.extend(["balance", options.layer.as_str()].map(str::to_owned));
                if options.layer == BalanceLayer::Http {
                    args.extend(["--log-level", "error"].map(str::to_owned));
                }
                Some(configuration(plan, options, behind))
            }
            BackendRole::Proxy(options) => {
                let to = behind(&options.to).map(|it| it.to_string());
                args.extend(
                    ["serve", "proxy", "--to"]
                        .map(str::to_owned)
                        .into_iter()
                        .chain(to),
                );
                args.extend(
                    ["--management", "127.0.0.1:0", "--management-token-env"].map(str::to_owned),
                );
                args.push(TOKEN.to_owned());
                None
            }
        };
        if !matches!(plan.role, BackendRole::Proxy(_)) {
            args.extend(statsd.map(metrics).into_iter().flatten());
        }
        Self {
            args,
            listens: match plan.role {
                BackendRole::Proxy(_) => "listen",
                _ => "address",
            },
            configuration,
        }
    }

    /// The arguments for a start at these addresses, and the file that has to be there until it listens.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn args(
        &self,
        addresses: &[(Protocol, SocketAddr)],
    ) -> io::Result<(Vec<String>, Option<NamedTempFile>)> {
        let mut args = self.args.clone();
        let Some(configuration) = &self.configuration else {
            for (protocol, address) in addresses {
                let row = servers::ALL
                    .into_iter()
                    .find(|it| it.name == protocol.as_str());
                let flag = match (addresses.len(), row) {
                    (1, _) | (_, None) => self.listens,
                    (_, Some(row)) => row.address_flag,
                };
                args.extend([format!("--{flag}"), address.to_string()]);
            }
            return Ok((args, None));
        };
        let mut configuration = configuration.clone();
        let address = addresses.first().map(|(_, address)| address.to_string());
        configuration.insert("listen".to_owned(), Value::from(address));
        let mut file = tempfile::Builder::new()
            .prefix("loadgen-")
            .suffix(".json")
            .tempfile()?;
        file.write_all(Value::Object(configuration).to_string().as_bytes())?;
        args.extend(["--config".to_owned(), file.path().display().to_string()]);
        Ok((args, Some(file)))
    }
}

/// What a server is, in words.
pub(super) fn role(plan: &BackendPlan) -> String {
    match &plan.role {
        BackendRole::Serve(_) => match plan.addresses.as_slice() {
            [(protocol, _)] => format!("{protocol} server"),
            _ => "server of all protocols".to_owned(),
        },
        BackendRole::Balance(options) => {
            let behind: Vec<&str> = plan.behind().collect();
            let layer = options.layer.as_str();
            format!("{layer} balancer in front of {}", behind.join(", "))
        }
        BackendRole::Proxy(options) => format!("fault proxy in front of {}", options.to),
    }
}

fn flags(options: &ServeOptions) -> Vec<String> {
    let file = |it: &std::path::Path| it.display().to_string();
    let (certificate, key) = options.tls.as_ref().map_or((None, None), |(cert, key)| {
        (Some(file(cert)), Some(file(key)))
    });
    let with_values = [
        ("delay", options.delay.clone()),
        ("stall", options.stall.map(format_duration)),
        ("stall-rate", options.stall_rate.clone()),
        ("error-rate", options.error_rate.clone()),
        ("error-code", options.error_code.clone()),
        ("refuse-rate", options.refuse_rate.clone()),
        ("cut-after", options.cut_after.map(|it| it.to_string())),
        ("throttle", options.throttle.map(|it| it.to_string())),
        ("capacity", options.capacity.map(|it| it.to_string())),
        (
            "service-times",
            options.service_times.map(|it| it.as_str().to_owned()),
        ),
        ("version", options.version.clone()),
        ("lame-duck", options.lame_duck.map(format_duration)),
        ("tls-cert", certificate),
        ("tls-key", key),
    ];
    let given = with_values
        .into_iter()
        .filter_map(|(flag, value)| Some([format!("--{flag}"), value?]));
    let alone = [
        ("lines", options.lines),
        ("identity-on-connect", options.identity_on_connect),
        ("log-streams", options.log_streams),
    ];
    let alone = alone.into_iter().filter(|(_, is_set)| *is_set);
    given
        .flatten()
        .chain(alone.map(|(flag, _)| format!("--{flag}")))
        .collect()
}

/// A balancer's configuration but for its address.
fn configuration(
    plan: &BackendPlan,
    options: &BalanceOptions,
    behind: impl Fn(&str) -> Option<SocketAddr>,
) -> Map<String, Value> {
    let placed = |may_answer: &dyn Fn(&String) -> bool| -> Value {
        let backends = options.backends.iter().filter(|(name, _)| may_answer(name));
        let backends = backends.filter_map(|(name, weight)| {
            let address = behind(name)?.to_string();
            Some(json!({ "address": address, "weight": weight }))
        });
        backends.collect()
    };
    let mut pool = Map::new();
    let mut put = |field: &str, value: Option<Value>| {
        pool.extend(value.map(|it| (field.to_owned(), it)));
    };
    let span = |it: Option<std::time::Duration>| it.map(|it| Value::from(format_duration(it)));
    put("backends", Some(placed(&|_| true)));
    put("algorithm", Some(options.algorithm.as_str().into()));
    put("connect_timeout", span(options.connect_timeout));
    let mut health = Map::new();
    let checks = [
        ("interval", span(options.health_interval)),
        ("timeout", span(options.health_timeout)),
        ("rise", options.health_rise.map(Value::from)),
        ("fall", options.health_fall.map(Value::from)),
    ];
    for (field, value) in checks {
        health.extend(value.map(|it| (field.to_owned(), it)));
    }
    if !health.is_empty() {
        put("health", Some(Value::Object(health)));
    }
    let mut whole = match options.layer {
        BalanceLayer::Http => {
            put("response_timeout", span(options.response_timeout));
            put("retries", options.retries.map(Value::from));
            put("routes", Some(json!([{ "path": "/**" }])));
            let is_grpc = plan.address(Protocol::Grpc).is_some();
            put("protocol", is_grpc.then(|| "h2".into()));
            let routed = options.routes.iter().flat_map(|route| {
                let each = route.table.iter();
                each.map(|(values, servers)| (json!({ &route.header: values.as_str() }), servers))
            });
            let routed = routed.enumerate().map(|(index, (headers, servers))| {
                let mut service = pool.clone();
                service.insert("name".to_owned(), format!("{SERVICE}-{}", index + 1).into());
                service.insert("headers".to_owned(), headers);
                service.insert("backends".to_owned(), placed(&|it| servers.contains(it)));
                Value::Object(service)
            });
            let mut services: Vec<Value> = routed.collect();
            pool.insert("name".to_owned(), SERVICE.into());
            services.push(Value::Object(pool));
            let services = json!({ "services": services, "default_service": SERVICE });
            match services {
                Value::Object(services) => services,
                _ => Map::new(),
            }
        }
        _ => pool,
    };
    whole.insert("threads".to_owned(), plan.threads.into());
    whole
}
