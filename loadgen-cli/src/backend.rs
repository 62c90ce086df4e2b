//! The reference servers: in this process, and as the embedded backend in one of their own.

pub(crate) mod reporter;
pub(crate) mod serving;

mod embedded;
mod listening;

pub(crate) use self::embedded::{Embedded, EmbeddedError};
pub(crate) use self::listening::Listening;
pub(crate) use self::serving::ServerError;
