//! What the balancer counts: of its clients' connections, and of each service's requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;
use serde::Serialize;

use super::problem::ProblemKind;
use crate::balance::metrics::{Family, Labels};

/// Classes of statuses, as figures have them.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];

/// A count since the start.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// One more, unless there are as many as there may be. Whether it was counted.
    pub(super) fn one_up_to(&self, most: u64) -> bool {
        let more = |count| (count < most).then_some(count + 1);
        let counted = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        counted.is_ok()
    }

    pub(super) fn one_less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers of the balancer's own, by their kind.
#[derive(Debug, Default)]
pub(super) struct Problems([Count; ProblemKind::ALL.len()]);

impl Problems {
    pub(super) fn one(&self, kind: ProblemKind) {
        self.0[kind as usize].one();
    }

    fn figures(&self) -> BTreeMap<&'static str, u64> {
        let all = ProblemKind::ALL.into_iter();
        all.map(|kind| (kind.as_str(), self.0[kind as usize].get()))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// What is counted of clients' connections.
#[derive(Debug, Default)]
pub(super) struct FrontCounts {
    pub(super) accepted: Count,
    pub(super) open: Count,
    /// Reset, because there were as many as there may be.
    pub(super) over_limit: Count,
    pub(super) accept_errors: Count,
    pub(super) tls_failed: Count,
    /// Closed, because no whole request came in time.
    pub(super) idle: Count,
    /// Cut, because the client took nothing of an answer or sent no more of an answered request.
    pub(super) stalled: Count,
    /// Requests whose answers have not ended.
    pub(super) requests_open: Count,
    /// Answers that lead to no service.
    pub(super) problems: Problems,
}

/// A connection that is open, until it is dropped.
#[derive(Debug)]
pub(super) struct Open<'a>(&'a Count);

impl<'a> Open<'a> {
    pub(super) fn new(count: &'a Count) -> Self {
        count.one();
        Self(count)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.one_less();
    }
}

/// What the balancer has counted of its clients' connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FrontFigures {
    /// Connections that clients opened.
    pub accepted: u64,
    /// Of these, open.
    pub open: u64,
    /// Reset because there were as many as there may be.
    pub over_limit: u64,
    /// Times that the system could not hand over a connection, mostly for want of file descriptors.
    pub accept_errors: u64,
    /// Connections whose TLS handshake came to nothing.
    pub tls_failed: u64,
    /// Closed because no whole request came in time.
    pub idle: u64,
    /// Connections, and streams over HTTP/2, that were cut because the client took nothing of an answer for too
    /// long, or the rest of a body got no further after its request was answered.
    pub stalled: u64,
    /// Requests, of all services and of none, whose answers have not ended.
    pub requests_open: u64,
    /// Answers to requests that lead to no service, by kind.
    pub problems: BTreeMap<&'static str, u64>,
}

impl FrontCounts {
    pub(super) fn figures(&self) -> FrontFigures {
        FrontFigures {
            accepted: self.accepted.get(),
            open: self.open.get(),
            over_limit: self.over_limit.get(),
            accept_errors: self.accept_errors.get(),
            tls_failed: self.tls_failed.get(),
            idle: self.idle.get(),
            stalled: self.stalled.get(),
            requests_open: self.requests_open.get(),
            problems: self.problems.figures(),
        }
    }
}

impl FrontFigures {
    pub(super) fn families(&self) -> Vec<Family> {
        let counter = |name, help, value| Family::counter(name, help).point(Vec::new(), value);
        let mut families = vec![
            counter(
                "accepted_total",
                "Connections that clients opened.",
                self.accepted,
            ),
            Family::gauge("open", "Connections of clients that are open.")
                .point(Vec::new(), self.open),
            counter(
                "over_limit_total",
                "Connections that were reset because there were too many.",
                self.over_limit,
            ),
            counter(
                "accept_errors_total",
                "Connections that could not be accepted.",
                self.accept_errors,
            ),
            counter(
                "tls_failed_total",
                "Connections whose TLS handshake came to nothing.",
                self.tls_failed,
            ),
            counter(
                "idle_total",
                "Connections that were closed because no whole request came in time.",
                self.idle,
            ),
            counter(
                "stalled_total",
                "Connections and streams that were cut because an answer was not taken, or an answered body not \
                 ended.",
                self.stalled,
            ),
        ];
        families.push(problems(&self.problems, &[("service", String::new())]));
        families
    }
}

/// What is counted of a service's requests.
#[derive(Debug, Default)]
pub(super) struct ServiceCounts {
    pub(super) requests: Count,
    pub(super) open: Count,
    responses: [Count; CLASSES.len()],
    /// Attempts after the first.
    pub(super) retries: Count,
    /// Answers that a backend began and did not end.
    pub(super) broken: Count,
    /// Requests whose client went before the answer's end.
    pub(super) abandoned: Count,
    /// Connections that went on to speak something else.
    pub(super) upgraded: Count,
    pub(super) problems: Problems,
}

impl ServiceCounts {
    /// An answer of a backend's began.
    pub(super) fn response(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        // Numbers that are no status of any class, 600 to 999.
        self.responses[class.min(CLASSES.len() - 1)].one();
    }

    pub(super) fn figures(&self) -> ServiceFigures {
        let classes = CLASSES.into_iter().zip(&self.responses);
        ServiceFigures {
            requests: self.requests.get(),
            open: self.open.get(),
            responses: classes.map(|(class, it)| (class, it.get())).collect(),
            retries: self.retries.get(),
            broken: self.broken.get(),
            abandoned: self.abandoned.get(),
            upgraded: self.upgraded.get(),
            problems: self.problems.figures(),
        }
    }
}

/// A service's counts at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceFigures {
    pub(crate) requests: u64,
    pub(crate) open: u64,
    pub(crate) responses: BTreeMap<&'static str, u64>,
    pub(crate) retries: u64,
    pub(crate) broken: u64,
    pub(crate) abandoned: u64,
    pub(crate) upgraded: u64,
    pub(crate) problems: BTreeMap<&'static str, u64>,
}

impl ServiceFigures {
    pub(super) fn families(&self, labels: &Labels) -> Vec<Family> {
        let counter = |name, help, value| Family::counter(name, help).point(labels.clone(), value);
        let mut responses = Family::counter(
            "responses_total",
            "Answers of backends, by class of status.",
        );
        for (class, count) in &self.responses {
            let mut labels = labels.clone();
            labels.push(("class", (*class).to_owned()));
            responses = responses.point(labels, *count);
        }
        vec![
            counter(
                "requests_total",
                "Requests that lead to the service.",
                self.requests,
            ),
            Family::gauge("requests_open", "Requests whose answers have not ended.")
                .point(labels.clone(), self.open),
            responses,
            counter(
                "retries_total",
                "Attempts to reach a backend after a request's first.",
                self.retries,
            ),
            counter(
                "broken_total",
                "Answers that a backend began and did not end.",
                self.broken,
            ),
            counter(
                "abandoned_total",
                "Requests whose client went before the answer's end.",
                self.abandoned,
            ),
            counter(
                "upgraded_total",
                "Connections that went on to speak something else, such as WebSocket.",
                self.upgraded,
            ),
            problems(&self.problems, labels),
        ]
    }
}

fn problems(figures: &BTreeMap<&'static str, u64>, labels: &[(&'static str, String)]) -> Family {
    let mut family = Family::counter("problems_total", "Answers of the balancer's own, by kind.");
    for (kind, count) in figures {
        let mut labels = labels.to_vec();
        labels.push(("kind", (*kind).to_owned()));
        family = family.point(labels, *count);
    }
    family
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_in_a_class() {
        let counts = ServiceCounts::default();
        for status in [100, 204, 299, 301, 404, 503, 600, 999] {
            counts.response(StatusCode::from_u16(status).unwrap());
        }
        let counted: Vec<_> = counts.figures().responses.into_iter().collect();
        let wanted = [
            ("1xx", 1),
            ("2xx", 2),
            ("3xx", 1),
            ("4xx", 1),
            ("5xx", 1),
            ("other", 2),
        ];
        assert_eq!(counted, wanted);
    }
}
