//! What servers share, whatever they speak.
//!
//! Owns a server's life (`server`: threads, the hand-out of connections, the way to stop), its
//! sockets (`listen`, `connection`, `tls`), what it is asked for at the most (`limits`), what it does
//! wrong on purpose (`faults`), how much it can serve at the most (`queue`), who it says it is (`identity`), what it
//! counts (`activity`), the work that any protocol can ask for (`compute`, `pace`), and waiting more finely than the
//! runtime does (`timer`). A protocol implements
//! [`Protocol`](server::Protocol), keeps to its own room, and is listed in `lib.rs`. Nothing here
//! names one.

pub(crate) mod activity;
pub(crate) mod compute;
pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod faults;
pub(crate) mod identity;
pub mod limits;
pub(crate) mod listen;
pub(crate) mod pace;
pub(crate) mod queue;
pub(crate) mod server;
pub(crate) mod timer;
pub(crate) mod tls;
