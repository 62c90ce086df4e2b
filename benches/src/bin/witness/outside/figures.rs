//! From the server's log and the schedule to the figures that a generator should print.

use std::collections::HashMap;

use super::case::{Case, Fault, Load, PACE, Shape};
use super::clock::{MILLISECOND, Nanos, SECOND};
use super::server::{Entry, Log};

/// A series of times that loadgen prints percentiles of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Figure {
    /// From due until the reply.
    Response,
    /// From due until the reply, had the generator been on time: what a verdict answers for when
    /// the generator was held up.
    Undisturbed,
    /// From the request until the reply.
    Service,
    /// From the request until the first message of a stream.
    FirstMessage,
    /// From one message of a stream to the next.
    MessageGap,
    /// From a message, or from when it was due where messages are paced, until its reply.
    RoundTrip,
}

impl Figure {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Undisturbed => "response, on time",
            Self::Service => "service",
            Self::FirstMessage => "first message",
            Self::MessageGap => "message gap",
            Self::RoundTrip => "round trip",
        }
    }

    /// Where it stands in the result document.
    pub(super) fn pointer(self) -> &'static str {
        match self {
            Self::Response | Self::Undisturbed => "/scenarios/0/response_time_us",
            Self::Service => "/scenarios/0/service_time_us",
            Self::FirstMessage => "/scenarios/0/steps/0/first_message_us",
            Self::MessageGap => "/scenarios/0/steps/0/message_gap_us",
            Self::RoundTrip => "/scenarios/0/steps/0/round_trip_us",
        }
    }
}

/// What the witness knows of a run.
#[derive(Debug, Default)]
pub(super) struct Truth {
    /// Iterations that were answered.
    pub(super) calls: u64,
    /// Replies that were never written.
    pub(super) unanswered: u64,
    /// Each series, its times rising.
    pub(super) series: Vec<(Figure, Vec<Nanos>)>,
}

/// One iteration, as the server saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Call {
    received: Nanos,
    first_written: Nanos,
    written: Nanos,
}

impl Truth {
    /// What the log says. `said` is when the generator says that it began, if it does so to better
    /// than a millisecond.
    pub(super) fn of(log: &Log, case: &Case, said: Option<Nanos>) -> Self {
        let answered = |entry: &&Entry| entry.written > 0;
        let unanswered = log
            .entries
            .iter()
            .filter(|entry| entry.written == 0)
            .count();
        let entries: Vec<Entry> = log.entries.iter().filter(answered).copied().collect();
        let lanes = lanes(&entries, case.shape);
        let calls: Vec<Call> = lanes.iter().filter_map(|lane| call(lane)).collect();
        let mut truth = Self {
            calls: calls.len() as u64,
            unanswered: unanswered as u64,
            series: Vec::new(),
        };
        if let Load::Open { rate, .. } = case.load {
            truth.add(Figure::Response, responses(&calls, rate, said));
            if case.fault != Fault::Nothing {
                truth.add(Figure::Undisturbed, services(&calls));
            }
        }
        match case.shape {
            Shape::Unary => truth.add(Figure::Service, services(&calls)),
            // A user that is new opens its connection first, and says so in its service time; only
            // in a closed model does that happen before the clock starts.
            Shape::Websocket => {
                if matches!(case.load, Load::Closed { .. }) {
                    truth.add(Figure::Service, services(&calls));
                }
                truth.add(Figure::RoundTrip, services(&calls));
            }
            Shape::ServerStream => {
                let first = calls.iter().map(|it| it.first_written - it.received);
                truth.add(Figure::FirstMessage, first.collect());
                let gaps = lanes.iter().flat_map(|lane| {
                    lane.windows(2)
                        .map(|pair| pair[1].written - pair[0].written)
                });
                truth.add(Figure::MessageGap, gaps.collect());
                truth.add(Figure::Service, services(&calls));
            }
            Shape::Bidirectional => {
                let messages = lanes.iter().flatten().filter(|entry| !entry.is_end);
                let trips = messages.map(|entry| entry.written - entry.received);
                truth.add(Figure::RoundTrip, trips.collect());
                truth.add(Figure::Service, services(&calls));
            }
            Shape::PacedStream | Shape::PacedWebsocket => {
                let trips = lanes.iter().flat_map(|lane| paced_trips(lane));
                truth.add(Figure::RoundTrip, trips.collect());
            }
        }
        truth
    }

    fn add(&mut self, figure: Figure, mut times: Vec<Nanos>) {
        times.sort_unstable();
        self.series.push((figure, times));
    }
}

/// The entries of each iteration, in the order of their requests.
fn lanes(entries: &[Entry], shape: Shape) -> Vec<Vec<Entry>> {
    match shape {
        Shape::Unary | Shape::Websocket => entries.iter().map(|&entry| vec![entry]).collect(),
        _ => {
            let mut lanes: HashMap<u64, Vec<Entry>> = HashMap::new();
            for &entry in entries {
                lanes.entry(entry.lane).or_default().push(entry);
            }
            lanes.into_values().collect()
        }
    }
}

fn call(lane: &[Entry]) -> Option<Call> {
    let (first, last) = (lane.first()?, lane.last()?);
    Some(Call {
        received: first.received,
        first_written: first.written,
        written: last.written,
    })
}

fn services(calls: &[Call]) -> Vec<Nanos> {
    calls.iter().map(|it| it.written - it.received).collect()
}

/// The times from due until the reply of calls that are due evenly.
///
/// A generator is never early, so the schedule began no later than each request was received less
/// its distance from the beginning: the least of these is the beginning, too late by as much as
/// the request that was least late. What the generator says is better by that much. It is believed
/// where it is no later and at most a millisecond earlier: with a beginning that is too early it
/// would be found out to print too little. Requests go out in the order in which they fall due.
fn responses(calls: &[Call], rate: u32, said: Option<Nanos>) -> Vec<Nanos> {
    let mut calls = calls.to_vec();
    calls.sort_unstable_by_key(|it| it.received);
    let due = |nth: usize| nth as Nanos * SECOND / Nanos::from(rate);
    let latest = began(calls.iter().map(|it| it.received), due);
    let began = said
        .filter(|said| (latest.saturating_sub(MILLISECOND)..=latest).contains(said))
        .unwrap_or(latest);
    let of = |(nth, it): (usize, &Call)| it.written.saturating_sub(began + due(nth));
    calls.iter().enumerate().map(of).collect()
}

/// The latest that a schedule can have begun of which these are the requests, in order.
fn began(received: impl Iterator<Item = Nanos>, due: impl Fn(usize) -> Nanos) -> Nanos {
    let begins = received.enumerate().map(|(nth, at)| at - due(nth));
    begins.min().unwrap_or_default()
}

/// The round trips of messages that are due evenly, from the first on.
fn paced_trips(lane: &[Entry]) -> Vec<Nanos> {
    let messages: Vec<Entry> = lane.iter().filter(|entry| !entry.is_end).copied().collect();
    let due = |nth: usize| nth as Nanos * PACE;
    let began = began(messages.iter().map(|it| it.received), due);
    let of = |(nth, it): (usize, &Entry)| it.written.saturating_sub(began + due(nth));
    messages.iter().enumerate().map(of).collect()
}

/// The least time that at least this share of them do not exceed, as loadgen defines it.
pub(super) fn percentile(rising: &[Nanos], quantile: f64) -> Option<Nanos> {
    let rank = (quantile * rising.len() as f64).ceil() as usize;
    rising.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::super::service::Service;
    use super::*;

    fn case(shape: Shape, load: Load) -> Case {
        Case {
            group: "test",
            is_quick: false,
            shape,
            load,
            service: Service::ZERO,
            fault: Fault::Nothing,
        }
    }

    fn entry(lane: u64, received: Nanos, written: Nanos) -> Entry {
        Entry {
            lane,
            is_end: false,
            received,
            written,
        }
    }

    fn truth(entries: &[Entry], case: &Case) -> Truth {
        let log = Log {
            entries: entries.to_vec(),
            ..Log::default()
        };
        Truth::of(&log, case, None)
    }

    fn of(truth: &Truth, figure: Figure) -> Vec<Nanos> {
        let found = truth.series.iter().find(|(of, _)| *of == figure);
        found.expect("the figure is there").1.clone()
    }

    #[test]
    fn a_late_request_counts_from_when_it_was_due() {
        let rate = 1_000;
        let begun = 7 * SECOND;
        // The third is 5 ms late, and those behind it go out with it.
        let late = [0, 0, 5, 4, 3];
        let entries: Vec<Entry> = (0..5)
            .map(|nth| {
                let received = begun + (nth + late[nth as usize]) * MILLISECOND;
                entry(nth, received, received + MILLISECOND)
            })
            .collect();
        let load = Load::Open { rate, seconds: 1 };
        let truth = truth(&entries, &case(Shape::Unary, load));
        let ms: Vec<u64> = [1, 1, 4, 5, 6].map(|it| it * MILLISECOND).to_vec();
        assert_eq!(of(&truth, Figure::Response), ms);
        assert_eq!(of(&truth, Figure::Service), [MILLISECOND; 5]);
        assert_eq!((truth.calls, truth.unanswered), (5, 0));
    }

    #[test_case(7_000_000_001 => 30_000; "later than it can be")]
    #[test_case(6_999_960_000 => 70_000; "a little earlier than the first request")]
    #[test_case(6_998_000_000 => 30_000; "much earlier")]
    fn the_beginning_is_what_the_generator_says_within_limits(said: Nanos) -> Nanos {
        let received = 7 * SECOND;
        let call = Call {
            received,
            first_written: received + 30_000,
            written: received + 30_000,
        };
        responses(&[call], 1_000, Some(said))[0]
    }

    #[test]
    fn a_paced_message_counts_from_when_it_was_due() {
        let mut entries: Vec<Entry> = [(10, 11), (11, 14), (14, 15), (15, 16)]
            .map(|(received, written)| entry(1, received * PACE, written * PACE))
            .to_vec();
        entries.push(Entry {
            is_end: true,
            ..entry(1, 99 * PACE, 99 * PACE)
        });
        let truth = truth(&entries, &case(Shape::PacedStream, Load::Once));
        assert_eq!(
            of(&truth, Figure::RoundTrip),
            [1, 3, 3, 3].map(|it| it * PACE)
        );
        assert_eq!(truth.calls, 1);
    }

    #[test]
    fn a_stream_is_one_call_and_a_reply_that_was_not_written_none() {
        let entries = [
            entry(1, 10, 12),
            entry(2, 10, 13),
            entry(1, 10, 22),
            entry(2, 10, 0),
        ];
        let truth = truth(&entries, &case(Shape::ServerStream, Load::Once));
        assert_eq!((truth.calls, truth.unanswered), (2, 1));
        assert_eq!(of(&truth, Figure::FirstMessage), [2, 3]);
        assert_eq!(of(&truth, Figure::MessageGap), [10]);
        assert_eq!(of(&truth, Figure::Service), [3, 12]);
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_a_histogram(
            mut times in prop::collection::vec(1_u64..2_000, 1..300),
            quantile in 0.0_f64..=1.0,
        ) {
            let mut histogram = loadgen_core::record::new_histogram();
            for &time in &times {
                histogram.saturating_record(time);
            }
            times.sort_unstable();
            prop_assert_eq!(percentile(&times, quantile), Some(histogram.value_at_quantile(quantile)));
        }
    }
}
