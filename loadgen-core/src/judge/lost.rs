//! Whether a condition cannot hold any more, whatever is still to come of a load.

use super::{judge, series};
use crate::condition::{Metric, Series, Threshold, Unit};
use crate::record::{EarlyEnd, Reading, Samples, ScenarioRecord};

/// So many standard deviations more arrivals than the mean come by chance once in thirty thousand loads.
const SPREAD: f64 = 4.0;

/// A load of so many arrivals in all, at a constant rate per second; with arrivals at random the means of both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrivals {
    pub(crate) planned: f64,
    pub(crate) per_second: f64,
    pub(crate) is_even: bool,
}

impl Arrivals {
    /// The most that there may be of a part of them.
    fn most(self, count: f64) -> f64 {
        match self.is_even {
            true => count,
            false => count + SPREAD * count.sqrt(),
        }
    }
}

/// Why a load may end, where this condition is lost by what is recorded so far: of all arrivals that it is to be judged
/// over, too many have failed or took too long. Conditions that may yet be saved, or that nothing is known of, are not.
pub(crate) fn lost(
    condition: &Threshold,
    record: &ScenarioRecord,
    arrivals: Arrivals,
) -> Option<EarlyEnd> {
    if condition.window().is_some() || !condition.bounds_from_above() {
        return None;
    }
    let is_lost = match (condition.metric(), condition.value_unit()) {
        (Metric::ErrorRate, _) => {
            let bad = record.ledger.failed + record.unanswered;
            !condition.may_hold_from(bad as f64 * 100.0 / arrivals.most(arrivals.planned))
        }
        (Metric::Series(Series::ResponseTime, statistic), Unit::Time { nanos, .. }) => {
            let Reading::At(quantile) = series::reading(*statistic) else {
                return None;
            };
            let limit = condition.value() * nanos;
            let times = &record.response_time;
            let late = times.len() - times.count_between(0, limit as u64);
            // What came within the limit, and is under way, may yet be in time; the rest is too late already.
            let under_way = record.ledger.wanted().saturating_sub(times.len()) as f64;
            let overdue = (under_way - arrivals.most(arrivals.per_second * limit / 1e9)).max(0.0);
            let planned = arrivals.most(arrivals.planned);
            late as f64 + overdue > (1.0 - quantile) * planned + 1.0
        }
        _ => false,
    };
    let observed = judge(condition, record).observed?;
    is_lost.then(|| {
        let scenario = Some(record.name.clone());
        EarlyEnd::new(scenario, condition.expression(), record.elapsed, observed)
    })
}
