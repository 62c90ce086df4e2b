//! Services managed while they are served: over HTTP, at an address of its own.
//!
//! Owns the document that is edited (`document`, `edits`), the configuration that holds in memory, in the file
//! and in whoever serves by it (`store`, `save`), who may (`token`, `access`), how it is asked and answered
//! (`api`, `refusal`, `tags`), its description (`documents`, `openapi`, `page`), and its life (`server`). It
//! balances nothing: whoever does is a [`Live`].

mod access;
mod api;
mod document;
mod documents;
mod edits;
mod openapi;
mod page;
mod refusal;
mod save;
mod server;
mod settings;
mod store;
mod tags;
mod token;

pub(crate) use access::Access;
pub(crate) use api::{JSON, MERGE_PATCH, Peer, sent};
pub(crate) use document::merge;
pub(crate) use edits::value;
pub(crate) use refusal::Refusal;
pub use server::{ManagementError, RunningManagement, start_management};
pub use settings::{ManagementSettings, is_origin};
pub use store::{Live, Store, StoreReloadError};
pub(crate) use token::Watched;
pub use token::{Token, TokenError, TokenSource};
