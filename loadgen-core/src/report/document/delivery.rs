//! What is known of figures that were sent on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where figures went while the run was under way, and what is known of how they got there, when the
/// document is made. What is only known later, such as whether the last scrape came, is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Delivery {
    /// What they went to.
    pub kind: SinkKind,
    /// Where that is: `HOST:PORT` of StatsD and of what Prometheus scrapes, else a URL.
    pub to: String,
    /// How often handing over failed: datagrams that the system refused, because nobody listened or
    /// there was no room (StatsD); posts that did not get there (OTLP). Of others it is not known.
    /// Over UDP nobody confirms: a host that is silently gone looks like one that has taken all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
    /// Values that the other side took and rejected (OTLP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
    /// Counters that fall short of the run there, because a part could not be sent (StatsD).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<u64>,
}

impl Delivery {
    /// To whom and where, nothing known of it yet.
    #[must_use]
    pub fn new(kind: SinkKind, to: impl Into<String>) -> Self {
        Self {
            kind,
            to: to.into(),
            failed: None,
            rejected: None,
            short: None,
        }
    }
}

/// What figures can go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[non_exhaustive]
pub enum SinkKind {
    /// Metrics to StatsD, over UDP.
    Statsd,
    /// Metrics to Prometheus, which comes for them.
    Prometheus,
    /// Metrics to a receiver of OTLP over HTTP.
    Otlp,
    /// Marks of start and end to Graphite.
    Graphite,
}
