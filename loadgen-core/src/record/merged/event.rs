//! What was done to servers while a run was under way.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ScenarioRecord;

/// The most events that a scenario's record keeps.
const MOST_EVENTS: usize = 1000;

/// What an event does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[non_exhaustive]
pub enum EventAction {
    /// Ends a server without a warning.
    Kill,
    /// Ends a server as it likes to be ended, and starts it again.
    Restart,
    /// Stops a server's process where it stands; its sockets stay.
    Freeze,
    /// Asks a server to end, which may first say so.
    Drain,
    /// Makes what stands before a server do harm.
    Fault,
    /// Sends an HTTP request to somebody else.
    Http,
    /// Runs a command.
    Exec,
    /// Nothing: a moment that somebody wants to remember.
    Mark,
    /// Somebody has nothing new start.
    Pause,
    /// Somebody ends a pause.
    Resume,
    /// Somebody changes the rate.
    Rate,
    /// Somebody changes the number of users.
    Users,
    /// Somebody switches a target off, or on again.
    Target,
    /// Somebody ends the run.
    Stop,
}

impl EventAction {
    /// Whether somebody changes by it what load there is, so that the plan no longer says it.
    #[must_use]
    pub fn changes_load(self) -> bool {
        match self {
            Self::Pause | Self::Resume | Self::Rate | Self::Users | Self::Target => true,
            Self::Kill
            | Self::Restart
            | Self::Freeze
            | Self::Drain
            | Self::Fault
            | Self::Http
            | Self::Exec
            | Self::Mark
            | Self::Stop => false,
        }
    }
}

/// How long what an event does holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventEffect {
    /// Until the server is ready again, or for good.
    #[default]
    Lasts,
    /// Not beyond the moment: the server is there all the time.
    Momentary,
    /// It does no harm, and ends the harm that was done before.
    Ends,
}

/// What was done to a server, or said, while a run was under way. Times count from where measuring of the
/// scenario begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EventRecord {
    /// What kind of event it is.
    pub action: EventAction,
    /// How long it holds.
    #[serde(default)]
    pub effect: EventEffect,
    /// The server that it was done to, by the name it gives itself.
    pub backend: Option<String>,
    /// The servers that answer behind it, where it was done to what stands in front of them: a lasting effect took
    /// them away. Empty where the server answers itself.
    #[serde(default)]
    pub behind: Vec<String>,
    /// Whether it was done to a server that the scenario does not ask, so that nothing that became of its load comes
    /// of it.
    #[serde(default)]
    pub elsewhere: bool,
    /// What it was, in words: `kill b2`, `POST http://127.0.0.1:9901/…`, the text of a mark.
    pub said: String,
    /// When it was to be done; `None` where nobody had planned it, or before measuring of the scenario began.
    pub planned: Option<Duration>,
    /// When it was done, as measured; `None` where it never was, or [`before`](Self::before).
    pub done: Option<Duration>,
    /// How long before measuring of the scenario began it was done, where it was and was not over by then; it has no
    /// time of its own there.
    #[serde(default)]
    pub before: Option<Duration>,
    /// When the server was ready again, as measured; `None` where it never was, or was never gone.
    pub ready: Option<Duration>,
    /// Why it could not be done, or not be undone.
    pub failure: Option<String>,
}

impl EventRecord {
    /// One of this kind, in these words, that was not done yet.
    #[must_use]
    pub fn new(action: EventAction, said: impl Into<String>) -> Self {
        Self {
            action,
            effect: EventEffect::Lasts,
            backend: None,
            behind: Vec::new(),
            elsewhere: false,
            said: said.into(),
            planned: None,
            done: None,
            before: None,
            ready: None,
            failure: None,
        }
    }
}

impl EventRecord {
    /// From when on it holds in the scenario: when it was done, or where measuring begins.
    pub(crate) fn holds_from(&self) -> Option<Duration> {
        self.done.or(self.before.map(|_| Duration::ZERO))
    }

    /// Whether somebody did it while the run was under way, rather than its plan.
    fn is_by_hand(&self) -> bool {
        match self.action {
            EventAction::Mark => self.planned.is_none() && self.done.is_some(),
            EventAction::Stop => true,
            action => action.changes_load(),
        }
    }

    /// The servers that it took away, by the names that they give themselves; none where it was over at once.
    pub(crate) fn taken_away(&self) -> Vec<&str> {
        match self.effect {
            EventEffect::Lasts => self.met(),
            EventEffect::Momentary | EventEffect::Ends => Vec::new(),
        }
    }

    /// The servers that it was done to, itself or in front of them, by the names that they give themselves.
    pub(crate) fn met(&self) -> Vec<&str> {
        match self.behind.as_slice() {
            [] => self.backend.iter().map(String::as_str).collect(),
            behind => behind.iter().map(String::as_str).collect(),
        }
    }
}

/// Whether what somebody changed in a warm-up holds on in what is measured, by what was changed later in it.
pub(crate) fn outlasts_warm_up<'a>(
    change: (EventAction, &'a str),
    mut later: impl Iterator<Item = (EventAction, &'a str)>,
) -> bool {
    /// What it is about: the last of these holds.
    fn subject((action, said): (EventAction, &str)) -> (EventAction, &str) {
        match action {
            EventAction::Target => (action, said.rsplit_once(' ').map_or(said, |it| it.0)),
            EventAction::Resume => (EventAction::Pause, ""),
            _ => (action, ""),
        }
    }
    let leaves_all_as_planned = match change {
        (EventAction::Resume, _) => true,
        (EventAction::Target, said) => said.ends_with(" on"),
        _ => false,
    };
    !leaves_all_as_planned && !later.any(|it| subject(it) == subject(change))
}

impl ScenarioRecord {
    /// What somebody changed of the load that was measured, each with from when on it held, in order.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (Duration, &EventRecord)> {
        let in_warm_up = |it: &&EventRecord| it.action.changes_load() && it.before.is_some();
        let changes = self.events.iter().enumerate();
        let changes = changes.filter(|(_, it)| it.action.changes_load());
        changes.filter_map(move |(place, it)| {
            let later = self.events[place + 1..].iter().filter(in_warm_up);
            let mut later = later.map(|it| (it.action, it.said.as_str()));
            let is_held =
                it.before.is_none() || outlasts_warm_up((it.action, &it.said), &mut later);
            Some((it.holds_from().filter(|_| is_held)?, it))
        })
    }

    /// Adds what was done to servers, in the order in which it was. What is above the first 1,000 is not kept, but
    /// of what somebody did by hand first: what the plan had done decides whether the run is valid.
    pub(crate) fn happened(&mut self, events: impl IntoIterator<Item = EventRecord>) {
        self.events.extend(events);
        self.events.sort_by_key(|it| it.done.or(it.planned));
        self.end_faults();
        let mut kept_by_hand = {
            let by_hand = self.events.iter().filter(|it| it.is_by_hand()).count();
            MOST_EVENTS.saturating_sub(self.events.len() - by_hand)
        };
        self.events.retain(|it| {
            let is_kept = !it.is_by_hand() || kept_by_hand > 0;
            kept_by_hand -= usize::from(it.is_by_hand() && is_kept);
            is_kept
        });
        self.events.truncate(MOST_EVENTS);
    }

    /// Faults that nobody took back are over when others take their place of which none is left.
    fn end_faults(&mut self) {
        let faults = self.events.iter();
        let faults = faults.filter(|it| it.action == EventAction::Fault);
        let ends: Vec<(Option<String>, Duration)> = faults
            .filter_map(|it| {
                let at = match it.effect {
                    EventEffect::Lasts => it.ready,
                    EventEffect::Momentary | EventEffect::Ends => it.holds_from(),
                };
                Some((it.backend.clone(), at?))
            })
            .collect();
        let open = self.events.iter_mut().filter(|it| {
            it.action == EventAction::Fault && it.effect == EventEffect::Lasts && it.ready.is_none()
        });
        for event in open {
            let Some(from) = event.holds_from() else {
                continue;
            };
            let own = ends.iter().filter(|(proxy, _)| *proxy == event.backend);
            event.ready = own.map(|(_, at)| *at).filter(|at| *at > from).min();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a record that was stored, too, which may have any number of them.
    #[test]
    fn the_first_thousand_events_are_kept() {
        let event = |ms: u64| EventRecord {
            done: Some(Duration::from_millis(ms)),
            ..EventRecord::new(EventAction::Mark, ms.to_string())
        };
        let mut record = ScenarioRecord::empty("s", "grpc", true, &[]);
        record.happened((0..800).map(|nth| event(2 * nth)));
        let mut other = ScenarioRecord::empty("s", "grpc", true, &[]);
        other.events = (0..800).map(|nth| event(2 * nth + 1)).collect();
        record.merge(&other).unwrap();
        let said: Vec<_> = record.events.iter().map(|it| it.said.clone()).collect();
        let wanted: Vec<_> = (0..1000).map(|nth: u64| nth.to_string()).collect();
        assert_eq!(said, wanted);
    }

    /// One that could not be done makes the run invalid, however often somebody changed it before.
    #[test]
    fn changes_by_hand_push_out_nothing_that_was_planned() {
        let by_hand = |nth: u64| EventRecord {
            done: Some(Duration::from_millis(nth)),
            ..EventRecord::new(
                [EventAction::Rate, EventAction::Mark][nth as usize % 2],
                nth.to_string(),
            )
        };
        let planned = EventRecord {
            planned: Some(Duration::from_secs(60)),
            failure: Some("no such container".to_owned()),
            ..EventRecord::new(EventAction::Kill, "kill b2")
        };
        let mut record = ScenarioRecord::empty("s", "grpc", true, &[]);
        record.happened((0..1_200).map(by_hand).chain([planned.clone()]));
        assert_eq!(record.events.len(), 1_000);
        assert_eq!(record.events[998].said, "998");
        assert_eq!(record.events.last(), Some(&planned));
    }

    /// Somebody tried it, and took it back in time.
    #[test]
    fn of_a_warm_up_counts_what_holds_after_it() {
        let event = |action, said: &str, before: bool| {
            let mut event = EventRecord::new(action, said);
            let at = Some(Duration::from_secs(1));
            *(if before {
                &mut event.before
            } else {
                &mut event.done
            }) = at;
            event
        };
        let mut record = ScenarioRecord::empty("s", "grpc", true, &[]);
        record.happened([
            event(EventAction::Pause, "pause", true),
            event(EventAction::Users, "users 3", true),
            event(EventAction::Target, "target a off", true),
            event(EventAction::Target, "target b off", true),
            event(EventAction::Resume, "resume", true),
            event(EventAction::Users, "users 5", true),
            event(EventAction::Target, "target a on", true),
            event(EventAction::Mark, "note", false),
            event(EventAction::Users, "users 7", false),
            EventRecord::new(EventAction::Rate, "rate 7/s"),
        ]);
        let changes = record.changes();
        let changes: Vec<_> = changes
            .map(|(at, it)| (at.as_secs(), it.said.as_str()))
            .collect();
        let wanted = [(0, "target b off"), (0, "users 5"), (1, "users 7")];
        assert_eq!(changes, wanted);
    }

    /// What is said of a proxy takes the place of what was said before.
    #[test]
    fn a_fault_is_over_when_nothing_goes_wrong_any_more() {
        let fault = |proxy: &str, at: u64, effect, ready: Option<u64>| EventRecord {
            backend: Some(proxy.to_owned()),
            done: Some(Duration::from_secs(at)),
            ready: ready.map(Duration::from_secs),
            effect,
            ..EventRecord::new(EventAction::Fault, "fault")
        };
        let mut record = ScenarioRecord::empty("s", "grpc", true, &[]);
        record.happened([
            fault("p1", 1, EventEffect::Lasts, None),
            fault("p2", 2, EventEffect::Lasts, None),
            fault("p1", 3, EventEffect::Lasts, None),
            fault("p1", 5, EventEffect::Ends, None),
            fault("p1", 6, EventEffect::Lasts, None),
            fault("p1", 7, EventEffect::Lasts, Some(8)),
            fault("p1", 9, EventEffect::Lasts, None),
            fault("p1", 10, EventEffect::Momentary, None),
            fault("p1", 11, EventEffect::Lasts, None),
        ]);
        let mut killed = fault("p2", 3, EventEffect::Lasts, Some(4));
        killed.action = EventAction::Kill;
        record.happened([killed]);
        let ready: Vec<_> = record
            .events
            .iter()
            .filter(|it| it.action == EventAction::Fault)
            .map(|it| it.ready.map(|at| at.as_secs()))
            .collect();
        let wanted = [
            Some(5),
            None,
            Some(5),
            None,
            Some(8),
            Some(8),
            Some(10),
            None,
            None,
        ];
        assert_eq!(ready, wanted);
    }
}
