//! A plan in the full form, every default written out: what `validate --print` shows and a result
//! document keeps. It reads back as the same plan.

use super::{ScenarioPlan, elsewhere};
use crate::scenario::backend::value::BackendName;
use crate::scenario::capacity;
use crate::scenario::data;
use crate::scenario::event;
use crate::scenario::expect;
use crate::scenario::identify;
use crate::scenario::load;
use crate::scenario::protocol::raw::RawScenario;
use crate::scenario::reader::{Entries, Entry, List};
use crate::scenario::target::RawTarget;
use crate::scenario::tls;
use crate::scenario::value::{
    Authority, EachValue, MaxMessage, PositiveSpan, ScenarioName, SourceAddress, Span, TagValue,
};

/// Where it sends. The servers of its suite get other addresses in each run, so these are named.
fn targets(plan: &ScenarioPlan) -> Entry<List<RawTarget>> {
    match plan.target_backends.is_empty() {
        true => List::unless_empty(plan.targets.iter().map(RawTarget::of)),
        false => List::unless_empty(plan.target_backends.iter().cloned().map(RawTarget::Backend)),
    }
}

/// The full form of this plan.
pub(in crate::scenario) fn scenario(plan: &ScenarioPlan) -> RawScenario {
    let is_each = |tag: (&String, &String)| plan.for_each.iter().any(|(key, it)| tag == (key, it));
    let tags: Vec<_> = plan.tags.iter().filter(|it| !is_each(*it)).collect();
    let mut raw = RawScenario {
        name: Entry::Given(ScenarioName(plan.written_name().to_owned())),
        description: Entry::from_option(plan.description.clone()),
        targets: targets(plan),
        backends: List::unless_empty(plan.backends.iter().cloned().map(BackendName)),
        load: Entry::Given(load::print::load(&plan.load)),
        start_after: Entry::Given(Span(plan.start_after)),
        warm_up: Entry::Given(Span(plan.warm_up)),
        graceful_stop: Entry::Given(Span(plan.graceful_stop)),
        timeout: Entry::Given(PositiveSpan(plan.timeout)),
        connect_timeout: Entry::Given(PositiveSpan(plan.connect_timeout)),
        late_after: Entry::Given(PositiveSpan(plan.late_after)),
        max_message: Entry::Given(MaxMessage(plan.max_message)),
        authority: Entry::from_option(plan.authority.clone().map(Authority)),
        identify: identify::print(plan),
        bind: List::unless_empty(plan.bind.iter().copied().map(SourceAddress)),
        // Where there is no list it says nothing.
        resolve_every: match plan.targets.iter().any(|it| it.list().is_some()) {
            true => Entry::Given(PositiveSpan(plan.resolve_every)),
            false => Entry::Absent,
        },
        tls: Entry::from_option(plan.tls.as_ref().map(tls::print)),
        tags: match tags.is_empty() {
            true => Entry::Absent,
            false => Entry::Given(Entries(
                tags.into_iter()
                    .map(|(key, value)| (key.clone(), Entry::Given(TagValue(value.clone()))))
                    .collect(),
            )),
        },
        for_each: Entries::of(&plan.for_each, |value| List::of([EachValue(value)])),
        data: data::print(&plan.data),
        elsewhere: elsewhere::print(&plan.elsewhere),
        events: event::print(&plan.events),
        thresholds: Entry::Given(List::of(plan.thresholds.iter().cloned())),
        expect: expect::print(&plan.expect),
        capacity: capacity::print(plan.capacity.as_ref()),
        ..RawScenario::default()
    };
    plan.protocol.print(&mut raw);
    raw
}
