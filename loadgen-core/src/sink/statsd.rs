//! StatsD: what happened since the last snapshot, summed up and sent once a second.
//!
//! Owns which name each metric has there. Prints nothing, waits for nothing: the socket does not
//! block, and what it does not take is part of the next flush.

mod backend;
mod emitter;
mod names;
mod tags;
mod wire;

use std::io;
use std::net::ToSocketAddrs;

use super::figures;
use super::metric::{Metric, Value};
use crate::engine::{Event, GeneratorSnapshot, Phase, ScenarioSnapshot};
use crate::record::{Names, ScenarioRecord};

pub use self::backend::BackendSink;
pub use self::emitter::{Emitter, Unsent};
pub use self::names::{DEFAULT_PREFIX, NameError, Prefix, PrefixError, clean, name};
pub use self::tags::Tags;

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
    emitter: Emitter,
    /// Each scenario's, in the order of the run.
    scenarios: Vec<Scope>,
    generator: Scope,
    is_finished: bool,
}

/// What a group of metrics has in common.
#[derive(Debug)]
struct Scope {
    /// What every name begins with.
    name: String,
    tags: Tags,
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
            emitter: Emitter::connect(address)?,
            scenarios: scenarios.into_iter().map(Scope::untagged).collect(),
            generator: Scope::untagged(format!("{prefix}.generator")),
            is_finished: false,
        })
    }

    /// Has every metric sent with tags: each scenario's own, and these, which come behind them and
    /// hold where both have one of a name.
    #[must_use]
    pub fn tagged(mut self, scenarios: &[Names], tags: &[(String, String)]) -> Self {
        for (scope, names) in self.scenarios.iter_mut().zip(scenarios) {
            scope.tags = Tags::new(names.tags.iter().chain(tags));
        }
        self.generator.tags = Tags::new(tags);
        self
    }

    /// A handle on what did not go out.
    #[must_use]
    pub fn unsent(&self) -> Unsent {
        self.emitter.unsent()
    }

    /// Takes in what the run tells, and sends it.
    pub fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Connected | Event::SoFar(_) | Event::Ending(_) => {}
            Event::Snapshot(snapshot) => {
                self.totals(snapshot.scenarios.iter().map(|it| it.total));
                self.of_the_moment(&snapshot.scenarios, &snapshot.generator);
                self.emitter.flush();
            }
            Event::Finished(record) => {
                self.totals(record.scenarios.iter());
                self.emitter.finish();
                self.is_finished = true;
            }
        }
    }

    fn totals<'a>(&mut self, records: impl Iterator<Item = &'a ScenarioRecord>) {
        for (scope, record) in self.scenarios.iter().zip(records) {
            figures::totals(record, &mut scope.taking(&mut self.emitter));
        }
    }

    fn of_the_moment(&mut self, scenarios: &[ScenarioSnapshot<'_>], generator: &GeneratorSnapshot) {
        for (scope, snapshot) in self.scenarios.iter().zip(scenarios) {
            figures::of_the_moment(snapshot, &mut scope.taking(&mut self.emitter));
            if snapshot.phase == Phase::Done {
                self.emitter.zero_gauges(&format!("{}.", scope.name));
            }
        }
        figures::of_the_generator(generator, &mut self.generator.taking(&mut self.emitter));
    }
}

/// A run that broke off tells no end; its gauges would stand for ever.
impl Drop for StatsdSink {
    fn drop(&mut self) {
        if !self.is_finished {
            self.emitter.finish();
        }
    }
}

impl Scope {
    fn untagged(name: String) -> Self {
        Self {
            name,
            tags: Tags::default(),
        }
    }

    /// Takes values into an emitter, under this scope's names.
    fn taking<'a>(
        &'a self,
        emitter: &'a mut Emitter,
    ) -> impl FnMut(&'static Metric, &[&str], Value) + 'a {
        move |metric, labels, value| {
            if value == Value::Count(0) {
                return;
            }
            let name = name(&self.name, metric, labels);
            match value {
                Value::Count(total) => emitter.count(&name, &self.tags, total),
                Value::Level(value) => emitter.gauge(&name, &self.tags, value),
            }
        }
    }
}

#[cfg(test)]
mod pressed;
#[cfg(test)]
mod tests;
