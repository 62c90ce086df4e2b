//! Handles of a workload's own metrics.
//!
//! [`ScenarioSpec`](crate::engine::ScenarioSpec) gives one out for a name, before the run, and a
//! workload keeps it: recording then costs no look-up, and a counter cannot be taken for a gauge. A
//! handle is good for the scenario that gave it out.

/// A count of a workload's own that only grows; see
/// [`ScenarioSpec::counter`](crate::engine::ScenarioSpec::counter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Counter(usize);

/// A level of a workload's own; see [`ScenarioSpec::gauge`](crate::engine::ScenarioSpec::gauge).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Gauge(usize);

/// A distribution of times of a workload's own; see
/// [`ScenarioSpec::timing`](crate::engine::ScenarioSpec::timing).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timing(usize);

macro_rules! place {
    ($($handle:ident)*) => {$(
        impl $handle {
            /// The handle of the metric that has this place in its scenario's list.
            pub(crate) fn at(place: usize) -> Self {
                Self(place)
            }

            pub(crate) fn place(self) -> usize {
                self.0
            }
        }
    )*};
}

place!(Counter Gauge Timing);
