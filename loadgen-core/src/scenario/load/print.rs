//! A load as it is written.

use std::time::Duration;

use super::raw::{
    RawArrivals, RawClosed, RawLoad, RawOpen, RawOpenUsers, RawRateStage, RawUserStage, RawWhenBusy,
};
use crate::scenario::reader::{Entry, List};
use crate::scenario::think_time;
use crate::scenario::value::{Bounded, PositiveSpan, Span};
use crate::schedule::{ClosedModel, Limit, Load, OpenModel, RateStage, Spacing, WhenBusy};
use crate::units::{Rate, ZeroOrRate};

pub(in crate::scenario) fn load(load: &Load) -> RawLoad {
    match load {
        Load::Closed(model) => RawLoad {
            closed: Entry::Given(closed(model)),
            open: Entry::Absent,
        },
        Load::Open(model) => RawLoad {
            closed: Entry::Absent,
            open: Entry::Given(open(model)),
        },
    }
}

fn closed(model: &ClosedModel) -> RawClosed {
    let mut raw = RawClosed {
        users: Entry::Given(Bounded::of(model.users)),
        max_duration: Entry::from_option(model.max_duration.map(PositiveSpan)),
        think_time: Entry::from_option(model.think_time.map(think_time::print)),
        rate_limit: Entry::from_option(model.rate_limit),
        ..RawClosed::default()
    };
    match &model.limit {
        Limit::Iterations(count) => raw.iterations = Entry::Given(Bounded(*count)),
        Limit::IterationsPerUser(count) => raw.iterations_per_user = Entry::Given(Bounded(*count)),
        Limit::Duration(duration) => raw.duration = Entry::Given(PositiveSpan(*duration)),
        Limit::Stages(stages) => {
            raw.users = Entry::Absent;
            raw.stages = Entry::Given(List::of(stages.iter().map(|stage| RawUserStage {
                duration: Entry::Given(Span(stage.duration)),
                users: Entry::Given(Bounded::of(stage.users)),
            })));
        }
    }
    raw
}

fn open(model: &OpenModel) -> RawOpen {
    let mut raw = RawOpen {
        arrivals: Entry::Given(match model.spacing {
            Spacing::Uniform => RawArrivals::Uniform,
            Spacing::Poisson => RawArrivals::Poisson,
        }),
        users: Entry::Given(RawOpenUsers {
            max: Entry::Given(Bounded::of(model.max_users)),
        }),
        when_busy: Entry::Given(match model.when_busy {
            WhenBusy::Queue => RawWhenBusy::Queue,
            WhenBusy::Drop => RawWhenBusy::Drop,
        }),
        ..RawOpen::default()
    };
    match constant(&model.stages) {
        Some((rate, stage)) => {
            raw.rate = Entry::Given(rate);
            raw.duration = Entry::Given(PositiveSpan(stage.duration));
        }
        None => raw.stages = Entry::Given(List::of(rate_stages(&model.stages))),
    }
    raw
}

fn constant(stages: &[RateStage]) -> Option<(Rate, &RateStage)> {
    match stages {
        [stage] if stage.from == stage.to => Some((Rate::new(stage.to).ok()?, stage)),
        _ => None,
    }
}

/// Where a stage does not begin at the rate that the one before it ended with, a stage of no
/// length jumps there.
fn rate_stages(stages: &[RateStage]) -> Vec<RawRateStage> {
    let raw = |duration, rate| RawRateStage {
        duration: Entry::Given(Span(duration)),
        rate: Entry::Given(ZeroOrRate::trusted(rate)),
    };
    let mut before = 0.0;
    let mut printed = Vec::with_capacity(stages.len());
    for stage in stages {
        if stage.from != before {
            printed.push(raw(Duration::ZERO, stage.from));
        }
        printed.push(raw(stage.duration, stage.to));
        before = stage.to;
    }
    printed
}
