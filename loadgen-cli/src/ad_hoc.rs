//! A scenario made of flags: what `loadgen grpc`, `websocket`, `http` and `tcp` run.
//!
//! The flags become the scenario file that says the same, and that is read as any other: one language,
//! one set of checks. Owns that translation, and telling what is wrong in words of flags. Runs nothing.

mod error;
mod grpc;
mod http;
mod input;
mod load;
mod tcp;
mod url;
mod websocket;
mod words;

use std::path::{self, Path};

use loadgen_core::scenario::{self, Plan, Protocol, Suite};
use loadgen_core::units::format_duration;
use serde_json::{Map, Value, json};

use crate::args::{
    AdHocArgs, CapacityFlags, GrpcArgs, HttpArgs, RunArgs, StreamEndFlag, TargetFlags, TcpArgs,
    WebsocketArgs,
};
use crate::error::Error;
use crate::settings::{CapacitySettings, RunSettings};
use crate::suite::LoadError;

pub(crate) use self::error::AdHocError;
pub(crate) use self::grpc::{refuse_no_method, target as grpc_target};
pub(crate) use self::words::in_flags;

/// Where to connect, of a URL.
pub(crate) fn target_of(url: &str) -> &str {
    url::address(url).0
}

/// The path there.
pub(crate) fn path_of(url: &str) -> &str {
    url::address(url).1
}

/// What problems of a scenario that was no file are said to be of.
const SOURCE: &str = "the command line";

/// A scenario made of flags.
#[derive(Debug)]
pub(crate) struct AdHoc {
    /// The scenario, as a file has it.
    scenario: Map<String, Value>,
    /// Which protocol it speaks.
    protocol: Protocol,
    /// Where it sends, as it was given.
    target: String,
    /// How it is run, but for the load, which is the scenario's.
    pub(crate) run: RunArgs,
    /// What a person should know of it.
    pub(crate) notice: Option<String>,
}

impl AdHoc {
    /// What the flags of `loadgen grpc` say.
    ///
    /// # Errors
    /// For a value that cannot be read.
    pub(crate) fn of_grpc(args: &GrpcArgs) -> Result<Self, AdHocError> {
        let (own, step) = grpc::fields(args)?;
        let name = grpc::name(&args.method);
        let target = grpc::target(&args.target);
        Self::new(&args.shared, Protocol::Grpc, &name, target, own, step)
    }

    /// What the flags of `loadgen websocket` say.
    ///
    /// # Errors
    /// For a value that cannot be read, and where nothing is to be done.
    pub(crate) fn of_websocket(args: &WebsocketArgs) -> Result<Self, AdHocError> {
        let (target, path) = url::address(&args.url);
        let (own, step) = websocket::fields(args, path)?;
        let name = url::name(path, "websocket");
        Self::new(&args.shared, Protocol::Websocket, name, target, own, step)
    }

    /// What the flags of `loadgen http` say.
    ///
    /// # Errors
    /// For a value that cannot be read.
    pub(crate) fn of_http(args: &HttpArgs) -> Result<Self, AdHocError> {
        let (target, path) = url::address(&args.url);
        let (own, step) = http::fields(args, path)?;
        let name = url::name(path, "http");
        Self::new(&args.shared, Protocol::Http, name, target, own, step)
    }

    /// What the flags of `loadgen tcp` say.
    ///
    /// # Errors
    /// For a value that cannot be read, and where nothing is to be done.
    pub(crate) fn of_tcp(args: &TcpArgs) -> Result<Self, AdHocError> {
        let mut own = Map::new();
        if !args.shared.headers.is_empty() {
            // Whoever reads the scenario says that there are none.
            own.insert("headers".to_owned(), headers(&args.shared.headers)?);
        }
        let step = tcp::step(args)?;
        Self::new(&args.shared, Protocol::Tcp, "tcp", &args.target, own, step)
    }

    fn new(
        shared: &AdHocArgs,
        protocol: Protocol,
        name: &str,
        target: &str,
        own: Map<String, Value>,
        step: Value,
    ) -> Result<Self, AdHocError> {
        let (load, notice) = load::load(&shared.run)?;
        let mut scenario = Map::new();
        scenario.insert("name".to_owned(), json!(name));
        scenario.insert("targets".to_owned(), json!([target]));
        scenario.extend(own);
        if let Some(authority) = &shared.authority {
            scenario.insert("authority".to_owned(), json!(authority));
        }
        if let Some(time) = shared.warm_up {
            scenario.insert("warm_up".to_owned(), json!(format_duration(time)));
        }
        scenario.insert("load".to_owned(), load);
        let mut step = Map::from_iter([(protocol.to_string(), step)]);
        if !shared.checks.is_empty() {
            step.insert("check".to_owned(), json!(shared.checks));
        }
        scenario.insert("steps".to_owned(), json!([step]));
        if !shared.thresholds.is_empty() {
            scenario.insert("thresholds".to_owned(), json!(shared.thresholds));
        }
        Ok(Self {
            scenario,
            protocol,
            target: target.to_owned(),
            run: RunArgs {
                requests: None,
                concurrency: None,
                duration: None,
                rate: None,
                ..shared.run.clone()
            },
            notice,
        })
    }

    /// The run of it, settled as that of a file is.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn settle(&self, cores: usize) -> Result<RunSettings, Error> {
        let (plan, targets) = self.plan()?;
        let variable = |name: &str| std::env::var_os(name);
        Ok(RunSettings::of(plan, &targets, &self.run, variable, cores)?)
    }

    /// The search of it, settled as that of a file is; `given` are the flags as they stand on the command line.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn settle_search(
        &self,
        search: &CapacityFlags,
        given: &RunArgs,
        cores: usize,
    ) -> Result<CapacitySettings, Error> {
        let (plan, targets) = self.plan()?;
        let variable = |name: &str| std::env::var_os(name);
        let settled = CapacitySettings::of(plan, &targets, search, given, variable, cores);
        Ok(settled?)
    }

    fn plan(&self) -> Result<(Plan, TargetFlags), Error> {
        let text = file(&self.scenario).to_string();
        let suite = Suite::parse(SOURCE, &text, None, None).map_err(LoadError::from)?;
        let mut targets = TargetFlags::default();
        targets.push(self.protocol, &self.target);
        Ok((Plan::new(suite.scenarios()), targets))
    }

    /// The scenario file that does the same, wherever it lies.
    pub(crate) fn file(&self, settled: &RunSettings) -> Value {
        let full = scenario::to_json(&settled.plan.scenarios);
        let full = &full["scenarios"][0];
        let mut scenario = self.scenario.clone();
        let changed = [
            ("timeout", self.run.timeout.is_some()),
            ("connections", self.run.connections.is_some()),
            ("tls", true),
        ];
        let (steps, thresholds) = (scenario.remove("steps"), scenario.remove("thresholds"));
        for (field, _) in changed.into_iter().filter(|(_, given)| *given) {
            if let Some(value) = full.get(field) {
                scenario.insert(field.to_owned(), value.clone());
            }
        }
        scenario.extend(steps.map(|it| ("steps".to_owned(), it)));
        scenario.extend(thresholds.map(|it| ("thresholds".to_owned(), it)));
        if let Some(Value::Object(tls)) = scenario.get_mut("tls") {
            let files = tls.iter_mut().filter(|(name, _)| name.ends_with("_file"));
            for (_, file) in files {
                if let Some(relative) = file.as_str() {
                    *file = json!(absolute(Path::new(relative)));
                }
            }
        }
        file(&scenario)
    }
}

fn file(scenario: &Map<String, Value>) -> Value {
    json!({ "scenarios": [scenario] })
}

/// A path that means the same in whatever folder a scenario file lies.
fn absolute(path: &Path) -> String {
    let absolute = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.to_string_lossy().into_owned()
}

/// When a stream of messages is over, as a scenario says it.
fn stream_end(end: StreamEndFlag) -> Value {
    match end {
        StreamEndFlag::Messages(count) => json!({ "messages": count }),
        StreamEndFlag::After(time) => json!({ "for": format_duration(time) }),
    }
}

/// Metadata or header fields, of which a scenario has one of each name.
fn headers(given: &[(String, String)]) -> Result<Value, AdHocError> {
    let mut fields = Map::new();
    for (key, value) in given {
        if fields.insert(key.clone(), json!(value)).is_some() {
            return Err(AdHocError::HeaderTwice { key: key.clone() });
        }
    }
    Ok(fields.into())
}

#[cfg(test)]
mod tests;
