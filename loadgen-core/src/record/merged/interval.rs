//! What happened in one scenario between two snapshots.
//!
//! Owns the figures of about a second, for those who watch, and the times of the ten before it. The
//! run's own are `merger`'s.

use std::collections::VecDeque;
use std::time::Duration;

use super::Recent;
use crate::record::local::{BackendTick, StepTick, Tick};
use crate::record::{Ledger, Names, is_single};
use crate::workload::SampleKind;

/// The longest that the stretches before an interval may be together: ten seconds, with room for
/// seconds that were told a little late.
const LONGEST_BEFORE: Duration = Duration::from_millis(10_500);

/// What happened in one scenario between two snapshots.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Interval {
    /// How long it was.
    pub length: Duration,
    /// Changes of the ledger.
    pub ledger: Ledger,
    /// Response times of iterations that ended in it.
    pub response_time: Recent,
    /// Service times of iterations that ended in it.
    pub service_time: Recent,
    /// Start lag of iterations that started in it.
    pub start_lag: Recent,
    /// From due until a user was free, of iterations that started in it.
    pub queue_wait: Recent,
    /// From the start until the system took the request's last byte.
    pub send_lag: Recent,
    /// From the reply's receipt until the generator saw it, where that is known.
    pub read_lag: Recent,
    /// Start lag, send lag and read lag of the same request together.
    pub generator: Recent,
    /// Connect times of connections that opened in it.
    pub connect_time: Recent,
    /// The TLS handshake's part of these.
    pub tls_time: Recent,
    /// Each step.
    pub steps: Vec<StepInterval>,
    /// Whether the only step's times are the iterations'.
    is_single: bool,
    /// Response times of each backend's requests, in the order of the scenario record's.
    pub backends: Vec<Recent>,
    /// Each custom timing.
    pub timings: Vec<Recent>,
    /// How long the intervals were that its times remember, the oldest first.
    before: VecDeque<Duration>,
}

/// What happened in one step between two snapshots.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StepInterval {
    /// Times of a step among several. A single step's are its iteration's.
    times: Option<StepTimes>,
    /// Requests that ended well.
    pub ok: u64,
    /// Messages received in it.
    pub received: u64,
    /// Its further series, those that have had samples.
    pub samples: Vec<(SampleKind, Recent)>,
}

#[derive(Debug, Clone)]
struct StepTimes {
    response_time: Recent,
    service_time: Recent,
}

impl Interval {
    pub(super) fn new(names: &Names) -> Self {
        Self {
            length: Duration::ZERO,
            ledger: Ledger::default(),
            response_time: Recent::new(),
            service_time: Recent::new(),
            start_lag: Recent::new(),
            queue_wait: Recent::new(),
            send_lag: Recent::new(),
            read_lag: Recent::new(),
            generator: Recent::new(),
            connect_time: Recent::new(),
            tls_time: Recent::new(),
            steps: vec![StepInterval::default(); names.steps.len()],
            is_single: is_single(&names.steps),
            backends: Vec::new(),
            timings: names.timings.iter().map(|_| Recent::new()).collect(),
            before: VecDeque::new(),
        }
    }

    /// How long a stretch [`Recent::longer`] is of, this interval included: some eleven
    /// seconds, less at the beginning of a run.
    #[must_use]
    pub fn longer_length(&self) -> Duration {
        self.length + self.before.iter().sum::<Duration>()
    }

    /// Response and service times of a step's requests that ended in it. `None` where none ever
    /// did.
    #[must_use]
    pub fn step_times(&self, step: usize) -> Option<(&Recent, &Recent)> {
        if self.is_single {
            return Some((&self.response_time, &self.service_time));
        }
        let times = self.steps.get(step)?.times.as_ref()?;
        Some((&times.response_time, &times.service_time))
    }

    pub(super) fn add(&mut self, tick: &Tick) {
        self.ledger += tick.ledger;
        for (_, histogram) in &tick.response_time {
            self.response_time.second_mut().add(histogram);
        }
        let parts = &tick.parts;
        for (into, from) in [
            (&mut self.service_time, &tick.service_time),
            (&mut self.start_lag, &parts.start_lag),
            (&mut self.queue_wait, &parts.queue_wait),
            (&mut self.send_lag, &parts.send_lag),
            (&mut self.read_lag, &parts.read_lag),
            (&mut self.generator, &parts.generator),
            (&mut self.connect_time, &tick.connect_time),
        ] {
            into.second_mut().add(from);
        }
        if let Some(tls_time) = &tick.tls_time {
            self.tls_time.second_mut().add(tls_time);
        }
        if self.is_single
            && let [only] = &mut *self.steps
        {
            only.ok += tick.ledger.completed;
        }
        for (step, from) in self.steps.iter_mut().zip(&tick.steps) {
            if let Some(times) = &from.times {
                let into = step.times.get_or_insert_with(|| StepTimes {
                    response_time: Recent::new(),
                    service_time: Recent::new(),
                });
                into.response_time.second_mut().add(&times.response_time);
                into.service_time.second_mut().add(&times.service_time);
            }
            let ok = from.outcomes.iter().filter(|(outcome, _)| outcome.is_ok());
            step.ok += ok.map(|(_, count)| count).sum::<u64>();
            step.received += from.received;
            add_samples(&mut step.samples, from);
        }
        for (into, from) in self.timings.iter_mut().zip(&tick.timings) {
            into.second_mut().add(from);
        }
    }

    pub(super) fn add_backend(&mut self, place: usize, from: &BackendTick) {
        if from.requests == 0 {
            return;
        }
        while self.backends.len() <= place {
            self.backends.push(Recent::new());
        }
        from.response_time.add_to(self.backends[place].second_mut());
    }

    /// Empties it for the next one and keeps its memory. Its times are remembered, unless nothing
    /// was heard: then it was no interval.
    pub(super) fn clear(&mut self) {
        let heard = !self.length.is_zero();
        if heard {
            self.before.push_back(self.length);
            while self.before.iter().sum::<Duration>() > LONGEST_BEFORE {
                self.before.pop_front();
            }
        }
        let kept = self.before.len();
        self.ledger = Ledger::default();
        let times = self.steps.iter_mut().flat_map(|step| {
            (step.ok, step.received) = (0, 0);
            let times = step.times.iter_mut();
            let times = times.flat_map(|it| [&mut it.response_time, &mut it.service_time]);
            times.chain(step.samples.iter_mut().map(|(_, recent)| recent))
        });
        for recent in [
            &mut self.response_time,
            &mut self.service_time,
            &mut self.queue_wait,
            &mut self.start_lag,
            &mut self.send_lag,
            &mut self.read_lag,
            &mut self.generator,
            &mut self.connect_time,
            &mut self.tls_time,
        ]
        .into_iter()
        .chain(times)
        .chain(&mut self.backends)
        .chain(&mut self.timings)
        {
            if heard {
                recent.next(kept);
            } else {
                recent.forget_second();
            }
        }
    }
}

fn add_samples(into: &mut Vec<(SampleKind, Recent)>, from: &StepTick) {
    for (kind, histogram) in SampleKind::ALL.into_iter().zip(&from.samples) {
        let Some(histogram) = histogram.as_ref().filter(|it| !it.is_empty()) else {
            continue;
        };
        let place = into.iter().position(|(seen, _)| *seen == kind);
        let place = place.unwrap_or_else(|| {
            into.push((kind, Recent::new()));
            into.len() - 1
        });
        into[place].1.second_mut().add(histogram);
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    /// Intervals of these milliseconds, with one sample each; how many of them the last knows of.
    #[test_case(&[1_000; 4], 4, 4_000; "as many as there are")]
    #[test_case(&[1_000; 15], 11, 11_000; "ten seconds before it")]
    #[test_case(&[1_010; 15], 11, 11_110; "seconds told late")]
    #[test_case(&[1_000, 1_000, 30_000, 1_000], 1, 1_000; "what a long one had is too old")]
    #[test_case(&[1_000, 1_000, 0, 1_000], 3, 3_000; "where nothing was heard there was no interval")]
    fn times_remember_ten_seconds_before(lengths_ms: &[u64], known: u64, ms: u64) {
        let mut interval = Interval::new(&Names::default());
        for length in lengths_ms {
            interval.clear();
            interval.length = Duration::from_millis(*length);
            if *length > 0 {
                interval.response_time.second_mut().add(&one());
            }
        }
        assert_eq!(interval.response_time.longer_len(), known);
        assert_eq!(interval.longer_length(), Duration::from_millis(ms));
    }

    #[test]
    fn messages_are_counted_anew() {
        let names = Names {
            steps: vec!["pings".into()],
            ..Names::default()
        };
        let mut interval = Interval::new(&names);
        let mut tick = Tick::new(&names);
        tick.steps[0].received = 7;
        interval.add(&tick);
        interval.add(&tick);
        assert_eq!(interval.steps[0].received, 14);
        interval.clear();
        assert_eq!(interval.steps[0].received, 0);
    }

    fn one() -> crate::record::Histogram {
        let mut one = crate::record::new_histogram();
        one.saturating_record(1_000);
        one
    }

    /// A series that comes later is as long as the others.
    #[test]
    fn a_backend_that_comes_later_forgets_in_time() {
        let mut interval = Interval::new(&Names::default());
        let mut backend = BackendTick::new();
        backend.requests = 1;
        backend.response_time.record(1_000);
        for second in 0..20 {
            interval.clear();
            interval.length = Duration::from_secs(1);
            if second == 7 {
                interval.add_backend(0, &backend);
                backend.requests = 0;
            }
            let known = interval.backends.first().map(Recent::longer_len);
            let expected = (second >= 7).then(|| u64::from(second < 18));
            assert_eq!(known, expected, "{second}");
        }
    }
}
