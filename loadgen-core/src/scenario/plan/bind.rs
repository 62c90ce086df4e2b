//! Where connections come from, as a scenario says it.

use std::net::IpAddr;

use crate::scenario::protocol::layers::Layers;
use crate::scenario::value::target::Target;

impl Layers<'_> {
    /// The addresses that connections to these targets come from. Whether they are this machine's is not for
    /// a scenario to know, which may be run on another.
    pub(super) fn bind(&self, targets: &[Target]) -> Option<Vec<IpAddr>> {
        let picked = self.pick("bind", |raw| &raw.bind);
        let all = picked
            .entry
            .or(Some(Vec::new()), |list| list.all(|it| it.0))??;
        if picked.entry.is_absent() {
            return Some(all);
        }
        let mut holds = true;
        let mut refuse = |path: String, found: String, expected: &str, help: Option<&str>| {
            holds = false;
            let help = help.map(str::to_owned);
            self.problems.add(path, found, expected, help);
        };
        if all.is_empty() {
            refuse(
                picked.path.clone(),
                "an empty array".to_owned(),
                "at least one address",
                Some("leave `bind` out to have the system choose"),
            );
        }
        for (index, address) in all.iter().enumerate() {
            let path = || format!("{}[{index}]", picked.path);
            if all[..index].contains(address) {
                refuse(
                    path(),
                    format!("{address} once more"),
                    "each address once",
                    Some("connections come from all of them in turn"),
                );
            } else if address.is_unspecified() || address.is_multicast() {
                refuse(
                    path(),
                    address.to_string(),
                    "an address that a connection can come from",
                    None,
                );
            }
        }
        for target in targets.iter().filter(|_| !all.is_empty()) {
            let host: Option<IpAddr> = target.host.parse().ok();
            let family = |it: &IpAddr| host.is_none_or(|host| host.is_ipv4() == it.is_ipv4());
            if target.socket().is_some() {
                refuse(
                    picked.path.clone(),
                    format!("`bind` beside the UNIX socket {target}"),
                    "targets over TCP, or no `bind`",
                    None,
                );
            } else if !all.iter().any(family) {
                let kind = host.map_or("", |host| if host.is_ipv4() { "IPv4" } else { "IPv6" });
                refuse(
                    picked.path.clone(),
                    format!("no {kind} address for the target {target}"),
                    "an address of the family of each target",
                    None,
                );
            }
        }
        holds.then_some(all)
    }
}
