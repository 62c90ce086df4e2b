//! What concerns a connection as a whole (RFC 9113, sections 5.4.1, 6.5, 6.7 and 6.8).
//!
//! Owns the server's settings, questions whether it is there, and how the connection ends.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::client::Client;
use super::fault::Fault;
use super::frame::{
    ACK, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY, Header, MOST_31, MOST_PAYLOAD,
    MOST_PAYLOAD_EVER, NO_ERROR, PING, PROTOCOL_ERROR, SETTINGS, number, put_header,
};
use super::stream::Stream;

/// What our pings carry.
const QUESTION: [u8; 8] = *b"loadgen?";

/// Our question whether the server is there.
#[derive(Debug, Default)]
pub(super) struct Ping {
    is_answered: bool,
    waker: Option<Waker>,
}

/// How the connection ends.
#[derive(Debug)]
pub(super) struct GoodBye {
    /// Why no stream can be opened any more.
    fault: Option<Fault>,
    /// Whether nothing is sent or taken any more.
    is_final: bool,
    /// The last of the streams that the server looks at.
    last: u32,
    /// The code of the server's last word, where it had one.
    theirs: Option<u32>,
}

impl Default for GoodBye {
    fn default() -> Self {
        Self {
            fault: None,
            is_final: false,
            last: MOST_31,
            theirs: None,
        }
    }
}

impl GoodBye {
    #[inline]
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    #[inline]
    pub(super) fn is_final(&self) -> bool {
        self.is_final
    }
}

impl Client {
    /// Why no stream can be opened any more, where that is so.
    pub(crate) fn farewell(&self) -> Option<Fault> {
        let used_up = self.streams.are_used_up().then_some(Fault::UsedUp);
        self.good_bye.fault.clone().or(used_up)
    }

    /// Whether the connection is over once what is due was written.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.good_bye.is_final
    }

    /// Whether the server has said good-bye, and all that it still looked at has ended.
    #[inline]
    pub(crate) fn is_done(&mut self) -> bool {
        self.good_bye.theirs.is_some() && !self.good_bye.is_final && self.is_idle()
    }

    /// How the connection ended: well, unless one of the sides found something wrong.
    pub(crate) fn outcome(&self) -> Result<(), Fault> {
        match &self.good_bye.fault {
            Some(Fault::GoAway { code: NO_ERROR, .. } | Fault::Closed(_)) | None => Ok(()),
            Some(fault) => Err(fault.clone()),
        }
    }

    /// Says good-bye in good order.
    pub(crate) fn say_good_bye(&mut self) {
        self.put_good_bye(NO_ERROR);
        self.good_bye.is_final = true;
    }

    fn put_good_bye(&mut self, code: u32) {
        put_header(&mut self.out, 8, GOAWAY, 0, 0);
        // Of the streams that the server opened, none was looked at.
        self.out.extend_from_slice(&0_u32.to_be_bytes());
        self.out.extend_from_slice(&code.to_be_bytes());
    }

    /// What the server sent ends the connection.
    #[cold]
    pub(super) fn fail(&mut self, fault: Fault) {
        let code = match fault {
            Fault::BadConnection { code, .. } => code,
            _ => NO_ERROR,
        };
        self.put_good_bye(code);
        self.end(&fault);
        self.good_bye.fault = Some(fault);
    }

    fn end(&mut self, fault: &Fault) {
        self.good_bye.is_final = true;
        for stream in self.streams.each() {
            stream.fails(fault.clone());
        }
    }

    /// The server sends nothing more.
    pub(crate) fn closed(&mut self) {
        if self.pending.is_empty() || self.broken().is_some() {
            return self.ended();
        }
        let text = "bytes remaining on stream".to_owned();
        self.broke(io::ErrorKind::Other, Some(text));
    }

    /// Why it broke, where that is known already: a write may hear of it, and what is read afterwards ends as if nothing
    /// had happened.
    fn broken(&self) -> Option<Fault> {
        let fault = self.good_bye.fault.as_ref();
        fault.filter(|it| matches!(it, Fault::Broken(..))).cloned()
    }

    /// Nobody moves its bytes any more.
    pub(crate) fn ended(&mut self) {
        self.out.clear();
        self.end(&self.broken().unwrap_or(Fault::Closed("stream")));
        let fault = &mut self.good_bye.fault;
        fault.get_or_insert(Fault::Closed("connection"));
    }

    /// The connection broke.
    pub(crate) fn broke(&mut self, kind: io::ErrorKind, text: Option<String>) {
        let fault = Fault::Broken(kind, text.map(Rc::from));
        self.out.clear();
        self.end(&fault);
        // A good-bye before that stands: what nobody looked at is sent again.
        self.good_bye.fault.get_or_insert(fault);
    }

    /// The connection broke for what is sent, and what came before that is to be taken yet.
    pub(crate) fn sends_no_more(&mut self, kind: io::ErrorKind, text: Option<String>) {
        self.out.clear();
        self.owed = 0;
        let fault = Fault::Broken(kind, text.map(Rc::from));
        self.good_bye.fault.get_or_insert(fault);
    }

    /// Asks whether the server is there.
    pub(crate) fn ask(&mut self) {
        self.ping.is_answered = false;
        put_header(&mut self.out, QUESTION.len(), PING, 0, 0);
        self.out.extend_from_slice(&QUESTION);
    }

    /// Ready when the last question was answered.
    pub(crate) fn poll_answered(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::take(&mut self.ping.is_answered) {
            return Poll::Ready(());
        }
        self.ping.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn ping(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        if payload.len() != QUESTION.len() {
            return Err(Fault::of_connection(FRAME_SIZE_ERROR));
        }
        if !header.has(ACK) {
            put_header(&mut self.out, payload.len(), PING, ACK, 0);
            self.out.extend_from_slice(payload);
            self.owed += 1;
        } else if payload == QUESTION {
            self.ping.is_answered = true;
            if let Some(waker) = self.ping.waker.take() {
                waker.wake();
            }
        }
        Ok(())
    }

    pub(super) fn go_away(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        let (Some(last), Some(code), Some(said)) = (
            payload.get(..4).and_then(number),
            payload.get(4..8).and_then(number),
            payload.get(8..),
        ) else {
            return Err(Fault::of_connection(FRAME_SIZE_ERROR));
        };
        let last = last & MOST_31;
        // The last stream may become a lower one, and never a higher.
        if header.stream != 0 || last > self.good_bye.last {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        let fault = Fault::GoAway {
            code,
            said: said.into(),
        };
        self.good_bye.last = last;
        self.good_bye.theirs = Some(code);
        // Nor does it look at one that was not opened yet (section 6.8).
        let is_untouched = |it: &&mut Stream| it.id > last || it.head_end == 0;
        for stream in self.streams.each().filter(is_untouched) {
            stream.fails(fault.clone());
        }
        self.good_bye.fault = Some(fault);
        Ok(())
    }

    pub(super) fn settings(&mut self, header: Header, payload: &[u8]) -> Result<(), Fault> {
        if header.stream != 0 {
            return Err(Fault::of_connection(PROTOCOL_ERROR));
        }
        if header.has(ACK) {
            // There is one to be acknowledged.
            let is_first = !std::mem::replace(&mut self.has_ack, true);
            return match payload {
                [] if is_first => Ok(()),
                [] => Err(Fault::of_connection(PROTOCOL_ERROR)),
                _ => Err(Fault::of_connection(FRAME_SIZE_ERROR)),
            };
        }
        let (settings, []) = payload.as_chunks::<6>() else {
            return Err(Fault::of_connection(FRAME_SIZE_ERROR));
        };
        let (mut streams, mut window) = (None, None);
        for &[a, b, c, d, e, f] in settings {
            let name = u16::from_be_bytes([a, b]);
            let value = u32::from_be_bytes([c, d, e, f]);
            let wrong = match name {
                // Only clients allow pushes, and may be allowed CONNECT (RFC 8441, section 3).
                2 => (value != 0).then_some(PROTOCOL_ERROR),
                8 => (value > 1).then_some(PROTOCOL_ERROR),
                4 => (value > MOST_31).then_some(FLOW_CONTROL_ERROR),
                5 => {
                    let allowed = MOST_PAYLOAD as u32..=MOST_PAYLOAD_EVER;
                    (!allowed.contains(&value)).then_some(PROTOCOL_ERROR)
                }
                _ => None,
            };
            if let Some(code) = wrong {
                return Err(Fault::of_connection(code));
            }
            match name {
                1 => self.allow_table(value as usize),
                3 => streams = Some(value as usize),
                4 => window = Some(i64::from(value)),
                5 => self.most_payload = value as usize,
                _ => {}
            }
        }
        // Of several the last one is what counts, and each takes a look at all streams.
        if let Some(window) = window {
            self.begin_with(window)?;
        }
        if !std::mem::replace(&mut self.has_settings, true) {
            // Who says nothing of it sets no limit.
            streams.get_or_insert(usize::MAX);
        }
        self.most_streams = streams.unwrap_or(self.most_streams);
        put_header(&mut self.out, 0, SETTINGS, ACK, 0);
        self.owed += 1;
        self.open_waiting();
        self.send_held();
        Ok(())
    }

    /// Windows of streams begin with so much, those that are open included (section 6.9.2).
    fn begin_with(&mut self, window: i64) -> Result<(), Fault> {
        let more = window - self.stream_window;
        self.stream_window = window;
        for stream in self.streams.each() {
            stream.window += more;
            if stream.window > i64::from(MOST_31) {
                return Err(Fault::of_connection(FLOW_CONTROL_ERROR));
            }
            if stream.can_go_on() {
                stream.is_held = true;
                self.held.push_back(stream.id);
            }
        }
        Ok(())
    }
}
