//! What stands in a list of addresses.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::scenario::Target;

/// One of the addresses of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Listed {
    /// The address, where that is known without asking for a name.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let host: IpAddr = self.host.parse().ok()?;
        Some(SocketAddr::new(host, self.port))
    }
}

impl From<SocketAddr> for Listed {
    fn from(address: SocketAddr) -> Self {
        Self {
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// The address that a text is, and nothing else that a target may be.
///
/// # Errors
/// What is wrong with it.
pub(super) fn listed(text: &str) -> Result<Listed, String> {
    let wrong = |problem: &str| format!("`{}` is no `host:port`: {problem}", shown(text));
    if text.contains("://") {
        return Err(wrong("a list has addresses without a scheme"));
    }
    let target: Target = text
        .parse()
        .map_err(|error: crate::scenario::TargetError| wrong(error.problem()))?;
    match target.socket().is_some() || target.list().is_some() {
        true => Err(wrong("a list has addresses over TCP only")),
        false => Ok(Listed {
            host: target.host,
            port: target.port,
        }),
    }
}

fn shown(text: &str) -> String {
    crate::text::line(text).chars().take(60).collect()
}

/// The addresses in a text: one a line, with `#` before comments, or a JSON array of texts.
///
/// # Errors
/// What is wrong with it, and in which line.
pub(super) fn of_text(text: &str) -> Result<Vec<Listed>, String> {
    if text.trim_start().starts_with('[') {
        let all: Vec<String> = serde_json::from_str(text)
            .map_err(|error| format!("expected a JSON array of addresses: {error}"))?;
        return all.iter().map(|it| listed(it)).collect();
    }
    let lines = text.lines().zip(1..).filter_map(|(line, number)| {
        let line = line.split('#').next().unwrap_or_default().trim();
        (!line.is_empty()).then_some((line, number))
    });
    lines
        .map(|(line, number)| listed(line).map_err(|problem| format!("line {number}: {problem}")))
        .collect()
}

/// A value in etcd: an address, or what gRPC's libraries keep there.
///
/// # Errors
/// What is wrong with it.
#[cfg_attr(not(feature = "services"), expect(dead_code, reason = "etcd is asked"))]
pub(super) fn of_value(value: &str) -> Result<Listed, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Endpoint {
        addr: String,
    }
    match value.trim_start().starts_with('{') {
        true => {
            let endpoint: Endpoint = serde_json::from_str(value)
                .map_err(|error| format!("expected {{\"Addr\": \"host:port\"}}: {error}"))?;
            listed(&endpoint.addr)
        }
        false => listed(value.trim()),
    }
}
