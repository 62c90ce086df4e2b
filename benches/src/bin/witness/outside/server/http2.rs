//! As much of HTTP/2 (RFC 9113) as three kinds of gRPC calls need of a server.
//!
//! What a call is for is told by the port, so header blocks are not decoded; those sent are made
//! of HPACK's static table and literals only (RFC 7541). Windows for what clients send are as wide
//! as can be. Of those for what is sent here only the connection's is watched: a stream's replies
//! together stay far below what every client allows.

use std::collections::HashMap;

use super::protocol::{Parsed, Piece, Protocol, Request};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// What a connection's windows begin with.
const FIRST_WINDOW: i64 = 65_535;
const WIDEST_WINDOW: u32 = (1 << 31) - 1;
/// The client's window is opened again after so many bytes.
const REOPEN_AFTER: u32 = 1 << 20;

/// `:status: 200` from the static table, then `content-type` (its entry 31) with a literal value.
const HEAD_BLOCK: &[u8] = b"\x88\x0f\x10\x10application/grpc";
/// A literal of a new name.
const TRAILER_BLOCK: &[u8] = b"\x00\x0bgrpc-status\x010";
/// A message of seven bytes, its prefix in front: field 1 is `hello`.
const MESSAGE: &[u8] = b"\0\0\0\0\x07\x0a\x05hello";
const PREFIX: usize = 5;

/// What every call on a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// One message after the request's end.
    Unary,
    /// So many of them.
    ServerStream(u32),
    /// Each message is sent back; the stream ends when the client's side does.
    Bidirectional,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Http2 {
    call: Call,
    has_begun: bool,
    /// What has come of a message on each bidirectional stream.
    streams: HashMap<u32, Vec<u8>>,
    /// A HEADERS frame whose block goes on in CONTINUATION frames, and its flags.
    unfinished_head: Option<u8>,
    /// What the client still takes on the connection.
    window: i64,
    received: u32,
}

impl Http2 {
    pub(super) fn new(call: Call) -> Self {
        Self {
            call,
            has_begun: false,
            streams: HashMap::new(),
            unfinished_head: None,
            window: FIRST_WINDOW,
            received: 0,
        }
    }

    fn greeting() -> Vec<u8> {
        const MAX_CONCURRENT_STREAMS: u16 = 0x3;
        const INITIAL_WINDOW_SIZE: u16 = 0x4;
        let mut settings = Vec::new();
        for (name, value) in [
            (MAX_CONCURRENT_STREAMS, 1_000_000),
            (INITIAL_WINDOW_SIZE, WIDEST_WINDOW),
        ] {
            settings.extend_from_slice(&name.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        let mut greeting = Vec::new();
        push_frame(&mut greeting, SETTINGS, 0, 0, &settings);
        let wider = WIDEST_WINDOW - FIRST_WINDOW as u32;
        push_frame(&mut greeting, WINDOW_UPDATE, 0, 0, &wider.to_be_bytes());
        greeting
    }

    /// A head is complete.
    fn head(&mut self, stream: u32, flags: u8, piece: &mut Piece) {
        piece.of_request = true;
        if self.call == Call::Bidirectional {
            self.streams.insert(stream, Vec::new());
            push_frame(&mut piece.say, HEADERS, END_HEADERS, stream, HEAD_BLOCK);
        }
        if flags & END_STREAM != 0 {
            self.end(stream, piece);
        }
    }

    /// The client's side of a stream is over.
    fn end(&mut self, stream: u32, piece: &mut Piece) {
        let messages = match self.call {
            Call::Unary => 1,
            Call::ServerStream(messages) => messages,
            Call::Bidirectional => {
                self.streams.remove(&stream);
                0
            }
        };
        let mut replies: Vec<Vec<u8>> = (0..messages).map(|_| Vec::with_capacity(96)).collect();
        if let Some(first) = replies.first_mut() {
            push_frame(first, HEADERS, END_HEADERS, stream, HEAD_BLOCK);
        }
        for reply in &mut replies {
            push_frame(reply, DATA, 0, stream, MESSAGE);
            self.window -= MESSAGE.len() as i64;
        }
        if replies.is_empty() {
            replies.push(Vec::new());
        }
        if let Some(last) = replies.last_mut() {
            let flags = END_HEADERS | END_STREAM;
            push_frame(last, HEADERS, flags, stream, TRAILER_BLOCK);
        }
        piece.serve.push(Request {
            lane: stream,
            ends: true,
            is_end: messages == 0,
            replies,
        });
    }

    fn data(&mut self, stream: u32, flags: u8, payload: &[u8], piece: &mut Piece) {
        piece.of_request = true;
        self.received += payload.len() as u32;
        if self.received >= REOPEN_AFTER {
            let more = std::mem::take(&mut self.received).to_be_bytes();
            push_frame(&mut piece.say, WINDOW_UPDATE, 0, 0, &more);
        }
        if let Some(partial) = self.streams.get_mut(&stream) {
            partial.extend_from_slice(payload);
            while let Some(message) = take_message(partial) {
                self.window -= message.len() as i64;
                let mut reply = Vec::with_capacity(FRAME_HEAD + message.len());
                push_frame(&mut reply, DATA, 0, stream, &message);
                piece.serve.push(Request {
                    lane: stream,
                    ends: false,
                    is_end: false,
                    replies: vec![reply],
                });
            }
        }
        if flags & END_STREAM != 0 {
            self.end(stream, piece);
        }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8], piece: &mut Piece) {
        match kind {
            HEADERS if flags & END_HEADERS == 0 => self.unfinished_head = Some(flags),
            HEADERS => self.head(stream, flags, piece),
            CONTINUATION if flags & END_HEADERS != 0 => {
                let flags = self.unfinished_head.take().unwrap_or_default();
                self.head(stream, flags, piece);
            }
            DATA => self.data(stream, flags, payload, piece),
            RST_STREAM => {
                self.streams.remove(&stream);
            }
            SETTINGS if flags & ACK == 0 => push_frame(&mut piece.say, SETTINGS, ACK, 0, &[]),
            PING if flags & ACK == 0 => push_frame(&mut piece.say, PING, ACK, 0, payload),
            WINDOW_UPDATE if stream == 0 => {
                self.window += i64::from(number(payload) & WIDEST_WINDOW);
            }
            // What is left asks nothing of a server like this one.
            _ => {}
        }
    }
}

impl Protocol for Http2 {
    fn parse(&mut self, unread: &[u8]) -> Result<Parsed, String> {
        if !self.has_begun {
            let Some(preface) = unread.get(..PREFACE.len()) else {
                return Ok(Parsed::Needs(PREFACE.len()));
            };
            if preface != PREFACE {
                return Err("no HTTP/2 preface at the beginning".to_owned());
            }
            self.has_begun = true;
            return Ok(Parsed::Piece(Piece {
                bytes: PREFACE.len(),
                say: Self::greeting(),
                ..Piece::default()
            }));
        }
        let Some(head) = unread.get(..FRAME_HEAD) else {
            return Ok(Parsed::Needs(FRAME_HEAD));
        };
        let bytes = FRAME_HEAD + number(&head[..3]) as usize;
        let Some(payload) = unread.get(FRAME_HEAD..bytes) else {
            return Ok(Parsed::Needs(bytes));
        };
        let (kind, flags) = (head[3], head[4]);
        let stream = number(&head[5..]) & WIDEST_WINDOW;
        if kind == DATA && flags & PADDED != 0 {
            return Err("a padded DATA frame, which this server does not read".to_owned());
        }
        let mut piece = Piece {
            bytes,
            ..Piece::default()
        };
        self.frame(kind, flags, stream, payload, &mut piece);
        if self.window < 0 {
            return Err(
                "the client's window for the connection is full, with a few replies of \
                        16 bytes under way"
                    .to_owned(),
            );
        }
        Ok(Parsed::Piece(piece))
    }
}

fn push_frame(into: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    into.extend_from_slice(&(payload.len() as u32).to_be_bytes()[1..]);
    into.extend_from_slice(&[kind, flags]);
    into.extend_from_slice(&stream.to_be_bytes());
    into.extend_from_slice(payload);
}

/// A number of up to four bytes, the highest first.
fn number(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0, |all, &byte| all << 8 | u32::from(byte))
}

/// Takes a whole message off the front, its prefix with it.
fn take_message(from: &mut Vec<u8>) -> Option<Vec<u8>> {
    let len = PREFIX + number(from.get(1..PREFIX)?) as usize;
    (from.len() >= len).then(|| from.drain(..len).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_frame(&mut bytes, kind, flags, stream, payload);
        bytes
    }

    /// All pieces of what a client sends, each asked for to its last byte and no further.
    fn pieces(http2: &mut Http2, sent: &[u8]) -> Vec<Piece> {
        let (mut from, mut have, mut pieces) = (0, 0, Vec::new());
        while from < sent.len() {
            match http2.parse(&sent[from..from + have]).unwrap() {
                Parsed::Needs(more) => {
                    assert!(more > have);
                    have = more;
                }
                Parsed::Piece(piece) => {
                    assert_eq!(piece.bytes, have, "it read beyond the piece");
                    from += piece.bytes;
                    have = 0;
                    pieces.push(piece);
                }
            }
        }
        pieces
    }

    fn begun(call: Call) -> Http2 {
        let mut http2 = Http2::new(call);
        let pieces = pieces(&mut http2, PREFACE);
        assert_eq!(pieces[0].say, Http2::greeting());
        http2
    }

    #[test]
    fn a_unary_call_is_complete_with_its_last_frame() {
        let mut http2 = begun(Call::Unary);
        let sent = [
            frame(SETTINGS, 0, 0, &[]),
            frame(HEADERS, END_HEADERS, 1, b"whatever"),
            frame(DATA, END_STREAM, 1, MESSAGE),
        ];
        let pieces = pieces(&mut http2, &sent.concat());
        assert_eq!(pieces[0].say, frame(SETTINGS, ACK, 0, &[]));
        assert!(pieces[1].serve.is_empty() && pieces[1].of_request);
        let reply = [
            frame(HEADERS, END_HEADERS, 1, HEAD_BLOCK),
            frame(DATA, 0, 1, MESSAGE),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, TRAILER_BLOCK),
        ];
        let [request] = &pieces[2].serve[..] else {
            panic!("one request");
        };
        assert_eq!(request.replies, [reply.concat()]);
        assert!(request.ends);
    }

    #[test]
    fn a_head_may_go_on_in_further_frames() {
        let mut http2 = begun(Call::ServerStream(2));
        let sent = [
            frame(HEADERS, END_STREAM, 3, b"what"),
            frame(CONTINUATION, END_HEADERS, 3, b"ever"),
        ];
        let pieces = pieces(&mut http2, &sent.concat());
        assert!(pieces[0].serve.is_empty());
        assert_eq!(pieces[1].serve[0].replies.len(), 2);
    }

    #[test]
    fn messages_of_a_stream_are_echoed_however_they_are_cut() {
        let mut http2 = begun(Call::Bidirectional);
        let (front, back) = MESSAGE.split_at(3);
        let sent = [
            frame(HEADERS, END_HEADERS, 1, b"whatever"),
            frame(DATA, 0, 1, front),
            frame(DATA, 0, 1, &[back, MESSAGE].concat()),
            frame(DATA, END_STREAM, 1, &[]),
        ];
        let pieces = pieces(&mut http2, &sent.concat());
        assert_eq!(pieces[0].say, frame(HEADERS, END_HEADERS, 1, HEAD_BLOCK));
        assert!(pieces[1].serve.is_empty());
        let echo = vec![frame(DATA, 0, 1, MESSAGE)];
        let replies: Vec<_> = pieces[2].serve.iter().map(|it| &it.replies).collect();
        assert_eq!(replies, [&echo, &echo]);
        assert!(pieces[3].serve[0].is_end);
    }

    #[test]
    fn says_so_when_the_client_takes_no_more() {
        let mut http2 = begun(Call::Unary);
        let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, b"");
        let answered = (0..).take_while(|_| http2.parse(&request).is_ok()).count();
        assert_eq!(answered, FIRST_WINDOW as usize / MESSAGE.len());
        http2.window = 0;
        pieces(
            &mut http2,
            &frame(WINDOW_UPDATE, 0, 0, &100_u32.to_be_bytes()),
        );
        assert_eq!(http2.window, 100);
    }
}
