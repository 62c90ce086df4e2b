//! What a coordinator knows and decides. Pure: what shards say, and the time, go in; what they are told comes out.

mod alike;
mod seats;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use loadgen_core::units::human;
use serde_json::Value;

use self::seats::Seat;
use super::clock::nanos;
use super::proto::from_coordinator::Said;
use super::proto::refused::Kind;
use super::proto::{Failed, Farewell, Hello, Pulse, Refused, SetUp, Start, Stop, Welcome};

/// A shard's connection: another one each time it comes.
pub(super) type Member = u64;

/// So long before the start all are told of it, beyond what shards ask for: what a message and a busy machine may take.
const HEADWAY: Duration = Duration::from_millis(250);
/// Who says nothing for so long is lost: a tick comes each second.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// How often it is said whom the others wait for.
const REMINDED_EVERY: Duration = Duration::from_secs(10);
/// How long whoever comes late is told why there is no load; less where all know it.
const LINGERS: Duration = Duration::from_secs(30);
/// The shard that sets scenarios up for all.
pub(super) const SETS_UP: u32 = 0;
/// So many shards are named, and so many places where plans differ.
const NAMED: usize = 5;

/// What a coordinator was asked for.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// How many shards there are to be.
    pub(super) count: u32,
    /// Names the run, where somebody has.
    pub(super) run_id: Option<String>,
    /// What it is named otherwise.
    pub(super) random_id: String,
    /// How long shards are waited for.
    pub(super) wait: Duration,
    /// With how many the run begins then.
    pub(super) at_least: u32,
    /// Whether results are told at the end.
    pub(super) wants_results: bool,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Output {
    /// A member is told something.
    Tell(Member, Said),
    /// Whoever looks is told something.
    Note(String),
}

/// How it came out, for whoever started the coordinator.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// The load began, and these shards were lost.
    Ran { lost: Vec<u32> },
    /// It did not, since somebody stopped it.
    Stopped,
    /// It did not, and why.
    NotBegun(Refused),
}

#[derive(Debug)]
enum Phase {
    Gathering {
        until: u64,
        reminded: u64,
    },
    Running,
    /// There is no load; nobody is waited for any longer than until then.
    Ended {
        end: End,
        until: u64,
    },
}

/// The coordinator of one run.
#[derive(Debug)]
pub(super) struct Coordinator {
    policy: Policy,
    /// Names the run, once somebody has come.
    run_id: Option<String>,
    /// What all are held against.
    first: Option<(Hello, Value)>,
    seats: Vec<Seat>,
    set_up: BTreeMap<u32, SetUp>,
    phase: Phase,
    stopped: Option<Stop>,
}

impl Coordinator {
    pub(super) fn new(policy: Policy, now: u64) -> Self {
        let seats = (0..policy.count).map(|_| Seat::Empty);
        Self {
            run_id: policy.run_id.clone(),
            first: None,
            seats: seats.collect(),
            set_up: BTreeMap::new(),
            phase: Phase::Gathering {
                until: now.saturating_add(nanos(policy.wait)),
                reminded: now,
            },
            stopped: None,
            policy,
        }
    }

    /// A shard comes.
    pub(super) fn join(&mut self, member: Member, hello: Hello, now: u64) -> Vec<Output> {
        let index = hello.index;
        if let Phase::Ended { end, .. } = &self.phase {
            let why = match end {
                End::NotBegun(refused) => refused.clone(),
                End::Stopped | End::Ran { .. } => refused("all were stopped before the load began"),
            };
            if let Some(seat @ Seat::Empty) = self.seats.get_mut(index as usize) {
                *seat = Seat::Told;
            }
            return vec![Output::Tell(member, Said::Refused(why))];
        }
        match self.admit(member, hello, now) {
            Ok(told) => {
                let told = told.into_iter();
                told.map(|it| Output::Tell(member, it)).collect()
            }
            Err(why) => vec![Output::Tell(member, Said::Refused(why))],
        }
    }

    fn admit(&mut self, member: Member, hello: Hello, now: u64) -> Result<Vec<Said>, Refused> {
        let count = self.policy.count;
        let index = hello.index;
        if hello.count != count {
            return Err(refused(format!(
                "this is shard {index} of {}, and the coordinator waits for {count}",
                hello.count
            )));
        }
        let shard = format!("shard {index} of {count}");
        alike::check(&shard, &hello, self.run_id.as_deref(), self.first.as_ref())
            .map_err(refused)?;
        match (&self.phase, self.seats.get(index as usize)) {
            (_, None) => return Err(refused(format!("there is no {shard}"))),
            (phase, Some(Seat::Taken { process, .. })) => {
                let by = match process.is_empty() {
                    true => String::new(),
                    false => format!(" ({process})"),
                };
                // Under way, the place of one that is lost is no other's.
                let kind = match phase {
                    Phase::Running => Kind::Unspecified,
                    Phase::Gathering { .. } | Phase::Ended { .. } => Kind::Taken,
                };
                return Err(Refused {
                    kind: kind.into(),
                    why: format!(
                        "another process{by} is {shard} of this run; end one of the two, or give this one a `--shard` \
                         of its own"
                    ),
                });
            }
            (Phase::Running, Some(Seat::Lost | Seat::Over)) => {
                return Err(refused(format!(
                    "{shard} has begun before and was started again: its load is not made twice; what it had made is \
                     in its result, or in its journal"
                )));
            }
            (Phase::Running, Some(_)) => {
                return Err(refused(format!("the run has begun without {shard}")));
            }
            (Phase::Gathering { .. } | Phase::Ended { .. }, Some(_)) => {}
        }
        let run_id = self
            .run_id
            .get_or_insert_with(|| match hello.run_id.is_empty() {
                true => self.policy.random_id.clone(),
                false => hello.run_id.clone(),
            });
        let welcome = Welcome {
            run_id: run_id.clone(),
            wants_result: self.policy.wants_results,
        };
        let process = hello.process.clone();
        if self.first.is_none() {
            // What cannot be read is like nothing else.
            let plan = serde_json::from_str(&hello.plan).unwrap_or_default();
            self.first = Some((hello, plan));
        }
        self.seats[index as usize] = Seat::Taken {
            member,
            ready: None,
            heard: now,
            process,
        };
        let set_up = self.set_up.values().cloned().map(Said::SetUp);
        Ok([Said::Welcome(welcome)].into_iter().chain(set_up).collect())
    }

    /// A shard has prepared all, and has to know of the start so long before it.
    pub(super) fn ready(&mut self, from: Member, notice: Duration, now: u64) -> Vec<Output> {
        // Who says so once more has been told of the start.
        if !matches!(self.phase, Phase::Gathering { .. }) {
            return Vec::new();
        }
        if let Some(Seat::Taken { ready, .. }) = self.seat_of(from) {
            *ready = Some(notice);
        }
        match self.ready_seats().count() == self.seats.len() {
            true => self.begin(now),
            false => Vec::new(),
        }
    }

    /// A shard has set a scenario up, or could not. That is one shard's to say.
    pub(super) fn set_up(&mut self, from: Member, set_up: SetUp) -> Vec<Output> {
        if self.index_of(from) != Some(SETS_UP) {
            return Vec::new();
        }
        let told = self.everybody_but(Some(from), &Said::SetUp(set_up.clone()));
        self.set_up.insert(set_up.scenario, set_up);
        told
    }

    /// A shard is there.
    pub(super) fn tick(&mut self, from: Member, now: u64) -> Vec<Output> {
        match self.seat_of(from) {
            Some(Seat::Taken { heard, .. }) => {
                *heard = now;
                vec![Output::Tell(from, Said::Pulse(Pulse {}))]
            }
            _ => Vec::new(),
        }
    }

    /// All are to stop: a shard says so, or with `None` whoever started the coordinator.
    pub(super) fn stop(&mut self, from: Option<Member>, stop: Stop, now: u64) -> Vec<Output> {
        if let Phase::Ended { until, .. } = &mut self.phase {
            // Nobody who may still come is waited for.
            *until = now;
            return Vec::new();
        }
        let is_known = self
            .stopped
            .as_ref()
            .is_some_and(|it| it.at_once >= stop.at_once);
        if is_known {
            return Vec::new();
        }
        let who = from.and_then(|it| self.index_of(it));
        let who = who.map_or_else(|| "the coordinator".to_owned(), |it| self.name(it));
        let why = match &stop.early_end {
            Some(end) => format!("`{}` does not hold on {who}", end.condition),
            None => format!("{who} was told to"),
        };
        let stop = Stop { why, ..stop };
        self.stopped = Some(stop.clone());
        if let Phase::Gathering { .. } = self.phase {
            self.phase = Phase::Ended {
                end: End::Stopped,
                until: now.saturating_add(nanos(LINGERS)),
            };
        }
        let note = Output::Note(format!("all shards stop: {}", stop.why));
        let mut told = self.everybody_but(from, &Said::Stop(stop));
        told.push(note);
        told
    }

    /// A shard cannot begin, and so none does.
    pub(super) fn failed(&mut self, from: Member, failed: &Failed, now: u64) -> Vec<Output> {
        let Some(index) = self.index_of(from) else {
            return Vec::new();
        };
        let farewell = Output::Tell(from, Said::Farewell(Farewell {}));
        if !matches!(self.phase, Phase::Gathering { .. }) {
            return [farewell].into_iter().chain(self.lost(from, now)).collect();
        }
        let why = format!("{}: {}", self.name(index), failed.why);
        self.seats[index as usize] = Seat::Told;
        let refused = Refused {
            kind: failed.kind,
            why,
        };
        let given_up = self.give_up(refused, now);
        [farewell].into_iter().chain(given_up).collect()
    }

    /// A shard's part is made, and its result is here where that is wanted.
    pub(super) fn over(&mut self, from: Member) -> Vec<Output> {
        if let Some(seat) = self.seat_of(from) {
            *seat = Seat::Over;
            return vec![Output::Tell(from, Said::Farewell(Farewell {}))];
        }
        Vec::new()
    }

    /// A shard is gone.
    pub(super) fn lost(&mut self, from: Member, now: u64) -> Vec<Output> {
        let Some(index) = self.index_of(from) else {
            return Vec::new();
        };
        let shard = self.name(index);
        let is_gathering = matches!(self.phase, Phase::Gathering { .. });
        self.seats[index as usize] = match self.phase {
            Phase::Gathering { .. } => Seat::Empty,
            Phase::Running => Seat::Lost,
            Phase::Ended { .. } => Seat::Told,
        };
        if is_gathering && index == SETS_UP && !self.set_up.is_empty() {
            // Another would set up anew, and what it saved would be other than what these have.
            let why = format!("{shard} was lost after it had done the `setup`");
            return self.give_up(refused(why), now);
        }
        let note = match self.phase {
            Phase::Gathering { .. } => format!("{shard} was lost before the load began"),
            Phase::Running => {
                format!("{shard} was lost: the others go on, and its part of the load is missing")
            }
            // It goes because it was told to.
            Phase::Ended { .. } => return Vec::new(),
        };
        vec![Output::Note(note)]
    }

    /// Time passes.
    pub(super) fn time(&mut self, now: u64) -> Vec<Output> {
        let silent = self.seats.iter().filter_map(|it| match it {
            Seat::Taken { member, heard, .. } if now.saturating_sub(*heard) > nanos(SILENCE) => {
                Some(*member)
            }
            _ => None,
        });
        let silent: Vec<Member> = silent.collect();
        let mut told = Vec::new();
        for member in silent {
            told.extend(self.lost(member, now));
            let why = format!(
                "nothing was heard of this shard for {}, and it is taken for lost",
                human::duration(SILENCE)
            );
            told.push(Output::Tell(member, Said::Refused(refused(why))));
        }
        let (until, reminded) = match &mut self.phase {
            Phase::Gathering { until, reminded } => (until, reminded),
            Phase::Ended { until, .. } => {
                if now >= *until {
                    let absent = self.seats.iter_mut().filter(|it| matches!(it, Seat::Empty));
                    absent.for_each(|it| *it = Seat::Told);
                }
                return told;
            }
            Phase::Running => return told,
        };
        if now >= *until {
            let ready = self.ready_seats().count();
            told.extend(match ready > 0 && ready >= self.policy.at_least as usize {
                true => self.begin(now),
                false => {
                    let wait = human::duration(self.policy.wait);
                    let why = format!("the run did not begin: {} within {wait}", self.awaited());
                    self.give_up(refused(why), now)
                }
            });
        } else if now.saturating_sub(*reminded) >= nanos(REMINDED_EVERY) {
            *reminded = now;
            told.push(Output::Note(format!("waiting: {} yet", self.awaited())));
        }
        told
    }

    pub(super) fn has_begun(&self) -> bool {
        matches!(self.phase, Phase::Running)
    }

    /// The start, for all who are ready; of the others none has a part.
    fn begin(&mut self, now: u64) -> Vec<Output> {
        let notice = self.ready_seats().max().unwrap_or_default();
        let at = now.saturating_add(nanos(notice + HEADWAY));
        let mut told = Vec::new();
        let mut without = Vec::new();
        for (index, seat) in (0..).zip(&mut self.seats) {
            match seat {
                Seat::Taken {
                    member,
                    ready: Some(_),
                    ..
                } => told.push(Output::Tell(*member, Said::Start(Start { at }))),
                seat => {
                    if let Seat::Taken { member, .. } = seat {
                        let why = format!(
                            "the run began without shard {index} of {}, which was not ready",
                            self.policy.count
                        );
                        told.push(Output::Tell(*member, Said::Refused(refused(why))));
                    }
                    *seat = Seat::Missing;
                    without.push(index);
                }
            }
        }
        self.phase = Phase::Running;
        let without = match without.is_empty() {
            true => String::new(),
            false => format!(" without {}", self.names(&without)),
        };
        told.push(Output::Note(format!(
            "the load of {} begins in {}{without}",
            human::counted(self.running().into(), "shard"),
            human::duration(notice + HEADWAY),
        )));
        told
    }

    /// No load is made, and all are told why.
    fn give_up(&mut self, why: Refused, now: u64) -> Vec<Output> {
        let mut told = self.everybody_but(None, &Said::Refused(why.clone()));
        for seat in &mut self.seats {
            if let Seat::Taken { .. } = seat {
                *seat = Seat::Told;
            }
        }
        if self.seats.iter().any(|it| matches!(it, Seat::Empty)) {
            told.push(Output::Note(format!(
                "{}; stays for {} to tell those that come late, which Ctrl-C ends",
                why.why,
                human::duration(LINGERS),
            )));
        }
        self.phase = Phase::Ended {
            end: End::NotBegun(why),
            until: now.saturating_add(nanos(LINGERS)),
        };
        told
    }
}

fn refused(why: impl Into<String>) -> Refused {
    Refused {
        kind: Kind::Unspecified.into(),
        why: why.into(),
    }
}
