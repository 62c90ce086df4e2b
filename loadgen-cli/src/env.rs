//! The environment variables that say where to send: the load, metrics, and marks.
//!
//! Owns their names and what counts as sense in them. Looked at only where no flag and, for
//! targets, no scenario has said so: some platforms set such a variable for purposes of their own.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr};

use loadgen_core::scenario::{Protocol, Target};
use loadgen_core::secrets;
use loadgen_core::sink::post::{Url, UrlError};
use loadgen_core::sink::{otlp, statsd};

/// The host when only the port is set.
const DEFAULT_HOST: &str = "127.0.0.1";

/// What the environment calls the target of a protocol.
#[derive(Debug)]
struct Variables {
    host: &'static str,
    port: &'static str,
    /// The port when only the host is set.
    default_port: u16,
    /// What the host is expected to be.
    expected_host: &'static str,
}

const GRPC: Variables = Variables {
    host: "GRPC_HOST",
    port: "GRPC_PORT",
    default_port: 50051,
    expected_host: "a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT",
};

const WEBSOCKET: Variables = Variables {
    host: "WEBSOCKET_HOST",
    port: "WEBSOCKET_PORT",
    default_port: 8080,
    expected_host: "a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into WEBSOCKET_PORT",
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
/// What is spoken there, that for metrics alone first.
/// With these the environment says that no metrics are wanted, whatever else it says.
const OTLP_OFF: [(&str, &str); 2] = [
    ("OTEL_SDK_DISABLED", "true"),
    ("OTEL_METRICS_EXPORTER", "none"),
];
const OTLP_PROTOCOL: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
/// Where marks go.
const GRAPHITE: &str = "GRAPHITE_URL";

const STATSD: Variables = Variables {
    host: "STATSD_HOST",
    port: "STATSD_PORT",
    default_port: statsd::DEFAULT_PORT,
    expected_host: "a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into STATSD_PORT",
};

fn variables(protocol: Protocol) -> Option<&'static Variables> {
    match protocol {
        Protocol::Grpc => Some(&GRPC),
        Protocol::Websocket => Some(&WEBSOCKET),
        _ => None,
    }
}

/// A variable that holds nonsense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} is `{value}`: expected {expected}")]
pub(crate) struct EnvError {
    variable: &'static str,
    value: String,
    expected: &'static str,
}

/// The target of a protocol that the environment names, if it names one. An empty variable counts as
/// not set.
///
/// # Errors
/// [`EnvError`] for a variable that holds nonsense.
pub(crate) fn target(
    protocol: Protocol,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Target>, EnvError> {
    match variables(protocol) {
        Some(names) => address(names, variable),
        None => Ok(None),
    }
}

/// Where the environment says that metrics go, if it does.
///
/// # Errors
/// [`EnvError`] for a variable that holds nonsense.
pub(crate) fn statsd(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Target>, EnvError> {
    address(&STATSD, variable)
}

/// Where the environment says that OTLP is posted, if it does.
///
/// # Errors
/// [`EnvError`] for a variable that holds nonsense.
pub(crate) fn otlp(variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Url>, EnvError> {
    for (name, off) in OTLP_OFF {
        let value = text(&variable, name)?;
        if value.is_some_and(|value| value.eq_ignore_ascii_case(off)) {
            return Ok(None);
        }
    }
    if let Some(exact) = url(&variable, OTLP_METRICS_ENDPOINT)? {
        return Ok(Some(exact));
    }
    let base = url(&variable, OTLP_ENDPOINT)?;
    Ok(base.map(|base| base.below(otlp::PATH)))
}

/// The header fields that the environment wants in OTLP's requests.
///
/// # Errors
/// [`EnvError`] for a variable that holds nonsense.
pub(crate) fn otlp_headers(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<(String, String)>, EnvError> {
    let Some((name, value)) = first(&variable, OTLP_HEADERS)? else {
        return Ok(Vec::new());
    };
    otlp::parse_headers(&value).map_err(|_| EnvError {
        variable: name,
        // Secrets travel in it.
        value: "***".to_owned(),
        expected: "`name=value` pairs with commas between them, the values percent-encoded",
    })
}

/// What the environment wants spoken there that is not what loadgen speaks: variable and value.
///
/// # Errors
/// [`EnvError`] for a variable that holds nonsense.
pub(crate) fn other_otlp_protocol(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<(&'static str, String)>, EnvError> {
    let asked = first(&variable, OTLP_PROTOCOL)?;
    Ok(asked.filter(|(_, protocol)| protocol != "http/protobuf"))
}

/// Where the environment says that marks go, if it does.
///
/// # Errors
/// [`EnvError`] for a variable that holds nonsense.
pub(crate) fn graphite(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Url>, EnvError> {
    url(&variable, GRAPHITE)
}

/// The first of these that is set.
fn first(
    variable: impl Fn(&str) -> Option<OsString>,
    names: [&'static str; 2],
) -> Result<Option<(&'static str, String)>, EnvError> {
    for name in names {
        if let Some(value) = text(&variable, name)? {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

fn url(
    variable: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<Url>, EnvError> {
    let Some(value) = text(variable, name)? else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|error: UrlError| EnvError {
        variable: name,
        value: secrets::address(&value),
        expected: error.expected(),
    })
}

fn address(
    names: &Variables,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Target>, EnvError> {
    let host = text(&variable, names.host)?
        .map(|value| parse_host(names, value))
        .transpose()?;
    let port = text(&variable, names.port)?
        .map(|value| parse_port(names, value))
        .transpose()?;
    Ok((host.is_some() || port.is_some()).then(|| Target {
        host: host.unwrap_or_else(|| DEFAULT_HOST.to_owned()),
        port: port.unwrap_or(names.default_port),
        tls: false,
    }))
}

fn text(
    variable: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<String>, EnvError> {
    match variable(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value).filter(|value| !value.is_empty())),
        Some(Err(value)) => Err(EnvError {
            variable: name,
            value: value.to_string_lossy().into_owned(),
            expected: "text in UTF-8",
        }),
    }
}

fn parse_host(names: &Variables, value: String) -> Result<String, EnvError> {
    let bare = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(&value);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(bare.to_owned());
    }
    let is_name = value.len() <= 253
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    // Resolvers read `1.5` as the address 1.0.0.5, which nobody meant.
    let is_number = value.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_name && (!is_number || value.parse::<Ipv4Addr>().is_ok()) {
        Ok(value)
    } else {
        Err(EnvError {
            variable: names.host,
            value,
            expected: names.expected_host,
        })
    }
}

fn parse_port(names: &Variables, value: String) -> Result<u16, EnvError> {
    match value.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(EnvError {
            variable: names.port,
            value,
            expected: "a port, a number from 1 to 65535",
        }),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn grpc(host: Option<&str>, port: Option<&str>) -> Result<Option<Target>, EnvError> {
        target(Protocol::Grpc, |name| match name {
            "GRPC_HOST" => host.map(OsString::from),
            "GRPC_PORT" => port.map(OsString::from),
            other => panic!("asked for {other}"),
        })
    }

    fn websocket(host: Option<&str>, port: Option<&str>) -> Result<Option<Target>, EnvError> {
        target(Protocol::Websocket, |name| match name {
            "WEBSOCKET_HOST" => host.map(OsString::from),
            "WEBSOCKET_PORT" => port.map(OsString::from),
            other => panic!("asked for {other}"),
        })
    }

    #[test_case(None, None => None; "neither")]
    #[test_case(Some("svc.local"), None => Some(("svc.local".to_owned(), 8080)); "host alone")]
    #[test_case(None, Some("6000") => Some(("127.0.0.1".to_owned(), 6000)); "port alone")]
    fn websocket_has_its_own(host: Option<&str>, port: Option<&str>) -> Option<(String, u16)> {
        let target = websocket(host, port).unwrap();
        target.map(|target| (target.host, target.port))
    }

    #[test_case(None, Some("0") => "environment variable WEBSOCKET_PORT is `0`: expected a port, a number from 1 to 65535"; "port")]
    #[test_case(Some("ws://x"), None => "environment variable WEBSOCKET_HOST is `ws://x`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into WEBSOCKET_PORT"; "host")]
    fn websocket_nonsense(host: Option<&str>, port: Option<&str>) -> String {
        websocket(host, port).unwrap_err().to_string()
    }

    #[test_case(None, None => None; "neither")]
    #[test_case(Some(""), Some("") => None; "empty is not set")]
    #[test_case(Some("svc.local"), None => Some(("svc.local".to_owned(), 50051)); "host alone")]
    #[test_case(None, Some("6000") => Some(("127.0.0.1".to_owned(), 6000)); "port alone")]
    #[test_case(Some("10.0.0.7"), Some("1") => Some(("10.0.0.7".to_owned(), 1)); "both")]
    #[test_case(Some("[::1]"), Some("65535") => Some(("::1".to_owned(), 65535)); "bracketed IPv6")]
    #[test_case(Some("::1"), None => Some(("::1".to_owned(), 50051)); "bare IPv6")]
    fn sense(host: Option<&str>, port: Option<&str>) -> Option<(String, u16)> {
        grpc(host, port)
            .unwrap()
            .map(|target| (target.host, target.port))
    }

    #[test_case(None, Some("0") => "environment variable GRPC_PORT is `0`: expected a port, a number from 1 to 65535"; "zero")]
    #[test_case(None, Some("65536") => "environment variable GRPC_PORT is `65536`: expected a port, a number from 1 to 65535"; "above")]
    #[test_case(None, Some("-1") => "environment variable GRPC_PORT is `-1`: expected a port, a number from 1 to 65535"; "negative")]
    #[test_case(None, Some("tcp://10.0.0.1:1") => "environment variable GRPC_PORT is `tcp://10.0.0.1:1`: expected a port, a number from 1 to 65535"; "a URL")]
    #[test_case(Some("a b"), None => "environment variable GRPC_HOST is `a b`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "a blank")]
    #[test_case(Some("localhost:1"), None => "environment variable GRPC_HOST is `localhost:1`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "host with port")]
    #[test_case(Some("1.5"), None => "environment variable GRPC_HOST is `1.5`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "a fraction")]
    #[test_case(Some("8125"), None => "environment variable GRPC_HOST is `8125`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "a port as the host")]
    #[test_case(Some("10.0.0.256"), None => "environment variable GRPC_HOST is `10.0.0.256`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "no address")]
    #[test_case(Some("http://x"), None => "environment variable GRPC_HOST is `http://x`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "scheme")]
    fn nonsense(host: Option<&str>, port: Option<&str>) -> String {
        grpc(host, port).unwrap_err().to_string()
    }

    fn metrics(host: Option<&str>, port: Option<&str>) -> Result<Option<Target>, EnvError> {
        statsd(|name| match name {
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
        let found = otlp(set(variables)).map_err(|error| error.to_string())?;
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
        let found = graphite(set(variables)).map_err(|error| error.to_string())?;
        Ok(found.map(|it| it.to_string()))
    }

    #[cfg(unix)]
    #[test]
    fn not_utf8() {
        use std::os::unix::ffi::OsStringExt;
        let error = target(Protocol::Grpc, |_| Some(OsString::from_vec(vec![0xff]))).unwrap_err();
        assert_eq!(error.expected, "text in UTF-8");
    }
}
