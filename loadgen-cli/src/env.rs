//! The environment variables that say where to send.
//!
//! Owns their names and what counts as sense in them. Looked at only where no flag and no
//! scenario has named a target: some platforms set `GRPC_PORT` for purposes of their own.

use std::ffi::OsString;
use std::net::Ipv6Addr;

use loadgen_core::scenario::Target;

/// Host of the gRPC target.
pub(crate) const GRPC_HOST: &str = "GRPC_HOST";
/// Port of the gRPC target.
pub(crate) const GRPC_PORT: &str = "GRPC_PORT";

/// The host when only the port is set.
const DEFAULT_HOST: &str = "127.0.0.1";
/// The port when only the host is set.
const DEFAULT_GRPC_PORT: u16 = 50051;

/// A variable that holds nonsense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {variable} is `{value}`: expected {expected}")]
pub(crate) struct EnvError {
    variable: &'static str,
    value: String,
    expected: &'static str,
}

/// The gRPC target that the environment names, if it names one. An empty variable counts as not
/// set.
///
/// # Errors
/// [`EnvError`] for a variable that holds nonsense.
pub(crate) fn grpc_target(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<Target>, EnvError> {
    let host = text(&variable, GRPC_HOST)?.map(parse_host).transpose()?;
    let port = text(&variable, GRPC_PORT)?.map(parse_port).transpose()?;
    Ok((host.is_some() || port.is_some()).then(|| Target {
        host: host.unwrap_or_else(|| DEFAULT_HOST.to_owned()),
        port: port.unwrap_or(DEFAULT_GRPC_PORT),
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

fn parse_host(value: String) -> Result<String, EnvError> {
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
    if is_name {
        Ok(value)
    } else {
        Err(EnvError {
            variable: GRPC_HOST,
            value,
            expected: "a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT",
        })
    }
}

fn parse_port(value: String) -> Result<u16, EnvError> {
    match value.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(EnvError {
            variable: GRPC_PORT,
            value,
            expected: "a port, a number from 1 to 65535",
        }),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn target(host: Option<&str>, port: Option<&str>) -> Result<Option<Target>, EnvError> {
        grpc_target(|name| match name {
            GRPC_HOST => host.map(OsString::from),
            GRPC_PORT => port.map(OsString::from),
            other => panic!("asked for {other}"),
        })
    }

    #[test_case(None, None => None; "neither")]
    #[test_case(Some(""), Some("") => None; "empty is not set")]
    #[test_case(Some("svc.local"), None => Some(("svc.local".to_owned(), 50051)); "host alone")]
    #[test_case(None, Some("6000") => Some(("127.0.0.1".to_owned(), 6000)); "port alone")]
    #[test_case(Some("10.0.0.7"), Some("1") => Some(("10.0.0.7".to_owned(), 1)); "both")]
    #[test_case(Some("[::1]"), Some("65535") => Some(("::1".to_owned(), 65535)); "bracketed IPv6")]
    #[test_case(Some("::1"), None => Some(("::1".to_owned(), 50051)); "bare IPv6")]
    fn sense(host: Option<&str>, port: Option<&str>) -> Option<(String, u16)> {
        target(host, port)
            .unwrap()
            .map(|target| (target.host, target.port))
    }

    #[test_case(None, Some("0") => "environment variable GRPC_PORT is `0`: expected a port, a number from 1 to 65535"; "zero")]
    #[test_case(None, Some("65536") => "environment variable GRPC_PORT is `65536`: expected a port, a number from 1 to 65535"; "above")]
    #[test_case(None, Some("-1") => "environment variable GRPC_PORT is `-1`: expected a port, a number from 1 to 65535"; "negative")]
    #[test_case(None, Some("tcp://10.0.0.1:1") => "environment variable GRPC_PORT is `tcp://10.0.0.1:1`: expected a port, a number from 1 to 65535"; "a URL")]
    #[test_case(Some("a b"), None => "environment variable GRPC_HOST is `a b`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "a blank")]
    #[test_case(Some("localhost:1"), None => "environment variable GRPC_HOST is `localhost:1`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "host with port")]
    #[test_case(Some("http://x"), None => "environment variable GRPC_HOST is `http://x`: expected a host name or address alone, like `localhost` or `10.0.0.7`; the port goes into GRPC_PORT"; "scheme")]
    fn nonsense(host: Option<&str>, port: Option<&str>) -> String {
        target(host, port).unwrap_err().to_string()
    }

    #[cfg(unix)]
    #[test]
    fn not_utf8() {
        use std::os::unix::ffi::OsStringExt;
        let error = grpc_target(|_| Some(OsString::from_vec(vec![0xff]))).unwrap_err();
        assert_eq!(error.expected, "text in UTF-8");
    }
}
