//! Who sits where: which shard has which process, or none any more, and how they are called in what is said.

use std::time::Duration;

use super::{Coordinator, End, Member, NAMED, Output, Phase};
use crate::coordinate::proto::from_coordinator::Said;

/// The place of a shard.
#[derive(Debug)]
pub(super) enum Seat {
    /// Nobody has come, or who had is gone and the load has not begun.
    Empty,
    Taken {
        member: Member,
        /// How long before the start it has to know of it; once it is ready.
        ready: Option<Duration>,
        /// When it was heard last.
        heard: u64,
        /// Which process it is, in words.
        process: String,
    },
    /// The load began without it.
    Missing,
    /// It was lost after the load had begun.
    Lost,
    /// Its part is made.
    Over,
    /// It knows that there is no load.
    Told,
}

impl Coordinator {
    /// How it ended, once there is nobody left to wait for.
    pub(in crate::coordinate) fn end(&self) -> Option<End> {
        let is_awaited = |it: &Seat| match self.phase {
            Phase::Ended { .. } => !matches!(it, Seat::Told),
            _ => matches!(it, Seat::Taken { .. }),
        };
        if self.seats.iter().any(is_awaited) {
            return None;
        }
        match &self.phase {
            Phase::Gathering { .. } => None,
            Phase::Ended { end, .. } => Some(end.clone()),
            Phase::Running => {
                let seats = (0..).zip(&self.seats);
                let lost = seats.filter(|(_, it)| matches!(it, Seat::Lost | Seat::Missing));
                Some(End::Ran {
                    lost: lost.map(|(index, _)| index).collect(),
                })
            }
        }
    }

    /// How many make load.
    pub(in crate::coordinate) fn running(&self) -> u32 {
        let there = self.seats.iter();
        let there = there.filter(|it| matches!(it, Seat::Taken { .. })).count();
        u32::try_from(there).unwrap_or(u32::MAX)
    }

    /// Whether a shard makes its part, or has made it.
    pub(in crate::coordinate) fn has_part(&self, index: u32) -> bool {
        let seat = self.seats.get(index as usize);
        matches!(seat, Some(Seat::Taken { .. } | Seat::Over))
    }

    /// Which shard a member is.
    pub(in crate::coordinate) fn index_of(&self, member: Member) -> Option<u32> {
        let mut seats = (0..).zip(&self.seats);
        let is_its = |seat: &Seat| matches!(seat, Seat::Taken { member: it, .. } if *it == member);
        seats.find(|(_, seat)| is_its(seat)).map(|(index, _)| index)
    }

    pub(super) fn everybody_but(&self, one: Option<Member>, said: &Said) -> Vec<Output> {
        let members = self.seats.iter().filter_map(|it| match it {
            Seat::Taken { member, .. } if Some(*member) != one => Some(*member),
            _ => None,
        });
        members.map(|it| Output::Tell(it, said.clone())).collect()
    }

    pub(super) fn ready_seats(&self) -> impl Iterator<Item = Duration> + '_ {
        self.seats.iter().filter_map(|it| match it {
            Seat::Taken { ready, .. } => *ready,
            _ => None,
        })
    }

    pub(super) fn seat_of(&mut self, member: Member) -> Option<&mut Seat> {
        let index = self.index_of(member)?;
        self.seats.get_mut(index as usize)
    }

    pub(super) fn name(&self, index: u32) -> String {
        format!("shard {index} of {}", self.policy.count)
    }

    /// Who keeps the load from beginning.
    pub(super) fn awaited(&self) -> String {
        let those = |of: fn(&Seat) -> bool| {
            let seats = (0..).zip(&self.seats).filter(move |(_, it)| of(it));
            let those: Vec<u32> = seats.map(|(index, _)| index).collect();
            (!those.is_empty()).then(|| self.names(&those))
        };
        let absent = those(|it| matches!(it, Seat::Empty));
        let unready = those(|it| matches!(it, Seat::Taken { ready: None, .. }));
        let said = [
            absent.map(|it| format!("{it} did not come")),
            unready.map(|it| format!("{it} did not get ready")),
        ];
        let said: Vec<String> = said.into_iter().flatten().collect();
        said.join(", and ")
    }

    /// `shards 1, 2 and 3 of 8`; of many the first ones.
    pub(super) fn names(&self, indexes: &[u32]) -> String {
        let more = indexes.len().saturating_sub(NAMED);
        let named = indexes.iter().take(NAMED).map(u32::to_string);
        let mut named: Vec<String> = named.collect();
        if more > 0 {
            named.push(format!("{more} more"));
        }
        let last = named.pop().unwrap_or_default();
        let count = self.policy.count;
        match named.is_empty() {
            true => format!("shard {last} of {count}"),
            false => format!("shards {} and {last} of {count}", named.join(", ")),
        }
    }
}
