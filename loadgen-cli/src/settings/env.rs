//! Variables of the environment: what counts as sense in them.
//!
//! Which there are is said where they are used. They are looked at only where no flag and, for
//! targets, no scenario has said so: some platforms set such a variable for purposes of their own.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr};

use loadgen_core::scenario::Target;
use loadgen_core::secrets;
use loadgen_core::sink::post::{Url, UrlError};

use crate::protocols::Variables;

/// The host when only the port is set.
const DEFAULT_HOST: &str = "127.0.0.1";

/// A variable that holds nonsense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} is `{value}`: expected {expected}")]
pub(crate) struct EnvError {
    pub(super) variable: &'static str,
    pub(super) value: String,
    pub(super) expected: String,
}

/// The first of these that is set.
pub(super) fn first(
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

/// The URL that a variable holds, if it is set.
pub(super) fn url(
    variable: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<Url>, EnvError> {
    let Some(value) = text(variable, name)? else {
        return Ok(None);
    };
    value.parse().map(Some).map_err(|error: UrlError| EnvError {
        variable: name,
        value: secrets::address(&value),
        expected: error.expected().to_owned(),
    })
}

/// The address that two variables hold, if one of them is set. An empty one counts as not set.
pub(super) fn address(
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

/// What a variable holds, if it is set and not empty.
pub(super) fn text(
    variable: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<String>, EnvError> {
    match variable(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value).filter(|value| !value.is_empty())),
        Some(Err(value)) => Err(EnvError {
            variable: name,
            value: value.to_string_lossy().into_owned(),
            expected: "text in UTF-8".to_owned(),
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
            expected: format!(
                "a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into {}",
                names.port
            ),
        })
    }
}

fn parse_port(names: &Variables, value: String) -> Result<u16, EnvError> {
    match value.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(EnvError {
            variable: names.port,
            value,
            expected: "a port, a number from 1 to 65535".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use loadgen_core::scenario::Protocol;

    use super::*;
    use crate::protocols;

    fn target(
        protocol: Protocol,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<Target>, EnvError> {
        address(&protocols::of(protocol).unwrap().variables, variable)
    }

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

    #[cfg(unix)]
    #[test]
    fn not_utf8() {
        use std::os::unix::ffi::OsStringExt;
        let error = target(Protocol::Grpc, |_| Some(OsString::from_vec(vec![0xff]))).unwrap_err();
        assert_eq!(error.expected, "text in UTF-8");
    }
}
