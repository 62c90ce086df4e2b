//! What drivers share: from a target to an open byte stream, what goes over it, and when.
//!
//! Knows no protocol that is spoken over it, and no driver.

pub(super) mod backoff;
pub(super) mod bind;
pub(super) mod connect_error;
pub(super) mod counted;
pub(super) mod dialer;
pub(super) mod endpoints;
pub(super) mod excerpt;
mod followed;
pub(super) mod inspected;
pub(super) mod limit;
pub(super) mod listing;
pub(super) mod lists;
pub(super) mod lookup;
pub(super) mod net;
pub(super) mod opening;
pub(super) mod pace;
pub(super) mod probe;
mod records;
#[cfg(fuzzing)]
pub(super) mod replay;
pub(super) mod round_trip;
mod stamped;
pub(super) mod tls;
pub(super) mod traffic;
pub(super) mod wire;

pub use bind::BindError;
pub use endpoints::EndpointError;
pub use tls::TlsError;
