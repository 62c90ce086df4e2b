//! What the server sends, frame by frame (RFC 9113, sections 4 to 6).
//!
//! Owns where frames begin and end in what comes, header blocks that go on, and what of a stream is allowed
//! when.

use super::blocks::Block;
use super::client::Client;
use super::fault::Fault;
use super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, GOAWAY, HAS_PRIORITY, HEADER_LEN, HEADERS, Header, MOST_31, MOST_PAYLOAD,
    PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, STREAM_CLOSED,
    WINDOW_UPDATE, number, put_number, unpadded,
};
use super::stream::Came;
use crate::workload::Receipt;

/// A header block goes on in so many frames at the most, beside the first and the last.
const MOST_CONTINUATIONS: u32 = 5;
/// Frames of data without any, in a row.
const MOST_EMPTY_FRAMES: u32 = 1000;

/// A header block of which the end is to come.
#[derive(Debug, Default)]
pub(super) struct Continued {
    /// What it began with; `None` where there is none.
    header: Option<Header>,
    bytes: Vec<u8>,
    frames: u32,
}

impl Client {
    /// Whether a header block goes on.
    #[cfg(any(test, fuzzing))]
    pub(super) fn is_amid_block(&self) -> bool {
        self.continued.header.is_some()
    }

    /// Takes what came, in one read: the kernel received the last byte of it at `last`, and what came before that
    /// at `earlier`.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        mut bytes: &[u8],
        last: Option<Receipt>,
        earlier: Option<Receipt>,
    ) {
        let mut pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            bytes = fill(&mut pending, bytes);
            let receipt = if bytes.is_empty() { last } else { earlier };
            if self.frames(&pending, receipt, earlier) == 0 {
                self.pending = pending;
                return;
            }
            pending.clear();
        }
        let taken = self.frames(bytes, last, earlier);
        // Most connections have no frame under way, most of the time, and no room for one.
        if taken < bytes.len() {
            pending.extend_from_slice(&bytes[taken..]);
            self.pending = pending;
        }
    }

    /// Takes whole frames; how many bytes they are. Of a connection that is over nothing is taken, and all gone.
    #[inline]
    fn frames(&mut self, bytes: &[u8], last: Option<Receipt>, earlier: Option<Receipt>) -> usize {
        let mut taken = 0;
        while !self.good_bye.is_final() {
            // How long a frame is comes first, and may be too much already.
            let [a, b, c, ..] = bytes[taken..] else {
                return taken;
            };
            if u32::from_be_bytes([0, a, b, c]) as usize > MOST_PAYLOAD {
                self.fail(Fault::of_connection(FRAME_SIZE_ERROR));
                break;
            }
            let Some(header) = Header::of(&bytes[taken..]) else {
                return taken;
            };
            let from = taken + HEADER_LEN;
            let Some(payload) = bytes.get(from..from + header.len) else {
                return taken;
            };
            taken = from + header.len;
            // Whatever follows in the read, halves of frames included, makes it one of those before.
            let receipt = if taken == bytes.len() { last } else { earlier };
            if let Err(fault) = self.frame(header, payload, receipt) {
                self.fail(fault);
            }
        }
        bytes.len()
    }

    #[inline]
    fn frame(
        &mut self,
        header: Header,
        payload: &[u8],
        receipt: Option<Receipt>,
    ) -> Result<(), Fault> {
        let is_amid_block = self.continued.header.is_some() && header.kind != CONTINUATION;
        // It begins with its settings (section 3.4).
        let is_early = !self.has_settings && (header.kind != SETTINGS || header.has(ACK));
        if is_amid_block || is_early {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        match header.kind {
            DATA => self.data(header, payload, receipt),
            HEADERS => self.headers(header, payload, receipt),
            _ => self.other(header, payload, receipt),
        }
    }

    fn other(
        &mut self,
        header: Header,
        payload: &[u8],
        receipt: Option<Receipt>,
    ) -> Result<(), Fault> {
        match header.kind {
            PRIORITY => self.priority(header, payload),
            RST_STREAM => self.reset(header, payload, receipt),
            SETTINGS => self.settings(header, payload),
            // That was ruled out (section 8.4).
            PUSH_PROMISE => Err(Fault::of_connection(PROTOCOL_ERROR)),
            PING => self.ping(header, payload),
            GOAWAY => self.go_away(header, payload),
            WINDOW_UPDATE => self.window_update(header, payload),
            CONTINUATION => self.continuation(header, payload, receipt),
            // To be ignored (section 5.5).
            _ => Ok(()),
        }
    }

    #[inline]
    fn data(
        &mut self,
        header: Header,
        payload: &[u8],
        receipt: Option<Receipt>,
    ) -> Result<(), Fault> {
        let id = header.stream;
        if id == 0 {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        let data = unpadded(header, payload)?;
        self.answers += 1;
        let ends = header.has(END_STREAM);
        let says_nothing = data.is_empty() && !ends;
        self.empty_frames = u32::from(says_nothing) * (self.empty_frames + 1);
        if self.empty_frames > MOST_EMPTY_FRAMES {
            return Err(Fault::BadConnection {
                code: ENHANCE_YOUR_CALM,
                said: "too_many_data_frames",
            });
        }
        let stream = self.streams.known(id)?;
        let len = payload.len() as i64;
        if len > self.room {
            return Err(Fault::of_connection(FLOW_CONTROL_ERROR));
        }
        self.room -= len;
        let Some(stream) = stream.filter(|it| !it.is_over()) else {
            // Of one that was given up.
            self.was_read(payload.len());
            return Ok(());
        };
        if ends && stream.came != Came::All {
            stream.moments.received = receipt;
        }
        let left = stream
            .content_left
            .map(|it| it.checked_sub(data.len() as u64));
        let wrong = match (stream.came, left) {
            (Came::All, _) => Some(STREAM_CLOSED),
            (Came::Head, _) if len > stream.room => Some(FLOW_CONTROL_ERROR),
            // What the head said there is, is neither exceeded nor missed (section 8.1.1).
            (Came::Head, None) => None,
            (Came::Head, Some(Some(left))) if left == 0 || !ends => None,
            (Came::Head | Came::Nothing, _) => Some(PROTOCOL_ERROR),
        };
        if let Some(code) = wrong {
            self.was_read(payload.len());
            self.reset_stream(id, code, ends);
            return Ok(());
        }
        stream.room -= len;
        stream.content_left = left.flatten();
        if stream.data.capacity() == 0 {
            stream.data = self.spare.take();
        }
        stream.data.extend_from_slice(data);
        let padding = payload.len() - data.len();
        stream.untold += padding as u32;
        if ends {
            stream.came = Came::All;
        }
        stream.wake();
        if padding > 0 {
            self.was_read(padding);
        }
        Ok(())
    }

    #[inline]
    fn headers(
        &mut self,
        header: Header,
        payload: &[u8],
        receipt: Option<Receipt>,
    ) -> Result<(), Fault> {
        if header.stream == 0 {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        let mut block = unpadded(header, payload)?;
        self.answers += 1;
        if header.has(HAS_PRIORITY) {
            let parts = block.split_at_checked(5);
            let (priority, rest) = parts.ok_or(Fault::of_connection(FRAME_SIZE_ERROR))?;
            self.priority(header, priority)?;
            block = rest;
        }
        if header.has(END_HEADERS) {
            return self.block(header, block, receipt);
        }
        self.continued.header = Some(header);
        self.continued.bytes.extend_from_slice(block);
        Ok(())
    }

    fn continuation(
        &mut self,
        header: Header,
        payload: &[u8],
        receipt: Option<Receipt>,
    ) -> Result<(), Fault> {
        let Some(first) = self
            .continued
            .header
            .filter(|it| it.stream == header.stream)
        else {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        };
        self.continued.bytes.extend_from_slice(payload);
        if !header.has(END_HEADERS) {
            self.continued.frames += 1;
            if self.continued.frames > MOST_CONTINUATIONS {
                return Err(Fault::BadConnection {
                    code: ENHANCE_YOUR_CALM,
                    said: "too_many_continuations",
                });
            }
            return Ok(());
        }
        let continued = std::mem::take(&mut self.continued);
        self.block(first, &continued.bytes, receipt)
    }

    /// A header block, all of it. Each is decoded, whosever it is, for the table that they share.
    #[inline]
    fn block(
        &mut self,
        header: Header,
        block: &[u8],
        receipt: Option<Receipt>,
    ) -> Result<(), Fault> {
        let block = self.blocks.read(block)?;
        let (id, ends) = (header.stream, header.has(END_STREAM));
        let stream = self.streams.known(id)?;
        let Some(stream) = stream.filter(|it| !it.is_over()) else {
            // What was on its way when the stream ended.
            return Ok(());
        };
        if stream.came == Came::All {
            self.reset_stream(id, STREAM_CLOSED, ends);
            return Ok(());
        }
        if ends {
            stream.moments.received = receipt;
        }
        let status = block.status;
        let is_right = match stream.came {
            Came::Nothing => is_head(&block, ends),
            _ => ends && status.is_none() && stream.content_left.is_none_or(|left| left == 0),
        };
        if block.is_malformed || !is_right {
            self.reset_stream(id, PROTOCOL_ERROR, ends);
            return Ok(());
        }
        if status.is_some_and(|it| it.is_informational()) {
            return Ok(());
        }
        match stream.came {
            Came::Nothing => {
                stream.content_left = block.content_length.and_then(Result::ok);
                stream.head = Some(block);
            }
            _ => stream.trailers = Some(block),
        }
        stream.came = if ends { Came::All } else { Came::Head };
        stream.wake();
        if ends {
            self.empty_frames = 0;
        }
        Ok(())
    }

    fn reset(
        &mut self,
        header: Header,
        payload: &[u8],
        receipt: Option<Receipt>,
    ) -> Result<(), Fault> {
        if header.stream == 0 {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        let code = number(payload).ok_or(Fault::of_connection(FRAME_SIZE_ERROR))?;
        self.answers += 1;
        if let Some(stream) = self.streams.known(header.stream)? {
            if stream.fault.is_none() && stream.came != Came::All {
                stream.moments.received = receipt;
            }
            stream.fails(Fault::Reset(code));
        }
        Ok(())
    }

    fn window_update(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let id = header.stream;
        let more = number(payload).ok_or(Fault::of_connection(FRAME_SIZE_ERROR))?;
        let more = i64::from(more & MOST_31);
        let is_wrong = |window: i64| match (more, window > i64::from(MOST_31)) {
            (0, _) => Some(PROTOCOL_ERROR),
            (_, true) => Some(FLOW_CONTROL_ERROR),
            _ => None,
        };
        if id == 0 {
            self.window += more;
            if let Some(code) = is_wrong(self.window) {
                return Err(Fault::of_connection(code));
            }
        } else if let Some(stream) = self.streams.known(id)?.filter(|it| !it.is_over()) {
            stream.window += more;
            if let Some(code) = is_wrong(stream.window) {
                self.reset_stream(id, code, false);
                return Ok(());
            }
            if stream.can_go_on() {
                stream.is_held = true;
                self.held.push_back(id);
            }
        }
        self.send_held();
        Ok(())
    }

    /// Says nothing that matters, and may be wrong all the same (section 6.3).
    fn priority(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let id = header.stream;
        if id == 0 {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        let on = payload.get(..4).filter(|_| payload.len() == 5);
        match on.and_then(number) {
            None => self.reset_stream(id, FRAME_SIZE_ERROR, false),
            Some(on) if on & MOST_31 == id => self.reset_stream(id, PROTOCOL_ERROR, false),
            Some(_) => {}
        }
        Ok(())
    }

    /// What came on a stream is not allowed, and ends it (section 5.4.2): with `ends`, what ended it on the server's
    /// side. One whose head is not sent yet the server cannot mean, nor may it hear of that.
    #[cold]
    fn reset_stream(&mut self, id: u32, code: u32, ends: bool) {
        let known = self.streams.get(id).filter(|it| it.head_end > 0);
        let Some(stream) = known.filter(|it| !it.is_over()) else {
            return;
        };
        // On one that both sides have ended nothing is sent (section 5.1).
        if !(ends && stream.is_sent) {
            put_number(&mut self.out, RST_STREAM, id, code);
            self.owed += 1;
        }
        stream.fails(Fault::BadStream(code));
    }
}

/// Adds to the frame that these are the beginning of, and gives back what does not belong to it.
fn fill<'a>(frame: &mut Vec<u8>, mut bytes: &'a [u8]) -> &'a [u8] {
    // Its header says how long it is, and is to be filled first.
    for _ in 0..2 {
        let len = Header::of(frame).map_or(0, |it| it.len);
        let left = (HEADER_LEN + len).saturating_sub(frame.len());
        let (piece, rest) = bytes.split_at(left.min(bytes.len()));
        frame.extend_from_slice(piece);
        bytes = rest;
    }
    bytes
}

/// Whether a block can be an answer's head.
fn is_head(block: &Block, ends: bool) -> bool {
    let is_empty = |status: http::StatusCode| matches!(status.as_u16(), 204 | 304);
    let is_interim = |status: http::StatusCode| status.is_informational();
    let length_fits = match block.content_length {
        Some(Ok(length)) => !ends || length == 0 || block.status.is_some_and(is_empty),
        Some(Err(_)) => false,
        None => true,
    };
    length_fits && !block.is_too_long && block.status.is_some_and(|it| !(ends && is_interim(it)))
}
