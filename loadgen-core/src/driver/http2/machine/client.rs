//! A connection, and the sending on it.
//!
//! Owns what is due to be written and which stream's last byte is where in it, the windows that the server
//! grants, and who waits for them.

use std::collections::VecDeque;

use bytes::Bytes;
use http::Request;

use super::blocks::Blocks;
use super::connection::{GoodBye, Ping};
use super::encoder::{Encoder, Keep};
use super::fault::Fault;
use super::frame::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, MOST_31, MOST_PAYLOAD, PREFACE,
    RST_STREAM, SETTINGS, WINDOW, WINDOW_UPDATE, put_header, put_number,
};
use super::receiving::Continued;
use super::stream::{Came, Moments, Stream, Streams};
use crate::clock::Nanos;

/// What a connection takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// What the server may send on one stream before it was read.
    pub(crate) stream_window: u32,
    /// The same for all streams together; at least what HTTP/2 begins with.
    pub(crate) connection_window: u32,
    /// The longest head, as HTTP/2 counts it.
    pub(crate) head_bytes: u32,
}

/// Streams at a time until the server has said how many.
const FIRST_STREAMS: usize = 100;
/// A message goes on into what is due as long as that is shorter: what lies there twice is memory for nothing.
const ENOUGH_DUE_BYTES: usize = 64 << 10;
/// What is due is seldom more, and room for more is given back.
const MOST_KEPT_BYTES: usize = 16 << 10;
/// So many frames that the server is owed may wait to be written.
const MOST_OWED: usize = 1000;

/// A connection. See the module's header.
#[derive(Debug)]
pub(crate) struct Client {
    pub(super) out: Vec<u8>,
    /// How many bytes were written, ever.
    written: u64,
    /// Where in all that is ever written requests end, in order.
    marks: VecDeque<Mark>,
    /// How often the connection was given a turn.
    turn: u64,
    /// How many frames in `out` answer what the server sent.
    pub(super) owed: usize,

    encoder: Encoder,
    /// By their numbers, the blocks of heads that are always the same, once that is so.
    constant: Vec<Option<Box<[u8]>>>,
    pub(super) streams: Streams,
    /// How many of them the server knows of.
    open: usize,
    /// Those that it does not, because it allows no more.
    waiting: VecDeque<u32>,
    /// How many it allows.
    pub(super) most_streams: usize,
    /// Those with more to send than may be sent.
    held: VecDeque<u32>,
    pub(super) window: i64,
    pub(super) stream_window: i64,
    pub(super) most_payload: usize,

    pub(super) limits: Limits,
    /// The beginning of a frame whose rest is to come.
    pub(super) pending: Vec<u8>,
    pub(super) blocks: Blocks,
    pub(super) continued: Continued,
    /// How much the server may still send, and how much was read that it was not told of.
    pub(super) room: i64,
    pub(super) untold: u32,
    pub(super) empty_frames: u32,
    /// How many frames of answers came, ever.
    pub(super) answers: u64,

    pub(super) has_ack: bool,
    pub(super) has_settings: bool,
    pub(super) ping: Ping,
    pub(super) good_bye: GoodBye,
}

/// Where a request's parts end in all that is written.
#[derive(Debug)]
struct Mark {
    stream: u32,
    head: u64,
    end: u64,
    /// Whether that is the request's end.
    is_last: bool,
}

impl Client {
    /// A connection on which nothing was sent yet.
    pub(crate) fn new(limits: Limits) -> Self {
        let mut out = PREFACE.to_vec();
        // ENABLE_PUSH, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE (section 6.5.2).
        let settings = [
            (2_u16, 0),
            (4, limits.stream_window),
            (6, limits.head_bytes),
        ];
        put_header(&mut out, settings.len() * 6, SETTINGS, 0, 0);
        for (name, value) in settings {
            out.extend_from_slice(&name.to_be_bytes());
            out.extend_from_slice(&value.to_be_bytes());
        }
        let more = limits.connection_window - WINDOW;
        put_number(&mut out, WINDOW_UPDATE, 0, more);
        Self {
            out,
            written: 0,
            marks: VecDeque::new(),
            turn: 0,
            owed: 0,
            encoder: Encoder::new(),
            constant: Vec::new(),
            streams: Streams::up_to(MOST_31),
            open: 0,
            waiting: VecDeque::new(),
            most_streams: FIRST_STREAMS,
            held: VecDeque::new(),
            window: i64::from(WINDOW),
            stream_window: i64::from(WINDOW),
            most_payload: MOST_PAYLOAD,
            limits,
            pending: Vec::new(),
            blocks: Blocks::up_to(limits.head_bytes),
            continued: Continued::default(),
            room: i64::from(limits.connection_window),
            untold: 0,
            empty_frames: 0,
            answers: 0,
            has_ack: false,
            has_settings: false,
            ping: Ping::default(),
            good_bye: GoodBye::default(),
        }
    }

    /// The connection is given a turn: what leaves within one leaves together, as far as times are concerned.
    #[inline]
    pub(crate) fn turn(&mut self) {
        self.turn += 1;
    }

    /// What is to be written next.
    #[inline]
    pub(crate) fn due(&self) -> &[u8] {
        &self.out
    }

    /// So much of [`Self::due`] was written at `at`.
    #[inline]
    pub(crate) fn wrote(&mut self, bytes: usize, at: Nanos) {
        self.written += bytes as u64;
        if bytes == self.out.len() {
            self.owed = 0;
            self.out.clear();
            self.out.shrink_to(MOST_KEPT_BYTES);
        } else {
            self.out.drain(..bytes);
        }
        let (turn, written) = (self.turn, self.written);
        while let Some(mark) = self.marks.front() {
            if mark.head > written {
                break;
            }
            let is_over = mark.end <= written;
            if let Some(stream) = self.streams.get(mark.stream) {
                let moments = &mut stream.moments;
                let (began_in, began_at) = *moments.began.get_or_insert((turn, at));
                if is_over && mark.is_last {
                    // What does not leave within a turn is held back by the other side.
                    moments.sent_at = Some(if began_in == turn { at } else { began_at });
                }
            }
            if !is_over {
                break;
            }
            self.marks.pop_front();
        }
        if !self.held.is_empty() {
            self.send_held();
        }
    }

    /// Whether more of what the server sends may be taken. Not while it does not read what it is owed for what it
    /// sent.
    #[inline]
    pub(crate) fn takes_more(&self) -> bool {
        self.owed < MOST_OWED
    }

    /// How many streams the server allows at a time.
    pub(crate) fn most_streams(&self) -> usize {
        self.most_streams
    }

    /// How many frames of answers came, ever.
    #[inline]
    pub(crate) fn answers(&self) -> u64 {
        self.answers
    }

    /// Whether no stream is open.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.streams.len() == 0 || self.streams.each().all(|it| it.is_over())
    }

    /// Opens a stream with a request's head. One that is `constant` is the same as all that have this number.
    /// An error means that nothing is sent.
    #[inline]
    pub(crate) fn open(
        &mut self,
        constant: Option<usize>,
        request: impl FnOnce() -> Request<()>,
    ) -> Result<u32, Fault> {
        if let Some(fault) = self.good_bye.fault() {
            return Err(fault.clone());
        }
        let window = self.stream_window;
        let room = i64::from(self.limits.stream_window);
        let stream = self.streams.begin().ok_or(Fault::UsedUp)?;
        (stream.window, stream.room) = (window, room);
        let id = stream.id;
        if self.open >= self.most_streams || !self.waiting.is_empty() {
            stream.waiting = Some(Box::new(request()));
            self.waiting.push_back(id);
            return Ok(id);
        }
        self.open += 1;
        if let Some(Some(block)) = constant.and_then(|nth| self.constant.get(nth))
            && block.len() <= self.most_payload
        {
            put_header(&mut self.out, block.len(), HEADERS, END_HEADERS, id);
            self.out.extend_from_slice(block);
        } else {
            self.send_head(id, constant, &request());
        }
        stream_of(&mut self.streams, id).head_end = self.written + self.out.len() as u64;
        Ok(id)
    }

    #[cold]
    fn send_head(&mut self, id: u32, constant: Option<usize>, request: &Request<()>) {
        let keep = match constant {
            Some(_) => Keep::All,
            None => Keep::None,
        };
        let mut block = Vec::new();
        let is_stable = self.encoder.encode(request, keep, &mut block);
        let mut pieces = block.chunks(self.most_payload).peekable();
        let mut kind = HEADERS;
        while let Some(piece) = pieces.next() {
            let flags = if pieces.peek().is_none() {
                END_HEADERS
            } else {
                0
            };
            put_header(&mut self.out, piece.len(), kind, flags, id);
            self.out.extend_from_slice(piece);
            kind = CONTINUATION;
        }
        if let Some(nth) = constant.filter(|_| is_stable) {
            if self.constant.len() <= nth {
                self.constant.resize(nth + 1, None);
            }
            self.constant[nth] = Some(block.into());
        }
    }

    /// The server takes another table: what was the same until now is encoded anew.
    pub(super) fn allow_table(&mut self, most: usize) {
        if self.encoder.allow(most) {
            self.constant.clear();
        }
    }

    /// Hands over a stream's message, with which the request ends.
    #[inline]
    pub(crate) fn send(&mut self, id: u32, message: Bytes) {
        let Some(stream) = self.streams.get(id).filter(|it| !it.is_sent) else {
            return;
        };
        let len = message.len();
        let fits = self.held.is_empty()
            && stream.waiting.is_none()
            && len <= self.most_payload
            && len as i64 <= self.window.min(stream.window)
            && self.out.len() < ENOUGH_DUE_BYTES;
        if !fits {
            stream.unsent = message;
            self.hold(id);
            return;
        }
        stream.is_sent = true;
        self.window -= len as i64;
        stream.window -= len as i64;
        put_header(&mut self.out, len, DATA, END_STREAM, id);
        self.out.extend_from_slice(&message);
        self.marks.push_back(Mark {
            stream: id,
            head: stream.head_end,
            end: self.written + self.out.len() as u64,
            is_last: true,
        });
    }

    /// A message waits for room, as others may.
    #[cold]
    fn hold(&mut self, id: u32) {
        let stream = stream_of(&mut self.streams, id);
        if stream.waiting.is_some() {
            return;
        }
        let head = stream.head_end;
        self.marks.push_back(Mark {
            stream: id,
            head,
            end: head,
            is_last: false,
        });
        self.held.push_back(id);
        self.send_held();
    }

    /// Sends of messages that wait what may be sent, a frame of each in turn.
    pub(super) fn send_held(&mut self) {
        let mut stuck = 0;
        while stuck < self.held.len()
            && self.out.len() < ENOUGH_DUE_BYTES
            && let Some(id) = self.held.pop_front()
        {
            let Some(stream) = self.streams.get(id).filter(|it| !it.is_sent) else {
                continue;
            };
            let most = self.window.min(stream.window).min(self.most_payload as i64);
            let len = stream.unsent.len().min(usize::try_from(most).unwrap_or(0));
            if len == 0 && !stream.unsent.is_empty() {
                stuck += 1;
                self.held.push_back(id);
                continue;
            }
            stuck = 0;
            let piece = stream.unsent.split_to(len);
            self.window -= len as i64;
            stream.window -= len as i64;
            let is_last = stream.unsent.is_empty();
            stream.is_sent = is_last;
            let flags = if is_last { END_STREAM } else { 0 };
            put_header(&mut self.out, len, DATA, flags, id);
            self.out.extend_from_slice(&piece);
            if !is_last {
                self.held.push_back(id);
                continue;
            }
            self.marks.push_back(Mark {
                stream: id,
                head: stream.head_end,
                end: self.written + self.out.len() as u64,
                is_last,
            });
        }
    }

    /// Opens streams that wait, as many as the server allows.
    pub(super) fn open_waiting(&mut self) {
        while self.open < self.most_streams
            && let Some(id) = self.waiting.pop_front()
        {
            let Some(stream) = self.streams.get(id) else {
                continue;
            };
            let Some(request) = stream.waiting.take() else {
                continue;
            };
            stream.window = self.stream_window;
            self.open += 1;
            self.send_head(id, None, &request);
            stream_of(&mut self.streams, id).head_end = self.written + self.out.len() as u64;
            self.hold(id);
        }
    }

    /// Gives a stream up, unless it is over.
    pub(crate) fn cancel(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id).filter(|it| !it.is_over()) else {
            return;
        };
        let is_known = stream.waiting.is_none();
        stream.came = Came::Nothing;
        stream.fails(Fault::Reset(CANCEL));
        // A server that ended the connection hears nothing more.
        if is_known && !self.good_bye.is_final() {
            put_number(&mut self.out, RST_STREAM, id, CANCEL);
        }
    }

    /// Nobody asks for a stream any more. It is given up where it is not over.
    #[inline]
    pub(crate) fn forget(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id) else {
            return;
        };
        let unread = stream.data.len();
        let was_known = stream.waiting.is_none() && stream.head_end > 0;
        if !stream.is_over() {
            self.cancel(id);
        }
        self.streams.forget(id);
        if unread > 0 {
            self.was_read(unread);
        }
        if was_known {
            self.open -= 1;
        }
        if !self.waiting.is_empty() {
            self.open_waiting();
        }
    }

    /// When a stream's request left and its answer came.
    #[inline]
    pub(crate) fn moments(&mut self, id: u32) -> Moments {
        self.streams
            .get(id)
            .map_or(Moments::default(), |it| it.moments)
    }
}

/// A stream that is there.
#[inline]
fn stream_of(streams: &mut Streams, id: u32) -> &mut Stream {
    streams.get(id).expect("it was opened and nobody forgot it")
}
