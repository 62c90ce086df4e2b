//! What a protocol makes of bytes: the boundary between the sockets and what is spoken on them.

/// What became of the bytes that have come so far.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// The next piece is whole with so many bytes, counted from the first unread one. Nothing is
    /// read beyond it, so that its stamp is that of its own last byte.
    Needs(usize),
    /// A whole piece.
    Piece(Piece),
}

/// A frame, a head, or whatever else a protocol reads in one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// How long it is.
    pub(super) bytes: usize,
    /// Whether it is a part of a request, rather than the connection's own housekeeping.
    pub(super) of_request: bool,
    /// What to answer at once, in no figure.
    pub(super) say: Vec<u8>,
    /// What to answer when the service says so.
    pub(super) serve: Vec<Request>,
    /// Whether the connection is over.
    pub(super) closes: bool,
}

/// A request that is complete with this piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// What its replies are in order with: a stream, or the whole connection.
    pub(super) lane: u32,
    /// Whether the lane is over with its last reply.
    pub(super) ends: bool,
    /// Whether it is a stream's end rather than a message.
    pub(super) is_end: bool,
    /// Each reply's bytes, written in one go; the service's interval lies between two of them.
    pub(super) replies: Vec<Vec<u8>>,
}

/// One connection's side of a protocol.
pub(super) trait Protocol: Send {
    /// Looks at the unread bytes.
    ///
    /// # Errors
    /// What the client did that this server does not understand.
    fn parse(&mut self, unread: &[u8]) -> Result<Parsed, String>;
}

/// Whether a head is complete, and how long it is with the empty line that ends it.
pub(super) fn head_len(unread: &[u8]) -> Option<usize> {
    let end = unread.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

/// How much of a head is read at a time. Nobody sends more before it is answered.
pub(super) const HEAD_BYTES: usize = 4096;
