//! StatsD: what happened since the last snapshot, summed up and sent once a second.
//!
//! Owns what is sent and what is still to be sent. Prints nothing, waits for nothing: the socket
//! does not block, and what it does not take is part of the next flush.

mod figures;
mod names;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cadence::{Counter, Gauge, Metric};

use self::figures::Figures;
use self::wire::{Lines, Sent, Wire};
use crate::engine::Event;
use crate::record::{Names, ScenarioRecord};

pub use self::names::{DEFAULT_PREFIX, NameError, Prefix, PrefixError};

/// The port of StatsD unless told.
pub const DEFAULT_PORT: u16 = 8125;

/// Why there is no sink.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatsdError {
    /// The address is none, or the system has no socket for it.
    #[error("failed to open a socket for StatsD: {0}")]
    Socket(#[from] io::Error),
    /// Names that cannot be told apart.
    #[error(transparent)]
    Names(#[from] NameError),
}

/// Sends a run's figures to a StatsD server. Hand each [`Event`] to [`hear`](Self::hear).
///
/// ```no_run
/// use loadgen_core::engine::{Event, Options, Run};
/// use loadgen_core::sink::statsd::{Prefix, StatsdSink};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let run = Run::new(Options::default());
/// let mut sink = StatsdSink::new("127.0.0.1:8125", &Prefix::default(), &run.names())?;
/// let unsent = sink.unsent();
/// let run = run.listen(move |event: &Event<'_>| sink.hear(event));
/// run.execute()?;
/// assert_eq!(unsent.counters(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct StatsdSink {
    wire: Wire,
    /// Each scenario's part of every name, in the order of the run.
    scenarios: Vec<String>,
    counters: BTreeMap<String, Count>,
    gauges: BTreeMap<String, f64>,
    /// Counts that the kernel took in the flush before, in case it hears of a refusal only now.
    in_doubt: Vec<(String, u64)>,
    unsent: Unsent,
}

/// A counter: how far it is, and how much of that has been sent.
#[derive(Debug, Default)]
struct Count {
    total: u64,
    sent: u64,
}

/// What did not go out, to be read while the run goes on and after it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Unsent(Arc<UnsentCounts>);

#[derive(Debug, Default)]
struct UnsentCounts {
    datagrams: AtomicU64,
    counters: AtomicU64,
}

impl Unsent {
    /// Times that the kernel refused a datagram: nobody listened, or there was no room.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.0.datagrams.load(Ordering::Relaxed)
    }

    /// Counters of which a part is still to be sent. After the run: which fall short of it.
    #[must_use]
    pub fn counters(&self) -> u64 {
        self.0.counters.load(Ordering::Relaxed)
    }
}

impl StatsdSink {
    /// A sink for a run whose scenarios have these names ([`Run::names`](crate::engine::Run::names)),
    /// in its order.
    ///
    /// # Errors
    /// [`StatsdError`] when the address cannot be resolved, or two names would be one.
    pub fn new(
        address: impl ToSocketAddrs,
        prefix: &Prefix,
        scenarios: &[Names],
    ) -> Result<Self, StatsdError> {
        let scenarios = names::scenarios(prefix, scenarios)?;
        Ok(Self {
            wire: Wire::connect(address)?,
            scenarios,
            counters: BTreeMap::new(),
            gauges: BTreeMap::new(),
            in_doubt: Vec::new(),
            unsent: Unsent::default(),
        })
    }

    /// A handle on what did not go out.
    #[must_use]
    pub fn unsent(&self) -> Unsent {
        self.unsent.clone()
    }

    /// Takes in what the run tells, and sends it.
    pub fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Connected => {}
            Event::Snapshot(snapshot) => {
                let records = snapshot.scenarios.iter().map(|it| it.total);
                let mut figures = self.figures(records);
                for (name, scenario) in self.scenarios.iter().zip(&snapshot.scenarios) {
                    figures.of_the_moment(name, scenario);
                }
                for (name, value) in &figures.gauges {
                    self.gauges.insert(name.clone(), *value);
                }
                self.flush(figures);
            }
            Event::Finished(record) => {
                let mut figures = self.figures(record.scenarios.iter());
                // A gauge stands in StatsD until it is told otherwise.
                let shown = std::mem::take(&mut self.gauges);
                figures.gauges = shown.into_keys().map(|name| (name, 0.0)).collect();
                self.flush(figures);
            }
        }
    }

    fn figures<'a>(&self, records: impl Iterator<Item = &'a ScenarioRecord>) -> Figures {
        let mut figures = Figures::default();
        for (name, record) in self.scenarios.iter().zip(records) {
            figures.so_far(name, record);
        }
        figures
    }

    /// Sends what is new. Whatever is not taken stays to be sent.
    fn flush(&mut self, figures: Figures) {
        if self.wire.refused() {
            // The answer to the flush before came after it was over.
            self.count_refusal();
            self.put_back();
        }
        self.in_doubt.clear();
        for (name, total) in figures.counters {
            self.counters.entry(name).or_default().total = total;
        }
        let mut lines = Lines::default();
        for (name, count) in &self.counters {
            let delta = count.total.saturating_sub(count.sent);
            if delta > 0 {
                // StatsD counts in floating point; the format's own limit is never the nearer one.
                let delta = delta.min(i64::MAX.unsigned_abs());
                let line = Counter::new("", name, delta.cast_signed());
                lines.push(line.as_metric_str(), Some((name.clone(), delta)));
            }
        }
        for (name, value) in &figures.gauges {
            lines.push(Gauge::new_f64("", name, *value).as_metric_str(), None);
        }
        for datagram in lines.datagrams {
            let sent = self.wire.send(&datagram.text);
            if sent == Sent::Taken {
                for (name, delta) in datagram.deltas {
                    if let Some(count) = self.counters.get_mut(&name) {
                        count.sent += delta;
                    }
                    self.in_doubt.push((name, delta));
                }
                continue;
            }
            self.count_refusal();
            if sent == Sent::Refused {
                // Which of this flush's datagrams it was about is not said; whoever was not there
                // for one was not there for those some microseconds before.
                self.put_back();
            }
            // The next second is soon enough.
            break;
        }
        let behind = self.counters.values().filter(|it| it.sent < it.total);
        let behind = behind.count() as u64;
        self.unsent.0.counters.store(behind, Ordering::Relaxed);
    }

    fn count_refusal(&self) {
        self.unsent.0.datagrams.fetch_add(1, Ordering::Relaxed);
    }

    fn put_back(&mut self) {
        for (name, delta) in self.in_doubt.drain(..) {
            if let Some(count) = self.counters.get_mut(&name) {
                count.sent -= delta;
            }
        }
    }
}

#[cfg(test)]
mod tests;
