//! Response times by rate, to be drawn.

use super::Tone;

/// Response times by rate.
#[derive(Debug)]
pub(in crate::report) struct Curve {
    /// The lowest rate first.
    pub(in crate::report) rows: Vec<Dots>,
    /// Times that goals allow, in microseconds, each with the goal.
    pub(in crate::report) limits: Vec<(f64, String)>,
}

/// The response times of one rate.
#[derive(Debug)]
pub(in crate::report) struct Dots {
    /// The rate.
    pub(in crate::report) label: String,
    /// p50, p95 and p99 in microseconds, where there are so many samples.
    pub(in crate::report) times_us: [Option<f64>; 3],
    /// Which bound it is, and how many failed, where that is to be told.
    pub(in crate::report) beside: String,
    pub(in crate::report) tone: Tone,
}
