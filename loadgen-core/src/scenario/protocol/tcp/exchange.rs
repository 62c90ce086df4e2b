//! A TCP step: which fields go together, and what they amount to.

use super::plan::{Endian, LengthPrefix, TcpExchange, TcpPayload, TcpReceive};
use super::raw::{RawEndian, RawFrame, RawLengthPrefix, RawReceive, RawTcp, RawTcpSend};
use super::value::Hex;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::protocol::websocket::value::Binary;

impl Layers<'_> {
    pub(super) fn tcp_exchange(&self, raw: &RawTcp, path: &str) -> Option<TcpExchange> {
        let fits = self.tcp_together(raw, path);
        let send = raw.send.or(Some(None), |send| {
            self.tcp_payload(send, &format!("{path}.send")).map(Some)
        });
        let receive = raw.receive.or(Some(None), |receive| {
            self.tcp_receive(receive, &format!("{path}.receive"))
                .map(Some)
        });
        let shutdown = raw.shutdown.or(false, |it| *it);
        let repeat = raw.repeat.or(1, |count| count.small());
        let timeout = raw.timeout.or(None, |span| Some(span.0));
        let every = raw.every.or(None, |span| Some(span.0));
        let in_flight = raw.in_flight.or(1, |count| count.small());
        let exchange = TcpExchange {
            send: send??,
            receive: receive??,
            shutdown: shutdown?,
            repeat: repeat?,
            timeout: timeout?,
            every: every?,
            in_flight: in_flight?,
        };
        fits.then_some(exchange)
    }

    /// Whether the fields go together; notes each that does not.
    fn tcp_together(&self, raw: &RawTcp, path: &str) -> bool {
        let (sends, receives) = (!raw.send.is_absent(), !raw.receive.is_absent());
        if !sends && !receives {
            // What it has instead has been named already.
            if !self.problems.any_below(path) {
                let expected = "`send`, `receive`, or both";
                self.problems
                    .add(path, "neither `send` nor `receive`", expected, None);
            }
            return false;
        }
        let mut fits = true;
        let mut refuse = |field: &str, found: String, expected: &str, help: Option<&str>| {
            fits = false;
            let help = help.map(str::to_owned);
            self.problems
                .add(format!("{path}.{field}"), found, expected, help);
        };
        for (field, given) in [
            ("every", !raw.every.is_absent()),
            ("in_flight", !raw.in_flight.is_absent()),
        ] {
            if given && !sends {
                let found = format!("`{field}` where nothing is sent");
                refuse(field, found, "it beside `send`", None);
            }
        }
        if sends && !receives && !raw.in_flight.is_absent() {
            let found = "`in_flight` where nothing is received".to_owned();
            refuse("in_flight", found, "it beside `receive`", None);
        }
        if raw.receive.given() == Some(&RawReceive::End) {
            let help = "a connection ends once; send several times in a step of its own before, or \
                        repeat the step: each time has a connection of its own";
            for (field, count) in [("repeat", &raw.repeat), ("in_flight", &raw.in_flight)] {
                if let Some(count) = count.given()
                    && count.0 > 1
                {
                    let found = format!("{} with \"receive\": \"end\"", count.0);
                    refuse(field, found, "1", Some(help));
                }
            }
        }
        fits
    }

    /// The one of these fields that is given; notes where that is none, or several.
    fn one_given(&self, path: &str, fields: &[(&str, bool)], expected: &str) -> bool {
        let given = fields.iter().filter(|(_, absent)| !absent);
        let given: Vec<&str> = given.map(|(name, _)| *name).collect();
        let found = match given.as_slice() {
            [_] => return true,
            // What it has instead has been named already.
            [] if self.problems.any_below(path) => return false,
            [] => "none of them".to_owned(),
            several => format!("`{}` together", several.join("`, `")),
        };
        self.problems.add(path, found, expected, None);
        false
    }

    fn tcp_payload(&self, raw: &RawTcpSend, path: &str) -> Option<TcpPayload> {
        let fields = [
            ("text", raw.text.is_absent()),
            ("hex", raw.hex.is_absent()),
            ("base64", raw.base64.is_absent()),
            ("size", raw.size.is_absent()),
        ];
        let expected = "one of `text`, `hex`, `base64` and `size`";
        if !self.one_given(path, &fields, expected) {
            return None;
        }
        let text = raw.text.given().map(|it| TcpPayload::Text(it.0.clone()));
        let hex = raw.hex.given().map(|it| match it {
            Hex::Bytes(bytes) => TcpPayload::Bytes(bytes.clone()),
            Hex::Template(text) => TcpPayload::HexTemplate(text.clone()),
        });
        let base64 = raw.base64.given().map(|it| match it {
            Binary::Bytes(bytes) => TcpPayload::Bytes(bytes.clone()),
            Binary::Template(text) => TcpPayload::Base64Template(text.clone()),
        });
        let size = raw.size.given().map(|it| TcpPayload::Sized(it.0));
        let payload = text.or(hex).or(base64).or(size)?;
        let is_empty = match &payload {
            TcpPayload::Text(text) => text.is_empty(),
            TcpPayload::Bytes(bytes) => bytes.is_empty(),
            _ => false,
        };
        if is_empty {
            let help = "leave `send` out where nothing is sent".to_owned();
            self.problems
                .add(path, "nothing to send", "a byte at least", Some(help));
            return None;
        }
        Some(payload)
    }

    fn tcp_receive(&self, raw: &RawReceive, path: &str) -> Option<TcpReceive> {
        let RawReceive::Framed(frame) = raw else {
            return Some(TcpReceive::End);
        };
        let fields = [
            ("bytes", frame.bytes.is_absent()),
            ("until", frame.until.is_absent()),
            ("length_prefix", frame.length_prefix.is_absent()),
            ("regex", frame.regex.is_absent()),
        ];
        let expected = "one of `bytes`, `until`, `length_prefix` and `regex`";
        self.one_given(path, &fields, expected)
            .then(|| framed(frame))?
    }
}

fn framed(raw: &RawFrame) -> Option<TcpReceive> {
    let bytes = raw.bytes.given().map(|it| TcpReceive::Bytes(it.small()));
    let until = raw.until.given().map(|it| TcpReceive::Until(it.0.clone()));
    let regex = raw.regex.given().map(|it| TcpReceive::Regex(it.0.clone()));
    let prefix = || {
        Some(TcpReceive::LengthPrefix(prefix(
            raw.length_prefix.given()?,
        )?))
    };
    bytes.or(until).or(regex).or_else(prefix)
}

fn prefix(raw: &RawLengthPrefix) -> Option<LengthPrefix> {
    Some(LengthPrefix {
        bytes: raw.bytes.given()?.0,
        endian: raw.endian.or(Endian::Big, |endian| match endian {
            RawEndian::Big => Endian::Big,
            RawEndian::Little => Endian::Little,
        })?,
        includes_itself: raw.includes_itself.or(false, |it| *it)?,
    })
}
