//! Flags of `loadgen balance`.

mod http;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;
use loadgen_backends::balance::tcp::ProxyProtocol;
use loadgen_backends::balance::{Algorithm, BackendSettings, MOST_WEIGHT, host_and_port};
use loadgen_core::scenario::Target;
use loadgen_core::sink::statsd::Prefix;

use super::values::{HOUR, MOST_WORKERS, between, count, listen_address, prefix, statsd, whole};

pub(crate) use self::http::{BalanceHttpArgs, LogLevel};

const MILLISECOND: Duration = Duration::from_millis(1);

/// Which balancer to start.
#[derive(Debug, Subcommand)]
pub(crate) enum BalanceCommand {
    /// The layer-4 balancer: gives TCP connections to backends, whatever is spoken on them
    Tcp(Box<BalanceTcpArgs>),
    /// The HTTP balancer: gives each request to a backend of the service that it is for
    Http(Box<BalanceHttpArgs>),
}

/// A backend as a flag has it.
#[derive(Debug, Clone)]
pub(crate) struct BackendFlag(pub(crate) BackendSettings);

/// Flags of `loadgen balance tcp`. What is not given is the configuration's, or the default.
#[derive(Debug, clap::Args)]
pub(crate) struct BalanceTcpArgs {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) listen: Option<String>,
    /// A backend, like `10.0.0.5:9001`, `name:9001,weight=3` or `name:9001,drain`; repeatable
    #[arg(long, value_name = "HOST:PORT[,weight=N][,drain]", value_parser = backend)]
    pub(crate) backend: Vec<BackendFlag>,
    /// How backends take turns [default: round_robin] [possible values: round_robin, weighted_round_robin, least_connections]
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm)]
    pub(crate) algorithm: Option<Algorithm>,
    /// JSON file with all of this and more; flags win over it, and SIGHUP has it read again
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Pass a backend over that takes no connection within this time [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = between(MILLISECOND, HOUR), allow_hyphen_values = true)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Reset a connection on which nothing has moved for this time, either way [default: let it be]
    #[arg(long, value_name = "TIME", value_parser = between(MILLISECOND, HOUR * 24), allow_hyphen_values = true)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Tell backends who the client is, by the PROXY protocol [possible values: v1, v2]
    #[arg(long, value_name = "VERSION", value_parser = proxy_protocol)]
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    /// From one health check to the next [default: 2s]
    #[arg(long, value_name = "TIME", value_parser = between(MILLISECOND, HOUR), allow_hyphen_values = true, conflicts_with = "no_health")]
    pub(crate) health_interval: Option<Duration>,
    /// A health check that takes longer has failed [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = between(MILLISECOND, HOUR), allow_hyphen_values = true, conflicts_with = "no_health")]
    pub(crate) health_timeout: Option<Duration>,
    /// Good checks in a row that bring a backend back [default: 2]
    #[arg(long, value_name = "N", value_parser = count(1000), allow_negative_numbers = true, conflicts_with = "no_health")]
    pub(crate) health_rise: Option<u64>,
    /// Bad checks in a row that take a backend out [default: 3]
    #[arg(long, value_name = "N", value_parser = count(1000), allow_negative_numbers = true, conflicts_with = "no_health")]
    pub(crate) health_fall: Option<u64>,
    /// Check no backend: all count as up
    #[arg(long)]
    pub(crate) no_health: bool,
    /// How often names of backends are looked up again [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = between(MILLISECOND * 100, HOUR), allow_hyphen_values = true)]
    pub(crate) resolve_interval: Option<Duration>,
    /// How long a stop waits for connections to end [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = between(Duration::ZERO, HOUR * 24), allow_hyphen_values = true)]
    pub(crate) grace: Option<Duration>,
    /// Threads that carry bytes [default: every core]
    #[arg(long, value_name = "N", value_parser = count(MOST_WORKERS), allow_negative_numbers = true)]
    pub(crate) threads: Option<u64>,
    /// Show how it stands at this address: a page, /status as JSON, /metrics for Prometheus, /health
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address)]
    pub(crate) status: Option<String>,
    /// Send metrics to StatsD once a second
    #[arg(long, value_name = "HOST:PORT", value_parser = statsd)]
    pub(crate) statsd: Option<Target>,
    /// What the names of metrics begin with [default: loadgen]
    #[arg(long, value_name = "NAME", value_parser = prefix)]
    pub(crate) statsd_prefix: Option<Prefix>,
    /// End when standard input does: for a process that must not outlive its parent
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}

fn backend(text: &str) -> Result<BackendFlag, String> {
    let mut parts = text.split(',');
    let address = parts.next().unwrap_or_default();
    let (host, port) = host_and_port(address).ok_or_else(|| {
        "expected HOST:PORT with a port from 1 to 65535, like `localhost:9001` or \
         `localhost:9001,weight=3`"
            .to_owned()
    })?;
    let (mut weight, mut drain) = (None, None);
    for part in parts {
        match part.split_once('=') {
            Some(("weight", number)) if weight.is_none() => {
                weight = Some(
                    whole(number, 1, MOST_WEIGHT).map_err(|error| format!("weight: {error}"))?,
                );
            }
            None if part == "drain" && drain.is_none() => drain = Some(true),
            _ => {
                return Err(format!(
                    "found `{part}` after the address, expected `weight=N` or `drain`, each once"
                ));
            }
        }
    }
    Ok(BackendFlag(BackendSettings {
        host,
        port,
        weight: u32::try_from(weight.unwrap_or(1)).map_err(|error| error.to_string())?,
        drain: drain.unwrap_or(false),
    }))
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    let found = Algorithm::ALL.into_iter().find(|it| it.as_str() == text);
    found.ok_or_else(|| {
        format!(
            "expected one of {}",
            Algorithm::ALL.map(Algorithm::as_str).join(", ")
        )
    })
}

fn proxy_protocol(text: &str) -> Result<ProxyProtocol, String> {
    let found = ProxyProtocol::ALL
        .into_iter()
        .find(|it| it.as_str() == text);
    found.ok_or_else(|| "expected `v1` or `v2`".to_owned())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("localhost:9001" => Ok(("localhost:9001".to_owned(), 1, false)))]
    #[test_case("localhost:9001,weight=3" => Ok(("localhost:9001".to_owned(), 3, false)))]
    #[test_case("[::1]:9001,drain,weight=2" => Ok(("[::1]:9001".to_owned(), 2, true)))]
    #[test_case("9001" => Err("expected HOST:PORT with a port from 1 to 65535, like `localhost:9001` or `localhost:9001,weight=3`".to_owned()))]
    #[test_case("a:1,weight=0" => Err("weight: expected a whole number from 1 to 65535".to_owned()))]
    #[test_case("a:1,wieght=1" => Err("found `wieght=1` after the address, expected `weight=N` or `drain`, each once".to_owned()))]
    #[test_case("a:1,weight=1,weight=2" => Err("found `weight=2` after the address, expected `weight=N` or `drain`, each once".to_owned()))]
    fn backends(text: &str) -> Result<(String, u32, bool), String> {
        backend(text).map(|BackendFlag(it)| (it.name(), it.weight, it.drain))
    }
}
