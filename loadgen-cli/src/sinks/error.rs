//! Why figures cannot go where they were to go.

use std::io;

use loadgen_core::sink::statsd::StatsdError;

/// Why figures cannot go where they were to go.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SinkError {
    /// A host without an address.
    #[error("failed to send {what} to {address}: {source}")]
    Lookup {
        /// What was to be sent.
        what: &'static str,
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// StatsD's host without an address, or no socket for it.
    #[error("failed to send metrics to StatsD at {address}: {source}")]
    Statsd {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Names that StatsD could not tell apart, or no socket for it.
    #[error(transparent)]
    Names(#[from] StatsdError),
    /// The address to be scraped at.
    #[error("failed to show metrics to Prometheus at {address}: {source}{hint}")]
    Scrape {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// A thread.
    #[error("failed to start a thread that sends {what}: {source}")]
    Thread {
        /// What was to be sent.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
