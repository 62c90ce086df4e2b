//! Targets: `host:port`, alone or after `http://`, `ws://`, `tcp://`, `https://`, `wss://` or `tls://`,
//! UNIX sockets: `unix:/path/to/socket`, and lists of addresses, which are in [`super::address_list`].

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::address_list::{self, AddressList};
use super::text_schema;
use crate::scenario::reader::{Decode, Reader, Refusal, Rule};
use crate::secrets;

/// An address that a scenario sends to.
///
/// ```
/// use loadgen_core::scenario::Target;
///
/// let target: Target = "https://example.com".parse()?;
/// assert_eq!((target.host.as_str(), target.port, target.tls), ("example.com", 443, true));
/// assert_eq!("[::1]:50051".parse::<Target>()?.to_string(), "[::1]:50051");
/// # Ok::<(), loadgen_core::scenario::TargetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host name or address, without brackets; of a UNIX socket its path, which has a slash in it; of a list of
    /// addresses all that is written, but for the port of a name's.
    pub host: String,
    /// TCP port; 0 of a UNIX socket and of a list that has the ports of its addresses.
    pub port: u16,
    /// Whether `https://`, `wss://` or `tls://` asked for transport encryption.
    pub tls: bool,
}

/// Why a text is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{found}` is not a target such as `host:50051`, `[::1]:50051`, `https://host:443` or \
     `unix:/path/to/socket`, nor a list of them such as `dns:///host:50051`, `file:PATH`, \
     `consul://HOST:PORT/SERVICE` or `etcd://HOST:PORT/PREFIX`: {problem}"
)]
pub struct TargetError {
    found: String,
    problem: &'static str,
}

impl TargetError {
    /// What is wrong, without what was found and what was expected.
    #[must_use]
    pub fn problem(&self) -> &'static str {
        self.problem
    }
}

impl Target {
    /// The path of the UNIX socket that it is, if it is one.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        let is_socket = self.host.contains('/') && self.list().is_none();
        is_socket.then(|| Path::new(&self.host))
    }

    /// The same, where it is a list in a file whose path begins in this folder.
    pub(in crate::scenario) fn within(&self, folder: &Path) -> Self {
        match self.list() {
            Some(AddressList::File { path }) if !folder.as_os_str().is_empty() => Self {
                host: address_list::host_of_file(&folder.join(path)),
                ..self.clone()
            },
            _ => self.clone(),
        }
    }

    /// The list of addresses that it stands for, if it is one.
    ///
    /// ```
    /// use loadgen_core::scenario::{AddressList, Target};
    ///
    /// let target: Target = "dns:///greeter.example:50051".parse()?;
    /// assert_eq!(target.list(), Some(AddressList::Dns { name: "greeter.example" }));
    /// # Ok::<(), loadgen_core::scenario::TargetError>(())
    /// ```
    #[must_use]
    pub fn list(&self) -> Option<AddressList<'_>> {
        address_list::of_host(&self.host)
    }
}

/// What stands before the name of a server of the suite, among a scenario's targets.
pub(in crate::scenario) const BACKEND: &str = "backend:";

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        split(text).map_err(|problem| TargetError {
            found: secrets::address(text).chars().take(100).collect(),
            problem,
        })
    }
}

fn split(text: &str) -> Result<Target, &'static str> {
    if text.ends_with(char::is_whitespace) {
        return Err("there is a blank at its end");
    }
    if text.starts_with(char::is_whitespace) {
        return Err("there is a blank at its beginning");
    }
    let is_letter = |c: char| c.is_ascii_alphabetic();
    if text
        .strip_prefix(BACKEND)
        .is_some_and(|it| it.starts_with(is_letter))
    {
        return Err(
            "a server of the suite is named among a scenario's own `targets`, nowhere else",
        );
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(path);
    }
    if let Some(list) = address_list::parse(text) {
        return list;
    }
    if let Some(problem) = address_list::misspelt(text) {
        return Err(problem);
    }
    let (tls, default_port, authority) = match text.split_once("://") {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "https" | "wss" => (true, Some(443), rest),
            "http" | "ws" => (false, Some(80), rest),
            "tls" => (true, None, rest),
            "tcp" => (false, None, rest),
            other => return Err(address_list::no_such_scheme(other)),
        },
        None => (false, None, text),
    };
    let authority = match text.contains("://") {
        true => authority.strip_suffix('/').unwrap_or(authority),
        false => authority,
    };
    if authority.contains(['/', '?', '#']) {
        return Err("a target has no path");
    }
    if authority.contains('@') {
        return Err("a target has no user name");
    }
    let (host, port) = host_and_port(authority)?;
    Ok(Target {
        host: host.to_owned(),
        port: port.or(default_port).ok_or("the port is missing")?,
        tls,
    })
}

/// A host without brackets, and a port where one is given.
pub(super) fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("the bracket is not closed")?;
        if host.parse::<Ipv6Addr>().is_err() {
            return Err("between the brackets is no IPv6 address");
        }
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err("after the bracket there must be a colon and a port"),
        }
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if port.is_some_and(|port| port.contains(':')) {
            return Err("an IPv6 address stands in brackets");
        }
        check_host(host)?;
        (host, port)
    };
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let number = |port: &str| match port.bytes().all(is_digit) {
        true => port.parse::<u16>().ok().filter(|port| *port > 0),
        false => None,
    };
    match port {
        Some(port) => {
            let port = number(port).ok_or("the port must be from 1 to 65535")?;
            Ok((host, Some(port)))
        }
        None => Ok((host, None)),
    }
}

/// `unix:PATH` and `unix:///PATH`, as gRPC's own libraries write it.
fn socket(path: &str) -> Result<Target, &'static str> {
    /// What systems have room for.
    const MOST_BYTES: usize = 107;
    let path = match path.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err("after `unix://` there must be a whole path, with a slash in front"),
        None => path,
    };
    if path.is_empty() {
        return Err("the path of the socket is missing");
    }
    if path.len() > MOST_BYTES {
        return Err("the path of a socket has at most 107 bytes");
    }
    if path.contains('\0') {
        return Err("no path has a NUL in it");
    }
    let host = match path.contains('/') && address_list::of_host(path).is_none() {
        true => path.to_owned(),
        false => format!("./{path}"),
    };
    Ok(Target {
        host,
        port: 0,
        tls: false,
    })
}

fn check_host(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err("the host is missing");
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    if host.len() > 253 || !name.split('.').all(label) {
        return Err("the host is no host name");
    }
    let numeric = host
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric && host.parse::<Ipv4Addr>().is_err() {
        return Err("the host is no IPv4 address");
    }
    Ok(())
}

/// As it can be read again, in a scenario of any protocol: `https://` in front where it asks for
/// encryption.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.list() {
            Some(AddressList::Dns { name }) if name.contains(':') => {
                return write!(f, "dns:///[{name}]:{}", self.port);
            }
            Some(AddressList::Dns { name }) => return write!(f, "dns:///{name}:{}", self.port),
            Some(_) => return f.write_str(&self.host),
            None if self.socket().is_some() => return write!(f, "unix:{}", self.host),
            None => {}
        }
        if self.tls {
            f.write_str("https://")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A target, and the scheme that it was written with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct TargetText {
    pub(in crate::scenario) target: Target,
    pub(in crate::scenario) scheme: Option<String>,
}

impl TargetText {
    const EXPECTED: &str = "a target such as \"host:50051\", \"[::1]:50051\", \"https://host:443\" or \"unix:/path\", \
                            or a list of them: \"dns:///host:50051\", \"file:PATH\", \
                            \"consul://HOST:PORT/SERVICE\", \"etcd://HOST:PORT/PREFIX\"";
}

impl Decode for TargetText {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        let text = reader.text(Self::EXPECTED)?;
        match text.parse::<Target>() {
            Ok(target) if matches!(target.list(), Some(AddressList::File { .. })) => {
                // As any other path that an included file has.
                let folder = reader.at.problems.origin(&reader.at.path).folder;
                let target = target.within(&folder);
                Some(Self {
                    target,
                    scheme: None,
                })
            }
            Ok(target) => Some(Self {
                scheme: match target.list() {
                    // Whoever is asked for it, that says nothing of what is spoken.
                    Some(_) => None,
                    None => text.split_once("://").map(|(scheme, _)| scheme.to_owned()),
                },
                target,
            }),
            Err(error) => reader.refuse(Self::EXPECTED, Some(error.problem().to_owned())),
        }
    }
}

impl Rule for TargetText {
    /// One that was read has been a target; one made in code may not be.
    fn rule(&self) -> Result<(), Refusal> {
        match self.target.to_string().parse::<Target>() {
            Ok(_) => Ok(()),
            Err(error) => Refusal::with_help(Self::EXPECTED, Some(error.problem().to_owned())),
        }
    }
}

impl Serialize for TargetText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.target)
    }
}

text_schema!(TargetText, "Target", {
    "description": "Where to send: host:port, http://, ws:// or tcp:// before it for plain text, https://, wss:// or tls:// for TLS; or unix: and the path of a UNIX socket. Or a list of addresses that may change: dns:/// and host:port, file: and a path, consul://host:port/service, etcd://host:port/prefix.",
    "examples": ["127.0.0.1:50051", "[::1]:50051", "https://example.com:443", "wss://example.com", "unix:/run/service.sock", "dns:///greeter.example:50051", "file:addresses.txt"],
});

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("127.0.0.1:50051", "127.0.0.1", 50051, false)]
    #[test_case("localhost:1", "localhost", 1, false)]
    #[test_case("backend:8080", "backend", 8080, false)]
    #[test_case("my_service.local:65535", "my_service.local", 65535, false)]
    #[test_case("[::1]:50051", "::1", 50051, false)]
    #[test_case("http://host", "host", 80, false)]
    #[test_case("http://host:8080/", "host", 8080, false)]
    #[test_case("https://host", "host", 443, true)]
    #[test_case("https://[2001:db8::1]", "2001:db8::1", 443, true)]
    #[test_case("ws://host", "host", 80, false)]
    #[test_case("ws://[::1]:8080/", "::1", 8080, false)]
    #[test_case("wss://host", "host", 443, true)]
    #[test_case("HTTPS://host", "host", 443, true; "a scheme in capitals")]
    #[test_case("wss://host:8443", "host", 8443, true)]
    #[test_case("tcp://host:9000", "host", 9000, false)]
    #[test_case("tls://[::1]:9000/", "::1", 9000, true)]
    #[test_case("unix:/run/service.sock", "/run/service.sock", 0, false)]
    #[test_case("unix:///run/service.sock", "/run/service.sock", 0, false)]
    #[test_case("unix:service.sock", "./service.sock", 0, false)]
    #[test_case("unix:dir/a b:c?.sock", "dir/a b:c?.sock", 0, false)]
    fn reads(text: &str, host: &str, port: u16, tls: bool) {
        let target: Target = text.parse().unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.tls),
            (host, port, tls)
        );
        assert_eq!(target.to_string().parse(), Ok(target));
    }

    #[test_case("" => "the host is missing")]
    #[test_case("host" => "the port is missing")]
    #[test_case("host:1 " => "there is a blank at its end"; "a blank behind")]
    #[test_case("\thost:1" => "there is a blank at its beginning"; "a blank in front")]
    #[test_case(":50051" => "the host is missing"; "only a port")]
    #[test_case("host:0" => "the port must be from 1 to 65535"; "port zero")]
    #[test_case("host:65536" => "the port must be from 1 to 65535"; "port too large")]
    #[test_case("host:+80" => "the port must be from 1 to 65535"; "signed port")]
    #[test_case("host:" => "the port must be from 1 to 65535"; "no port after the colon")]
    #[test_case("host:port" => "the port must be from 1 to 65535"; "a word for a port")]
    #[test_case("host:80/path" => "a target has no path")]
    #[test_case("backend:b1" => "a server of the suite is named among a scenario's own `targets`, nowhere else")]
    #[test_case("unix:" => "the path of the socket is missing")]
    #[test_case("unix://host/x" => "after `unix://` there must be a whole path, with a slash in front")]
    #[test_case(&format!("unix:/{}", "a".repeat(107)) => "the path of a socket has at most 107 bytes"; "a long path")]
    #[test_case("unix:/a\0b" => "no path has a NUL in it")]
    #[test_case("ftp://host:80" => "the scheme must be http, https, ws, wss, tcp, tls, dns, file, consul or etcd")]
    #[test_case("consl://host:80/a" => "there is no such scheme; did you mean `consul://`?")]
    #[test_case("fil:list.txt" => "there is no such scheme; did you mean `file:`?")]
    #[test_case("flie:/a/list.txt" => "there is no such scheme; did you mean `file:`?")]
    #[test_case("consul:shop" => "there is no such scheme; did you mean `consul://`?")]
    #[test_case("uinx:/run/a.sock" => "there is no such scheme; did you mean `unix:`?")]
    #[test_case("file1:80a" => "the port must be from 1 to 65535"; "a host with a wrong port")]
    #[test_case("htps://host:80" => "there is no such scheme; did you mean `https://`?")]
    #[test_case("tls://host" => "the port is missing"; "no port is usual for TLS alone")]
    #[test_case("ws://host:80/echo" => "a target has no path"; "path of a WebSocket")]
    #[test_case("user@host:80" => "a target has no user name")]
    #[test_case("::1:80" => "an IPv6 address stands in brackets")]
    #[test_case("[::1:80" => "the bracket is not closed")]
    #[test_case("[::1]80" => "after the bracket there must be a colon and a port")]
    #[test_case("[::1]" => "the port is missing"; "IPv6 without a port")]
    #[test_case("[host]:80" => "between the brackets is no IPv6 address")]
    #[test_case("300.1.1.1:80" => "the host is no IPv4 address")]
    #[test_case("ho st:80" => "the host is no host name"; "space")]
    #[test_case("-host:80" => "the host is no host name"; "dash")]
    #[test_case("a..b:80" => "the host is no host name"; "empty label")]
    #[test_case("hö:80" => "the host is no host name"; "not ASCII")]
    fn refuses(text: &str) -> &'static str {
        text.parse::<Target>().unwrap_err().problem()
    }
}
