//! Whether what belongs together stayed with one server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether users' streams stayed with one server, of those streams whose answers named it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Stickiness {
    /// What is to stay with one server.
    pub by: StickyBy,
    /// How many of these there were.
    pub keys: u64,
    /// Of these, those that were with one server all the time.
    pub one_backend: u64,
    /// How often one was with another server than before.
    pub move_count: u64,
    /// Each of these, in order; the first 1,000.
    pub moves: Vec<Move>,
}

/// What is to stay with one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[non_exhaustive]
pub enum StickyBy {
    /// All streams of a user, one after the other. Its key is the user's number.
    User,
}

/// What is to stay with one server was with another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Move {
    /// When the stream opened, in seconds since the scenario was first measured.
    pub t_s: f64,
    /// What it is that moved.
    pub key: String,
    /// The server before.
    pub from: String,
    /// The server from then on.
    pub to: String,
}
