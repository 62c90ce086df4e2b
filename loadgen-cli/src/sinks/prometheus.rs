//! An endpoint for Prometheus to scrape.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use loadgen_core::clock::{Clock, nanos};
use loadgen_core::engine::{Event, Run};
use loadgen_core::record::Names;
use loadgen_core::report::{Delivery, SinkKind};
use loadgen_core::sink::RunInfo;
use loadgen_core::sink::prometheus::{Endpoint, PrometheusSink};

use super::SinkError;
use crate::human;

/// How often somebody who waits looks up.
const GLANCE: Duration = Duration::from_millis(100);

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PrometheusSettings {
    /// Where to listen.
    pub(crate) address: String,
    /// How long to wait after the run for the last scrape.
    pub(crate) wait: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Prometheus {
    sink: Option<PrometheusSink>,
    endpoint: Endpoint,
    wait: Option<Duration>,
}

impl Prometheus {
    pub(super) fn open(
        settings: &PrometheusSettings,
        names: &[Names],
        run: &RunInfo,
    ) -> Result<Self, SinkError> {
        let failed = |source: io::Error| SinkError::Scrape {
            address: settings.address.clone(),
            hint: match source.kind() {
                io::ErrorKind::AddrInUse => "; name a free one with `--prometheus=HOST:PORT`",
                _ => "",
            },
            source,
        };
        let listener = TcpListener::bind(&settings.address).map_err(failed)?;
        let sink = PrometheusSink::new(listener, names, run).map_err(failed)?;
        Ok(Self {
            endpoint: sink.endpoint(),
            sink: Some(sink),
            wait: settings.wait,
        })
    }

    pub(super) fn notices(&self) -> Vec<String> {
        let address = self.endpoint.address();
        let mut notices = vec![format!(
            "metrics for Prometheus at http://{address}/metrics"
        )];
        if !address.ip().is_loopback() {
            notices.push(format!(
                "WARNING: listening on {address}, which other machines can reach; anyone there can \
                 read this run's metrics"
            ));
        }
        notices
    }

    pub(super) fn listen(&mut self, run: Run) -> Run {
        match self.sink.take() {
            Some(mut sink) => run.listen(move |event: &Event<'_>| sink.hear(event)),
            None => run,
        }
    }

    /// What is known of it for the result document: where it was shown.
    pub(super) fn delivery(&self) -> Delivery {
        Delivery::new(SinkKind::Prometheus, self.endpoint.address().to_string())
    }

    pub(super) fn notice_of_wait(&self) -> Option<String> {
        // A moment needs no explanation.
        let wait = self.wait.filter(|wait| *wait >= Duration::from_secs(1))?;
        Some(format!(
            "waiting for Prometheus to scrape the last figures, {} at most; Ctrl-C ends it",
            human::duration(wait)
        ))
    }

    pub(super) fn wait(&self, stop: impl Fn() -> bool) -> Option<String> {
        let clock = Clock::start();
        let until = nanos(self.wait?);
        loop {
            let left = Duration::from_nanos(until.saturating_sub(clock.now()));
            if self.endpoint.wait_for_last_scrape(left.min(GLANCE)) {
                return None;
            }
            if left.is_zero() || stop() {
                return Some("WARNING: Prometheus has not scraped the last figures".to_owned());
            }
        }
    }
}
