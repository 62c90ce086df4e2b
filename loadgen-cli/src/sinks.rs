//! Where a run's figures go while it is under way, as the command line sees it: what is opened
//! before anything starts, and what is said when something did not get there.

mod graphite;
mod otlp;
mod prometheus;
mod statsd;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use loadgen_core::clock::Clock;
use loadgen_core::engine::Run;
use loadgen_core::record::Names;
use loadgen_core::report::{Delivery, Document};
use loadgen_core::sink::RunInfo;
use loadgen_core::sink::post::Url;

pub(crate) use self::otlp::OtlpSettings;
pub(crate) use self::prometheus::PrometheusSettings;
pub(crate) use self::statsd::Statsd;

use self::graphite::Graphite;
use self::otlp::Otlp;
use self::prometheus::Prometheus;
use crate::error::Error;
use crate::screen::Screen;
use crate::settings::RunSettings;

/// How long the end of a run waits for what is still to be posted.
const PATIENCE: Duration = Duration::from_secs(3);

/// All that the settings ask for.
#[derive(Debug)]
pub(crate) struct Sinks {
    statsd: Option<Statsd>,
    prometheus: Option<Prometheus>,
    otlp: Option<Otlp>,
    graphite: Option<Graphite>,
}

/// Why figures cannot go where they were to go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SinkError {
    /// A host without an address.
    #[error("failed to send {what} to {address}: {source}")]
    Lookup {
        /// What was to be sent.
        what: &'static str,
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The address to be scraped at.
    #[error("failed to show metrics to Prometheus at {address}: {source}{hint}")]
    Scrape {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// A thread.
    #[error("failed to start a thread that sends {what}: {source}")]
    Thread {
        /// What was to be sent.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Sinks {
    /// Opens what the settings ask for, for a run that records under these names.
    ///
    /// # Errors
    /// When a host has no address, an address cannot be listened on, or names cannot be told apart.
    pub(crate) fn open(
        settings: &RunSettings,
        names: &[Names],
        run: &RunInfo,
    ) -> Result<Self, Error> {
        let mut statsd = Statsd::resolve(settings)?;
        if let Some(statsd) = &mut statsd {
            statsd.prepare(names, settings.statsd_tags.as_deref())?;
        }
        let otlp = settings.otlp.as_ref();
        let otlp = otlp.map(|it| Otlp::open(it, names, run)).transpose()?;
        let graphite = settings.graphite.as_ref();
        let prefix = settings.statsd_prefix.to_string();
        let graphite = graphite.map(|it| Graphite::open(it, names, run, &prefix));
        let prometheus = settings.prometheus.as_ref();
        let prometheus = prometheus.map(|it| Prometheus::open(it, names, run));
        Ok(Self {
            statsd,
            prometheus: prometheus.transpose()?,
            otlp,
            graphite: graphite.transpose()?,
        })
    }

    /// What a person should know before the load.
    pub(crate) fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        notices.extend(self.statsd.as_ref().map(Statsd::notice));
        notices.extend(self.otlp.as_ref().map(Otlp::notice));
        notices.extend(self.graphite.as_ref().map(Graphite::notice));
        notices.extend(self.prometheus.iter().flat_map(Prometheus::notices));
        notices
    }

    /// Has them hear what the run tells. What a person should know meanwhile is said on `screen`.
    pub(crate) fn listen(&mut self, mut run: Run, screen: Option<&Screen>) -> Run {
        if let Some(statsd) = &mut self.statsd {
            run = statsd.listen(run, screen.cloned());
        }
        if let Some(prometheus) = &mut self.prometheus {
            run = prometheus.listen(run);
        }
        if let Some(otlp) = &mut self.otlp {
            run = otlp.listen(run);
        }
        if let Some(graphite) = &self.graphite {
            run = graphite.listen(run);
        }
        run
    }

    /// Where StatsD is, for the embedded backend to send there, too.
    pub(crate) fn statsd(&self) -> Option<&Statsd> {
        self.statsd.as_ref()
    }

    /// What did not get to StatsD, when the run is over.
    pub(crate) fn statsd_complaint(&self) -> Option<String> {
        self.statsd.as_ref().and_then(Statsd::complaint)
    }

    /// What is known of each for the result document.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let statsd = self.statsd.as_ref().and_then(Statsd::delivery);
        let prometheus = self.prometheus.as_ref().map(Prometheus::delivery);
        let otlp = self.otlp.as_ref().map(Otlp::delivery);
        let graphite = self.graphite.as_ref().map(Graphite::delivery);
        [statsd, prometheus, otlp, graphite]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Has them know how it ended.
    pub(crate) fn ended(&self, document: &Document) {
        if let Some(graphite) = &self.graphite {
            graphite.ended(document);
        }
    }

    /// Waits a few seconds at most for what is still under way, and says what did not get there.
    pub(crate) fn complaints(&self) -> Vec<String> {
        // Both have been posting all the while: what one takes is time for the other.
        let clock = Clock::start();
        let left = || PATIENCE.saturating_sub(Duration::from_nanos(clock.now()));
        let otlp = self.otlp.as_ref().and_then(|it| it.complaint(left()));
        let graphite = self.graphite.as_ref().and_then(|it| it.complaint(left()));
        otlp.into_iter().chain(graphite).collect()
    }

    /// What to say before [`wait_for_scrape`](Self::wait_for_scrape), if that waits.
    pub(crate) fn notice_of_wait(&self) -> Option<String> {
        self.prometheus.as_ref()?.notice_of_wait()
    }

    /// Waits for the last scrape where that was asked for, until `stop` says otherwise. What there
    /// is to say about it.
    pub(crate) fn wait_for_scrape(&self, stop: impl Fn() -> bool) -> Option<String> {
        self.prometheus.as_ref()?.wait(stop)
    }
}

/// Makes sure that a host has an address, before anything is started.
fn look_up(url: &Url, what: &'static str) -> Result<(), SinkError> {
    let found = (url.host(), url.port()).to_socket_addrs();
    found
        .map(|_: std::vec::IntoIter<SocketAddr>| ())
        .map_err(|source| SinkError::Lookup {
            what,
            address: url.to_string(),
            source,
        })
}
