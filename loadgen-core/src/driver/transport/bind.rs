//! Source addresses: where on this machine a scenario's connections come from.
//!
//! Owns which connection comes from which address, and binding to it. Which addresses there may be is the
//! scenario's to say.

use std::borrow::Cow;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpSocket, TcpStream};

use super::connect_error::Problem;
use crate::scenario::Target;

/// The addresses that connections come from, in turn; none where the system chooses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(Arc<[IpAddr]>);

/// Why connections cannot come from where they are to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// No interface of this machine has the address.
    #[error(
        "bind: {0} is no address of this machine; `ip address` lists those that it has, and all of \
         127.0.0.0/8 are its own"
    )]
    NotOurs(IpAddr),
    /// Something else keeps us from using it.
    #[error("bind: connections cannot come from {address}: {problem}")]
    Unusable {
        /// The address.
        address: IpAddr,
        /// What the system says.
        problem: String,
    },
    /// None of them reaches a target.
    #[error("bind: {}", unfit_in_words(target, *is_socket))]
    Unfit {
        /// The target.
        target: String,
        /// Whether that is a UNIX socket.
        is_socket: bool,
    },
}

fn unfit_in_words(target: &str, is_socket: bool) -> String {
    match is_socket {
        true => {
            format!("the target {target} is a UNIX socket, whose connections come from nowhere")
        }
        false => format!("none of the addresses is of the family of the target {target}"),
    }
}

impl Origins {
    /// These addresses, which are to reach these targets.
    ///
    /// # Errors
    /// [`BindError`] for an address that is not this machine's, and for a target that none can reach.
    pub(crate) fn new(addresses: &[IpAddr], targets: &[Target]) -> Result<Self, BindError> {
        if addresses.is_empty() {
            return Ok(Self::default());
        }
        // Said first: it is wrong wherever the run takes place.
        for target in targets {
            let is_socket = target.socket().is_some();
            let host: Option<IpAddr> = target.host.parse().ok();
            let fits = host.is_none_or(|host| addresses.iter().any(|it| same_family(*it, host)));
            if is_socket || !fits {
                let target = target.to_string();
                return Err(BindError::Unfit { target, is_socket });
            }
        }
        for &address in addresses {
            let bound = std::net::TcpListener::bind((address, 0));
            bound.map_err(|error| match error.kind() {
                io::ErrorKind::AddrNotAvailable => BindError::NotOurs(address),
                _ => BindError::Unusable {
                    address,
                    problem: error.to_string(),
                },
            })?;
        }
        Ok(Self::of(addresses))
    }

    /// These addresses, which somebody else has looked over.
    pub(crate) fn of(addresses: &[IpAddr]) -> Self {
        Self(addresses.into())
    }

    /// Those of a target's addresses that can be reached from one of these.
    pub(super) fn reachable<'a>(
        &self,
        addresses: &'a [SocketAddr],
    ) -> Result<Cow<'a, [SocketAddr]>, Problem> {
        let fits = |to: &SocketAddr| self.0.iter().any(|from| same_family(*from, to.ip()));
        if self.0.is_empty() || addresses.iter().all(fits) {
            return Ok(addresses.into());
        }
        let fitting: Vec<_> = addresses.iter().copied().filter(fits).collect();
        match fitting.is_empty() {
            true => Err(Problem::NoSource),
            false => Ok(fitting.into()),
        }
    }

    /// Connects to one of so many [reachable](Self::reachable) addresses of a target. `nth` is the connection's number among those to that
    /// target: it and its successors come from the same address, and those to one of the target's addresses
    /// from all in turn.
    pub(super) async fn connect(
        &self,
        to: SocketAddr,
        nth: usize,
        addresses: usize,
    ) -> Result<TcpStream, Problem> {
        let from = match self.0.is_empty() {
            true => None,
            false => Some(
                self.turn_of(to.ip(), nth, addresses)
                    .ok_or(Problem::NoSource)?,
            ),
        };
        let connected = match from {
            None => TcpStream::connect(to).await,
            Some(from) => bound(from, to)?.connect(to).await,
        };
        connected.map_err(|error| diagnose(&error, from, to.ip()))
    }

    /// Where the connection with this number to a target with so many addresses comes from.
    fn turn_of(&self, to: IpAddr, nth: usize, addresses: usize) -> Option<IpAddr> {
        let fitting = || self.0.iter().filter(|it| same_family(**it, to));
        let count = fitting().count();
        if count == 0 {
            return None;
        }
        // Connections begin at the target's addresses in turn: were both to go round together, each of its
        // addresses could see but some of ours.
        let addresses = addresses.max(1);
        let turn = nth % addresses + nth / addresses;
        fitting().nth(turn % count).copied()
    }
}

fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}

/// What kept a connection between these from opening.
fn diagnose(error: &io::Error, from: Option<IpAddr>, to: IpAddr) -> Problem {
    match (error.kind(), from) {
        (io::ErrorKind::ConnectionRefused, _) => Problem::Refused,
        (io::ErrorKind::AddrNotAvailable, _) => Problem::NoLocalPort,
        // What leaves this machine cannot come from an address that every machine has. To its own other
        // addresses there is a way.
        (io::ErrorKind::InvalidInput, Some(from)) if from.is_loopback() && !to.is_loopback() => {
            Problem::FromLoopback(from)
        }
        _ => Problem::Io(error.to_string()),
    }
}

/// A socket that is bound to an address of ours, and not yet to a port where the system can put that off:
/// so a port serves connections to different targets, as it does where nothing is bound.
fn bound(from: IpAddr, to: SocketAddr) -> Result<TcpSocket, Problem> {
    let socket = match to.is_ipv4() {
        true => TcpSocket::new_v4(),
        false => TcpSocket::new_v6(),
    };
    let socket = socket.map_err(|error| Problem::Io(error.to_string()))?;
    #[cfg(target_os = "linux")]
    {
        use nix::sys::socket::{setsockopt, sockopt};
        // A system that does not know it takes a port of its own at once.
        let _ = setsockopt(&socket, sockopt::IpBindAddressNoPort, &true);
    }
    socket
        .bind(SocketAddr::new(from, 0))
        .map_err(|error| match error.kind() {
            io::ErrorKind::AddrNotAvailable => Problem::NotOurs(from),
            io::ErrorKind::AddrInUse => Problem::NoLocalPort,
            _ => Problem::Io(format!("binding to {from}: {error}")),
        })?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn target(text: &str) -> Target {
        text.parse().expect("a target")
    }

    fn origins(count: u8) -> Origins {
        let all: Vec<IpAddr> = (1..=count).map(|n| IpAddr::from([127, 0, 0, n])).collect();
        Origins(all.into())
    }

    #[test_case(&["127.0.0.1", "127.0.0.9"], "127.0.0.1:80" => Ok(2); "two")]
    #[test_case(&[], "/run/a.sock" => Ok(0); "none")]
    #[test_case(&["127.0.0.1"], "a.example:80" => Ok(1); "a name may have any address")]
    #[test_case(&["192.0.2.1"], "127.0.0.1:80" => Err("bind: 192.0.2.1 is no address of this machine; `ip address` lists those that it has, and all of 127.0.0.0/8 are its own".to_owned()); "not ours")]
    #[test_case(&["127.0.0.1"], "[::1]:80" => Err("bind: none of the addresses is of the family of the target [::1]:80".to_owned()); "another family")]
    #[test_case(&["127.0.0.1"], "unix:/run/a.sock" => Err("bind: the target unix:/run/a.sock is a UNIX socket, whose connections come from nowhere".to_owned()); "a socket")]
    fn what_may_be_bound(addresses: &[&str], to: &str) -> Result<usize, String> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|it| ip(it)).collect();
        let targets = match to.starts_with('/') {
            true => Vec::new(),
            false => vec![target(to)],
        };
        let made = Origins::new(&addresses, &targets);
        made.map(|it| it.0.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn only_those_of_the_right_family_are_used() {
        let mixed = Origins([ip("127.0.0.1"), ip("::1"), ip("127.0.0.2")].into());
        let from = |to, nth| mixed.turn_of(ip(to), nth, 1).map(|it| it.to_string());
        assert_eq!(from("10.0.0.1", 1).as_deref(), Some("127.0.0.2"));
        assert_eq!(from("::2", 5).as_deref(), Some("::1"));
        assert_eq!(origins(2).turn_of(ip("::1"), 0, 1), None);
    }

    #[test_case(22, Some("127.0.0.2"), "192.0.2.1" => "127.0.0.2, which is in `bind`, leads nowhere but to this machine, and the target is on another; bind an address of the interface that leads there (`ip route get` and the target's says which)"; "to another machine")]
    #[test_case(22, Some("10.0.0.1"), "192.0.2.1" => "Invalid argument (os error 22)"; "from another address")]
    #[test_case(22, None, "192.0.2.1" => "Invalid argument (os error 22)"; "from anywhere")]
    #[test_case(111, Some("127.0.0.2"), "127.0.0.1" => "the connection was refused; is the server running and listening on this port?"; "refused")]
    #[cfg(target_os = "linux")]
    fn what_is_wrong(code: i32, from: Option<&str>, to: &str) -> String {
        let error = io::Error::from_raw_os_error(code);
        diagnose(&error, from.map(ip), ip(to)).to_string()
    }

    proptest! {
        /// Also where there are as many addresses on either side, or the one count divides the other.
        #[test]
        fn each_of_the_targets_addresses_sees_all_of_ours(ours in 1_u8..9, theirs in 1_usize..9) {
            let origins = origins(ours);
            for address in 0..theirs {
                let nths = (address..).step_by(theirs).take(usize::from(ours));
                let seen: BTreeSet<_> = nths
                    .map(|nth| origins.turn_of(ip("127.0.0.1"), nth, theirs))
                    .collect();
                prop_assert_eq!(seen.len(), usize::from(ours));
            }
        }
    }
}
