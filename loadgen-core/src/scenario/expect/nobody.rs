//! What is expected of events that nobody does: it could not hold.
//!
//! Owns what each expectation needs of a suite's events. Those of servers that others run are told of once the
//! run is over.

use std::time::Duration;

use crate::expectation::Expectations;
use crate::scenario::event::{Deed, EventPlan};
use crate::scenario::plan::ScenarioPlan;
use crate::scenario::reader::problem::Problems;
use crate::units::format_duration;

/// Notes what one scenario of the suite expects and no event of the suite can bring about. `path` is where it
/// stands. Only of scenarios whose servers the run starts.
pub(in crate::scenario) fn check(
    plan: &ScenarioPlan,
    path: &str,
    suite: &[ScenarioPlan],
    problems: &Problems,
) {
    if plan.backends.is_empty() {
        return;
    }
    let Expectations {
        drain,
        slow_start,
        ejection,
        ..
    } = &plan.expect;
    let any = |is_one: fn(&EventPlan) -> bool| suite.iter().flat_map(|it| &it.events).any(is_one);
    let refuse = |below: &str, found: &str, expected: &str, help: Option<String>| {
        problems.add(format!("{path}.{below}"), found, expected, help);
    };
    if !drain.is_empty() && !any(|it| matches!(it.deed, Deed::Drain { .. })) {
        let found = "limits, and no server is asked to go";
        let expected =
            "an event that asks one, such as {\"at\": \"5s\", \"drain\": \"b2\", \"for\": \"3s\"}";
        refuse("drain", found, expected, None);
    }
    if slow_start.is_some() && !any_comes_back(suite) {
        let found = "a slow start, and no server comes back";
        let expected = "an event that brings one back, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}";
        refuse("slow_start", found, expected, None);
    } else if let (Some(over), Some(lasts)) = (slow_start, plan.load.time_limit())
        && *over >= lasts
    {
        let found = format_duration(*over);
        let expected = "less than the load lasts, which has to go on for so long after a return";
        let help = format!("the load lasts {}", format_duration(lasts));
        refuse("slow_start.over", &found, expected, Some(help));
    }
    if !ejection.is_empty() && !any(|_| true) {
        let found = "limits, and there are no events";
        let expected = "an event, such as {\"at\": \"5s\", \"mark\": \"look here\"}";
        let help = "only the times around events are recorded finely enough to see ejections";
        refuse("ejection", found, expected, Some(help.to_owned()));
    }
}

/// Whether a server that one of these took away comes back: by itself, or, from a fault that stays, when another at
/// the same proxy of which nothing stays takes its place. Of what `http` and `exec` do at servers nothing is told.
fn any_comes_back(suite: &[ScenarioPlan]) -> bool {
    let all = suite.iter().flat_map(|of| {
        let begins = of.measures_from();
        let events = of.events.iter();
        events.map(move |event| (begins.saturating_add(event.at), &event.deed))
    });
    let all: Vec<(Duration, &Deed)> = all.collect();
    let ends_after = |at: Duration, proxy: &str| {
        let is_there =
            |deed: &Deed| matches!(deed, Deed::Fault { backend, .. } if backend == proxy);
        let mut all = all.iter();
        all.any(|(then, deed)| is_there(deed) && *then > at && !deed.stays())
    };
    all.iter().any(|(at, deed)| match deed {
        Deed::Restart { .. } => true,
        Deed::Fault { backend, .. } if deed.stays() => ends_after(*at, backend),
        Deed::Fault { faults, .. } if faults.is_harmless() => false,
        deed => deed.back_after().is_some(),
    })
}
