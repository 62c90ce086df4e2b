//! Rates, durations and sizes.

/// Iterations per second: finite and above 0.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// The rate as iterations per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.0
    }
}
impl Rate {
    /// tmp
    pub fn new(r: f64) -> Result<Self, ()> {
        Ok(Self(r))
    }
}
