//! What becomes of a condition: one function of it and of what was recorded, at the end of a run or while
//! it is under way.
//!
//! Reads a scenario's record and changes nothing. Owns what has to be looked at over time for conditions
//! that have windows ([`watches`]), and whose doing it is when one does not hold ([`blame`]).

pub(crate) mod balance;
mod blame;
mod lost;
pub(crate) mod observe;
mod series;
mod windows;

pub(crate) use self::blame::{Blame, blame};
pub(crate) use self::lost::{Arrivals, lost};
pub(crate) use self::windows::watches;
use crate::condition::{Metric, Threshold};
use crate::record::{ScenarioRecord, WindowRecord};
use crate::units::human::counted;

/// What became of a condition.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Judged {
    /// The value compared, in the condition's unit.
    pub(crate) observed: Option<f64>,
    /// Whether it holds. Without an observed value it does not.
    pub(crate) holds: bool,
    /// Where the value is a percentile, how many samples lie beyond it.
    pub(crate) beyond: Option<u64>,
    /// Of windows, where the one begins that the value is of, in seconds from the start of measuring.
    pub(crate) window_from_s: Option<u64>,
    /// Whether the value is only known to be no better.
    pub(crate) is_bound: bool,
    /// Why there is no value, where something can be said about that.
    pub(crate) unjudged: Option<String>,
}

/// Judges a condition.
pub(crate) fn judge(condition: &Threshold, record: &ScenarioRecord) -> Judged {
    judge_by(condition, record, &record.windows)
}

/// The same by what was found over these windows.
pub(crate) fn judge_by(
    condition: &Threshold,
    record: &ScenarioRecord,
    windows: &[WindowRecord],
) -> Judged {
    let unit = condition.value_unit();
    let judged = match windows::found(condition, windows) {
        Some(Ok(found)) => found.map_or_else(Judged::default, |worst| Judged {
            observed: Some(observe::in_unit(worst.value, unit)),
            beyond: windows::beyond(condition.metric(), worst.samples),
            window_from_s: Some(worst.from_s),
            is_bound: worst.is_bound,
            ..Judged::default()
        }),
        Some(Err(unjudged)) => Judged {
            unjudged: Some(unjudged),
            ..Judged::default()
        },
        None => {
            let observed = observe::observed(condition.metric(), record, unit);
            Judged {
                beyond: samples_beyond(condition.metric(), record).filter(|_| observed.is_some()),
                observed,
                ..Judged::default()
            }
        }
    };
    match *condition.metric() {
        Metric::Failover { left, word } => {
            return balance::judge_failover(condition, left, word, record);
        }
        Metric::Balance(word) => return balance::judge_evenness(condition, word, record),
        _ => {}
    }
    let unseen = unseen_backend(condition.metric(), record);
    Judged {
        holds: judged.observed.is_some_and(|it| condition.holds(it)) && unseen.is_none(),
        observed: judged.observed.filter(|_| unseen.is_none()),
        unjudged: unseen.or(judged.unjudged),
        ..judged
    }
}

/// What is wrong where a condition is about a server that never answered: a name that nobody has must
/// not pass for one that does little wrong.
fn unseen_backend(metric: &Metric, record: &ScenarioRecord) -> Option<String> {
    /// More names are no help.
    const MOST_NAMES: usize = 8;
    let Metric::Backend { name, .. } = metric else {
        return None;
    };
    if record.backends.is_empty() {
        return Some("no server named itself".to_owned());
    }
    let is_there = record.backends.iter().any(|it| it.id == *name);
    if is_there || name == ScenarioRecord::UNKNOWN {
        return None;
    }
    let names = record.backends.iter().take(MOST_NAMES);
    let names: Vec<String> = names.map(|it| format!("`{}`", it.id)).collect();
    let more = match record.backends.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "no server named itself `{name}`; those that did are {}{more}",
        names.join(", ")
    ))
}

/// Of a percentile, how many samples lie beyond it.
fn samples_beyond(metric: &Metric, record: &ScenarioRecord) -> Option<u64> {
    if let Some((samples, statistic)) = observe::of_backend(metric, record) {
        return series::beyond(statistic, samples.len());
    }
    let (series, statistic, step) = series::asked(metric, record)?;
    let samples = series::read(record, step, series, |histogram| Some(histogram.len()))?;
    series::beyond(statistic, samples)
}

/// Whether a condition says how long the service may be silent.
pub(crate) fn is_about_silence(condition: &Threshold) -> bool {
    *condition.metric() == Metric::Silence
}

/// `1 second`, `90 seconds`.
fn seconds(number: u64) -> String {
    counted(number, "second")
}

#[cfg(test)]
mod tests;
