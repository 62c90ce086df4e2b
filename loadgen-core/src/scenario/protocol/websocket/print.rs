//! WebSocket scenarios as they are written.

use super::plan::{
    Answer, MessageStream, Payload, PerMessageDeflate, ReplyMark, WebsocketExchange,
    WebsocketMessages, WebsocketPlan,
};
use super::raw::{
    RawConnectionPer, RawDeflate, RawMark, RawMessageCompression, RawMessageStream, RawReply,
    RawSend, RawSendAs, RawWebsocket,
};
use super::value::{
    Binary, FieldPath, JsonMessage, MessageSize, Path, Ping, Redirects, Scalar, Subprotocol,
    TextMessage, WindowBits,
};
use crate::scenario::protocol::raw::{RawScenario, RawStep};
use crate::scenario::reader::{Entries, Entry, List};
use crate::scenario::step::StreamEnd;
use crate::scenario::value::{Bounded, ExpressionText, PositiveSpan, RawSource};

impl WebsocketPlan {
    pub(in crate::scenario::protocol) fn print(&self, raw: &mut RawScenario) {
        raw.connection_per = Entry::Given(RawConnectionPer::of(self.connection_per));
        raw.connect_rate = Entry::from_option(self.connect_rate);
        raw.headers = Entries::of(&self.headers, RawSource::of);
        raw.subprotocols = List::unless_empty(self.subprotocols.iter().cloned().map(Subprotocol));
        raw.compression = Entry::from_option(self.compression.map(compression));
        raw.cookies = given_where(self.cookies);
        raw.redirects = match self.redirects {
            0 => Entry::Absent,
            most => Entry::Given(Redirects::of(most)),
        };
        let print = |exchange: &WebsocketExchange, raw: &mut RawStep| {
            raw.websocket = Entry::Given(websocket(exchange));
        };
        raw.setup = RawStep::part(&self.setup, &print);
        raw.begin = RawStep::part(&self.begin, &print);
        raw.steps = Entry::Given(RawStep::list(&self.steps, &print));
        raw.end = RawStep::part(&self.end, &print);
    }
}

/// A flag that need not be said where it is not set.
fn given_where(set: bool) -> Entry<bool> {
    Entry::from_option(set.then_some(true))
}

fn compression(offered: PerMessageDeflate) -> RawMessageCompression {
    if offered == PerMessageDeflate::default() {
        return RawMessageCompression::Deflate;
    }
    let bits = |bits: Option<u8>| Entry::from_option(bits.map(|bits| WindowBits::of(bits.into())));
    RawMessageCompression::With(RawDeflate {
        server_no_context_takeover: given_where(offered.server_no_context_takeover),
        client_no_context_takeover: given_where(offered.client_no_context_takeover),
        server_max_window_bits: bits(offered.server_max_window_bits),
        client_max_window_bits: bits(offered.client_max_window_bits),
    })
}

pub(in crate::scenario::protocol) fn websocket(exchange: &WebsocketExchange) -> RawWebsocket {
    let mut raw = RawWebsocket {
        path: Entry::Given(Path(exchange.path.clone())),
        timeout: Entry::from_option(exchange.timeout.map(PositiveSpan)),
        every: Entry::from_option(exchange.every.map(PositiveSpan)),
        greeting: match exchange.greeting {
            0 => Entry::Absent,
            messages => Entry::Given(Bounded::of(messages)),
        },
        pushes: match exchange.pushes {
            true => Entry::Given(true),
            false => Entry::Absent,
        },
        ..RawWebsocket::default()
    };
    let (mut repeats, mut overlaps) = (true, true);
    match &exchange.messages {
        WebsocketMessages::Send { payload, answer } => {
            raw.send = Entry::Given(send(payload));
            match answer {
                Answer::None => {
                    raw.reply = Entry::Given(RawReply::None);
                    overlaps = false;
                }
                Answer::InOrder => raw.reply = Entry::Given(RawReply::One),
                Answer::ById(field) => {
                    raw.reply = Entry::Given(RawReply::One);
                    raw.match_id = Entry::Given(FieldPath(field.clone()));
                }
                Answer::Marked {
                    mark: given,
                    match_id,
                } => {
                    put_mark(Some(given), &mut raw);
                    raw.match_id = Entry::from_option(match_id.clone().map(FieldPath));
                }
                Answer::Stream(messages) => {
                    raw.stream = Entry::Given(stream(messages));
                    put_mark(messages.mark.as_ref(), &mut raw);
                    overlaps = false;
                }
            }
        }
        WebsocketMessages::Ping => raw.ping = Entry::Given(Ping),
        WebsocketMessages::Listen(messages) => {
            raw.stream = Entry::Given(stream(messages));
            put_mark(messages.mark.as_ref(), &mut raw);
            (repeats, overlaps) = (false, false);
        }
    }
    // What does not apply is printed where a plan made in code has it all the same, so that
    // reading it finds the mistake.
    if repeats || exchange.repeat != 1 {
        raw.repeat = Entry::Given(Bounded::of(exchange.repeat));
    }
    if overlaps || exchange.in_flight != 1 {
        raw.in_flight = Entry::Given(Bounded::of(exchange.in_flight));
    }
    raw
}

fn send(payload: &Payload) -> RawSend {
    let raw = RawSend::default();
    match payload {
        Payload::Text(text) => RawSend {
            text: Entry::Given(TextMessage(text.clone())),
            ..raw
        },
        Payload::Json(value) => RawSend {
            json: Entry::Given(JsonMessage(value.clone())),
            ..raw
        },
        Payload::Binary(bytes) => RawSend {
            binary: Entry::Given(Binary::Bytes(bytes.clone())),
            ..raw
        },
        Payload::BinaryTemplate(text) => RawSend {
            binary: Entry::Given(Binary::Template(text.clone())),
            ..raw
        },
        Payload::Sized { bytes, text } => RawSend {
            size: Entry::Given(MessageSize(*bytes)),
            send_as: Entry::Given(match text {
                true => RawSendAs::Text,
                false => RawSendAs::Binary,
            }),
            ..raw
        },
    }
}

/// Says which messages are replies.
fn put_mark(mark: Option<&ReplyMark>, raw: &mut RawWebsocket) {
    match mark {
        Some(ReplyMark::Field { field, equals }) => {
            raw.reply = Entry::Given(RawReply::Marked(RawMark {
                field: Entry::Given(FieldPath(field.clone())),
                equals: Entry::Given(Scalar(equals.clone())),
            }));
        }
        Some(ReplyMark::Match(expression)) => {
            raw.matches = Entry::Given(ExpressionText(expression.clone()));
        }
        None => {}
    }
}

fn stream(messages: &MessageStream) -> RawMessageStream {
    let mut raw = RawMessageStream {
        sequence: Entry::from_option(messages.sequence.clone().map(FieldPath)),
        ..RawMessageStream::default()
    };
    match messages.until {
        StreamEnd::Messages(count) => raw.messages = Entry::Given(Bounded::of(count)),
        StreamEnd::After(duration) => raw.duration = Entry::Given(PositiveSpan(duration)),
    }
    raw
}
