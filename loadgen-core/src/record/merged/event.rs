//! What was done to servers while a run was under way.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ScenarioRecord;

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

/// A target that nothing new was sent to any more, or was again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[non_exhaustive]
pub struct TargetSwitch {
    /// The target, as the plan writes it.
    pub target: String,
    /// Whether it is sent to from then on.
    pub on: bool,
}

impl TargetSwitch {
    /// This target, and whether it is sent to from then on.
    #[must_use]
    pub fn new(target: impl Into<String>, on: bool) -> Self {
        let target = target.into();
        Self { target, on }
    }
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
    /// The target that somebody switched off, or on again.
    #[serde(default)]
    pub switched: Option<TargetSwitch>,
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
            switched: None,
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

    fn changed(&self) -> Changed<'_> {
        (self.action, self.switched.as_ref())
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

/// What somebody changed: the kind of change, and the target where it switched one.
pub(crate) type Changed<'a> = (EventAction, Option<&'a TargetSwitch>);

/// Whether what somebody changed in a warm-up holds on in what is measured, by what was changed later in it.
pub(crate) fn outlasts_warm_up<'a>(
    change: Changed<'a>,
    mut later: impl Iterator<Item = Changed<'a>>,
) -> bool {
    /// What it is about: the last of these holds.
    fn subject((action, switched): Changed<'_>) -> (EventAction, Option<&str>) {
        let action = match action {
            EventAction::Resume => EventAction::Pause,
            action => action,
        };
        (action, switched.map(|it| it.target.as_str()))
    }
    let leaves_all_as_planned = match change {
        (EventAction::Resume, _) => true,
        (_, switched) => switched.is_some_and(|it| it.on),
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
            let is_held = it.before.is_none()
                || outlasts_warm_up(it.changed(), later.map(EventRecord::changed));
            Some((it.holds_from().filter(|_| is_held)?, it))
        })
    }

    /// Adds what was done to servers, in the order in which it was: all of it, since the plan is bounded, and so are those
    /// who change a run; a program with a [`Marker`](crate::engine::Marker) has to keep to a bound of its own.
    pub(crate) fn happened(&mut self, events: impl IntoIterator<Item = EventRecord>) {
        self.events.extend(events);
        self.events.sort_by_key(|it| it.done.or(it.planned));
        self.end_faults();
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

    /// However many there are: what was done is on record, of several processes too.
    #[test]
    fn all_events_are_kept_in_order() {
        let event = |ms: u64| EventRecord {
            done: Some(Duration::from_millis(ms)),
            ..EventRecord::new(
                [EventAction::Rate, EventAction::Mark][ms as usize % 2],
                ms.to_string(),
            )
        };
        let mut record = ScenarioRecord::empty("s", "grpc", true, &[]);
        record.happened((0..1_200).map(|nth| event(2 * nth)));
        let mut other = ScenarioRecord::empty("s", "grpc", true, &[]);
        other.happened((0..1_200).map(|nth| event(2 * nth + 1)));
        record.merge(&other).unwrap();
        let said: Vec<_> = record.events.iter().map(|it| it.said.clone()).collect();
        let wanted: Vec<_> = (0..2_400).map(|nth: u64| nth.to_string()).collect();
        assert_eq!(said, wanted);
        assert_eq!(record.changes().count(), 1_200);
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
        // By what it is, whatever the words for it.
        let switch = |target, on| EventRecord {
            switched: Some(TargetSwitch::new(target, on)),
            ..event(EventAction::Target, &format!("{target}: {on}"), true)
        };
        let mut record = ScenarioRecord::empty("s", "grpc", true, &[]);
        record.happened([
            event(EventAction::Pause, "pause", true),
            event(EventAction::Users, "users 3", true),
            switch("a", false),
            switch("b", false),
            event(EventAction::Resume, "resume", true),
            event(EventAction::Users, "users 5", true),
            switch("a", true),
            event(EventAction::Mark, "note", false),
            event(EventAction::Users, "users 7", false),
            EventRecord::new(EventAction::Rate, "rate 7/s"),
        ]);
        let changes = record.changes();
        let changes: Vec<_> = changes
            .map(|(at, it)| (at.as_secs(), it.said.as_str()))
            .collect();
        let wanted = [(0, "b: false"), (0, "users 5"), (1, "users 7")];
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
