//! How much is told apart of what others make up.

/// The most backends told apart, on one worker and in one run; what comes after them is counted
/// together.
pub(in crate::record) const MOST_BACKENDS: usize = 256;

/// The most bytes of a backend's name that count: it may be found in whatever a server says.
pub(in crate::record) const MOST_NAME_BYTES: usize = 200;

/// The name under which they are counted.
pub(in crate::record) const OTHER_BACKENDS: &str = "(others)";

/// The most classes of failures: a service or a workload that makes up a code for each answer must
/// not fill our memory.
pub(in crate::record) const MOST_CLASSES: usize = 128;
