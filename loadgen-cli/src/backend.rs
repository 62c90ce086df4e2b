//! The reference servers: in this process, as the embedded backend in one of their own, and as the servers of
//! a suite in one each.

pub(crate) mod parent;
pub(crate) mod reporter;
pub(crate) mod serving;

mod child;
mod embedded;
mod fleet;
mod listening;

pub(crate) use self::embedded::{Embedded, EmbeddedError};
pub(crate) use self::fleet::{Fleet, FleetError, said};
pub(crate) use self::listening::Listening;
pub(crate) use self::serving::ServerError;
