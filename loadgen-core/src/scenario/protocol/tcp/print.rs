//! TCP scenarios as they are written.

use super::plan::{Endian, TcpExchange, TcpPayload, TcpPlan, TcpReceive};
use super::raw::{RawEndian, RawFrame, RawLengthPrefix, RawReceive, RawTcp, RawTcpSend};
use super::value::{Delimiter, Hex, Pattern, PrefixBytes};
use crate::scenario::protocol::raw::{RawScenario, RawStep};
use crate::scenario::protocol::websocket::raw::RawConnectionPer;
use crate::scenario::protocol::websocket::value::{Binary, MessageSize, TextMessage};
use crate::scenario::reader::Entry;
use crate::scenario::value::{Bounded, PositiveSpan};

impl TcpPlan {
    pub(in crate::scenario::protocol) fn print(&self, raw: &mut RawScenario) {
        raw.connection_per = Entry::Given(RawConnectionPer::of(self.connection_per));
        raw.connect_rate = Entry::from_option(self.connect_rate);
        let print = |exchange: &TcpExchange, raw: &mut RawStep| {
            raw.tcp = Entry::Given(tcp(exchange));
        };
        raw.setup = RawStep::part(&self.setup, &print);
        raw.begin = RawStep::part(&self.begin, &print);
        raw.steps = Entry::Given(RawStep::list(&self.steps, &print));
        raw.end = RawStep::part(&self.end, &print);
    }
}

pub(in crate::scenario::protocol) fn tcp(exchange: &TcpExchange) -> RawTcp {
    let is_overlapping = exchange.send.is_some() && exchange.receive.is_some();
    RawTcp {
        send: Entry::from_option(exchange.send.as_ref().map(send)),
        receive: Entry::from_option(exchange.receive.as_ref().map(receive)),
        shutdown: Entry::from_option(exchange.shutdown.then_some(true)),
        repeat: Entry::Given(Bounded::of(exchange.repeat.max(1))),
        timeout: Entry::from_option(exchange.timeout.map(PositiveSpan)),
        every: Entry::from_option(exchange.every.map(PositiveSpan)),
        // What does not apply is printed where a plan made in code has it all the same, so that reading it
        // finds the mistake.
        in_flight: match is_overlapping || exchange.in_flight > 1 {
            true => Entry::Given(Bounded::of(exchange.in_flight.max(1))),
            false => Entry::Absent,
        },
    }
}

fn send(payload: &TcpPayload) -> RawTcpSend {
    let mut raw = RawTcpSend::default();
    match payload {
        TcpPayload::Text(text) => raw.text = Entry::Given(TextMessage(text.clone())),
        TcpPayload::Bytes(bytes) => raw.hex = Entry::Given(Hex::Bytes(bytes.clone())),
        TcpPayload::HexTemplate(text) => raw.hex = Entry::Given(Hex::Template(text.clone())),
        TcpPayload::Base64Template(text) => {
            raw.base64 = Entry::Given(Binary::Template(text.clone()));
        }
        TcpPayload::Sized(bytes) => raw.size = Entry::Given(MessageSize(*bytes)),
    }
    raw
}

fn receive(receive: &TcpReceive) -> RawReceive {
    let mut raw = RawFrame::default();
    match receive {
        TcpReceive::End => return RawReceive::End,
        TcpReceive::Bytes(count) => raw.bytes = Entry::Given(Bounded::of(*count)),
        TcpReceive::Until(bytes) => raw.until = Entry::Given(Delimiter(bytes.clone())),
        TcpReceive::Regex(pattern) => raw.regex = Entry::Given(Pattern(pattern.clone())),
        TcpReceive::LengthPrefix(prefix) => {
            raw.length_prefix = Entry::Given(RawLengthPrefix {
                bytes: Entry::Given(PrefixBytes(prefix.bytes)),
                endian: Entry::Given(match prefix.endian {
                    Endian::Big => RawEndian::Big,
                    Endian::Little => RawEndian::Little,
                }),
                includes_itself: Entry::Given(prefix.includes_itself),
            });
        }
    }
    RawReceive::Framed(raw)
}
