//! Where figures go while a run is under way: what the flags say, else the environment.

use std::ffi::OsString;
use std::time::Duration;

use loadgen_core::scenario::Target;
use loadgen_core::sink::post::Url;
use loadgen_core::sink::statsd::Prefix;
use loadgen_core::sink::{otlp, statsd};

use super::env::{self, EnvError};
use crate::args::{RunArgs, TagList};
use crate::protocols::Variables;

/// What is said of a prefix without metrics that could have it.
pub(crate) const IDLE_PREFIX: &str = "--statsd-prefix changes nothing: no metrics are sent without --statsd, STATSD_HOST or STATSD_PORT";

/// Where StatsD is.
const STATSD: Variables = Variables {
    host: "STATSD_HOST",
    port: "STATSD_PORT",
    default_port: statsd::DEFAULT_PORT,
};

/// Where OpenTelemetry sends metrics, exactly.
const OTLP_METRICS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
/// Below where it sends everything.
const OTLP_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// Header fields, those for metrics alone first.
const OTLP_HEADERS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
];
/// With these the environment says that no metrics are wanted, whatever else it says.
const OTLP_OFF: [(&str, &str); 2] = [
    ("OTEL_SDK_DISABLED", "true"),
    ("OTEL_METRICS_EXPORTER", "none"),
];
/// What is spoken there, that for metrics alone first.
const OTLP_PROTOCOL: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
/// Where marks go.
const GRAPHITE: &str = "GRAPHITE_URL";

/// Where figures go, each sink settled.
#[derive(Debug, Clone)]
pub(crate) struct SinkSettings {
    /// Metrics to StatsD.
    pub(crate) statsd: Option<StatsdSettings>,
    /// Metrics to a receiver of OTLP.
    pub(crate) otlp: Option<OtlpSettings>,
    /// Marks in Graphite.
    pub(crate) graphite: Option<GraphiteSettings>,
    /// Metrics that Prometheus comes for.
    pub(crate) prometheus: Option<PrometheusSettings>,
}

/// How metrics go to StatsD.
#[derive(Debug, Clone)]
pub(crate) struct StatsdSettings {
    /// Where to.
    pub(crate) target: Target,
    /// What their names begin with.
    pub(crate) prefix: Prefix,
    /// Tags for all of them, where tags are sent.
    pub(crate) tags: Option<Vec<(String, String)>>,
}

/// How OTLP is posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OtlpSettings {
    /// Exactly where to.
    pub(crate) url: Url,
    /// Fields for the header of each request.
    pub(crate) headers: Vec<(String, String)>,
}

/// How a run is marked.
#[derive(Debug, Clone)]
pub(crate) struct GraphiteSettings {
    /// Where.
    pub(crate) url: Url,
    /// What the names of metrics begin with, which the marks say, too.
    pub(crate) prefix: Prefix,
}

/// How Prometheus comes to its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PrometheusSettings {
    /// Where to listen.
    pub(crate) address: String,
    /// How long to wait after the run for the last scrape.
    pub(crate) wait: Option<Duration>,
}

impl SinkSettings {
    /// What flags and environment ask for. Notes what of it changes nothing.
    ///
    /// # Errors
    /// For a variable that holds nonsense.
    pub(super) fn resolve(
        args: &RunArgs,
        variable: impl Fn(&str) -> Option<OsString>,
        notices: &mut Vec<String>,
    ) -> Result<Self, EnvError> {
        let prefix = args.statsd_prefix.clone().unwrap_or_default();
        let statsd = statsd(args.statsd.as_ref(), &variable)?.map(|target| StatsdSettings {
            target,
            prefix: prefix.clone(),
            tags: args.statsd_tags.clone().map(|TagList(tags)| tags),
        });
        let graphite = match &args.graphite {
            Some(given) => Some(given.clone()),
            None => graphite_url(&variable)?,
        };
        let graphite = graphite.map(|url| GraphiteSettings { url, prefix });
        let otlp = otlp(args, &variable, notices)?;
        // The marks carry the prefix, too.
        if statsd.is_none() && graphite.is_none() && args.statsd_prefix.is_some() {
            notices.push(IDLE_PREFIX.to_owned());
        }
        if statsd.is_none() && args.statsd_tags.is_some() {
            notices.push(
                "--statsd-tags changes nothing: no metrics are sent to StatsD without --statsd, STATSD_HOST or STATSD_PORT"
                    .to_owned(),
            );
        }
        let prometheus = args.prometheus.clone().map(|address| PrometheusSettings {
            address,
            wait: args.prometheus_wait,
        });
        Ok(Self {
            statsd,
            otlp,
            graphite,
            prometheus,
        })
    }
}

/// Where metrics go to StatsD: what the flag says, else the environment.
///
/// # Errors
/// For a variable that holds nonsense.
pub(crate) fn statsd(
    given: Option<&Target>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Target>, EnvError> {
    match given {
        Some(given) => Ok(Some(given.clone())),
        None => env::address(&STATSD, variable),
    }
}

/// Where OTLP is posted: what the flag says, else the environment; the header fields are always the
/// environment's.
fn otlp(
    args: &RunArgs,
    variable: impl Fn(&str) -> Option<OsString>,
    notices: &mut Vec<String>,
) -> Result<Option<OtlpSettings>, EnvError> {
    let url = match &args.otlp {
        Some(given) if given.has_path() => Some(given.clone()),
        Some(given) => Some(given.below(otlp::PATH)),
        None => {
            let url = otlp_url(&variable)?;
            if url.is_some()
                && let Some((name, value)) = other_otlp_protocol(&variable)?
            {
                notices.push(format!(
                    "{name} is `{value}`; metrics are sent as http/protobuf all the same"
                ));
            }
            url
        }
    };
    let Some(url) = url else {
        return Ok(None);
    };
    let headers = otlp_headers(&variable)?;
    Ok(Some(OtlpSettings { url, headers }))
}

/// Where the environment says that OTLP is posted, if it does.
fn otlp_url(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Url>, EnvError> {
    for (name, off) in OTLP_OFF {
        let value = env::text(&variable, name)?;
        if value.is_some_and(|value| value.eq_ignore_ascii_case(off)) {
            return Ok(None);
        }
    }
    if let Some(exact) = env::url(&variable, OTLP_METRICS_ENDPOINT)? {
        return Ok(Some(exact));
    }
    let base = env::url(&variable, OTLP_ENDPOINT)?;
    Ok(base.map(|base| base.below(otlp::PATH)))
}

/// The header fields that the environment wants in OTLP's requests.
fn otlp_headers(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<(String, String)>, EnvError> {
    let Some((name, value)) = env::first(&variable, OTLP_HEADERS)? else {
        return Ok(Vec::new());
    };
    otlp::parse_headers(&value).map_err(|_| EnvError {
        variable: name,
        // Secrets travel in it.
        value: "***".to_owned(),
        expected: "`name=value` pairs with commas between them, the values percent-encoded"
            .to_owned(),
    })
}

/// What the environment wants spoken there that is not what loadgen speaks: variable and value.
fn other_otlp_protocol(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<(&'static str, String)>, EnvError> {
    let asked = env::first(&variable, OTLP_PROTOCOL)?;
    Ok(asked.filter(|(_, protocol)| protocol != "http/protobuf"))
}

/// Where the environment says that marks go, if it does.
fn graphite_url(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Url>, EnvError> {
    env::url(&variable, GRAPHITE)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn metrics(host: Option<&str>, port: Option<&str>) -> Result<Option<Target>, EnvError> {
        statsd(None, |name| match name {
            "STATSD_HOST" => host.map(OsString::from),
            "STATSD_PORT" => port.map(OsString::from),
            other => panic!("asked for {other}"),
        })
    }

    #[test_case(None, None => Ok(None); "neither")]
    #[test_case(Some("metrics"), None => Ok(Some("metrics:8125".to_owned())); "host alone")]
    #[test_case(None, Some("9125") => Ok(Some("127.0.0.1:9125".to_owned())); "port alone")]
    #[test_case(Some("metrics"), Some("65536") => Err("environment variable STATSD_PORT is `65536`: expected a port, a number from 1 to 65535".to_owned()); "port")]
    #[test_case(Some("udp://x"), None => Err("environment variable STATSD_HOST is `udp://x`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into STATSD_PORT".to_owned()); "host")]
    fn statsd_has_its_own(
        host: Option<&str>,
        port: Option<&str>,
    ) -> Result<Option<String>, String> {
        let found = metrics(host, port).map_err(|error| error.to_string())?;
        Ok(found.map(|it| format!("{}:{}", it.host, it.port)))
    }

    fn set<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        }
    }

    #[test_case(&[] => Ok(None); "nothing")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/b/")] => Ok(Some("http://a:4318/b/v1/metrics".to_owned())); "for everything")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://a:4318/b/"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c")] => Ok(Some("http://a:4318/b/".to_owned())); "for metrics, as it is")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", ""), ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c")] => Ok(Some("https://c/v1/metrics".to_owned())); "empty is not set")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c"), ("OTEL_SDK_DISABLED", "TRUE")] => Ok(None); "turned off")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c"), ("OTEL_METRICS_EXPORTER", "none")] => Ok(None); "no exporter")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318")] => Err("environment variable OTEL_EXPORTER_OTLP_ENDPOINT is `localhost:4318`: expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "no scheme")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:secret@a")] => Err("environment variable OTEL_EXPORTER_OTLP_ENDPOINT is `http://***@a`: expected a URL like `http://HOST:PORT`, without user and password".to_owned()); "a password is not shown")]
    fn otlp_is_posted_to(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let found = otlp_url(set(variables)).map_err(|error| error.to_string())?;
        Ok(found.map(|it| it.to_string()))
    }

    #[test_case(&[] => Ok(String::new()); "none")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_HEADERS", "a=b%20c")] => Ok("a: b c".to_owned()); "for everything")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "a=1"), ("OTEL_EXPORTER_OTLP_HEADERS", "b=2")] => Ok("a: 1".to_owned()); "for metrics")]
    #[test_case(&[("OTEL_EXPORTER_OTLP_HEADERS", "secret")] => Err("environment variable OTEL_EXPORTER_OTLP_HEADERS is `***`: expected `name=value` pairs with commas between them, the values percent-encoded".to_owned()); "nonsense is not shown")]
    fn headers(variables: &[(&str, &str)]) -> Result<String, String> {
        let found = otlp_headers(set(variables)).map_err(|error| error.to_string())?;
        let found = found.iter().map(|(name, value)| format!("{name}: {value}"));
        Ok(found.collect::<Vec<_>>().join(", "))
    }

    #[test_case(&[("GRAPHITE_URL", "http://a:8081")] => Ok(Some("http://a:8081".to_owned())); "a URL")]
    #[test_case(&[("GRAPHITE_URL", "a:8081")] => Err("environment variable GRAPHITE_URL is `a:8081`: expected a URL like `http://HOST:PORT` or `https://HOST/path`".to_owned()); "none")]
    fn marks_go_to(variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let found = graphite_url(set(variables)).map_err(|error| error.to_string())?;
        Ok(found.map(|it| it.to_string()))
    }
}
