//! Metrics on their way to StatsD, as the command line sees them: where they go, and what is said
//! when they did not get there.

use std::net::{SocketAddr, ToSocketAddrs};

use loadgen_core::engine::{Event, Run};
use loadgen_core::sink::statsd::{Prefix, StatsdSink, Unsent};

use crate::error::Error;
use crate::human;
use crate::settings::RunSettings;

/// Where metrics go, looked up before anything is started.
#[derive(Debug)]
pub(crate) struct Statsd {
    said: String,
    addresses: Vec<SocketAddr>,
    prefix: Prefix,
    unsent: Option<Unsent>,
}

impl Statsd {
    /// What the settings ask for.
    ///
    /// # Errors
    /// When the host has no address.
    pub(crate) fn resolve(settings: &RunSettings) -> Result<Option<Self>, Error> {
        let Some(target) = &settings.statsd else {
            return Ok(None);
        };
        let said = if target.host.contains(':') {
            format!("[{}]:{}", target.host, target.port)
        } else {
            format!("{}:{}", target.host, target.port)
        };
        match (target.host.as_str(), target.port).to_socket_addrs() {
            Ok(addresses) => Ok(Some(Self {
                said,
                addresses: addresses.collect(),
                prefix: settings.statsd_prefix.clone(),
                unsent: None,
            })),
            Err(source) => Err(Error::Statsd {
                address: said,
                source,
            }),
        }
    }

    /// Sends what the run tells.
    ///
    /// # Errors
    /// When names cannot be told apart.
    pub(crate) fn listen(&mut self, run: Run) -> Result<Run, Error> {
        let mut sink = StatsdSink::new(&self.addresses[..], &self.prefix, &run.names())?;
        self.unsent = Some(sink.unsent());
        Ok(run.listen(move |event: &Event<'_>| sink.hear(event)))
    }

    /// What did not get there, when the run is over.
    pub(crate) fn complaint(&self) -> Option<String> {
        let unsent = self.unsent.as_ref()?;
        complaint(&self.said, unsent.datagrams(), unsent.counters())
    }
}

fn complaint(address: &str, refused: u64, short: u64) -> Option<String> {
    let times = human::counted(refused, "datagram");
    match (refused, short) {
        (0, 0) => None,
        (_, 0) => Some(format!(
            "StatsD at {address}: {times} refused, and their counts sent later"
        )),
        _ => Some(format!(
            "WARNING: StatsD at {address}: {times} refused; {} short of what the run counted",
            human::counted(short, "counter") + if short == 1 { " is" } else { " are" }
        )),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0, 0 => None; "all went out")]
    #[test_case(2, 0 => Some("StatsD at a:1: 2 datagrams refused, and their counts sent later".to_owned()); "late")]
    #[test_case(3, 1 => Some("WARNING: StatsD at a:1: 3 datagrams refused; 1 counter is short of what the run counted".to_owned()); "one is short")]
    #[test_case(1, 9 => Some("WARNING: StatsD at a:1: 1 datagram refused; 9 counters are short of what the run counted".to_owned()); "several are")]
    fn complaints(refused: u64, short: u64) -> Option<String> {
        complaint("a:1", refused, short)
    }
}
