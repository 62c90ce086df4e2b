//! How much of each percentile is the generator's own.
//!
//! The generator's part at a percentile is that percentile of a series less the same percentile of
//! the series without start lag and send lag, or without the lag of messages.

use std::fmt::{self, Write};

use super::super::document::{Grid, Quantile, percentile};
use super::super::phrase::{percent, span};
use super::alike::{self, Alike};
use super::{Findings, Kind, Titled, ratio, span_us};
use crate::clock::{Nanos, nanos};
use crate::pacer::Pacing;
use crate::record::{GeneratorRecord, Histogram, Parts, StepRecord, WorkerRecord};
use crate::workload::SampleKind;

/// A larger part of a percentile than this makes it doubtful.
const NOTABLE_PART: f64 = 0.1;
/// And more than this, in microseconds: nobody would notice less.
const NOTABLE_US: f64 = 50.0;
/// A larger part of a percentile than this, and it does not describe the service.
const MOST_PART: f64 = 0.5;
/// A percentile that at least this share of the times is above can make a run invalid. One that fewer
/// are above is moved by a single pause of the machine's, which is no reason to throw all others away;
/// a warning names it.
const DECIDES: f64 = 0.01;

/// A percentile and what of it is the generator's.
#[derive(Debug, Clone, Copy)]
struct Delayed {
    name: &'static str,
    /// Which share of the times is above it.
    above: f64,
    seen_us: f64,
    undelayed_us: f64,
}

impl Delayed {
    fn part_us(self) -> f64 {
        self.seen_us - self.undelayed_us
    }

    fn share(self) -> f64 {
        self.part_us() / self.seen_us
    }

    fn is_notable(self) -> bool {
        self.share() > NOTABLE_PART && self.part_us() > NOTABLE_US
    }

    fn is_too_much(self, late_after_us: f64) -> bool {
        self.above >= DECIDES && self.share() > MOST_PART && self.part_us() > late_after_us
    }
}

/// The percentiles of a series: the name, which share of the times is above, and the figure in microseconds where it
/// is given.
fn percentiles(times: &Histogram) -> [(&'static str, f64, Option<f64>); 6] {
    [
        ("p50", 0.5, Quantile::P50),
        ("p90", 0.1, Quantile::P90),
        ("p95", 0.05, Quantile::P95),
        ("p99", 0.01, Quantile::P99),
        ("p99.9", 0.001, Quantile::P999),
        ("p99.99", 0.0001, Quantile::P9999),
    ]
    .map(|(name, above, quantile)| (name, above, percentile(times, quantile)))
}

/// Those that are given of a series and notably delayed.
fn notable(seen: &Histogram, undelayed: &Histogram) -> Vec<Delayed> {
    let pairs = percentiles(seen).into_iter().zip(percentiles(undelayed));
    pairs
        .filter_map(|((name, above, seen), (_, _, without))| {
            Some(Delayed {
                name,
                above,
                seen_us: seen?,
                undelayed_us: without?,
            })
        })
        .filter(|it| it.is_notable())
        .collect()
}

/// The grid that workers slept to, where one did: the coarsest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen {
    ticks_apart: Nanos,
    /// Whether all of them did so, nearly all the time.
    is_for_all: bool,
    pacing: Pacing,
}

impl Chosen {
    pub(super) fn of(generator: &GeneratorRecord) -> Option<Self> {
        let grids = generator.workers.iter().filter_map(|it| it.grid);
        let ticks_apart = grids.map(|it| nanos(it.ticks_apart)).max()?;
        let is_long = |it: &WorkerRecord| it.grid.is_some_and(|it| it.share >= Grid::NEARLY_ALL);
        Some(Self {
            ticks_apart,
            is_for_all: generator.workers.iter().all(is_long),
            pacing: generator.pacing,
        })
    }

    /// Whether it alone may have done this to something of so many steps: each waits for a tick to start, and
    /// where it shares its stamp with a later one is seen by one of the next only. That share of the replies does:
    /// no fewer than are above a percentile can have moved it.
    fn explains(self, part: &Delayed, steps: usize, in_doubt: f64) -> bool {
        let shares_stamps = in_doubt > part.above;
        let ticks = steps.max(1) as Nanos * (1 + Nanos::from(shares_stamps));
        let by_itself_us = self.ticks_apart * ticks / 1_000;
        self.is_for_all && part.part_us() <= by_itself_us as f64 + NOTABLE_US
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ticks_apart,
            pacing,
            ..
        } = self;
        let apart = span(*ticks_apart);
        let finer = match *ticks_apart > nanos(Pacing::FINEST) {
            true => "a finer one delays less, ",
            false => "",
        };
        write!(
            f,
            "a grid of {apart} was chosen to save processor time (`--pacing {pacing}`; {finer}`exact` by nothing)"
        )
    }
}

/// Judges every series of a scenario that the generator's part is in.
pub(super) fn judge(scenario: &Titled<'_>, chosen: Option<Chosen>, findings: &mut Findings) {
    let name = format!("`{}`", scenario.title);
    let undelayed = &scenario.parts.undelayed;
    let of_scenario = (
        name.clone(),
        "response time",
        &scenario.response_time,
        undelayed,
        ratio(scenario.parts.in_doubt, scenario.service_time.len()),
    );
    let is_single = scenario.has_single_step();
    let of_steps = scenario.iterated().filter(|_| !is_single);
    let of_steps = of_steps.filter_map(|step| {
        let parts = step.parts.as_deref()?;
        let of = format!("{name} step `{}`", step.name);
        let in_doubt = ratio(parts.in_doubt, step.service_time.len());
        let seen = &step.response_time;
        Some((of, "response time", seen, &parts.undelayed, in_doubt))
    });
    let of_messages = scenario.iterated().filter_map(|step| {
        let seen = samples(step, SampleKind::RoundTrip)?;
        let undelayed = samples(step, SampleKind::UndelayedRoundTrip)?;
        let of = format!("{name} step `{}`", step.name);
        let doubts = samples(step, SampleKind::MessageDoubt).map_or(0, |it| it.len());
        let in_doubt = ratio(doubts, seen.len());
        Some((of, "round trip", seen, undelayed, in_doubt))
    });
    // Of which share of the replies something is said.
    let mut said_of = 0.0;
    let mut too_much = Vec::new();
    let late_after_us = nanos(scenario.late_after) as f64 / 1_000.0;
    let all = std::iter::once(of_scenario)
        .chain(of_steps)
        .chain(of_messages);
    for (of, what, seen, undelayed, in_doubt) in all {
        // Of those that are alike the first: more requests are behind it.
        let notable = notable(seen, undelayed);
        let worst = notable.iter().rev().max_by(|a, b| {
            let rank = |it: &&Delayed| (it.is_too_much(late_after_us), it.share());
            let ((a, a_share), (b, b_share)) = (rank(a), rank(b));
            a.cmp(&b).then(a_share.total_cmp(&b_share))
        });
        let (Some(worst), Some(lowest)) = (worst, notable.first()) else {
            continue;
        };
        let mut figures = format!(
            "{of}: {} of {what} {} ({}) is the generator's part, without it {}",
            percent(worst.share()),
            worst.name,
            span_us(worst.seen_us),
            span_us(worst.undelayed_us),
        );
        if of == name {
            said_of = lowest.above;
        }
        let is_too_much = worst.is_too_much(late_after_us);
        if is_too_much {
            let most = percent(MOST_PART);
            let _ = write!(
                figures,
                " (at most {most} may be, where that is more than {})",
                span_us(late_after_us)
            );
        }
        if lowest.name != worst.name {
            let part = percent(NOTABLE_PART);
            let _ = write!(figures, "; more than {part} from {} on", lowest.name);
        }
        let is_chosen = chosen.is_some_and(|it| {
            let steps = match of == name {
                true => scenario.iterated().count(),
                false => 1,
            };
            let explains = |part| it.explains(part, steps, in_doubt);
            scenario.open && notable.iter().all(explains)
        });
        match chosen {
            Some(chosen) if is_chosen && !is_too_much => {
                let _ = write!(figures, "; that is as expected: {chosen}");
            }
            Some(chosen) if is_too_much => {
                let _ = write!(figures, "; {chosen}");
            }
            Some(chosen) => {
                let _ = write!(figures, "; only in part because {chosen}");
            }
            None => {}
        }
        let said = Alike {
            of,
            severity: worst.share(),
            sentence: figures,
        };
        if is_too_much {
            too_much.push(said);
        } else {
            findings.is_hindered |= !is_chosen;
            findings.warn(Kind::Delay, said);
        }
    }
    for reason in alike::told(too_much) {
        findings.invalid(reason.severity, reason.sentence);
    }
    let Parts {
        in_doubt, doubt, ..
    } = scenario.parts;
    let said = too_long(
        &name,
        "replies",
        (in_doubt, doubt),
        &scenario.service_time,
        // One sentence about too many replies to keep up with is enough.
        said_of,
    );
    let because = |mut said: Alike| {
        if let Some(chosen) = chosen {
            let _ = write!(said.sentence, "; {chosen}");
        }
        said
    };
    if let Some(said) = said {
        findings.warn(Kind::Doubt, because(said));
    }
    for step in scenario.iterated() {
        let Some(doubts) = samples(step, SampleKind::MessageDoubt) else {
            continue;
        };
        let in_doubt = doubts.len();
        let doubt = (doubts.mean() * in_doubt as f64) as Nanos;
        let of = match is_single {
            true => name.clone(),
            false => format!("{name} step `{}`", step.name),
        };
        let times = [
            SampleKind::RoundTrip,
            SampleKind::MessageGap,
            SampleKind::FirstMessage,
        ];
        let times = times.into_iter().find_map(|kind| samples(step, kind));
        let said = times.and_then(|times| too_long(&of, "messages", (in_doubt, doubt), times, 0.0));
        if let Some(said) = said {
            findings.warn(Kind::Doubt, because(said));
        }
    }
}

/// From which percentile on too many times are ended by what has the stamp of something later, if there
/// is such a one, and nothing is said of that yet. So many are in doubt, all together by so much.
fn too_long(
    of: &str,
    what: &str,
    (in_doubt, doubt): (u64, Nanos),
    times: &Histogram,
    said_of: f64,
) -> Option<Alike> {
    let share = ratio(in_doubt, times.len());
    let (from, above, _) = percentiles(times)
        .into_iter()
        .find(|(_, above, figure)| figure.is_some() && share > above * NOTABLE_PART)?;
    (above > said_of).then(|| Alike {
        of: of.to_owned(),
        severity: share,
        sentence: format!(
            "{of}: the generator read {} of the {what} together with what followed them, and the system tells \
             only when the last of that came: {from} of their times and above may be shown longer than \
             they were, by {} each in the mean",
            percent(share.min(1.0)),
            span(doubt / in_doubt.max(1)),
        ),
    })
}

fn samples(step: &StepRecord, kind: SampleKind) -> Option<&Histogram> {
    let series = step.samples.iter().find(|(of, _)| *of == kind);
    series.map(|(_, histogram)| histogram)
}
