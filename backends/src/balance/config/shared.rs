//! What balancers' configurations have in common: the pool of backends, and where a balancer tells of
//! itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Problems;
use super::reader::{Field, Object};
use crate::balance::health::HealthSettings;
use crate::balance::pool::{BackendSettings, PoolSettings, RESOLVE_INTERVAL};
use crate::balance::selection::Algorithm;
use crate::serve::tls::TlsFiles;

/// The most a backend can weigh.
pub const MOST_WEIGHT: u64 = 65_535;
/// The most backends of a pool.
pub(crate) const MOST_BACKENDS: usize = 10_000;

/// The fields of an object that has a pool in it.
pub(crate) const POOL_FIELDS: [&str; 4] = ["algorithm", "backends", "health", "resolve_interval"];
/// The fields of `health` that every balancer has.
pub(crate) const HEALTH_FIELDS: [&str; 4] = ["interval", "timeout", "rise", "fall"];

/// The fields of a backend.
pub(crate) const BACKEND_FIELDS: [&str; 3] = ["address", "weight", "drain"];

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);
const BACKEND: &str = "HOST:PORT with a port from 1 to 65535, like \"localhost:9001\"";

/// Reads the pool of an object that has [`POOL_FIELDS`] among its fields; `health_fields` are all that its
/// `health` may have.
pub(crate) fn pool(
    object: &Object<'_>,
    health_fields: &[&str],
    problems: &Problems,
) -> Option<PoolSettings> {
    pool_of(object, health_fields, || {
        let field = object.require("backends", "an array of one backend or more")?;
        backends(&field, problems)
    })
}

/// The same with other backends in the place of those that the object may have, which are read and passed
/// over.
pub(crate) fn pool_with(
    given: Vec<BackendSettings>,
    object: &Object<'_>,
    health_fields: &[&str],
    problems: &Problems,
) -> Option<PoolSettings> {
    pool_of(object, health_fields, || match object.get("backends") {
        Some(field) => backends(&field, problems).map(|_| given),
        None => Some(given),
    })
}

fn pool_of(
    object: &Object<'_>,
    health_fields: &[&str],
    backends: impl FnOnce() -> Option<Vec<BackendSettings>>,
) -> Option<PoolSettings> {
    let words = Algorithm::ALL.map(|it| (it.as_str(), it));
    let algorithm = match object.get("algorithm") {
        Some(field) => field.word(&words),
        None => Some(Algorithm::default()),
    };
    let backends = backends();
    let health = match object.get("health") {
        Some(field) => health(&field, health_fields),
        None => Some(Some(HealthSettings::default())),
    };
    let resolve_interval = match object.get("resolve_interval") {
        Some(field) => field.duration(MILLISECOND * 100..=HOUR),
        None => Some(RESOLVE_INTERVAL),
    };
    Some(PoolSettings {
        algorithm: algorithm?,
        backends: backends?,
        health: health?,
        resolve_interval: resolve_interval?,
    })
}

fn backends(field: &Field<'_>, problems: &Problems) -> Option<Vec<BackendSettings>> {
    let elements = field.list()?;
    if elements.is_empty() || elements.len() > MOST_BACKENDS {
        problems.add(
            field.path(),
            format!("{} backends", elements.len()),
            format!("1 to {MOST_BACKENDS}"),
            None,
        );
        return None;
    }
    let mut read = Vec::<BackendSettings>::with_capacity(elements.len());
    // By name, where it stands.
    let mut places = HashMap::<String, &str>::with_capacity(elements.len());
    let mut all_well = true;
    for element in &elements {
        let Some(backend) = backend(element) else {
            all_well = false;
            continue;
        };
        match places.entry(backend.name()) {
            Entry::Occupied(place) => problems.add(
                format!("{}.address", element.path()),
                format!("\"{}\", which is {} already", place.key(), place.get()),
                "each backend once",
                Some("give one of them the weight of both".to_owned()),
            ),
            Entry::Vacant(place) => {
                place.insert(element.path());
            }
        }
        read.push(backend);
    }
    all_well.then_some(read)
}

fn backend(field: &Field<'_>) -> Option<BackendSettings> {
    let object = field.object(&BACKEND_FIELDS)?;
    let address = object
        .require("address", BACKEND)
        .and_then(|it| it.read(BACKEND, host_and_port));
    let weight = match object.get("weight") {
        Some(field) => field.whole(1..=MOST_WEIGHT),
        None => Some(1),
    };
    let drain = match object.get("drain") {
        Some(field) => field.flag(),
        None => Some(false),
    };
    let (host, port) = address?;
    Some(BackendSettings {
        host,
        port,
        weight: u32::try_from(weight?).ok()?,
        drain: drain?,
    })
}

/// `HOST:PORT`, with brackets around an IPv6 address.
#[must_use]
pub fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let bracketed = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let host = match bracketed {
        Some(ip) => {
            ip.parse::<std::net::Ipv6Addr>().ok()?;
            ip
        }
        None => {
            let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            (!host.is_empty() && host.chars().all(is_part)).then_some(host)?
        }
    };
    Some((host.to_ascii_lowercase(), port))
}

/// The object, or the word `off`, which is `Some(None)`.
fn health(field: &Field<'_>, fields: &[&str]) -> Option<Option<HealthSettings>> {
    if field.is_word("off") {
        return Some(None);
    }
    let object = field.object(fields)?;
    let default = HealthSettings::default();
    let duration = |name: &str, default| match object.get(name) {
        Some(field) => field.duration(MILLISECOND..=HOUR),
        None => Some(default),
    };
    let count = |name: &str, default: u32| match object.get(name) {
        Some(field) => field.whole(1..=1000).and_then(|it| u32::try_from(it).ok()),
        None => Some(default),
    };
    let interval = duration("interval", default.interval);
    let timeout = duration("timeout", default.timeout.min(interval.unwrap_or(HOUR)));
    let rise = count("rise", default.rise);
    let fall = count("fall", default.fall);
    let settings = HealthSettings {
        interval: interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
    };
    if settings.timeout > settings.interval
        && let Some(field) = object.get("timeout")
    {
        let most = humantime::format_duration(settings.interval);
        field.refuse(
            format!("at most the interval, {most}"),
            Some("one check is to be over when the next begins".to_owned()),
        );
        return None;
    }
    Some(Some(settings))
}

/// An address to listen on, as the system takes it.
pub(crate) fn listen_address(field: &Field<'_>) -> Option<SocketAddr> {
    let expected = "IP:PORT, like \"127.0.0.1:8080\" or \"[::]:8080\"";
    field.read(expected, |text| text.parse().ok())
}

/// What the name of a file should be, as messages have it.
pub(crate) const A_FILE: &str = "a path";

/// The name of a file.
pub(crate) fn path(field: &Field<'_>) -> Option<PathBuf> {
    field.read(A_FILE, |text| (!text.is_empty()).then(|| text.into()))
}

/// A certificate's file and its key's.
pub(crate) fn tls_files(field: &Field<'_>) -> Option<TlsFiles> {
    let object = field.object(&["cert_file", "key_file"])?;
    let certificate = object.require("cert_file", A_FILE).and_then(|it| path(&it));
    let key = object.require("key_file", A_FILE).and_then(|it| path(&it));
    Some(TlsFiles {
        certificate: certificate?,
        key: key?,
    })
}

/// Where metrics go, in StatsD's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsdSettings {
    /// The server's name or IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What names begin with; `balancer` and the balancer's own name follow.
    pub prefix: String,
}

/// Reads `statsd`.
pub(crate) fn statsd(field: &Field<'_>) -> Option<StatsdSettings> {
    let object = field.object(&["address", "prefix"])?;
    let expected = "HOST:PORT with a port from 1 to 65535, like \"localhost:8125\"";
    let address = object
        .require("address", expected)
        .and_then(|it| it.read(expected, host_and_port));
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let prefix = match object.get("prefix") {
        Some(field) => {
            let expected = "ASCII letters, digits, `.`, `-` and `_`, like \"loadgen\"";
            let fits = |text: &str| !text.is_empty() && text.chars().all(is_part);
            field.read(expected, |text| fits(text).then(|| text.to_owned()))
        }
        None => Some("loadgen".to_owned()),
    };
    let (host, port) = address?;
    Some(StatsdSettings {
        host,
        port,
        prefix: prefix?,
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::balance::config::parse;

    fn read(text: &str) -> Result<PoolSettings, String> {
        let made = parse("pool.json", text, |top, problems| {
            pool(&top.object(&POOL_FIELDS)?, &HEALTH_FIELDS, problems)
        });
        made.map_err(|error| error.to_string())
    }

    #[test]
    fn everything_can_be_said() {
        let settings = read(
            r#"{
                "algorithm": "least_connections",
                "backends": [
                    { "address": "Some.Name:9001", "weight": 3 },
                    { "address": "[::1]:9002", "drain": true }
                ],
                "health": { "interval": "500ms", "timeout": "100ms", "rise": 1, "fall": 4 },
                "resolve_interval": "1m"
            }"#,
        )
        .unwrap();
        assert_eq!(settings.algorithm, Algorithm::LeastConnections);
        let names: Vec<_> = settings
            .backends
            .iter()
            .map(BackendSettings::name)
            .collect();
        assert_eq!(names, ["some.name:9001", "[::1]:9002"]);
        assert_eq!(
            (settings.backends[0].weight, settings.backends[1].weight),
            (3, 1)
        );
        assert!(!settings.backends[0].drain && settings.backends[1].drain);
        let health = settings.health.unwrap();
        assert_eq!((health.rise, health.fall), (1, 4));
        assert_eq!(health.timeout, Duration::from_millis(100));
        assert_eq!(settings.resolve_interval, Duration::from_secs(60));
    }

    #[test]
    fn little_needs_to_be_said() {
        let settings = read(r#"{ "backends": [{ "address": "a:1" }], "health": "off" }"#).unwrap();
        assert_eq!(settings.algorithm, Algorithm::RoundRobin);
        assert_eq!(settings.health, None);
        // A short interval has no longer timeout by default.
        let short = r#"{ "backends": [{ "address": "a:1" }], "health": { "interval": "100ms" } }"#;
        let health = read(short).unwrap().health.unwrap();
        assert_eq!(health.timeout, Duration::from_millis(100));
    }

    #[test_case("{}", "backends: found nothing, expected an array of one backend or more"; "nothing")]
    #[test_case("[]", "top level: found an array, expected an object"; "array")]
    #[test_case(r#"{ "backends": [] }"#, "backends: found 0 backends, expected 1 to 10000"; "none")]
    #[test_case(r#"{ "backends": [{ "address": "a:1", "wieght": 1 }] }"#, "backends[0].wieght: found an unknown field, expected a field that has a meaning here; did you mean `weight`?"; "misspelt")]
    #[test_case(r#"{ "backends": [{ "address": "a:1", "x": 1 }] }"#, "backends[0].x: found an unknown field, expected a field that has a meaning here; fields here are address, weight, drain"; "unlike any")]
    #[test_case(r#"{ "backends": [{ "address": "a:1", "weight": 0 }] }"#, "backends[0].weight: found 0, expected a whole number from 1 to 65535"; "weightless")]
    #[test_case(r#"{ "backends": [{ "address": "a:1", "weight": 1.5 }] }"#, "backends[0].weight: found 1.5, expected a whole number from 1 to 65535"; "fraction")]
    #[test_case(r#"{ "backends": [{ "weight": 1 }] }"#, "backends[0].address: found nothing, expected HOST:PORT with a port from 1 to 65535, like \"localhost:9001\""; "nowhere")]
    #[test_case(r#"{ "backends": [{ "address": "a" }] }"#, "backends[0].address: found \"a\", expected HOST:PORT with a port from 1 to 65535, like \"localhost:9001\""; "no port")]
    #[test_case(r#"{ "backends": [{ "address": "http://a:1" }] }"#, "backends[0].address: found \"http://a:1\", expected HOST:PORT with a port from 1 to 65535, like \"localhost:9001\""; "scheme")]
    #[test_case(r#"{ "backends": [{ "address": "a:1", "drain": 1 }] }"#, "backends[0].drain: found 1, expected true or false"; "flag")]
    #[test_case(r#"{ "backends": [{ "address": "a:1" }, { "address": "A:1" }] }"#, "backends[1].address: found \"a:1\", which is backends[0] already, expected each backend once; give one of them the weight of both"; "twice")]
    #[test_case(r#"{ "algorithm": "round-robin", "backends": [{ "address": "a:1" }] }"#, "algorithm: found \"round-robin\", expected one of \"round_robin\", \"weighted_round_robin\", \"least_connections\"; did you mean \"round_robin\"?"; "algorithm")]
    #[test_case(r#"{ "backends": [{ "address": "a:1" }], "backends": 1 }"#, "backends: found the field a second time, expected each field once"; "field twice")]
    #[test_case(r#"{ "backends": [{ "address": "a:1" }], "health": { "interval": "1ms", "timeout": "2s" } }"#, "health.timeout: found \"2s\", expected at most the interval, 1ms; one check is to be over when the next begins"; "overlapping checks")]
    #[test_case(r#"{ "backends": [{ "address": "a:1" }], "health": { "interval": 2 } }"#, "health.interval: found 2, expected a duration from 1ms to 1h, like \"2s\" or \"250ms\""; "no unit")]
    #[test_case(r#"{ "backends": [{ "address": "a:1" }], "health": { "rise": 0 } }"#, "health.rise: found 0, expected a whole number from 1 to 1000"; "rise")]
    fn one_message_each(text: &str, problem: &str) {
        assert_eq!(
            read(text),
            Err(format!("pool.json: 1 problem\n  {problem}"))
        );
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let text = r#"{ "algorthm": 1, "backends": [{ "address": 5 }], "health": 1, "resolve_interval": "1ms" }"#;
        let told = read(text).unwrap_err();
        assert!(told.starts_with("pool.json: 4 problems\n"), "{told}");
    }

    #[test]
    fn what_is_no_json_says_where() {
        assert_eq!(
            read("{\n  // no\n}"),
            Err("pool.json: line 2, column 3: key must be a string; a configuration is JSON, without comments and trailing commas".to_owned())
        );
    }
}
