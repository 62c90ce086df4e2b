//! Whether what belongs together stayed with one server.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether what belongs together stayed with one server, of answers that named theirs: all of what `expect.sticky`
/// names, or of users' streams, when they open.
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
    /// Answers, or streams, that this is of.
    #[serde(default)]
    pub answers: u64,
    /// Of these, those by the server that its key had most answers of.
    #[serde(default)]
    pub to_main: u64,
    /// Moves from a server that was there.
    #[serde(default)]
    pub breaks: u64,
    /// Moves from a server that an event took away, and back to it.
    #[serde(default)]
    pub by_failover: u64,
    /// Answers of keys beyond the first 65,536, which are in nothing else here.
    #[serde(default)]
    pub unfollowed: u64,
    /// The part of all keys that moved since events took servers away; without such events left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption: Option<f64>,
    /// The part of all servers that they took away, which is what had to move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimum: Option<f64>,
    /// Where each key was, in the order of the keys; the first 1,000.
    #[serde(default)]
    pub histories: Vec<History>,
}

/// Where one key was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct History {
    /// What it is.
    pub key: String,
    /// How many answers each server gave to it.
    pub answers: BTreeMap<String, u64>,
    /// When it came to be with which server; the first 20 times.
    pub stays: Vec<Stay>,
}

/// From when a key was with a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Stay {
    /// When the first answer came, or the stream opened, in seconds since the scenario was first measured.
    pub t_s: f64,
    /// The server.
    pub backend: String,
}

/// What is to stay with one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[non_exhaustive]
pub enum StickyBy {
    /// All of a user, one after the other. Its key is the user's number.
    User,
    /// All that comes from one address of ours.
    Source,
    /// All that has the same key, which `expect.sticky.key` says.
    Key,
}

/// Why a key moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
#[non_exhaustive]
pub enum Cause {
    /// The server before had gone away.
    Failover,
    /// The server that it had to leave was there again.
    Return,
}

/// What is to stay with one server was with another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Move {
    /// When the answer came, or the stream opened, in seconds since the scenario was first measured.
    pub t_s: f64,
    /// What it is that moved.
    pub key: String,
    /// The server before.
    pub from: String,
    /// The server from then on.
    pub to: String,
    /// The time since the last that was ok of the server before; left out where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_s: Option<f64>,
    /// What an event had to do with it; left out where the server before was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}
