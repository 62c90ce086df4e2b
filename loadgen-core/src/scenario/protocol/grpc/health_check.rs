//! Asking targets whether they are in health, as it is written and as it is in a plan.

use std::time::Duration;

use super::value::HealthService;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::{Entry, object};
use crate::scenario::value::template::is_template;
use crate::scenario::value::{Bounded, PositiveSpan};

/// Whether targets are asked if they are in health (`grpc.health.v1.Health/Check`): one that is not gets no new
/// calls.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthCheck {
    /// From one question to a target to the next. At least 10 ms.
    pub every: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The service that is asked about; the server as a whole where it is empty.
    pub service: String,
    /// After so many answers in a row that are none or say that it is not in health, a target gets no new calls.
    /// At least 1.
    pub unhealthy_after: u32,
    /// After so many in a row that say that it is, it gets calls again. At least 1.
    pub healthy_after: u32,
}

impl Default for HealthCheck {
    /// A question each second about the server as a whole, whose answer may take a second; three bad ones take a
    /// target out, and a good one brings it back.
    fn default() -> Self {
        Self {
            every: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            service: String::new(),
            unhealthy_after: 3,
            healthy_after: 1,
        }
    }
}

/// More often would be load of its own.
const SHORTEST: Duration = Duration::from_millis(10);

object! {
    /// Asks targets whether they are in health; one that is not gets no new calls.
    RawHealthCheck is "a check of health such as {\"every\": \"1s\"}" {
        /// From one question to a target to the next. 1s unless given.
        "every" every: PositiveSpan,
        /// How long an answer may take. 1s unless given.
        "timeout" timeout: PositiveSpan,
        /// The service that is asked about; the server as a whole unless given.
        "service" service: HealthService,
        /// So many bad answers in a row, or none in time, take a target out. 3 unless given.
        "unhealthy_after" unhealthy_after: Bounded<1, 1000>,
        /// So many good answers in a row bring it back. 1 unless given.
        "healthy_after" healthy_after: Bounded<1, 1000>,
    }
    hints {
        "interval" => "that is `every`",
        "fall" => "that is `unhealthy_after`",
        "rise" => "that is `healthy_after`",
        "method" => "it is always `grpc.health.v1.Health/Check` that is asked",
        "serviceName" => "that is `service`",
        "service_name" => "that is `service`",
    }
}

impl Layers<'_> {
    /// Whether targets are asked if they are in health; `None` where what is said of it is wrong.
    pub(super) fn checks_of_health(&self) -> Option<Option<HealthCheck>> {
        let picked = self.pick("health_check", |raw| &raw.health_check);
        let usual = HealthCheck::default();
        picked.entry.or(Some(None), |raw| {
            let every = raw.every.or(usual.every, |span| span.0)?;
            if every < SHORTEST {
                let path = format!("{}.every", picked.path);
                let found = crate::units::format_duration(every);
                self.problems.add(path, found, "at least 10ms", None);
                return None;
            }
            let service = raw.service.or(usual.service, |it| it.0.clone())?;
            if is_template(&service) {
                let path = format!("{}.service", picked.path);
                let found = format!("the template `{service}`");
                let expected = "the name of a service: nobody's iteration asks for it";
                self.problems.add(path, found, expected, None);
                return None;
            }
            Some(Some(HealthCheck {
                every,
                timeout: raw.timeout.or(usual.timeout, |span| span.0)?,
                service,
                unhealthy_after: raw
                    .unhealthy_after
                    .or(usual.unhealthy_after, |n| n.small())?,
                healthy_after: raw.healthy_after.or(usual.healthy_after, |n| n.small())?,
            }))
        })?
    }
}

/// A check as it is written.
pub(super) fn print(check: &HealthCheck) -> RawHealthCheck {
    RawHealthCheck {
        every: Entry::Given(PositiveSpan(check.every)),
        timeout: Entry::Given(PositiveSpan(check.timeout)),
        service: Entry::Given(HealthService(check.service.clone())),
        unhealthy_after: Entry::Given(Bounded::of(check.unhealthy_after)),
        healthy_after: Entry::Given(Bounded::of(check.healthy_after)),
    }
}
