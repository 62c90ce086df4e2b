//! What the servers tell StatsD of themselves, once a second and when they have ended.

use std::collections::BTreeSet;
use std::time::Duration;

use loadgen_core::clock::{Clock, Nanos};
use loadgen_core::sink::Served;
use loadgen_core::sink::statsd::{BackendSink, Prefix, Unsent, clean};

use super::serving::{ServerError, Serving};
use crate::args::ServerArgs;
use crate::settings::sinks;
use crate::sinks::SinkError;
use crate::sinks::statsd::Server;

const SECOND: Nanos = 1_000_000_000;

/// Sends the servers' metrics.
#[derive(Debug)]
pub(crate) struct Reporter {
    server: Server,
    prefix: Prefix,
    sink: BackendSink,
    unsent: Unsent,
    clock: Clock,
    due: Nanos,
    named: bool,
}

impl Reporter {
    /// One, if flag or environment says where metrics go.
    ///
    /// # Errors
    /// When that is nonsense, or a host without an address.
    pub(crate) fn open(args: &ServerArgs) -> Result<Option<Self>, ServerError> {
        let variable = |name: &str| std::env::var_os(name);
        let Some(target) = sinks::statsd(args.statsd.as_ref(), variable)? else {
            return Ok(None);
        };
        let prefix = args.statsd_prefix.clone().unwrap_or_default();
        let server = Server::look_up(&target)?;
        let clock = Clock::start();
        let sink = BackendSink::new(&server.addresses[..], &prefix, clock);
        let sink = sink.map_err(|source| SinkError::Statsd {
            address: server.said.clone(),
            source,
        })?;
        Ok(Some(Self {
            server,
            prefix,
            unsent: sink.unsent(),
            sink,
            clock,
            due: SECOND,
            named: args.id.is_some(),
        }))
    }

    /// Where metrics go, and under which names.
    pub(crate) fn notice(&self, serving: &[Serving]) -> String {
        let ids: BTreeSet<_> = serving.iter().map(|it| clean(it.server.id())).collect();
        let names = ids
            .into_iter()
            .map(|id| format!("{}.backend.{id}.*", self.prefix));
        let hint = if self.named {
            ""
        } else {
            "; --id gives them a name that stays the same from start to start"
        };
        format!(
            "metrics go to StatsD at {} as {}{hint}",
            self.server.said,
            names.collect::<Vec<_>>().join(" and ")
        )
    }

    /// How long until the next report.
    pub(crate) fn due_in(&self) -> Duration {
        Duration::from_nanos(self.due.saturating_sub(self.clock.now()))
    }

    /// Sends how the servers stand.
    pub(crate) fn report(&mut self, serving: &[Serving]) {
        self.sink.tell(&served(serving));
        // Seconds that were missed, for a process that stood still, are not made up for.
        self.due = (self.clock.now() / SECOND + 1) * SECOND;
    }

    /// Sends the last of it, and says what did not get there.
    pub(crate) fn finish(mut self, serving: &[Serving]) -> Option<String> {
        self.sink.finish(&served(serving));
        self.server.complaint(&self.unsent)
    }
}

fn served(serving: &[Serving]) -> Vec<Served<'_>> {
    let served = serving.iter().filter_map(|it| {
        let activity = it.server.activity()?;
        Some(Served {
            id: it.server.id(),
            protocol: it.row.name,
            requests: activity.requests,
            failed: activity.failed,
            connections_opened: activity.connections_opened,
            connections_open: activity.connections_open,
            handling_time: (&activity.handling_time).into(),
        })
    });
    served.collect()
}
