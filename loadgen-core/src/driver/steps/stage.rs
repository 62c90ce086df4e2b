//! Whose steps are made ready: a scenario's own, or those that go elsewhere in the life of another's users.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::guest::Guest;
use crate::driver::mistake::Mistake;
use crate::driver::script::{Lexicon, Notes, Part, Script};
use crate::scenario::{self, Protocol, all_steps};
use crate::secrets::Secrets;

/// Whose steps a driver makes ready, and what learns of secrets on the way.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'a> {
    pub(in crate::driver) secrets: &'a Secrets,
    pub(super) role: Role<'a>,
}

#[derive(Clone, Copy)]
pub(super) enum Role<'a> {
    /// A scenario's, with whoever makes ready what goes elsewhere.
    Host(Option<&'a dyn Invite>),
    /// Those in this protocol of another scenario.
    Guest(&'a Host<'a>, Protocol),
}

/// Those who do what goes elsewhere, each in its protocol.
pub(in crate::driver) type Invited = Vec<(Protocol, Arc<dyn Guest>)>;

/// Makes ready what goes elsewhere.
pub(in crate::driver) trait Invite {
    /// All of it; none where it is looked over only.
    ///
    /// # Errors
    /// Everything that is wrong, but for what the host's notes have.
    fn invite(&self, host: &Host<'_>) -> Result<Invited, Vec<Mistake>>;
}

impl fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

impl<'a> Stage<'a> {
    /// A scenario of which nothing goes elsewhere.
    pub(in crate::driver) fn alone(secrets: &'a Secrets) -> Self {
        Self {
            secrets,
            role: Role::Host(None),
        }
    }

    /// A scenario.
    pub(in crate::driver) fn host(secrets: &'a Secrets, invite: &'a dyn Invite) -> Self {
        Self {
            secrets,
            role: Role::Host(Some(invite)),
        }
    }

    /// What of a scenario goes elsewhere in this protocol.
    pub(in crate::driver) fn guest(
        secrets: &'a Secrets,
        host: &'a Host<'a>,
        protocol: Protocol,
    ) -> Self {
        Self {
            secrets,
            role: Role::Guest(host, protocol),
        }
    }
}

/// What steps that go elsewhere have of the scenario that they are of.
#[derive(Debug)]
pub(in crate::driver) struct Host<'a> {
    pub(super) script: &'a Script,
    pub(super) notes: &'a Notes,
    /// What each part may use of what is saved.
    pub(super) saved: [(Part, BTreeSet<&'a str>); 4],
    pub(super) setup: BTreeSet<&'a str>,
    pub(super) seats: Vec<Seat>,
}

/// Where steps go that go elsewhere, by their numbers: to which guest, and for which of its steps.
pub(super) type Places = BTreeMap<usize, (usize, usize)>;

/// The place of a step that goes elsewhere.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) protocol: Protocol,
    pub(super) part: Part,
    /// Its place in the scenario.
    pub(super) path: String,
    /// Its number in reports.
    pub(super) number: usize,
}

impl Host<'_> {
    /// The protocols that are spoken elsewhere, each with the place of the first step that does.
    pub(in crate::driver) fn protocols(&self) -> Vec<(Protocol, &str)> {
        let mut all: Vec<(Protocol, &str)> = Vec::new();
        for seat in &self.seats {
            if all.iter().all(|(it, _)| *it != seat.protocol) {
                all.push((seat.protocol, &seat.path));
            }
        }
        all
    }

    /// Those who do what goes elsewhere, and which of them does which of its steps at a step's number. What is
    /// wrong is noted.
    pub(super) fn guests(&self, invite: Option<&dyn Invite>) -> (Vec<Arc<dyn Guest>>, Places) {
        let Some(first) = self.seats.first() else {
            return (Vec::new(), Places::new());
        };
        let Some(invite) = invite else {
            let problem = "what goes elsewhere is made ready by `assemble` only";
            let mistake = Mistake::new(&first.path, problem.to_owned());
            self.notes.wrong(mistake);
            return (Vec::new(), Places::new());
        };
        // Plans of files cannot have it; one made in code may not have been checked.
        let mut misplaced = self.seats.iter().filter(|it| it.part == Part::Steps);
        if let Some(seat) = misplaced.next() {
            let problem = "it goes elsewhere, which steps of `setup`, `begin` and `end` may only";
            self.notes
                .wrong(Mistake::new(&seat.path, problem.to_owned()));
            return (Vec::new(), Places::new());
        }
        let guests = invite.invite(self).unwrap_or_else(|mistakes| {
            mistakes.into_iter().for_each(|it| self.notes.wrong(it));
            Vec::new()
        });
        let mut places = Places::new();
        for (which, (protocol, _)) in guests.iter().enumerate() {
            let its_own = self.seats.iter().filter(|it| it.protocol == *protocol);
            places.extend(
                its_own
                    .enumerate()
                    .map(|(nth, it)| (it.number, (which, nth))),
            );
        }
        let guests = guests.into_iter().map(|(_, guest)| guest);
        (guests.collect(), places)
    }

    /// The names that are known in a part.
    pub(super) fn lexicon(&self, part: Part) -> Lexicon<'_> {
        let saved = self.saved.iter().find(|(it, _)| *it == part);
        let none = BTreeSet::new();
        let saved = saved.map_or(&none, |(_, names)| names);
        Lexicon::new(self.script, part, saved, &self.setup, self.notes)
    }
}

/// The places of the steps that go elsewhere, in the order in which steps are numbered.
pub(super) fn seats<P>(parts: &[(Part, &[scenario::Step<P>])]) -> Vec<Seat> {
    let all = parts.iter().flat_map(|(part, steps)| {
        let steps = all_steps(steps, part.field()).into_iter();
        steps.map(|(path, step)| (*part, path, step))
    });
    let measured = all.filter(|(_, _, step)| step.is_measured()).enumerate();
    measured
        .filter_map(|(number, (part, path, step))| {
            let protocol = step.spoken_elsewhere()?.protocol();
            Some(Seat {
                protocol,
                part,
                path,
                number,
            })
        })
        .collect()
}
