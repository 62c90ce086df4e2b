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
use super::stream::{Moments, Spare, Stream, Streams};
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

/// A request's head that is the same from one to the next, as long as it has the same version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Constant {
    /// Which one: they count from 0, and are few.
    pub(crate) number: usize,
    /// What it is made of: another number once that has changed.
    pub(crate) version: u64,
}

/// A constant head.
#[derive(Debug, Clone, Default)]
struct Known {
    version: u64,
    /// Once the next one is the same.
    block: Option<Box<[u8]>>,
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
    /// By their numbers. Their blocks say where in the server's table fields are, counted from the youngest.
    constant: Vec<Known>,
    pub(super) streams: Streams,
    pub(super) spare: Spare,
    /// How many of them the server knows of.
    open: usize,
    /// Those that it does not, because it allows no more.
    waiting: VecDeque<u32>,
    /// How many it allows.
    pub(super) most_streams: usize,
    /// Those that have more to send than they may, not for want of a window of their own: of the connection's, or
    /// of room in what is due.
    pub(super) held: VecDeque<u32>,
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
            spare: Spare::default(),
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

    /// Opens a stream with a request's head. An error means that nothing is sent.
    #[inline]
    pub(crate) fn open(
        &mut self,
        constant: Option<Constant>,
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
        if let Some(constant) = constant
            && let Some(known) = self.constant.get(constant.number)
            && let Some(block) = &known.block
            && known.version == constant.version
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
    fn send_head(&mut self, id: u32, constant: Option<Constant>, request: &Request<()>) {
        let keep = match constant {
            Some(constant) => {
                self.meets(constant);
                Keep::All
            }
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
        if !is_stable {
            // What is new in the table has moved all that was there.
            self.forget_blocks();
        } else if let Some(constant) = constant {
            self.constant[constant.number].block = Some(block.into());
        }
    }

    /// Where one has changed, the table has what nobody sends any more, and is filled anew.
    fn meets(&mut self, constant: Constant) {
        let Constant { number, version } = constant;
        if self.constant.len() <= number {
            self.constant.resize(number + 1, Known::default());
        }
        let known = &mut self.constant[number];
        if std::mem::replace(&mut known.version, version) != version {
            self.encoder.begin_anew();
            self.forget_blocks();
        }
    }

    fn forget_blocks(&mut self) {
        self.constant.iter_mut().for_each(|it| it.block = None);
    }

    /// The server takes another table: what was the same until now is encoded anew.
    pub(super) fn allow_table(&mut self, most: usize) {
        if self.encoder.allow(most) {
            self.forget_blocks();
        }
    }

    /// Hands over a stream's message, with which the request ends.
    #[inline]
    pub(crate) fn send(&mut self, id: u32, message: &Bytes) {
        let Some(stream) = self.streams.get(id).filter(|it| !it.is_sent) else {
            return;
        };
        let len = message.len();
        let most = self.window.min(stream.window).min(self.most_payload as i64);
        let has_room = len as i64 <= most && self.out.len() < ENOUGH_DUE_BYTES;
        // What is empty needs no room (section 6.9.1).
        if stream.head_end == 0 || !has_room && len > 0 {
            stream.unsent = Some(message.clone());
            self.hold(id);
            return;
        }
        stream.is_sent = true;
        self.window -= len as i64;
        stream.window -= len as i64;
        put_header(&mut self.out, len, DATA, END_STREAM, id);
        self.out.extend_from_slice(message);
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
        if stream.head_end == 0 {
            return;
        }
        let head = stream.head_end;
        self.marks.push_back(Mark {
            stream: id,
            head,
            end: head,
            is_last: false,
        });
        stream.is_held = true;
        self.held.push_back(id);
        self.send_held();
    }

    /// Sends of messages that wait what may be sent, a frame of each in turn.
    pub(super) fn send_held(&mut self) {
        while self.window > 0
            && self.out.len() < ENOUGH_DUE_BYTES
            && let Some(id) = self.held.pop_front()
        {
            let Some(stream) = self.streams.get(id) else {
                continue;
            };
            stream.is_held = false;
            if !stream.can_go_on() {
                // Until the server says so, or never.
                continue;
            }
            let most = self.window.min(stream.window).min(self.most_payload as i64);
            let unsent = stream.unsent.get_or_insert_default();
            let piece = unsent.split_to(unsent.len().min(most as usize));
            let is_last = unsent.is_empty();
            self.window -= piece.len() as i64;
            stream.window -= piece.len() as i64;
            let flags = if is_last { END_STREAM } else { 0 };
            put_header(&mut self.out, piece.len(), DATA, flags, id);
            self.out.extend_from_slice(&piece);
            if !is_last {
                stream.is_held = true;
                self.held.push_back(id);
                continue;
            }
            stream.unsent = None;
            stream.is_sent = true;
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
            let stream = stream_of(&mut self.streams, id);
            stream.head_end = self.written + self.out.len() as u64;
            if let Some(message) = stream.unsent.take() {
                self.send(id, &message);
            }
        }
    }

    /// Gives a stream up, unless it is over.
    pub(crate) fn cancel(&mut self, id: u32) {
        let Some(stream) = self.streams.get(id).filter(|it| !it.is_over()) else {
            return;
        };
        let is_known = stream.head_end > 0;
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
        let data = std::mem::take(&mut stream.data);
        let (was_known, was_held) = (stream.head_end > 0, stream.is_held);
        if !stream.is_over() {
            self.cancel(id);
        }
        self.streams.forget(id);
        if !data.is_empty() {
            self.was_read(data.len());
        }
        self.spare.give(data);
        if was_held {
            self.held.retain(|it| *it != id);
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
