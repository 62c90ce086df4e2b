//! A scenario as whoever changes it sees it: what it can be told, and telling it.

use std::sync::Arc;

use super::super::lane::Timeline;
use super::super::spec::ScenarioSpec;
use super::Steered;
use super::change::{Change, LONGEST_NOTE, listed};
use super::standing::{Standing, TargetStanding};
use super::steering::{Steering, To, Turn};
use crate::cap::Cap;
use crate::clock::Nanos;
use crate::nearest::did_you_mean;
use crate::record::{EventAction, EventEffect, TargetSwitch};
use crate::schedule::{Limit, Load, users_at};
use crate::text;
use crate::units::human;
use crate::workload::Switches;

/// The most that a scenario is told in a run, but for what ends what it was told: all of it is on record.
const MOST_CHANGES: usize = 1_000;
/// From when something is told until arrivals heed it: time for workers that are busy to hear of it, so that all of
/// them turn at the same moment.
const HEADWAY: Nanos = 50_000_000;

/// A scenario while the run is under way.
#[derive(Debug)]
pub(super) struct Scene {
    spec: Arc<ScenarioSpec>,
    name: String,
    timeline: Timeline,
    steering: Arc<Steering>,
    switches: Switches,
    changes: usize,
}

/// What was done, and when.
pub(super) struct Deed {
    pub(super) action: EventAction,
    pub(super) effect: EventEffect,
    pub(super) switched: Option<TargetSwitch>,
    pub(super) said: String,
    pub(super) at: Nanos,
}

impl Scene {
    /// Of a run of all these, whose load begins at `start`.
    pub(super) fn new(steered: &Steered, all: &[Steered], start: Nanos) -> Self {
        let ScenarioSpec { name, protocol, .. } = &*steered.spec;
        let names = all.iter().map(|it| it.spec.name.as_str());
        Self {
            name: text::title(name, protocol, names),
            spec: Arc::clone(&steered.spec),
            timeline: Timeline::new(&steered.spec, start),
            steering: Arc::clone(&steered.steering),
            switches: steered.switches.clone(),
            changes: 0,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where measuring begins.
    pub(super) fn measure_from(&self) -> Nanos {
        self.timeline.measure_from
    }

    /// Whether nothing of it is under way any more, so that nothing is told of it either.
    pub(super) fn is_through(&self) -> bool {
        self.steering.is_through()
    }

    fn is_open(&self) -> bool {
        matches!(self.spec.load, Load::Open(_))
    }

    /// When arrivals heed what is told now.
    fn turns_at(&self, now: Nanos) -> Nanos {
        let last = self.steering.told().turns.last().map_or(0, |it| it.at + 1);
        last.max(now.saturating_add(HEADWAY))
    }

    /// Why it cannot be told this now, as the end of a sentence that its name begins.
    pub(super) fn refusal(&self, change: &Change, now: Nanos) -> Option<String> {
        let told = self.steering.told();
        let is_note = matches!(change, Change::Note { .. });
        let is_over = self.steering.is_over();
        let ends_at = self.timeline.plan_end.unwrap_or(Nanos::MAX);
        let changes = !matches!(change, Change::Note { .. } | Change::Stop { .. });
        if changes && (is_over || now.saturating_add(HEADWAY) >= ends_at) {
            return Some("is at its end: it starts nothing more that could be changed".to_owned());
        }
        if is_note && self.is_through() {
            return Some("is over: a note is set while it is measured".to_owned());
        }
        if is_note && now < self.timeline.measure_from {
            return Some("is not measured yet; set the note once it is".to_owned());
        }
        if self.changes >= MOST_CHANGES && !change.ends_something() {
            return Some(format!(
                "has had {} changes and notes, and more are not recorded; `resume`, `target` on and `stop` are still \
                 taken",
                human::count(MOST_CHANGES as u64)
            ));
        }
        match change {
            Change::Pause { .. } if told.paused => Some("is paused already".to_owned()),
            Change::Resume { .. } if !told.paused => Some("is not paused".to_owned()),
            Change::Rate { .. } => self.refuses_rate(now),
            Change::Users { users, .. } => self.refuses_users(*users),
            Change::Target { target, on, .. } => self.refuses_target(target, *on),
            _ => None,
        }
    }

    fn refuses_rate(&self, now: Nanos) -> Option<String> {
        match &self.spec.load {
            Load::Open(_) if now < self.timeline.measure_from => Some(
                "is not measured yet, and warms up at the rate of its first stage's end; change the rate once it is \
                 measured"
                    .to_owned(),
            ),
            Load::Closed(closed) if closed.rate_limit.is_none() => Some(
                "has no rate: it is a closed model without `rate_limit`, whose users start again as soon as they are \
                 done; change `users`"
                    .to_owned(),
            ),
            _ => None,
        }
    }

    fn refuses_users(&self, users: u32) -> Option<String> {
        let Load::Closed(closed) = &self.spec.load else {
            return Some(
                "has no number of users: it is an open model, which takes a user for each arrival; change `rate`"
                    .to_owned(),
            );
        };
        if matches!(closed.limit, Limit::IterationsPerUser(_)) {
            return Some(
                "keeps its users: by `iterations_per_user` each has its own share, and the run would not end while \
                 some rest; pause it"
                    .to_owned(),
            );
        }
        let most = self.spec.load.max_users();
        (users < 1 || users > most).then(|| {
            let expected = match most {
                1 => "1, which is all that its plan has".to_owned(),
                most => format!("1 to {most}, the most that its plan has"),
            };
            let instead = if users < 1 {
                "; to have nobody start, pause it"
            } else {
                ""
            };
            format!("cannot have {users} users: expected {expected}{instead}")
        })
    }

    fn refuses_target(&self, target: &str, on: bool) -> Option<String> {
        let targets = &self.spec.targets;
        if targets.is_empty() {
            return Some("has no targets that can be switched: its workload names none".to_owned());
        }
        if !self.spec.switches_targets {
            return Some(
                "has no targets that can be switched: its workload decides by itself where it sends"
                    .to_owned(),
            );
        }
        let Some(index) = targets.iter().position(|it| it == target) else {
            let names = || targets.iter().map(String::as_str);
            let instead = did_you_mean(target, names())
                .unwrap_or_else(|| format!("it has {}", listed(names())));
            return Some(format!(
                "has no target `{}`; {instead}",
                text::short(target)
            ));
        };
        if self.switches.is_on(index) == on {
            let stands = if on { "sends to" } else { "sends nothing to" };
            return Some(format!("{stands} `{target}` already"));
        }
        let others_are_off =
            || (0..targets.len()).all(|it| it == index || !self.switches.is_on(it));
        (!on && others_are_off()).then(|| {
            let instead = match targets.len() {
                1 => "to have nothing start, pause it",
                _ => "switch another one on before, or pause it",
            };
            format!("sends to no other target than `{target}`, which has to stay on; {instead}")
        })
    }

    /// Tells it, which it does not refuse.
    pub(super) fn tell(&mut self, change: &Change, now: Nanos) -> Deed {
        self.changes += 1;
        let turns_at = self.turns_at(now);
        let turn = |to| Turn { at: turns_at, to };
        let is_open = self.is_open();
        let at = if is_open { turns_at } else { now };
        let deed = |action, said: String, at| Deed {
            action,
            effect: match change {
                Change::Pause { .. } | Change::Target { on: false, .. } => EventEffect::Lasts,
                Change::Resume { .. } | Change::Target { on: true, .. } => EventEffect::Ends,
                _ => EventEffect::Momentary,
            },
            switched: match change {
                Change::Target { target, on, .. } => Some(TargetSwitch::new(target, *on)),
                _ => None,
            },
            said,
            at,
        };
        match change {
            Change::Pause { .. } => {
                self.steering.tell(|told| {
                    told.paused = true;
                    if is_open {
                        told.turns.push(turn(To::Pause));
                    }
                });
                deed(EventAction::Pause, "pause".to_owned(), at)
            }
            Change::Resume { .. } => {
                self.steering.tell(|told| {
                    told.paused = false;
                    if is_open {
                        told.turns.push(turn(To::Resume));
                    }
                });
                deed(EventAction::Resume, "resume".to_owned(), at)
            }
            Change::Rate { rate, .. } => {
                self.steering.tell(|told| {
                    told.rate = Some(*rate);
                    match is_open {
                        true => told.turns.push(turn(To::Rate(rate.per_second()))),
                        false => {
                            let rate = self.steering.rate(*rate);
                            let after = |before: Arc<Cap>| Arc::new(Cap::after(&before, rate));
                            told.limiter = told.limiter.take().map(after);
                        }
                    }
                });
                deed(EventAction::Rate, format!("rate {rate}"), at)
            }
            Change::Users { users, .. } => {
                self.steering.tell(|told| told.users = Some(*users));
                deed(EventAction::Users, format!("users {users}"), now)
            }
            Change::Target { target, on, .. } => {
                let index = self.spec.targets.iter().position(|it| it == target);
                self.switches.set(index.unwrap_or(usize::MAX), *on);
                let to = if *on { "on" } else { "off" };
                deed(EventAction::Target, format!("target {target} {to}"), now)
            }
            Change::Note { text: note, .. } => {
                let said = self.spec.secrets.masked(&fit(note));
                deed(EventAction::Mark, said, now)
            }
            Change::Stop { at_once } => {
                let how = if *at_once { "stop at once" } else { "stop" };
                deed(EventAction::Stop, how.to_owned(), now)
            }
        }
    }

    pub(super) fn standing(&self, now: Nanos) -> Standing {
        let told = self.steering.told();
        let into = now.saturating_sub(self.timeline.measure_from);
        let (rate, users) = match &self.spec.load {
            Load::Open(open) => (Some(self.timeline.planned_rate(open, now)), None),
            Load::Closed(closed) => {
                let users = match &closed.limit {
                    Limit::Stages(stages) => users_at(stages, into),
                    _ => closed.users,
                };
                (closed.rate_limit.map(|it| it.per_second()), Some(users))
            }
        };
        let targets = self.spec.targets.iter().enumerate();
        let targets: Vec<_> = targets
            .map(|(index, target)| TargetStanding {
                target: target.clone(),
                on: self.switches.is_on(index),
            })
            .collect();
        Standing {
            scenario: self.name.clone(),
            is_over: self.steering.is_over(),
            paused: told.paused,
            rate: told.rate.map(|it| it.per_second()).or(rate),
            rate_is_told: told.rate.is_some(),
            users: told.users.or(users),
            users_are_told: told.users.is_some(),
            most_users: self.spec.load.max_users(),
            takes: self.takes(&targets, now),
            targets,
        }
    }

    /// What it would not refuse now, whatever the value.
    fn takes(&self, targets: &[TargetStanding], now: Nanos) -> Vec<&'static str> {
        let all = || None;
        let scenario = all();
        let rate = crate::units::Rate::new(1.0).expect("a rate");
        let mut each = vec![
            ("pause", Change::Pause { scenario: all() }),
            ("resume", Change::Resume { scenario: all() }),
            ("rate", Change::Rate { scenario, rate }),
            (
                "users",
                Change::Users {
                    scenario: all(),
                    users: 1,
                },
            ),
        ];
        each.extend(targets.iter().map(|it| {
            let target = it.target.clone();
            (
                "target",
                Change::Target {
                    scenario: all(),
                    target,
                    on: !it.on,
                },
            )
        }));
        each.push((
            "note",
            Change::Note {
                scenario: all(),
                text: "note".to_owned(),
            },
        ));
        each.push(("stop", Change::Stop { at_once: false }));
        each.retain(|(_, change)| self.refusal(change, now).is_none());
        let mut names: Vec<_> = each.into_iter().map(|(name, _)| name).collect();
        names.dedup();
        names
    }
}

/// A note in one line and within bounds.
fn fit(note: &str) -> String {
    let line = text::line(note.trim());
    match line.char_indices().nth(LONGEST_NOTE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
