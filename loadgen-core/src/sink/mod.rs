//! Where figures go while a run is under way. Each sink is a listener of the event stream and
//! stands behind a feature of its own.
//!
//! A sink never slows or fails a run: it is called on the thread that collects, waits for nobody,
//! and counts what it could not send.

#[cfg(any(feature = "statsd", feature = "prometheus", feature = "otlp"))]
mod figures;
#[cfg(feature = "graphite")]
pub mod graphite;
pub mod metric;
#[cfg(feature = "otlp")]
pub mod otlp;
#[cfg(any(feature = "prometheus", feature = "otlp"))]
mod picture;
#[cfg(any(feature = "otlp", feature = "graphite", feature = "services"))]
pub mod post;
#[cfg(feature = "prometheus")]
pub mod prometheus;
// What the tests of these share has a user for each part only where all of them are.
#[cfg(test)]
#[cfg(all(feature = "prometheus", feature = "otlp", feature = "graphite"))]
mod samples;
#[cfg(feature = "statsd")]
pub mod statsd;

#[cfg(feature = "statsd")]
pub use figures::Served;

/// Which run it is whose figures are sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunInfo {
    /// Its id, the one that its result document has
    /// ([`Context::run_id`](crate::report::Context::run_id)).
    pub id: String,
    /// The version of the program that runs it.
    pub version: String,
}

impl RunInfo {
    /// The run of this id, by a program of this version.
    #[must_use]
    pub fn new(id: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            version: version.into(),
        }
    }
}
