//! A suite's servers beside one another: who stands behind whom, what is spoken on the way, and where each listens.

use std::net::SocketAddr;

use super::raw::RawProtocol;
use super::validate::{Role, Room};
use super::value::ListenText;
use super::{BackendPlan, BackendRole, BalanceLayer};
use crate::scenario::protocol::Protocol;
use crate::scenario::reader::problem::Problems;

/// The servers in an order in which each comes after those behind it.
pub(super) fn placed(left: Vec<(Room<'_>, Role)>, problems: &Problems) -> Option<Vec<BackendPlan>> {
    let mut placed: Vec<BackendPlan> = Vec::with_capacity(left.len());
    let mut waiting = left;
    let mut all_well = true;
    loop {
        let before = waiting.len();
        let mut still = Vec::new();
        for (room, role) in waiting {
            let threads = room.raw.threads.given().map_or(1, |it| it.small());
            let plan = match role {
                Role::Serve(what, options) => BackendPlan {
                    name: room.name.to_owned(),
                    addresses: room.addresses(what),
                    tls: options.tls.is_some(),
                    threads,
                    role: BackendRole::Serve(options),
                },
                role => {
                    let find = |name: &&str| placed.iter().find(|it| it.name == **name);
                    let behind: Option<Vec<_>> = role.behind().iter().map(find).collect();
                    let Some(behind) = behind else {
                        still.push((room, role));
                        continue;
                    };
                    let Some((protocol, tls)) = room.spoken(&role, &behind) else {
                        all_well = false;
                        continue;
                    };
                    let address = room.raw.address.given().unwrap_or(&ListenText::ANY).0;
                    BackendPlan {
                        name: room.name.to_owned(),
                        addresses: vec![(protocol, address)],
                        tls,
                        threads,
                        role: match role {
                            Role::Serve(_, options) => BackendRole::Serve(options),
                            Role::Balance(options) => BackendRole::Balance(options),
                            Role::Proxy(options) => BackendRole::Proxy(options),
                        },
                    }
                }
            };
            placed.push(plan);
        }
        if still.is_empty() {
            return all_well.then_some(placed);
        }
        if still.len() == before {
            // Where others are broken, those in front of them have not failed by themselves.
            let names: Vec<&str> = still.iter().map(|(room, _)| room.name).collect();
            for (room, role) in &still {
                let is_there =
                    |it: &&str| names.contains(it) || placed.iter().any(|known| known.name == **it);
                if role.behind().iter().all(is_there) {
                    problems.add(
                        format!("{}{}", room.path, role.names()),
                        "servers that stand in front of one another in a circle",
                        "servers that answer at the end of each way",
                        None,
                    );
                }
            }
            return None;
        }
        waiting = still;
    }
}

pub(super) fn no_address_twice(plans: &[BackendPlan], problems: &Problems) -> bool {
    let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
    let mut all_well = true;
    for plan in plans {
        for (_, address) in plan.addresses.iter().filter(|(_, it)| it.port() != 0) {
            let meets = |(_, other): &&(&str, SocketAddr)| {
                let any = other.ip().is_unspecified() || address.ip().is_unspecified();
                other.port() == address.port() && (any || other.ip() == address.ip())
            };
            if let Some((other, _)) = seen.iter().find(meets) {
                problems.add(
                    format!("backends.{}", plan.name),
                    format!("the address {address}, where `{other}` listens"),
                    "an address of its own for each server",
                    Some("port 0 takes any free one".to_owned()),
                );
                all_well = false;
            }
            seen.push((&plan.name, *address));
        }
    }
    all_well
}

impl Room<'_> {
    /// What a balancer or a proxy speaks, from those behind it, and whether over TLS; `None` where they do not agree.
    fn spoken(&self, role: &Role, behind: &[&BackendPlan]) -> Option<(Protocol, bool)> {
        let names = role.names();
        let given = self.raw.protocol.given().map(|it| match it {
            RawProtocol::Grpc => Protocol::Grpc,
            RawProtocol::Websocket => Protocol::Websocket,
            RawProtocol::Http => Protocol::Http,
            RawProtocol::Tcp => Protocol::Tcp,
        });
        let mut spoken = None;
        for server in behind {
            let own = match (server.addresses.as_slice(), given) {
                ([(protocol, _)], None) => *protocol,
                (_, Some(protocol)) if server.address(protocol).is_some() => protocol,
                (_, None) => {
                    let found = format!("`{}`, which serves all protocols", server.name);
                    let expected = "a `protocol` beside it, which says what is spoken";
                    self.refuse(names, &found, expected, None);
                    return None;
                }
                (_, Some(protocol)) => {
                    let found = format!("`{}`, which does not speak {protocol}", server.name);
                    self.refuse(names, &found, "servers of its `protocol`", None);
                    return None;
                }
            };
            if *spoken.get_or_insert((own, server.tls)) != (own, server.tls) {
                let found = format!("`{}`, which speaks something else", server.name);
                let expected = "servers of one protocol, all with TLS or none";
                self.refuse(names, &found, expected, None);
                return None;
            }
        }
        let (protocol, tls) = spoken?;
        let is_http = matches!(protocol, Protocol::Http | Protocol::Grpc) && !tls;
        let by_request = matches!(role, Role::Balance(it) if it.layer == BalanceLayer::Http);
        if by_request && !is_http {
            let found = format!(
                "servers of {protocol}{}",
                if tls { " over TLS" } else { "" }
            );
            let expected =
                "servers of `http` or `grpc` without TLS; `\"balance\": \"tcp\"` takes any";
            self.refuse(names, &found, expected, None);
            return None;
        }
        Some((protocol, tls))
    }
}
