//! The figures of a moment in words, each by itself or not at all.

use std::time::Duration;

use loadgen_core::engine::Phase;

use super::moment::Moment;
use super::planned::{Planned, progress};
use crate::human;

/// Kinds of failure named in the view.
const KINDS: usize = 4;
/// From here on a silence is told of.
const LONG: Duration = Duration::from_secs(2);

pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Connect => "connecting",
        Phase::WarmUp => "warming up",
        Phase::Measure => "measuring",
        Phase::Drain => "draining",
        Phase::Done => "done",
    }
}

/// How much of the plan is done, while there is a goal.
pub(super) fn share(planned: &Planned, now: &Moment) -> Option<String> {
    let (_, _, share) = progress(planned, now);
    (now.phase < Phase::Drain).then(|| format!("{:>3.0}%", (share * 100.0).floor()))
}

/// Who is at it and what has come of it: of streams that last, which are ok at their end only, how these are.
pub(super) fn counts(now: &Moment) -> Vec<String> {
    let mut counts = vec![format!("{} busy", human::count(now.users))];
    if let Some(streams) = &now.streams {
        let opened = human::counted(streams.opened, "stream");
        counts.push(format!("{} of {opened} open", human::count(streams.open)));
        counts.push(format!("{} broken", human::count(streams.broken)));
    }
    if now.streams.is_none() || now.ledger.completed > 0 {
        counts.push(format!("{} ok", human::count(now.ledger.completed)));
    }
    counts
}

/// How much of it there was in the last second.
pub(super) fn rate(now: &Moment) -> String {
    match &now.streams {
        Some(streams) => format!("messages {}", human::rate(streams.messages_per_s)),
        None => human::rate(now.rate_per_s),
    }
}

/// Of the last second.
pub(super) fn latencies(now: &Moment) -> Vec<String> {
    let named = [("p50", now.p50), ("p99", now.p99)];
    let known = named
        .into_iter()
        .filter_map(|(name, figure)| Some((name, figure?)));
    known.map(|(name, figure)| figure.named(name)).collect()
}

pub(super) fn start_lag(planned: &Planned, now: &Moment) -> Option<String> {
    let figure = now.start_lag_p99.filter(|_| planned.open)?;
    Some(figure.named("start lag p99"))
}

pub(super) fn so_far(now: &Moment) -> Vec<String> {
    let known = now
        .so_far
        .iter()
        .filter_map(|(name, us)| Some((name, (*us)?)));
    known
        .map(|(name, us)| format!("{name} {}", human::micros(us)))
        .collect()
}

pub(super) fn silence(now: &Moment) -> Option<String> {
    let is_silent = now.silence >= LONG && now.phase < Phase::Done;
    let what = match now.streams {
        Some(_) => "no message",
        None => "none ended ok",
    };
    is_silent.then(|| format!("{what} for {:.0} s", now.silence.as_secs_f64().floor()))
}

/// What failed, and was dropped though nobody withheld it.
pub(super) fn failures(now: &Moment) -> Option<String> {
    let dropped = now.ledger.missed();
    if now.ledger.failed == 0 && dropped == 0 {
        return None;
    }
    let mut kinds: Vec<String> = now
        .failures
        .iter()
        .take(KINDS)
        .map(|(kind, count)| format!("{kind} {}", human::count(*count)))
        .collect();
    if now.failures.len() > KINDS {
        kinds.push("…".to_owned());
    }
    let mut text = format!("{} failed", human::count(now.ledger.failed));
    if !kinds.is_empty() {
        text.push_str(&format!(" ({})", kinds.join(", ")));
    }
    if dropped > 0 {
        text.push_str(&format!(", {} dropped", human::count(dropped)));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use loadgen_core::record::Ledger;

    use super::*;
    use crate::screen::live::moment::Figure;

    fn moment() -> Moment {
        let figure = |us, over| Some(Figure { us, over });
        Moment {
            phase: Phase::Measure,
            elapsed: Duration::from_secs(12),
            users: 100,
            rate_per_s: 48_211.4,
            ledger: Ledger::default(),
            failures: Vec::new(),
            p50: figure(310.4, None),
            p99: figure(1_234.0, Some(Duration::from_secs(11))),
            start_lag_p99: None,
            so_far: [("p90", None), ("p95", None), ("p99", None)],
            silence: Duration::ZERO,
            streams: None,
            told: Vec::new(),
        }
    }

    #[test]
    fn a_short_silence_is_a_slow_answer() {
        let mut now = moment();
        now.silence = Duration::from_millis(1_990);
        assert_eq!(silence(&now), None);
        now.silence = Duration::from_secs(2);
        assert_eq!(silence(&now).unwrap(), "none ended ok for 2 s");
        now.phase = Phase::Done;
        assert_eq!(silence(&now), None, "it is over");
    }

    #[test]
    fn a_longer_stretch_is_named() {
        assert_eq!(latencies(&moment()), ["p50 310 µs", "p99 (11 s) 1.23 ms"]);
    }
}
