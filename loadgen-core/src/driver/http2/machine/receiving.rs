//! What the server sends, frame by frame (RFC 9113, sections 4 to 6).
//!
//! Owns where frames begin and end in what comes, header blocks that go on, and what of a stream is allowed
//! when.

use super::blocks::Block;
use super::client::Client;
use super::fault::Fault;
use super::frame::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, GOAWAY, HAS_PRIORITY, HEADER_LEN, HEADERS, Header, MOST_31, MOST_PAYLOAD,
    PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, number,
    put_number, unpadded,
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
    #[cfg(test)]
    pub(super) fn is_amid_block(&self) -> bool {
        self.continued.header.is_some()
    }

    /// Takes what came, in one read: the kernel received the last byte of it at `last`, and what came before that
    /// at `earlier`.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        last: Option<Receipt>,
        earlier: Option<Receipt>,
    ) {
        if self.pending.is_empty() {
            let taken = self.frames(bytes, last, earlier);
            self.pending.extend_from_slice(&bytes[taken..]);
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(bytes);
        let taken = self.frames(&pending, last, earlier);
        pending.drain(..taken);
        // Most connections have no frame under way, most of the time.
        self.pending = if pending.is_empty() {
            Vec::new()
        } else {
            pending
        };
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
        if self.continued.header.is_some() && header.kind != CONTINUATION {
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
        let wrong = Fault::of_connection(PROTOCOL_ERROR);
        let id = header.stream;
        let Some(data) = unpadded(header, payload).filter(|_| id != 0) else {
            return Err(wrong);
        };
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
        let stream = match self.streams.get(id) {
            Some(stream) if !stream.is_over() && stream.came != Came::Head => return Err(wrong),
            stream => stream.filter(|it| !it.is_over()),
        };
        let len = payload.len() as i64;
        if len > self.room {
            return Err(Fault::of_connection(FLOW_CONTROL_ERROR));
        }
        self.room -= len;
        let Some(stream) = stream else {
            if !self.streams.was(id) {
                return Err(wrong);
            }
            // Of one that was given up.
            self.was_read(payload.len());
            return Ok(());
        };
        if len > stream.room {
            self.was_read(payload.len());
            self.reset_stream(id, FLOW_CONTROL_ERROR);
            return Ok(());
        }
        stream.room -= len;
        let is_wrong = stream.counts(data.len()).is_err();
        if is_wrong || ends && stream.content_left.is_some_and(|left| left > 0) {
            self.was_read(payload.len());
            self.reset_stream(id, PROTOCOL_ERROR);
            return Ok(());
        }
        stream.data.extend_from_slice(data);
        let padding = payload.len() - data.len();
        stream.untold += padding as u32;
        if ends {
            stream.came = Came::All;
            stream.moments.received = receipt;
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
        self.answers += 1;
        let wrong = Fault::of_connection(PROTOCOL_ERROR);
        let Some(mut block) = unpadded(header, payload).filter(|_| header.stream != 0) else {
            return Err(wrong);
        };
        if header.has(HAS_PRIORITY) {
            let (priority, rest) = block.split_at_checked(5).ok_or(wrong)?;
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
        let Some(stream) = self.streams.get(id) else {
            return self.gone(id);
        };
        // What was on its way when the stream ended.
        if stream.is_over() {
            return Ok(());
        }
        if stream.head_end == 0 {
            // The server cannot know of it.
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        let before = stream.came;
        if ends && before != Came::All {
            stream.came = Came::All;
            stream.moments.received = receipt;
        }
        let is_right = match before {
            _ if block.is_malformed => false,
            Came::Nothing if is_head(&block, ends) => {
                let is_interim = block.status.is_some_and(|it| it.is_informational());
                if !is_interim {
                    stream.content_left = block.content_length.and_then(Result::ok);
                    if !ends {
                        stream.came = Came::Head;
                    }
                    stream.head = Some(block);
                }
                true
            }
            Came::Nothing => false,
            Came::Head => {
                let is_right = ends && stream.content_left.is_none_or(|left| left == 0);
                stream.trailers = is_right.then_some(block);
                is_right
            }
            Came::All => return Err(Fault::of_connection(PROTOCOL_ERROR)),
        };
        stream.wake();
        if !is_right {
            self.reset_stream(id, PROTOCOL_ERROR);
        }
        Ok(())
    }

    fn reset(
        &mut self,
        header: Header,
        payload: &[u8],
        receipt: Option<Receipt>,
    ) -> Result<(), Fault> {
        let wrong = Fault::of_connection(PROTOCOL_ERROR);
        let code = number(payload)
            .filter(|_| header.stream != 0)
            .ok_or(wrong)?;
        self.answers += 1;
        let Some(stream) = self.streams.get(header.stream) else {
            return self.gone(header.stream);
        };
        if stream.fault.is_none() {
            stream.moments.received = receipt;
        }
        stream.fails(Fault::Reset(code));
        Ok(())
    }

    fn window_update(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let more = number(payload)
            .map(|it| i64::from(it & MOST_31))
            .filter(|&more| more > 0);
        let more = more.ok_or(Fault::of_connection(PROTOCOL_ERROR))?;
        if header.stream == 0 {
            self.window += more;
            if self.window > i64::from(MOST_31) {
                return Err(Fault::of_connection(FLOW_CONTROL_ERROR));
            }
        } else {
            let Some(stream) = self.streams.get(header.stream) else {
                return self.gone(header.stream);
            };
            stream.window += more;
            if stream.window > i64::from(MOST_31) {
                self.reset_stream(header.stream, FLOW_CONTROL_ERROR);
            }
        }
        self.send_held();
        Ok(())
    }

    /// Says nothing that matters, and may be wrong all the same (section 5.3).
    fn priority(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let on = payload
            .get(..4)
            .and_then(number)
            .filter(|_| payload.len() == 5 && header.stream != 0);
        let on = on.ok_or(Fault::of_connection(PROTOCOL_ERROR))?;
        if on & MOST_31 == header.stream {
            self.reset_stream(header.stream, PROTOCOL_ERROR);
        }
        Ok(())
    }

    /// A frame of a stream that is not there: one that was is none of our business any more.
    fn gone(&self, id: u32) -> Result<(), Fault> {
        match self.streams.was(id) {
            true => Ok(()),
            false => Err(Fault::of_connection(PROTOCOL_ERROR)),
        }
    }

    /// What came on a stream is not allowed, and ends it (section 5.4.2).
    #[cold]
    fn reset_stream(&mut self, id: u32, code: u32) {
        let Some(stream) = self.streams.get(id).filter(|it| it.fault.is_none()) else {
            return;
        };
        if !stream.is_over() {
            put_number(&mut self.out, RST_STREAM, id, code);
            self.owed += 1;
        }
        stream.came = Came::Nothing;
        stream.fails(Fault::BadStream(code));
    }
}

/// Whether a block can be an answer's head.
fn is_head(block: &Block, ends: bool) -> bool {
    let is_empty = |status: http::StatusCode| matches!(status.as_u16(), 204 | 304);
    let length_fits = match block.content_length {
        Some(Ok(length)) => !ends || length == 0 || block.status.is_some_and(is_empty),
        Some(Err(_)) => false,
        None => true,
    };
    length_fits && !block.is_too_long && block.status.is_some()
}
