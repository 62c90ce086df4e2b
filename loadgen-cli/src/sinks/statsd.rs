//! Metrics on their way to StatsD, as the command line sees them: where they go, and what is said
//! when they did not get there.

use std::net::{SocketAddr, ToSocketAddrs};

use loadgen_core::clock::Clock;
use loadgen_core::engine::{Event, Phase, Run};
use loadgen_core::record::Names;
use loadgen_core::report::{Delivery, SinkKind};
use loadgen_core::scenario::Target;
use loadgen_core::sink::statsd::{BackendSink, Prefix, StatsdError, StatsdSink, Unsent};

use crate::error::Error;
use crate::human;
use crate::screen::Screen;
use crate::settings::RunSettings;

/// Where metrics go, looked up before anything is started.
#[derive(Debug)]
pub(crate) struct Statsd {
    said: String,
    addresses: Vec<SocketAddr>,
    prefix: Prefix,
    sink: Option<StatsdSink>,
    unsent: Option<Unsent>,
}

impl Statsd {
    /// What the settings ask for.
    ///
    /// # Errors
    /// When the host has no address.
    pub(crate) fn resolve(settings: &RunSettings) -> Result<Option<Self>, Error> {
        let target = settings.statsd.as_ref();
        target
            .map(|target| Self::look_up(target, settings.statsd_prefix.clone()))
            .transpose()
    }

    /// Where this is.
    ///
    /// # Errors
    /// When the host has no address.
    pub(crate) fn look_up(target: &Target, prefix: Prefix) -> Result<Self, Error> {
        let said = if target.host.contains(':') {
            format!("[{}]:{}", target.host, target.port)
        } else {
            format!("{}:{}", target.host, target.port)
        };
        match (target.host.as_str(), target.port).to_socket_addrs() {
            Ok(addresses) => Ok(Self {
                said,
                addresses: addresses.collect(),
                prefix,
                sink: None,
                unsent: None,
            }),
            Err(source) => Err(Error::Statsd {
                address: said,
                source,
            }),
        }
    }

    /// Gets ready for a run that records under these names. With `tags`, every metric has the
    /// scenario's own and these.
    ///
    /// # Errors
    /// When names cannot be told apart.
    pub(crate) fn prepare(
        &mut self,
        names: &[Names],
        tags: Option<&[(String, String)]>,
    ) -> Result<(), Error> {
        let sink = StatsdSink::new(&self.addresses[..], &self.prefix, names);
        let mut sink = sink.map_err(|error| match error {
            StatsdError::Socket(source) => Error::Statsd {
                address: self.said.clone(),
                source,
            },
            other => Error::StatsdNames(other),
        })?;
        if let Some(tags) = tags {
            sink = sink.tagged(names, tags);
        }
        self.unsent = Some(sink.unsent());
        self.sink = Some(sink);
        Ok(())
    }

    /// What a person should know before the load.
    pub(super) fn notice(&self) -> String {
        format!("metrics go to StatsD at {} as {}.*", self.said, self.prefix)
    }

    /// Sends what the run tells. The first time that nobody takes it, `screen` says so.
    pub(super) fn listen(&mut self, run: Run, mut screen: Option<Screen>) -> Run {
        let Some(mut sink) = self.sink.take() else {
            return run;
        };
        let (said, unsent) = (self.said.clone(), sink.unsent());
        run.listen(move |event: &Event<'_>| {
            sink.hear(event);
            let refused = unsent.datagrams() > 0 && !unsent.any_taken();
            if let Event::Snapshot(snapshot) = event
                && snapshot.scenarios.iter().any(|it| it.phase < Phase::Done)
                && refused
                && let Some(screen) = screen.take()
            {
                screen.note(&format!(
                    "StatsD at {said}: nobody listens; counts are kept and sent when somebody does"
                ));
            }
        })
    }

    /// What sends the metrics of this process's own servers.
    ///
    /// # Errors
    /// When the system has no socket for it.
    pub(crate) fn of_backends(&mut self, clock: Clock) -> Result<BackendSink, StatsdError> {
        let sink = BackendSink::new(&self.addresses[..], &self.prefix, clock)?;
        self.unsent = Some(sink.unsent());
        Ok(sink)
    }

    /// The address as it was given.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }

    /// What names begin with.
    pub(crate) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// What is known of it for the result document.
    pub(super) fn delivery(&self) -> Option<Delivery> {
        let unsent = self.unsent.as_ref()?;
        let mut delivery = Delivery::new(SinkKind::Statsd, &self.said);
        delivery.failed = Some(unsent.datagrams());
        delivery.short = Some(unsent.counters());
        Some(delivery)
    }

    /// What did not get there, when all is over.
    pub(crate) fn complaint(&self) -> Option<String> {
        let unsent = self.unsent.as_ref()?;
        let (refused, short) = (unsent.datagrams(), unsent.counters());
        complaint(&self.said, refused, short, unsent.any_taken())
    }
}

fn complaint(address: &str, refused: u64, short: u64, any_taken: bool) -> Option<String> {
    let times = human::counted(refused, "datagram");
    match (refused, short) {
        (0, 0) => None,
        _ if !any_taken => Some(format!(
            "WARNING: StatsD at {address}: nobody listened, and nothing got there"
        )),
        (_, 0) => Some(format!(
            "StatsD at {address}: {times} refused, and their counts sent later"
        )),
        _ => Some(format!(
            "WARNING: StatsD at {address}: {times} refused; {} short of what was counted",
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
    #[test_case(3, 1 => Some("WARNING: StatsD at a:1: 3 datagrams refused; 1 counter is short of what was counted".to_owned()); "one is short")]
    #[test_case(1, 9 => Some("WARNING: StatsD at a:1: 1 datagram refused; 9 counters are short of what was counted".to_owned()); "several are")]
    fn complaints(refused: u64, short: u64) -> Option<String> {
        complaint("a:1", refused, short, true)
    }

    #[test]
    fn nobody_ever_listened() {
        let said = "WARNING: StatsD at a:1: nobody listened, and nothing got there";
        assert_eq!(complaint("a:1", 4, 0, false).as_deref(), Some(said));
        assert_eq!(complaint("a:1", 4, 11, false).as_deref(), Some(said));
    }
}
