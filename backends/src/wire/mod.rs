//! What the HTTP backend and the HTTP balancer share below HTTP itself.
//!
//! Owns which version a connection speaks (`opening`), and requests that say twice how long they are
//! (`lengths`).

pub(crate) mod lengths;
pub(crate) mod opening;
