//! Targets as written on the command line: `host:port`, `http://host:port`, `https://host[:port]`,
//! several in one value with commas between them.

use std::net::Ipv6Addr;

use crate::shim::scenario::Target;

/// A value that is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid target `{value}`: {problem}")]
pub(crate) struct TargetError {
    value: String,
    problem: String,
}

/// The targets in the values of a repeatable flag.
///
/// # Errors
/// [`TargetError`] for the first part that is not a target.
pub(crate) fn parse_all(values: &[String]) -> Result<Vec<Target>, TargetError> {
    values
        .iter()
        .flat_map(|value| value.split(','))
        .map(|part| parse(part.trim()))
        .collect()
}

fn parse(value: &str) -> Result<Target, TargetError> {
    let refuse = |problem: &str| TargetError {
        value: value.to_owned(),
        problem: problem.to_owned(),
    };
    let (tls, default_port, rest) = match value.split_once("://") {
        None => (false, None, value),
        Some(("http", rest)) => (false, Some(80), rest),
        Some(("https", rest)) => (true, Some(443), rest),
        Some((scheme, _)) => {
            return Err(refuse(&format!(
                "unknown scheme `{scheme}`, expected `http` or `https`"
            )));
        }
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, after) = bracketed
                .split_once(']')
                .ok_or_else(|| refuse("`[` without `]`"))?;
            host.parse::<Ipv6Addr>()
                .map_err(|_| refuse("what stands in brackets is not an IPv6 address"))?;
            match after {
                "" => (host, None),
                _ => (
                    host,
                    Some(
                        after
                            .strip_prefix(':')
                            .ok_or_else(|| refuse("expected `:PORT` after `]`"))?,
                    ),
                ),
            }
        }
        None => match rest.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(refuse(
                    "an IPv6 address goes in brackets, like `[::1]:50051`",
                ));
            }
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        },
    };
    if host.is_empty() {
        return Err(refuse("the host is missing, expected HOST:PORT"));
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || c == ':';
    if !host.chars().all(is_name) {
        return Err(refuse(
            "the host holds characters that no host name has, expected HOST:PORT",
        ));
    }
    let port = match port {
        Some(text) => text
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| refuse("the port is not a number from 1 to 65535"))?,
        None => default_port.ok_or_else(|| refuse("the port is missing, expected HOST:PORT"))?,
    };
    Ok(Target {
        host: host.to_owned(),
        port,
        tls,
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("localhost:50051" => ("localhost".to_owned(), 50051, false))]
    #[test_case("http://h:1" => ("h".to_owned(), 1, false))]
    #[test_case("https://api.example.com" => ("api.example.com".to_owned(), 443, true))]
    #[test_case("https://api.example.com:8443/" => ("api.example.com".to_owned(), 8443, true))]
    #[test_case("[::1]:50051" => ("::1".to_owned(), 50051, false))]
    fn targets(value: &str) -> (String, u16, bool) {
        let target = parse(value).unwrap();
        (target.host, target.port, target.tls)
    }

    #[test_case("" => "invalid target ``: the host is missing, expected HOST:PORT"; "empty")]
    #[test_case("localhost" => "invalid target `localhost`: the port is missing, expected HOST:PORT")]
    #[test_case(":1" => "invalid target `:1`: the host is missing, expected HOST:PORT"; "no host")]
    #[test_case("h:0" => "invalid target `h:0`: the port is not a number from 1 to 65535")]
    #[test_case("h:65536" => "invalid target `h:65536`: the port is not a number from 1 to 65535"; "port too high")]
    #[test_case("::1:80" => "invalid target `::1:80`: an IPv6 address goes in brackets, like `[::1]:50051`"; "bare IPv6")]
    #[test_case("ftp://h:1" => "invalid target `ftp://h:1`: unknown scheme `ftp`, expected `http` or `https`")]
    #[test_case("a b:1" => "invalid target `a b:1`: the host holds characters that no host name has, expected HOST:PORT"; "blank")]
    #[test_case("h:1/path" => "invalid target `h:1/path`: the port is not a number from 1 to 65535"; "path")]
    #[test_case("[x]:1" => "invalid target `[x]:1`: what stands in brackets is not an IPv6 address"; "not IPv6")]
    fn nonsense(value: &str) -> String {
        parse(value).unwrap_err().to_string()
    }

    #[test]
    fn commas_and_repetition_mean_the_same() {
        let values = ["a:1,b:2".to_owned(), "c:3".to_owned()];
        let hosts: Vec<_> = parse_all(&values)
            .unwrap()
            .into_iter()
            .map(|it| it.host)
            .collect();
        assert_eq!(hosts, ["a", "b", "c"]);
    }
}
