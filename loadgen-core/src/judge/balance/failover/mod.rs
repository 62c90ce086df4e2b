//! What became of the load when a server went away, and when it was back.
//!
//! Read from the [`Timeline`], so to the middle of a bucket: within 5 ms. Owns what each figure means, which
//! is in the book too; whether it is good enough is for others to say.

mod aftermath;
mod around;
mod bucket;
mod survivors;
mod usual;

use std::time::Duration;

use self::around::{Around, BUCKET_NS};
pub(crate) use self::survivors::Survivors;
use self::usual::Usual;
use crate::record::{
    EventAction, EventEffect, EventRecord, FarewellCount, ScenarioRecord, Timeline,
};
use crate::units::human;

/// So long must nothing have come for it to be over.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);
/// What was usual is what was in so long before.
const USUAL: Duration = Duration::from_secs(5);
/// The stretch over which a server's share is compared with what it was.
const SHARE_OVER: Duration = Duration::from_secs(1);
/// A share is as before when it is off by no more than this part of it.
const AS_BEFORE: f64 = 0.2;
/// A silence says something where so many requests would have come in it: that none does by chance is rare
/// enough (e⁻¹² of such times) for a run of an hour.
pub(super) const LEAST_EXPECTED: f64 = 12.0;

/// Why nothing is told by the moments of iterations that last for as long as the load.
const LASTING: &str = "each iteration is a stream that lasts as long as the load, due at its start and over at its \
                       end; `switched`, and how streams broke, tell of it";

/// When something came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long after what it is counted from.
    After(Duration),
    /// Not while it could.
    Never,
    /// It cannot be told.
    #[default]
    Untold,
}

impl Moment {
    /// How long it took, where it came.
    pub(crate) fn after(self) -> Option<Duration> {
        match self {
            Self::After(time) => Some(time),
            Self::Never | Self::Untold => None,
        }
    }
}

/// What became of the load when a server went away. Times count from when that was done, but for those after
/// its return.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Failover {
    /// Whether the time around it was recorded, the server had requests before and the load went on after it:
    /// if not, what was lost says nothing.
    pub(crate) was_seen: bool,
    /// The last request that was given to it before the first silence.
    pub(crate) detected: Moment,
    /// Requests given to it until then.
    pub(crate) given: Option<u64>,
    /// Requests given to it after that, before it was back.
    pub(crate) relapses: Option<u64>,
    /// Requests that failed, or never ended, beyond what is usual.
    pub(crate) lost: u64,
    /// Of these, those that were under way when it went.
    pub(crate) lost_in_flight: u64,
    /// How long after it what was lost and slow was counted, where the load went on for longer.
    pub(crate) recorded: Option<Duration>,
    /// Requests that were ok and took longer than they may, beyond what is usual; `None` where they may take
    /// any time.
    pub(crate) slow: Option<u64>,
    /// The first and the last failure, where failures are not usual.
    pub(crate) errors: Option<(Duration, Duration)>,
    /// The last that failed or was slow before a time without any.
    pub(crate) recovered: Moment,
    /// The longest time in which nothing was ok.
    pub(crate) silence: Duration,
    /// From its return: the first that it answered ok.
    pub(crate) returned: Moment,
    /// From its return: when its share is as before.
    pub(crate) rebalanced: Moment,
    /// When all was as before, since measuring began, as far as it was; `None` where that was never seen.
    pub(crate) over: Option<Duration>,
    /// Why something could not be told.
    pub(crate) untold: Option<String>,
    /// How long requests took that other servers answered, before it and while it was away; `None` where nothing can
    /// be compared.
    pub(crate) survivors: Option<Survivors>,
    /// How long it took those that were with the server to be with another; `None` where none was seen to.
    pub(crate) switched: Option<Switched>,
    /// What became of streams on connections that were told good-bye from then on; `None` where none was.
    pub(crate) farewell: Option<FarewellCount>,
    /// The most connections that were opened in a second in place of others; `None` where that is not known.
    pub(crate) reconnects: Option<u64>,
    /// The most that a server got over the mean once all was as before; `None` where that was never seen.
    pub(crate) imbalance_after: Option<f64>,
}

/// How long it took keys to be with another server, from the last that was ok of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Switched {
    /// Keys that did.
    pub(crate) count: u64,
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
    pub(crate) p99: Duration,
    pub(crate) longest: Duration,
}

impl Switched {
    /// Of these times: each percentile is one of them.
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let longest = *times.last()?;
        let rank = |percent: usize| times[(times.len() * percent).div_ceil(100).max(1) - 1];
        Some(Self {
            count: times.len() as u64,
            p50: rank(50),
            p90: rank(90),
            p99: rank(99),
            longest,
        })
    }
}

/// The events after which a server was away, each with what became of the load. Those that were not done
/// have nothing.
pub(crate) fn failovers(record: &ScenarioRecord) -> Vec<(&EventRecord, Failover)> {
    let events = record.events.iter().filter(|it| is_one(it));
    let mut events: Vec<&EventRecord> = events.collect();
    events.sort_by_key(|it| it.holds_from());
    let mut found: Vec<(&EventRecord, Failover)> = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let before = found
            .iter()
            .filter(|(event, _)| event.holds_from().is_some());
        // One that was never over is over after all that there is.
        let before = before.map(|(_, it)| it.over.unwrap_or(Duration::MAX));
        let next = events.get(index + 1).and_then(|it| it.holds_from());
        let load = (&record.timeline, record.elapsed);
        let by_hand = || changed_around(record, event);
        let nothing_tells = match record.lasting && event.holds_from().is_some() {
            true => Some(LASTING.to_owned()),
            false => by_hand(),
        };
        let failover = match nothing_tells {
            Some(why) => Failover {
                untold: Some(why),
                ..Failover::default()
            },
            None => of(load, event, before.max(), next),
        };
        found.push((event, failover));
    }
    let moments: Vec<Option<Duration>> = found.iter().map(|(it, _)| it.done).collect();
    for (index, (event, failover)) in found.iter_mut().enumerate() {
        if let Some(done) = event.done {
            let next = moments.get(index + 1).copied().flatten();
            failover.farewell = record.farewells.between(done, next);
            failover.reconnects = aftermath::reconnects(record, done, next);
            failover.imbalance_after = aftermath::imbalance(record, failover.over, next);
        }
    }
    for (event, times) in super::sticky::switches(record) {
        if let Some((_, it)) = found.iter_mut().find(|(it, _)| std::ptr::eq(*it, event)) {
            it.switched = Switched::of(times);
        }
    }
    found
}

/// What somebody changed of the load in the time that was recorded around an event: what the load is after it says
/// nothing of the event.
fn changed_around(record: &ScenarioRecord, event: &EventRecord) -> Option<String> {
    let done = event.done?;
    let windows = record.timeline.windows();
    let (from, to) = windows.iter().find(|it| it.0 <= done && done <= it.1)?;
    let change = record.changes().find(|(at, _)| from <= at && at <= to)?;
    let (at, said) = (human::duration(change.0), &change.1.said);
    Some(format!(
        "somebody changed the load around it (`{said}` at {at})"
    ))
}

/// The servers that an event took away, each with the event and from when on it was.
pub(super) fn departures(record: &ScenarioRecord) -> Vec<(&EventRecord, &str, Duration)> {
    let events = record.events.iter().filter(|it| is_one(it));
    let done = events.filter_map(|event| Some((event, event.holds_from()?)));
    done.flat_map(|(event, from)| {
        let away = event.taken_away().into_iter();
        away.map(move |backend| (event, backend, from))
    })
    .collect()
}

/// A time in which not all servers were there, or not all had their share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outage {
    /// What was done.
    pub(crate) said: String,
    pub(crate) from: Duration,
    /// `None` where it was never over.
    pub(crate) to: Option<Duration>,
}

/// The times in which a server was away, until it had its share again.
pub(crate) fn outages(record: &ScenarioRecord) -> Vec<Outage> {
    let outage = |(event, failover): &(&EventRecord, Failover)| {
        let back = |moment: Moment| Some(event.ready? + moment.after()?);
        Some(Outage {
            said: event.said.clone(),
            from: event.holds_from()?,
            to: match event.before {
                // What its share was is not known.
                Some(_) => (failover.over.filter(|_| event.ready.is_some()))
                    .or_else(|| back(failover.returned)),
                None => back(failover.rebalanced),
            },
        })
    };
    let all = failovers(record);
    let lasting = all
        .iter()
        .filter(|(event, _)| event.effect == EventEffect::Lasts);
    lasting.filter_map(outage).collect()
}

/// Whether it takes a server away that the scenario asks, or what it has under way, for a moment, for a time or for
/// good.
pub(super) fn is_one(event: &EventRecord) -> bool {
    let takes_away = match event.action {
        EventAction::Kill
        | EventAction::Restart
        | EventAction::Freeze
        | EventAction::Drain
        | EventAction::Fault => true,
        EventAction::Http
        | EventAction::Exec
        | EventAction::Mark
        | EventAction::Pause
        | EventAction::Resume
        | EventAction::Rate
        | EventAction::Users
        | EventAction::Target
        | EventAction::Stop => false,
    };
    let is_harm = takes_away && event.effect != EventEffect::Ends;
    is_harm && event.backend.is_some() && !event.elsewhere
}

/// What became of a load that lasted for so long at one event: `before` is when those before it were over, `next` when the next
/// one was done.
fn of(
    (timeline, elapsed): (&Timeline, Duration),
    event: &EventRecord,
    before: Option<Duration>,
    next: Option<Duration>,
) -> Failover {
    let untold = |why: String| Failover {
        untold: Some(why),
        ..Failover::default()
    };
    let Some(done) = event.holds_from() else {
        return untold("it was not done".to_owned());
    };
    let away = event.met();
    let backend = away.join("`, `");
    if timeline.is_cut() {
        return untold("more happened around it than is kept".to_owned());
    }
    let is_dead = event.action == EventAction::Kill && event.behind.is_empty();
    let Some(around) = Around::new(timeline, &away, is_dead, done, event.ready, next) else {
        return untold("the time around it was not recorded".to_owned());
    };
    if let Some(before) = event.before {
        let before = human::duration(before);
        return Failover {
            returned: around.returned(),
            over: around.over(&Usual::default()),
            ..untold(format!("it was done {before} before measuring began"))
        };
    }
    let usual_from = done.saturating_sub(USUAL);
    let is_new = !around.had_answered(usual_from);
    let is_early = before.is_some_and(|before| before > done);
    let usual_from = usual_from.max(before.unwrap_or_default()).min(done);
    let usual = around.usual_from(usual_from);
    let goes_on = around.goes_on_for(SETTLE);
    let mut failover = Failover {
        was_seen: goes_on && !is_new,
        silence: around.silence(),
        recorded: around.recorded_for(elapsed),
        returned: around.returned(),
        errors: around.errors(&usual),
        over: around.over(&usual),
        ..around.losses(&usual, timeline.ok_within().is_some())
    };
    let has_usual = !is_early && usual.buckets >= around::buckets(SETTLE);
    if failover.was_seen && has_usual && event.effect != EventEffect::Momentary {
        let (before, during) = (around.before(usual_from), around.during());
        failover.survivors = Some(Survivors::of(timeline, &away, before, during));
    }
    let expected = usual.given * around::buckets(SETTLE) as f64;
    failover.untold = if is_early {
        Some("the event before it was not over, so that nothing was usual".to_owned())
    } else if usual.buckets < around::buckets(SETTLE) {
        Some(format!(
            "there was less than {SETTLE:?} of load before it to compare with"
        ))
    } else if usual.given == 0.0 || is_new {
        let is_known = timeline.backends().any(|it| away.contains(&it));
        Some(match is_known {
            true => format!("`{backend}` answered nothing in the time before it"),
            false => format!(
                "nothing answered as `{backend}`: it had no requests, or goes by another name"
            ),
        })
    } else if !goes_on {
        Some(format!("less than {SETTLE:?} of load was left after it"))
    } else if event.effect == EventEffect::Momentary {
        failover.recovered = around.recovered(&usual);
        Some(format!("`{backend}` was there all the time"))
    } else if expected < LEAST_EXPECTED.max(2.0 * usual.slack()) {
        let rate = usual.given * 1e9 / BUCKET_NS as f64;
        Some(format!(
            "`{backend}` got {rate:.1} requests a second, too few for {SETTLE:?} of silence to mean anything"
        ))
    } else {
        around.times(&usual, &mut failover)
    };
    failover
}

#[cfg(test)]
mod tests;
