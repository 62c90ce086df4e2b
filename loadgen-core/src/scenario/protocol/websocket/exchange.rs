//! A WebSocket step: which fields go together, and what they amount to.

use super::connections::{NoRoom, room_for};
use super::plan::{
    Answer, MessageStream, Payload, ReplyMark, WebsocketExchange, WebsocketMessages,
};
use super::raw::{RawMark, RawMessageStream, RawReply, RawSend, RawSendAs, RawWebsocket};
use super::value::Binary;
use crate::scenario::protocol::layers::Layers;
use crate::scenario::reader::Entry;
use crate::scenario::reader::problem::Problems;
use crate::scenario::step::StreamEnd;
use crate::scenario::value::ExpressionText;

impl Layers<'_> {
    pub(super) fn exchange(&self, raw: &RawWebsocket, path: &str) -> Option<WebsocketExchange> {
        let check = Check {
            raw,
            path,
            problems: self.problems,
        };
        let fits = check.together();
        let payload = raw
            .send
            .or(Some(None), |send| check.payload(send).map(Some));
        let stream = raw
            .stream
            .or(Some(None), |stream| check.stream(stream).map(Some));
        let answer = check.answer();
        let repeat = raw.repeat.or(1, |count| count.small());
        let timeout = raw.timeout.or(None, |span| Some(span.0));
        let every = raw.every.or(None, |span| Some(span.0));
        let in_flight = raw.in_flight.or(1, |count| count.small());
        let greeting = raw.greeting.or(0, |count| count.small());
        let pushes = raw.pushes.or(false, |are_normal| *are_normal);
        let target_path = raw
            .path
            .or_else_with(|| "/".to_owned(), |path| path.0.clone());
        let ping = raw.ping.or(false, |_| true)?;
        let messages = match (payload??, ping, stream??) {
            _ if !fits => return None,
            (Some(payload), _, Some(stream)) => WebsocketMessages::Send {
                payload,
                answer: Answer::Stream(stream),
            },
            (Some(payload), _, None) => WebsocketMessages::Send {
                payload,
                answer: answer?,
            },
            (None, true, _) => WebsocketMessages::Ping,
            (None, false, stream) => WebsocketMessages::Listen(stream?),
        };
        Some(WebsocketExchange {
            path: target_path?,
            messages,
            repeat: repeat?,
            timeout: timeout?,
            every: every?,
            in_flight: in_flight?,
            greeting: greeting?,
            pushes: pushes?,
        })
    }
}

fn mark(raw: &RawMark) -> Option<ReplyMark> {
    Some(ReplyMark::Field {
        field: raw.field.given()?.0.clone(),
        equals: raw.equals.given()?.0.clone(),
    })
}

/// A WebSocket step under validation.
struct Check<'a> {
    raw: &'a RawWebsocket,
    path: &'a str,
    problems: &'a Problems,
}

impl Check<'_> {
    fn refuse(&self, field: &str, found: impl Into<String>, expected: &str, help: Option<&str>) {
        let path = format!("{}.{field}", self.path);
        self.problems
            .add(path, found, expected, help.map(str::to_owned));
    }

    /// Whether the fields go together; notes each that does not.
    fn together(&self) -> bool {
        let raw = self.raw;
        let [sends, pings, streams] = [
            !raw.send.is_absent(),
            !raw.ping.is_absent(),
            !raw.stream.is_absent(),
        ];
        let silent = raw.reply.given() == Some(&RawReply::None);
        if sends && pings {
            let found = "both `send` and `ping`";
            self.problems.add(self.path, found, "one of them", None);
            return false;
        }
        if !sends && !pings && !streams {
            // What it has instead has been named already.
            if !self.problems.any_below(self.path) {
                self.problems.add(
                    self.path,
                    "none of `send`, `ping` and `stream`",
                    "`send` or `ping`, or a `stream` to listen to",
                    None,
                );
            }
            return false;
        }
        let mut fits = true;
        let mut refuse = |field: &str, found: String, expected: &str, help: Option<&str>| {
            fits = false;
            self.refuse(field, found, expected, help);
        };
        if pings && streams {
            let help = "a pong answers each ping";
            let expected = "a stream beside `send`, or alone";
            refuse(
                "stream",
                "a stream beside `ping`".to_owned(),
                expected,
                Some(help),
            );
        }
        let counts = [
            ("repeat", !raw.repeat.is_absent()),
            ("every", !raw.every.is_absent()),
            ("in_flight", !raw.in_flight.is_absent()),
        ];
        for (field, given) in counts {
            if given && !sends && !pings {
                let found = format!("`{field}` where nothing is sent");
                refuse(field, found, "it beside `send` or `ping`", None);
            }
        }
        if !raw.matches.is_absent() {
            let help = Some("both say which messages are replies");
            match raw.reply.given() {
                _ if pings => refuse(
                    "match",
                    "`match` beside `ping`".to_owned(),
                    "it beside `send` or `stream`",
                    Some("a pong answers each ping"),
                ),
                Some(RawReply::Marked(_)) => {
                    let found = "`match` beside the mark in `reply`".to_owned();
                    refuse("match", found, "one of them", help);
                }
                Some(RawReply::None) => {
                    let found = "`match` with \"reply\": \"none\"".to_owned();
                    refuse("match", found, "it where replies come", None);
                }
                Some(RawReply::One) | None => {}
            }
        }
        let replies = [
            (
                "reply",
                !(raw.reply.is_absent() || streams && self.marks_replies()),
            ),
            ("match_id", !raw.match_id.is_absent()),
        ];
        for (field, given) in replies {
            let (found, help) = match (sends, pings, streams) {
                (_, true, _) => ("beside `ping`", Some("a pong answers each ping")),
                (false, _, true) if field == "reply" => (
                    "that marks nothing, beside `stream`",
                    Some("what marks the stream's messages is a field and its value"),
                ),
                (false, ..) => ("where nothing is sent", None),
                (_, _, true) => (
                    "beside `stream`",
                    Some("the stream is what answers each message"),
                ),
                _ => continue,
            };
            if given {
                let found = format!("`{field}` {found}");
                refuse(field, found, "it beside `send` without `stream`", help);
            }
        }
        if !sends {
            return fits;
        }
        if let Some(most) = raw.in_flight.given()
            && streams
            && most.0 > 1
        {
            let help = "each stream is over before the next message is sent";
            let found = format!("{} beside `stream`", most.0);
            refuse("in_flight", found, "1", Some(help));
        }
        if silent && !streams {
            for (field, given) in [
                ("in_flight", !raw.in_flight.is_absent()),
                ("match_id", !raw.match_id.is_absent()),
            ] {
                if given {
                    let found = format!("`{field}` with \"reply\": \"none\"");
                    refuse(field, found, "it where replies come", None);
                }
            }
        } else if !streams && let (Some(id), Some(send)) = (raw.match_id.given(), raw.send.given())
        {
            match &send.json {
                Entry::Given(json) => match room_for(&json.0, &id.0) {
                    Ok(()) => {}
                    Err(NoRoom::NoObject) => {
                        let found = "`match_id` with a message that is no object".to_owned();
                        refuse("match_id", found, "an object in `send.json`", None);
                    }
                    Err(NoRoom::Within(name)) => {
                        let found = format!("something other than an object in `{name}`");
                        let expected = format!("an object, or nothing: `match_id` is `{}`", id.0);
                        refuse("send.json", found, &expected, None);
                    }
                    Err(NoRoom::Taken) => {
                        let help = "it is filled in with a number for each message";
                        let found = format!("`{}`, the field that `match_id` names", id.0);
                        refuse("send.json", found, "it to be left out", Some(help));
                    }
                },
                Entry::Absent => {
                    let found = "`match_id` without `send.json`".to_owned();
                    refuse("match_id", found, "an object in `send.json`", None);
                }
                Entry::Broken => {}
            }
        }
        fits
    }

    /// Whether it says what has to be in a message for the step to take it.
    fn marks_replies(&self) -> bool {
        matches!(
            self.raw.reply,
            Entry::Given(RawReply::Marked(_)) | Entry::Broken
        )
    }

    /// What has to be in a message for the step to take it, where it says so.
    fn mark(&self) -> Option<Option<ReplyMark>> {
        if let Entry::Given(RawReply::Marked(raw)) = &self.raw.reply {
            return mark(raw).map(Some);
        }
        let matches = |it: &ExpressionText| Some(ReplyMark::Match(it.0.clone()));
        match self.raw.reply {
            Entry::Broken => None,
            _ => self.raw.matches.or(None, matches),
        }
    }

    fn payload(&self, raw: &RawSend) -> Option<Payload> {
        let given: Vec<&str> = [
            ("text", raw.text.is_absent()),
            ("json", raw.json.is_absent()),
            ("binary", raw.binary.is_absent()),
            ("size", raw.size.is_absent()),
        ]
        .into_iter()
        .filter_map(|(name, absent)| (!absent).then_some(name))
        .collect();
        let path = format!("{}.send", self.path);
        if given.len() != 1 {
            let found = match given.as_slice() {
                // What it has instead has been named already.
                [] if self.problems.any_below(&path) => return None,
                [] => "none of them".to_owned(),
                several => format!("`{}` together", several.join("`, `")),
            };
            let expected = "one of `text`, `json`, `binary` and `size`";
            self.problems.add(path, found, expected, None);
            return None;
        }
        if let ([form @ ("text" | "json" | "binary")], false) =
            (given.as_slice(), raw.send_as.is_absent())
        {
            self.refuse(
                "send.as",
                format!("`as` beside `{form}`"),
                "it beside `size` only",
                None,
            );
            return None;
        }
        let text = raw.text.given().map(|text| Payload::Text(text.0.clone()));
        let json = raw.json.given().map(|json| Payload::Json(json.0.clone()));
        let binary = raw.binary.given().map(|binary| match binary {
            Binary::Bytes(bytes) => Payload::Binary(bytes.clone()),
            Binary::Template(text) => Payload::BinaryTemplate(text.clone()),
        });
        text.or(json).or(binary).or_else(|| {
            Some(Payload::Sized {
                bytes: raw.size.given()?.0,
                text: raw.send_as.or(false, |kind| *kind == RawSendAs::Text)?,
            })
        })
    }

    fn stream(&self, raw: &RawMessageStream) -> Option<MessageStream> {
        let path = format!("{}.stream", self.path);
        let until = match (&raw.messages, &raw.duration) {
            (Entry::Absent, Entry::Absent) => {
                // What it has instead has been named already.
                if !self.problems.any_below(&path) {
                    let expected = "when the stream is over: `messages` or `for`";
                    self.problems.add(path, "neither", expected, None);
                }
                None
            }
            (messages, Entry::Absent) => messages
                .given()
                .map(|count| StreamEnd::Messages(count.small())),
            (Entry::Absent, duration) => duration.given().map(|span| StreamEnd::After(span.0)),
            _ => {
                let found = "both `messages` and `for`";
                self.problems.add(path, found, "one of them", None);
                None
            }
        };
        let sequence = raw.sequence.or(None, |field| Some(field.0.clone()))?;
        Some(MessageStream {
            until: until?,
            sequence,
            mark: self.mark()?,
        })
    }

    /// What comes back where no stream does.
    fn answer(&self) -> Option<Answer> {
        let match_id = self.raw.match_id.or(None, |field| Some(field.0.clone()))?;
        Some(match (self.mark()?, match_id) {
            (Some(mark), match_id) => Answer::Marked { mark, match_id },
            // Refused with an id.
            (None, _) if self.raw.reply.given() == Some(&RawReply::None) => Answer::None,
            (None, Some(field)) => Answer::ById(field),
            (None, None) => Answer::InOrder,
        })
    }
}
