//! What was divided among whom, from the record.

use std::time::Duration;

use super::failover::{Outage, outages};
use super::share::{Division, Part};
use crate::record::{BackendRecord, ScenarioRecord, Unit};
use crate::units::human::counted;

/// What each server got of the whole run, all alike, or of the part in which none was away.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counts {
    /// By name.
    pub(super) named: Vec<(String, u64)>,
    /// Answers without a name.
    pub(super) nameless: u64,
    /// Whether what happened while a server was away is left out.
    pub(super) is_part: bool,
}

impl Counts {
    /// What is divided, as it should be: `wished` is of one, by name.
    pub(super) fn as_wished(&self, wished: Vec<(String, f64)>) -> Division {
        let count = |name: &str| {
            let own = self.named.iter().find(|(it, _)| it == name);
            own.map_or(0, |(_, count)| *count)
        };
        let parts = wished.into_iter().map(|(name, wished)| Part {
            count: count(&name),
            name,
            wished,
        });
        Division {
            parts: parts.collect(),
            nameless: self.nameless,
        }
    }
}

/// All servers there are: those that somebody told of, and those that answered. Whoever stands between may give
/// them other names.
///
/// # Errors
/// Why that cannot be told.
pub(super) fn who<'a>(
    told: &[&'a str],
    answered: impl Iterator<Item = &'a str>,
) -> Result<Vec<&'a str>, String> {
    let answered: Vec<&str> = answered.collect();
    let is_named_otherwise = !answered.iter().any(|it| told.contains(it));
    let mut servers: Vec<&str> = match is_named_otherwise {
        true => Vec::new(),
        false => told.to_vec(),
    };
    for name in answered {
        if !servers.contains(&name) {
            servers.push(name);
        }
    }
    match servers.len() < told.len() {
        true => Err(format!(
            "only {} of {} named themselves",
            servers.len(),
            counted(told.len() as u64, "server")
        )),
        false => Ok(servers),
    }
}

/// What each server got, counted in this unit.
///
/// # Errors
/// Why that cannot be told.
pub(super) fn counts(record: &ScenarioRecord, unit: Unit) -> Result<Counts, String> {
    let outages = outages(record);
    let is_part = !outages.is_empty();
    let of_all = |count: fn(&BackendRecord) -> u64| Counts {
        named: record
            .backends
            .iter()
            .map(|it| (it.id.clone(), count(it)))
            .collect(),
        // A failure is no answer, and may be nobody's.
        nameless: 0,
        is_part: false,
    };
    match unit {
        Unit::Request if is_part => {
            let count = |backend: &BackendRecord| {
                let points = backend.over_time.points();
                points
                    .filter(|it| {
                        let from = Duration::from_secs(it.t_s);
                        let to = from + Duration::from_secs(it.seconds);
                        outages.iter().all(
                            |Outage {
                                 from: begin,
                                 to: end,
                                 ..
                             }| {
                                to <= *begin || end.is_some_and(|end| end <= from)
                            },
                        )
                    })
                    .map(|it| (it.requests, it.requests - it.failed))
                    .fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1))
            };
            let named = record.backends.iter();
            Ok(Counts {
                named: named.map(|it| (it.id.clone(), count(it).0)).collect(),
                nameless: count(&record.unknown).1,
                is_part: true,
            })
        }
        _ if is_part => Err(format!(
            "{}s are known of the whole run only, and `{}` took a server away in it",
            crate::expectation::word(unit),
            outages[0].said,
        )),
        Unit::Request => Ok(Counts {
            nameless: record.unknown.completed(),
            ..of_all(|it| it.requests)
        }),
        Unit::Stream => Ok(of_all(|it| it.streams.opened)),
        Unit::Connection => Ok(of_all(|it| it.connections)),
    }
}
