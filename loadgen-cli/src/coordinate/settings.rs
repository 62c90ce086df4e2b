//! How a run is coordinated, and where: the address as it was given, and what it comes to on this machine.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use super::call::CalledOff;
use super::error::CoordinateError;
use super::state::Policy;
use super::trust::Trust;
use super::{holder, random_id};
use crate::human;

/// How long a name is rested that is not known yet.
const REST: Duration = Duration::from_millis(250);

/// How a run is coordinated.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where the coordinator is, or is to be.
    pub(crate) address: String,
    pub(crate) trust: Trust,
    /// How long all are waited for.
    pub(crate) wait: Duration,
    /// With how many the run begins then; with all of them unless told.
    pub(crate) at_least: Option<u32>,
    /// Whether the result of the whole is wanted, of whoever offers the coordinator.
    pub(crate) is_merged: bool,
}

impl Settings {
    pub(super) fn policy(
        &self,
        count: u32,
        run_id: Option<String>,
    ) -> Result<Policy, CoordinateError> {
        if let Some(at_least) = self.at_least.filter(|it| *it > count) {
            return Err(CoordinateError::TooFew { count, at_least });
        }
        Ok(Policy {
            count,
            run_id,
            random_id: random_id().map_err(CoordinateError::Start)?,
            wait: self.wait,
            at_least: self.at_least.unwrap_or(count),
            wants_results: self.is_merged,
        })
    }

    /// Where it is, which may take a while to be known where a name is new.
    ///
    /// # Errors
    /// Where it is not known within the time, is open to strangers, or was called off.
    pub(super) fn resolve(
        &self,
        called_off: &CalledOff,
    ) -> Result<Vec<SocketAddr>, CoordinateError> {
        let until = crate::moment::now() + self.wait;
        loop {
            let why = match self.address.to_socket_addrs() {
                Ok(addresses) => {
                    let addresses: Vec<SocketAddr> = addresses.collect();
                    self.trust.check(&self.address, &addresses)?;
                    return Ok(addresses);
                }
                Err(why) => why,
            };
            if crate::moment::now() >= until {
                return Err(CoordinateError::Absent {
                    address: self.address.clone(),
                    within: human::duration(self.wait),
                    why: why.to_string(),
                });
            }
            if called_off.within(REST) {
                return Err(CoordinateError::CalledOff);
            }
        }
    }

    /// Nobody can be listened for there, and why: where another process does, which.
    pub(super) fn not_listening(
        &self,
        addresses: &[SocketAddr],
        source: io::Error,
    ) -> CoordinateError {
        let is_taken = source.kind() == ErrorKind::AddrInUse;
        CoordinateError::Listen {
            address: self.address.clone(),
            holder: is_taken.then(|| holder::of(addresses)).flatten(),
            source,
        }
    }

    /// Where a coordinator of these addresses is to listen, so that shards on other machines reach it. Systems such as
    /// Debian have a machine's own name lead to its loopback, on that machine alone.
    pub(super) fn reachable(
        &self,
        addresses: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, CoordinateError> {
        let (host, _) = self.address.rsplit_once(':').unwrap_or_default();
        let is_meant = host == "localhost" || self.address.parse::<SocketAddr>().is_ok();
        let is_loopback = |it: &SocketAddr| it.ip().to_canonical().is_loopback();
        if is_meant || !addresses.iter().all(is_loopback) {
            return Ok(addresses);
        }
        if self.trust.is_open() {
            return Err(CoordinateError::OnlyHere {
                address: self.address.clone(),
            });
        }
        let port = addresses.first().map_or(0, SocketAddr::port);
        Ok(vec![(Ipv4Addr::UNSPECIFIED, port).into()])
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::super::WAIT;
    use super::*;

    #[test_case("bench-1:8090", Some("s3cr3t"), "127.0.1.1:8090" => Ok("0.0.0.0:8090".to_owned()); "Debian's own name")]
    #[test_case("bench-1:8090", Some("s3cr3t"), "192.0.2.1:8090" => Ok("192.0.2.1:8090".to_owned()); "a name of the network")]
    #[test_case("localhost:8090", None, "127.0.0.1:8090" => Ok("127.0.0.1:8090".to_owned()))]
    #[test_case("127.0.0.1:8090", Some("s3cr3t"), "127.0.0.1:8090" => Ok("127.0.0.1:8090".to_owned()))]
    #[test_case("[::1]:8090", Some("s3cr3t"), "[::1]:8090" => Ok("[::1]:8090".to_owned()))]
    #[test_case("bench-1:8090", None, "127.0.1.1:8090" => Err("bench-1:8090 leads to this machine's loopback here: for shards on others the coordinator would listen on all of its addresses, and nothing keeps strangers out; set LOADGEN_COORDINATOR_TOKEN to one secret for all shards, or write `localhost` where all of them are on this machine".to_owned()); "and nothing keeps strangers out")]
    fn listens_where_others_reach_it(
        given: &str,
        token: Option<&str>,
        resolved: &str,
    ) -> Result<String, String> {
        let settings = Settings {
            address: given.to_owned(),
            trust: Trust::new(token, None).unwrap(),
            wait: WAIT,
            at_least: None,
            is_merged: false,
        };
        let listens = settings.reachable(vec![resolved.parse().unwrap()]);
        listens
            .map(|it| it[0].to_string())
            .map_err(|it| it.to_string())
    }
}
