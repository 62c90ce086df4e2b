//! Where figures go while a run is under way. Each sink is a listener of the event stream and
//! stands behind a feature of its own.
//!
//! A sink never slows or fails a run: it is called on the thread that collects, waits for nobody,
//! and counts what it could not send.

mod figures;
pub mod metric;
#[cfg(feature = "statsd")]
pub mod statsd;

pub use figures::Served;
