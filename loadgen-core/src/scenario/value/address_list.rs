//! Targets that are lists of addresses: `dns:///NAME:PORT`, `file:PATH`, `consul://HOST:PORT/SERVICE` and
//! `etcd://HOST:PORT/PREFIX`.
//!
//! Owns how these are written. Nothing is asked here.

use std::path::Path;

use super::target::{Target, host_and_port};
use crate::nearest::nearest;

/// A list of addresses that a target stands for: who is on it may change while a run is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressList<'a> {
    /// All addresses of a name, by the system's resolver, at the target's port.
    Dns {
        /// The name, or an address.
        name: &'a str,
    },
    /// Those in a file.
    File {
        /// Its path.
        path: &'a Path,
    },
    /// The healthy instances of a service, by Consul's HTTP API.
    Consul {
        /// Where Consul answers.
        authority: &'a str,
        /// The service's name.
        service: &'a str,
    },
    /// The values of all keys in etcd that begin with a prefix, by the JSON gateway of its API.
    Etcd {
        /// Where etcd answers.
        authority: &'a str,
        /// What the keys begin with.
        prefix: &'a str,
    },
}

/// How a name is kept in a target.
const NAME: &str = "dns:///";
const FILE: &str = "file:";
const CONSUL: &str = "consul://";
const ETCD: &str = "etcd://";

/// Every scheme that a target may have, with how it is offered.
const SCHEMES: [(&str, &str); 11] = [
    ("http", "there is no such scheme; did you mean `http://`?"),
    ("https", "there is no such scheme; did you mean `https://`?"),
    ("ws", "there is no such scheme; did you mean `ws://`?"),
    ("wss", "there is no such scheme; did you mean `wss://`?"),
    ("tcp", "there is no such scheme; did you mean `tcp://`?"),
    ("tls", "there is no such scheme; did you mean `tls://`?"),
    ("dns", "there is no such scheme; did you mean `dns:///`?"),
    ("file", "there is no such scheme; did you mean `file:`?"),
    (
        "consul",
        "there is no such scheme; did you mean `consul://`?",
    ),
    ("etcd", "there is no such scheme; did you mean `etcd://`?"),
    ("unix", "there is no such scheme; did you mean `unix:`?"),
];

/// What is wrong with a text that has the name of a scheme, or nearly so, in front of a colon and then neither
/// slashes nor a port.
pub(super) fn misspelt(text: &str) -> Option<&'static str> {
    let (scheme, rest) = text.split_once(':')?;
    if rest.is_empty() || rest.starts_with("//") || rest.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    // These take the place of a host and a port; of so few letters everything is near to something.
    let longer = SCHEMES.iter().filter(|(name, _)| name.len() > 3);
    let near = nearest(scheme, longer.map(|(name, _)| *name)).filter(|_| scheme.len() > 2)?;
    let offered = SCHEMES.iter().find(|(name, _)| *name == near);
    offered.map(|(_, offered)| *offered)
}

/// What is wrong with a target that has another one.
pub(super) fn no_such_scheme(scheme: &str) -> &'static str {
    // Of so few letters everything is near to something.
    let near = match scheme.len() {
        0..4 => None,
        _ => nearest(scheme, SCHEMES.iter().map(|(name, _)| *name)),
    };
    let offered = SCHEMES.iter().find(|(name, _)| Some(*name) == near);
    offered.map_or(
        "the scheme must be http, https, ws, wss, tcp, tls, dns, file, consul or etcd",
        |(_, offered)| offered,
    )
}

/// The list that a target's host says it is.
pub(super) fn of_host(host: &str) -> Option<AddressList<'_>> {
    if let Some(name) = host.strip_prefix(NAME) {
        return Some(AddressList::Dns { name });
    }
    if let Some(path) = host.strip_prefix(FILE) {
        let path = Path::new(path);
        return Some(AddressList::File { path });
    }
    if let Some((authority, service)) = host.strip_prefix(CONSUL).and_then(|it| it.split_once('/'))
    {
        return Some(AddressList::Consul { authority, service });
    }
    let (authority, prefix) = host.strip_prefix(ETCD)?.split_once('/')?;
    Some(AddressList::Etcd { authority, prefix })
}

/// The host of a target that is the list in a file.
pub(super) fn host_of_file(path: &Path) -> String {
    format!("{FILE}{}", path.display())
}

/// The target that a text is, where it is written as a list.
pub(super) fn parse(text: &str) -> Option<Result<Target, &'static str>> {
    let (scheme, rest) = text.split_once(':')?;
    // A host of that name, and its port.
    let is_host = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let has_slashes = rest.starts_with("//");
    let list = match scheme.to_ascii_lowercase().as_str() {
        "dns" if !is_host => name(rest),
        "file" if !is_host => file(rest),
        "consul" if has_slashes => consul(&rest[2..]),
        "etcd" if has_slashes => etcd(&rest[2..]),
        _ => return None,
    };
    Some(list.map(|(host, port)| Target {
        host,
        port,
        tls: false,
    }))
}

fn name(rest: &str) -> Result<(String, u16), &'static str> {
    let authority = match rest.strip_prefix("//") {
        Some(rest) => match rest.split_once('/') {
            Some(("", name)) => name,
            Some(_) => {
                return Err(
                    "it is the system's resolver that is asked, and no name server of its own: \
                     write `dns:///NAME:PORT`",
                );
            }
            None => return Err("after `dns:` there are three slashes: `dns:///NAME:PORT`"),
        },
        None => rest,
    };
    if authority.contains(['/', '?', '#', '@']) {
        return Err("a name is expected, and its port: `dns:///NAME:PORT`");
    }
    let (host, port) = host_and_port(authority)?;
    Ok((format!("{NAME}{host}"), port.ok_or("the port is missing")?))
}

fn file(rest: &str) -> Result<(String, u16), &'static str> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err("after `file://` there must be a whole path, with a slash in front"),
        None => rest,
    };
    if path.is_empty() {
        return Err("the path of the file is missing");
    }
    if path.contains('\0') {
        return Err("no path has a NUL in it");
    }
    Ok((format!("{FILE}{path}"), 0))
}

fn consul(rest: &str) -> Result<(String, u16), &'static str> {
    let (authority, service) = rest
        .split_once('/')
        .filter(|(_, service)| !service.is_empty())
        .ok_or("the service is missing: `consul://HOST:PORT/SERVICE`")?;
    if service.contains(['/', '?', '#']) || service.contains(char::is_whitespace) {
        return Err("behind Consul's address stands the name of a service, and nothing else");
    }
    of_server(authority)?;
    Ok((format!("{CONSUL}{authority}/{service}"), 0))
}

fn etcd(rest: &str) -> Result<(String, u16), &'static str> {
    let (authority, prefix) = rest
        .split_once('/')
        .filter(|(_, prefix)| !prefix.is_empty())
        .ok_or("what the keys begin with is missing: `etcd://HOST:PORT/PREFIX`")?;
    of_server(authority)?;
    Ok((format!("{ETCD}{authority}/{prefix}"), 0))
}

/// Whether that is where a list can be had.
fn of_server(authority: &str) -> Result<(), &'static str> {
    if authority.contains('@') {
        return Err("whoever is asked for a list is told no user name");
    }
    match host_and_port(authority)? {
        (_, Some(_)) => Ok(()),
        (_, None) => Err("the port of whoever is asked for the list is missing"),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("dns:///svc.example:50051" => "dns:///svc.example:50051")]
    #[test_case("dns:svc.example:50051" => "dns:///svc.example:50051"; "without slashes")]
    #[test_case("DNS:///svc:1" => "dns:///svc:1"; "in capitals")]
    #[test_case("dns:///[::1]:1" => "dns:///[::1]:1"; "an address")]
    #[test_case("file:list.txt" => "file:list.txt")]
    #[test_case("file:../a b/list" => "file:../a b/list"; "a blank")]
    #[test_case("file:///etc/list" => "file:/etc/list"; "a whole path")]
    #[test_case("consul://127.0.0.1:8500/web" => "consul://127.0.0.1:8500/web")]
    #[test_case("etcd://[::1]:2379/services/web/" => "etcd://[::1]:2379/services/web/")]
    fn a_list(text: &str) -> String {
        let target: Target = text.parse().expect("a list");
        assert!(target.list().is_some());
        assert_eq!(target.socket(), None);
        assert_eq!(target.to_string().parse(), Ok(target.clone()));
        target.to_string()
    }

    #[test_case("dns:50051")]
    #[test_case("file:80")]
    #[test_case("consul:8500")]
    #[test_case("etcd:2379")]
    #[test_case("unix:file:a/b")]
    #[test_case("unix:dns:///a")]
    fn no_list(text: &str) {
        let target: Target = text.parse().expect("a target");
        assert_eq!(target.list(), None);
        assert_eq!(target.to_string().parse(), Ok(target));
    }

    #[test_case("dns://8.8.8.8/svc:80" => "it is the system's resolver that is asked, and no name server of its own: write `dns:///NAME:PORT`"; "a name server")]
    #[test_case("dns://svc:80" => "after `dns:` there are three slashes: `dns:///NAME:PORT`"; "two slashes")]
    #[test_case("dns:///svc" => "the port is missing")]
    #[test_case("dns:///svc:0" => "the port must be from 1 to 65535")]
    #[test_case("dns:///svc/a:1" => "a name is expected, and its port: `dns:///NAME:PORT`"; "a path")]
    #[test_case("dns:" => "the host is missing")]
    #[test_case("file:" => "the path of the file is missing")]
    #[test_case("file://list" => "after `file://` there must be a whole path, with a slash in front")]
    #[test_case("consul://h:1" => "the service is missing: `consul://HOST:PORT/SERVICE`")]
    #[test_case("consul://h/web" => "the port of whoever is asked for the list is missing"; "no port of Consul")]
    #[test_case("consul://h:1/web/x" => "behind Consul's address stands the name of a service, and nothing else"; "a path of Consul")]
    #[test_case("etcd://h:1/" => "what the keys begin with is missing: `etcd://HOST:PORT/PREFIX`")]
    #[test_case("etcd://u:p@h:1/a" => "whoever is asked for a list is told no user name"; "a password")]
    fn wrong(text: &str) -> &'static str {
        text.parse::<Target>().expect_err("wrong").problem()
    }
}
