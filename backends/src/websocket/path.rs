//! What a connection asks for when it is opened: one of the paths, and in which manner.

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    Echo,
    Compute,
    Stream,
    Ping,
}

impl Path {
    /// All of them, in words.
    pub(super) const LIST: &'static str = "/echo, /compute, /stream and /ping";

    /// The path of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "/echo" => Self::Echo,
            "/compute" => Self::Compute,
            "/stream" => Self::Stream,
            "/ping" => Self::Ping,
            _ => return None,
        })
    }
}

/// What a connection asks of all that is said on it, in the query after its path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Manner {
    /// `identify=1`: whether every answer is to name the backend.
    pub(super) identify: bool,
    /// `greet=2`: messages to say by itself when the connection is open.
    pub(super) greet: u32,
    /// `push=1`: messages to say by itself before each answer.
    pub(super) push: u32,
}
