//! A scenario of which it is not clear what it speaks: there is nothing in it that speaks, or several
//! protocols. All that is said in it is checked, by the room that each thing is of, and no plan is made.

use std::time::Duration;

use super::layers::Layers;
use super::raw::RawStep;
use super::room::{Life, Room, Words};
use super::{ProtocolPlan, in_each_room};
use crate::scenario::step::Step;

/// There is none.
pub(in crate::scenario) enum Unclear {}

impl Room for Unclear {
    /// What a step would be called.
    type Action = (String, &'static str);

    const SPOKEN: Option<&'static Words> = None;

    fn fields(layers: &Layers<'_>) -> Option<Self> {
        in_each_room!(|R| R::fields(layers));
        None
    }

    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<Self::Action> {
        in_each_room!(
            |R| if R::SPOKEN.is_some_and(|room| (room.is_spoken)(step)) {
                return R::action(layers, step, path).map(|action| R::short_name(&action));
            }
        );
        None
    }

    fn short_name(action: &Self::Action) -> (String, &'static str) {
        action.clone()
    }

    fn agree(layers: &Layers<'_>, steps: &[(String, &RawStep)]) -> bool {
        in_each_room!(|R| R::agree(layers, steps));
        false
    }

    fn share(_: &mut Life<Self::Action>) {}

    fn fit(_: &Layers<'_>, _: &[(String, &Step<Self::Action>)], _: Duration) -> bool {
        false
    }

    fn refuse_scheme(_: &str) -> Option<(&'static str, &'static str)> {
        None
    }

    fn with_steps(self, _: Life<Self::Action>) -> Self {
        match self {}
    }
}

impl From<Unclear> for ProtocolPlan {
    fn from(none: Unclear) -> Self {
        match none {}
    }
}
