//! The most a request, or who starts a backend, may ask of it, whatever it speaks. Above, it is refused.

/// Rounds of one `Compute`: about a second of one core.
pub const COMPUTE_ROUNDS: u32 = 100_000_000;
/// Messages of one `Stream`.
pub const STREAM_MESSAGES: u32 = 10_000_000;
/// Microseconds between two messages of a `Stream`.
pub const STREAM_INTERVAL_US: u32 = 60_000_000;
/// Payload of a `Stream`'s message. With everything else in it the message stays below the 4 MiB
/// that most clients take.
pub const STREAM_PAYLOAD_BYTES: u32 = 4_000_000;

/// Messages that a WebSocket server is asked to say by itself, when a connection is open or before
/// each answer.
pub const UNASKED_MESSAGES: u32 = 1_000;

/// Bytes of a line that a TCP server answers.
pub const LINE_BYTES: usize = 1 << 20;

/// Longest id of a backend: it travels in every reply.
pub(crate) const MAX_ID_BYTES: usize = 128;

/// What was asked for, if it is within the limit.
///
/// # Errors
/// A sentence for whoever asked.
pub(crate) fn within(field: &str, asked: u32, most: u32) -> Result<u32, String> {
    if asked <= most {
        Ok(asked)
    } else {
        Err(format!("{field} is {asked}, at most {most} is allowed"))
    }
}
