//! Metrics on their way to StatsD, as the command line sees them: where they go, and what is said
//! when they did not get there.

use std::net::{SocketAddr, ToSocketAddrs};

use loadgen_core::engine::{Event, Phase, Run};
use loadgen_core::report::{Delivery, SinkKind};
use loadgen_core::scenario::Target;
use loadgen_core::sink::statsd::{Prefix, StatsdError, StatsdSink, Unsent};

use super::error::SinkError;
use super::sink::{About, Conclusion, Sink};
use crate::human;
use crate::screen::Screen;
use crate::settings::sinks::SinkSettings;

/// Where StatsD is, looked up before anything is started.
#[derive(Debug)]
pub(crate) struct Server {
    /// The address as it was given.
    pub(crate) said: String,
    /// All that it may mean.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl Server {
    /// Where this is.
    ///
    /// # Errors
    /// When the host has no address.
    pub(crate) fn look_up(target: &Target) -> Result<Self, SinkError> {
        let said = said(target);
        match (target.host.as_str(), target.port).to_socket_addrs() {
            Ok(addresses) => Ok(Self {
                said,
                addresses: addresses.collect(),
            }),
            Err(source) => Err(SinkError::Statsd {
                address: said,
                source,
            }),
        }
    }

    /// What did not get there, when all is over.
    pub(crate) fn complaint(&self, unsent: &Unsent) -> Option<String> {
        let (refused, short) = (unsent.datagrams(), unsent.counters());
        wording(&self.said, refused, short, unsent.any_taken())
    }
}

/// An address as it is given to a flag.
pub(crate) fn said(target: &Target) -> String {
    if target.host.contains(':') {
        format!("[{}]:{}", target.host, target.port)
    } else {
        format!("{}:{}", target.host, target.port)
    }
}

#[derive(Debug)]
struct Statsd {
    server: Server,
    prefix: Prefix,
    sink: Option<StatsdSink>,
    unsent: Unsent,
}

/// Opens it, if the settings ask for it.
pub(super) fn open(
    settings: &SinkSettings,
    about: About<'_>,
) -> Result<Option<Box<dyn Sink>>, SinkError> {
    let Some(settings) = &settings.statsd else {
        return Ok(None);
    };
    let server = Server::look_up(&settings.target)?;
    let sink = StatsdSink::new(&server.addresses[..], &settings.prefix, about.names);
    let mut sink = sink.map_err(|error| match error {
        StatsdError::Socket(source) => SinkError::Statsd {
            address: server.said.clone(),
            source,
        },
        other => SinkError::Names(other),
    })?;
    if let Some(tags) = &settings.tags {
        sink = sink.tagged(about.names, tags);
    }
    Ok(Some(Box::new(Statsd {
        unsent: sink.unsent(),
        sink: Some(sink),
        server,
        prefix: settings.prefix.clone(),
    })))
}

impl Sink for Statsd {
    fn notices(&self) -> Vec<String> {
        let (said, prefix) = (&self.server.said, &self.prefix);
        vec![format!("metrics go to StatsD at {said} as {prefix}.*")]
    }

    /// The first time that nobody takes what is sent, `screen` says so.
    fn listen(&mut self, run: Run, screen: &Screen) -> Run {
        let Some(mut sink) = self.sink.take() else {
            return run;
        };
        let (said, unsent) = (self.server.said.clone(), sink.unsent());
        let mut screen = Some(screen.clone());
        run.listen(move |event: &Event<'_>| {
            sink.hear(event);
            let refused = unsent.datagrams() > 0 && !unsent.any_taken();
            if let Event::Snapshot(snapshot) = event
                && snapshot.scenarios.iter().any(|it| it.phase < Phase::Done)
                && refused
                && let Some(screen) = screen.take()
            {
                screen.say(&format!(
                    "StatsD at {said}: nobody listens; counts are kept and sent when somebody does"
                ));
            }
        })
    }

    fn conclude(&mut self) -> Conclusion {
        let mut delivery = Delivery::new(SinkKind::Statsd, &self.server.said);
        delivery.failed = Some(self.unsent.datagrams());
        delivery.short = Some(self.unsent.counters());
        Conclusion {
            delivery,
            complaint: self.server.complaint(&self.unsent),
        }
    }
}

fn wording(address: &str, refused: u64, short: u64, any_taken: bool) -> Option<String> {
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
        wording("a:1", refused, short, true)
    }

    #[test]
    fn nobody_ever_listened() {
        let said = "WARNING: StatsD at a:1: nobody listened, and nothing got there";
        assert_eq!(wording("a:1", 4, 0, false).as_deref(), Some(said));
        assert_eq!(wording("a:1", 4, 11, false).as_deref(), Some(said));
    }
}
