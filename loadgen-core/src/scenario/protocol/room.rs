//! What the room of a protocol has to say: its words, and its part of validation.

use std::time::Duration;

use super::layers::Layers;
use super::raw::RawStep;
use crate::scenario::step::Step;

/// What messages say of a protocol, and what of a scenario is its own.
pub(in crate::scenario) struct Words {
    /// The word for it: its action in JSON, its name in metrics and on the command line.
    pub(in crate::scenario) word: &'static str,
    /// Its name for people.
    pub(in crate::scenario) name: &'static str,
    /// The fields of a scenario that are for it, though not for all protocols.
    pub(in crate::scenario) fields: &'static [&'static str],
    /// What it has in place of fields that are for others only.
    pub(in crate::scenario) instead: &'static [(&'static str, &'static str)],
    /// The words of `identify` that it takes.
    pub(in crate::scenario) identify: &'static [&'static str],
    /// Whether a step has its action.
    pub(in crate::scenario) is_spoken: fn(&RawStep) -> bool,
}

/// What validation asks of a protocol. The plan that comes of it has no steps until all are known.
pub(in crate::scenario) trait Room: Sized {
    /// What a step does.
    type Action;

    /// The words for it; `None` where it is not clear what is spoken.
    const SPOKEN: Option<&'static Words>;

    /// Its fields of a scenario.
    fn fields(layers: &Layers<'_>) -> Option<Self>;

    /// Its action in a step at this path.
    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<Self::Action>;

    /// What a step without a name is called, and after what.
    fn short_name(action: &Self::Action) -> (String, &'static str);

    /// Whether the steps, of all parts, agree on what they share; notes where they do not. Each has its
    /// path.
    fn agree(layers: &Layers<'_>, steps: &[(String, &RawStep)]) -> bool;

    /// Has each step say what one says for all.
    fn share(life: &mut Life<Self::Action>);

    /// Whether the steps fit into the time that an iteration may take; notes which do not.
    fn fit(layers: &Layers<'_>, steps: &[(String, &Step<Self::Action>)], timeout: Duration)
    -> bool;

    /// Whether an action lasts for as long as the load, which then must end by itself.
    fn lasts_as_load(action: &Self::Action) -> bool {
        let _ = action;
        false
    }

    /// What is wrong with a target of this scheme: what is expected, and a hint.
    fn refuse_scheme(scheme: &str) -> Option<(&'static str, &'static str)>;

    /// Whether requests name a host that is the same for all of a target's addresses.
    fn names_host(_: &Layers<'_>) -> bool {
        false
    }

    /// The whole.
    fn with_steps(self, life: Life<Self::Action>) -> Self;
}

/// What is done when in a scenario, and in the life of each user.
#[derive(Debug)]
pub(in crate::scenario) struct Life<A> {
    /// Once, before the load.
    pub(in crate::scenario) setup: Vec<Step<A>>,
    /// First.
    pub(in crate::scenario) begin: Vec<Step<A>>,
    /// In each iteration.
    pub(in crate::scenario) steps: Vec<Step<A>>,
    /// Last.
    pub(in crate::scenario) end: Vec<Step<A>>,
}
