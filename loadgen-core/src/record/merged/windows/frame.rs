//! What a worker's tick has of a figure, by the second.

use std::borrow::Cow;

use crate::outcome::Outcome;
use crate::record::local::{StepTick, Tick};
use crate::record::watch::{Count, Figure, StepCount, Times, TimesOf};
use crate::record::{Histogram, Parts, Sparse, StepSpec, is_single};
use crate::workload::SampleKind;

/// What is kept of one second for one figure.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    pub(super) times: Sparse,
    pub(super) part: u64,
    pub(super) whole: u64,
    /// Of that, what somebody withheld: it may have been planned in an earlier second.
    pub(super) withheld: u64,
}

impl Frame {
    pub(super) fn add(&mut self, other: &Self) {
        if !other.times.is_empty() {
            self.times.add(&other.times);
        }
        self.part += other.part;
        self.whole += other.whole;
        self.withheld += other.withheld;
    }
}

/// A worker's tick, and what it takes to read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(in crate::record::merged) tick: &'a Tick,
    /// The second that it is of.
    pub(in crate::record::merged) second: u64,
    pub(in crate::record::merged) steps: &'a [StepSpec],
    /// The names of the servers, by the worker's own numbers.
    pub(in crate::record::merged) backends: &'a [&'a str],
}

impl<'a> Seen<'a> {
    /// Tells what belongs to which second; several times of one where it comes in parts.
    pub(super) fn read(&self, figure: &Figure, mut tell: impl FnMut(u64, Frame)) {
        match figure {
            Figure::Times(times, _) => self.times(times, |second, times| {
                let frame = Frame {
                    times,
                    ..Frame::default()
                };
                tell(second, frame);
            }),
            Figure::Count(count) | Figure::Rate(count) => self.count(count, |second, part| {
                let frame = Frame {
                    part,
                    ..Frame::default()
                };
                tell(second, frame);
            }),
            Figure::Share { part, whole } => {
                for count in part {
                    self.count(count, |second, part| {
                        tell(
                            second,
                            Frame {
                                part,
                                ..Frame::default()
                            },
                        );
                    });
                }
                let withheld = self.tick.ledger.withheld;
                if withheld > 0 && whole.contains(&Count::Wanted) {
                    tell(
                        self.second,
                        Frame {
                            withheld,
                            ..Frame::default()
                        },
                    );
                }
                for count in whole {
                    self.count(count, |second, whole| {
                        tell(
                            second,
                            Frame {
                                whole,
                                ..Frame::default()
                            },
                        );
                    });
                }
            }
        }
    }

    fn times(&self, times: &Times, mut tell: impl FnMut(u64, Sparse)) {
        let of = match times {
            Times::Backend(name) => {
                if let Some(backend) = self.backend(name)
                    && backend.requests > 0
                {
                    tell(self.second, backend.response_time.pack());
                }
                return;
            }
            Times::Scenario(TimesOf::ResponseTime) => {
                for (due_second, histogram) in &self.tick.response_time {
                    tell(*due_second, Sparse::of(histogram));
                }
                return;
            }
            // The only step's are the iteration's.
            Times::Step(name, of @ TimesOf::ResponseTime) if is_single(self.steps) => {
                if self.steps.iter().any(|step| step.name == *name) {
                    self.times(&Times::Scenario(*of), tell);
                }
                return;
            }
            Times::Scenario(of) => self.of_scenario(*of),
            Times::Step(name, of) => self.of_step(name, *of),
        };
        if let Some(histogram) = of.filter(|it| it.has_any()) {
            tell(self.second, Sparse::of(&histogram));
        }
    }

    fn of_scenario(&self, of: TimesOf) -> Option<Cow<'a, Histogram>> {
        let tick = self.tick;
        match of {
            TimesOf::ServiceTime => Some(Cow::Borrowed(&tick.service_time)),
            TimesOf::ConnectTime => Some(Cow::Borrowed(&tick.connect_time)),
            TimesOf::TlsTime => tick.tls_time.as_ref().map(Cow::Borrowed),
            TimesOf::Sample(kind) => {
                let mut all = tick.steps.iter().filter_map(|step| samples(step, kind));
                let mut sum = all.next()?.clone();
                all.for_each(|it| sum.add(it));
                Some(Cow::Owned(sum))
            }
            _ => among(of, &tick.parts).map(Cow::Borrowed),
        }
    }

    fn of_step(&self, name: &str, of: TimesOf) -> Option<Cow<'a, Histogram>> {
        let step = self.step(name)?;
        if let TimesOf::Sample(kind) = of {
            return samples(step, kind).map(Cow::Borrowed);
        }
        if is_single(self.steps) {
            return self.of_scenario(of);
        }
        let times = step.times.as_deref()?;
        Some(Cow::Borrowed(match of {
            TimesOf::ResponseTime => &times.response_time,
            TimesOf::ServiceTime => &times.service_time,
            _ => among(of, &times.parts)?,
        }))
    }

    fn count(&self, count: &Count, mut tell: impl FnMut(u64, u64)) {
        let tick = self.tick;
        let ledger = &tick.ledger;
        let happened = |of: fn(&crate::record::local::Happened) -> u64,
                        tell: &mut dyn FnMut(u64, u64)| {
            for (second, happened) in &tick.happened {
                tell(*second, of(happened));
            }
        };
        let number = match count {
            Count::Started => return happened(|it| it.started, &mut tell),
            Count::Completed => return happened(|it| it.completed, &mut tell),
            Count::Failed => return happened(|it| it.failed, &mut tell),
            Count::ConnectionsOpened => return happened(|it| it.connections.opened, &mut tell),
            Count::ConnectionsFailed => return happened(|it| it.connections.failed, &mut tell),
            Count::ConnectionsDropped => return happened(|it| it.connections.dropped, &mut tell),
            // What of it was withheld is told apart.
            Count::Planned | Count::Wanted => ledger.planned,
            Count::Interrupted => ledger.interrupted,
            Count::Dropped => ledger.missed(),
            Count::Late => ledger.late,
            Count::Unanswered => tick.unanswered,
            Count::Outcome(key) => counted(tick.outcomes.iter(), key),
            Count::Requests if is_single(self.steps) => all(tick.outcomes.iter()),
            Count::Requests => {
                let steps = self.steps.iter().zip(&tick.steps);
                let iterated = steps.filter(|(step, _)| step.part.is_none());
                iterated.map(|(_, it)| all(it.outcomes.iter())).sum()
            }
            Count::OfStep(name, count) => self.of_step_count(name, count),
            Count::BackendRequests(name) => self.backend(name).map_or(0, |it| it.requests),
            Count::BackendFailed(name) => self.backend(name).map_or(0, |it| it.failed),
        };
        if number > 0 {
            tell(self.second, number);
        }
    }

    fn of_step_count(&self, name: &str, count: &StepCount) -> u64 {
        let Some(step) = self.step(name) else {
            return 0;
        };
        let is_only = is_single(self.steps);
        let outcomes = if is_only {
            &self.tick.outcomes
        } else {
            &step.outcomes
        };
        match count {
            StepCount::Ok => counted(outcomes.iter(), "ok"),
            StepCount::Failed => all(outcomes.iter()) - counted(outcomes.iter(), "ok"),
            StepCount::Unanswered if is_only => self.tick.unanswered,
            StepCount::Unanswered => step.unanswered,
            StepCount::Outcome(key) => counted(outcomes.iter(), key),
            StepCount::Sent => step.sent,
            StepCount::Received => step.received,
            StepCount::Fault(fault) => step.faults[*fault as usize],
        }
    }

    fn step(&self, name: &str) -> Option<&'a StepTick> {
        let place = self.steps.iter().position(|it| it.name == name)?;
        self.tick.steps.get(place)
    }

    fn backend(&self, name: &str) -> Option<&'a crate::record::local::BackendTick> {
        let place = self.backends.iter().position(|it| *it == name)?;
        self.tick.backends.get(place)
    }
}

fn samples(step: &StepTick, kind: SampleKind) -> Option<&Histogram> {
    let place = SampleKind::ALL.iter().position(|it| *it == kind)?;
    step.samples[place].as_ref()
}

fn among(of: TimesOf, parts: &Parts) -> Option<&Histogram> {
    match of {
        TimesOf::Undelayed => Some(&parts.undelayed),
        TimesOf::StartLag => Some(&parts.start_lag),
        TimesOf::QueueWait => Some(&parts.queue_wait),
        TimesOf::SendLag => Some(&parts.send_lag),
        TimesOf::ReadLag => Some(&parts.read_lag),
        TimesOf::Generator => Some(&parts.generator),
        TimesOf::ResponseTime
        | TimesOf::ServiceTime
        | TimesOf::ConnectTime
        | TimesOf::TlsTime
        | TimesOf::Sample(_) => None,
    }
}

fn counted(outcomes: impl Iterator<Item = (Outcome, u64)>, key: &str) -> u64 {
    let of_key = outcomes.filter(|(outcome, _)| outcome.to_string() == key);
    of_key.map(|(_, count)| count).sum()
}

fn all(outcomes: impl Iterator<Item = (Outcome, u64)>) -> u64 {
    outcomes.map(|(_, count)| count).sum()
}
