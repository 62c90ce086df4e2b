//! WebSocket scenarios and steps: which fields go together.

use std::collections::HashMap;
use std::time::Duration;

use super::connections::{NoRoom, room_for, share_connections};
use super::plan::{
    Answer, ConnectionPer, MessageStream, Payload, ReplyMark, WebsocketExchange, WebsocketMessages,
    WebsocketPlan,
};
use super::raw::{RawConnectionPer, RawMessageStream, RawReply, RawSend, RawSendAs, RawWebsocket};
use super::value::{HeaderValue, Subprotocol, check_header_name};
use crate::scenario::plan::validate::Layers;
use crate::scenario::plan::{Step, StreamEnd};
use crate::scenario::protocol::{Protocol, ProtocolPlan, RawStep, Room, Words};
use crate::scenario::reader::problem::Problems;
use crate::scenario::reader::{Entries, Entry, List};
use crate::units::format_duration;

impl WebsocketPlan {
    pub(in crate::scenario::protocol) const WORDS: &'static Words = &Words {
        protocol: Protocol::Websocket,
        word: "websocket",
        name: "WebSocket",
        fields: &["connection_per", "connect_rate", "headers", "subprotocols"],
        instead: &[
            (
                "connections",
                "each user has a connection of its own: `load.closed.users`, `load.open.users.max`",
            ),
            (
                "streams_per_connection",
                "a WebSocket connection is one stream, and each user has its own",
            ),
            (
                "keepalive",
                "a WebSocket step can send a `ping`, with `every`",
            ),
            (
                "metadata",
                "what WebSocket sends beside messages is `headers`",
            ),
            ("protos", "WebSocket messages need no description"),
        ],
        is_spoken: |step| !step.websocket.is_absent(),
    };
}

impl Room for WebsocketPlan {
    type Action = WebsocketExchange;

    const SPOKEN: Option<&'static Words> = Some(Self::WORDS);

    fn fields(layers: &Layers<'_>) -> Option<Self> {
        let connection_per = layers
            .pick("connection_per", |raw| &raw.connection_per)
            .entry
            .or(ConnectionPer::User, |per| match per {
                RawConnectionPer::User => ConnectionPer::User,
                RawConnectionPer::Iteration => ConnectionPer::Iteration,
            });
        let connect_rate = layers.pick("connect_rate", |raw| &raw.connect_rate);
        let headers = layers.pick("headers", |raw| &raw.headers);
        let headers = headers.entry.or(Some(Vec::new()), |entries| {
            layers.headers(entries, &headers.path)
        });
        let subprotocols = layers.pick("subprotocols", |raw| &raw.subprotocols);
        let subprotocols = subprotocols.entry.or(Some(Vec::new()), |list| {
            layers.subprotocols(list, &subprotocols.path)
        });
        Some(Self {
            connection_per: connection_per?,
            connect_rate: connect_rate.entry.or(None, |rate| Some(*rate))?,
            headers: headers??,
            subprotocols: subprotocols??,
            steps: Vec::new(),
        })
    }

    fn action(layers: &Layers<'_>, step: &RawStep, path: &str) -> Option<WebsocketExchange> {
        layers.exchange(step.websocket.given()?, &format!("{path}.websocket"))
    }

    fn short_name(exchange: &WebsocketExchange) -> (String, &'static str) {
        (exchange.short_name(), "the last part of its path")
    }

    fn agree(layers: &Layers<'_>, steps: &List<RawStep>, path: &str) -> bool {
        layers.connections_agree(steps, path)
    }

    fn share(steps: &mut [Step<WebsocketExchange>]) {
        share_connections(steps);
    }

    /// Whether no step listens for longer than an iteration may take: it could only time out.
    fn fit(
        layers: &Layers<'_>,
        steps: &[Step<WebsocketExchange>],
        timeout: Duration,
        path: &str,
    ) -> bool {
        let mut fit = true;
        for (index, step) in steps.iter().enumerate() {
            let Some(exchange) = step.spoken() else {
                continue;
            };
            let (WebsocketMessages::Listen(stream)
            | WebsocketMessages::Send {
                answer: Answer::Stream(stream),
                ..
            }) = &exchange.messages
            else {
                continue;
            };
            let StreamEnd::After(each) = stream.until else {
                continue;
            };
            // The next begins when it is due, and not before the one before it is over.
            let apart = exchange.every.unwrap_or_default().max(each);
            if apart
                .saturating_mul(exchange.repeat - 1)
                .saturating_add(each)
                >= timeout
            {
                fit = false;
                let times = match exchange.repeat {
                    1 => String::new(),
                    times => format!(", {times} times"),
                };
                let path = format!("{path}[{index}].websocket.stream.for");
                layers.refuse_too_long(path, format_duration(each) + &times, timeout);
            }
        }
        fit
    }

    fn refuse_scheme(_: &str) -> Option<(&'static str, &'static str)> {
        None
    }

    fn with_steps(mut self, steps: Vec<Step<WebsocketExchange>>) -> ProtocolPlan {
        self.steps = steps;
        ProtocolPlan::Websocket(self)
    }
}

impl Layers<'_> {
    fn exchange(&self, raw: &RawWebsocket, path: &str) -> Option<WebsocketExchange> {
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
            every: every?,
            in_flight: in_flight?,
            greeting: greeting?,
            pushes: pushes?,
        })
    }

    fn headers(&self, entries: &Entries<HeaderValue>, path: &str) -> Option<Vec<(String, String)>> {
        let mut seen = HashMap::new();
        let checked: Vec<Option<_>> = entries
            .0
            .iter()
            .map(|(name, value)| {
                let shown: String = name.chars().take(60).collect();
                let first = seen.insert(name.to_ascii_lowercase(), name);
                let named = match (check_header_name(name), first) {
                    (Err(help), _) => Err(help),
                    (Ok(()), Some(first)) => {
                        Err(format!("`{first}` is the same name: case does not count"))
                    }
                    (Ok(()), None) => Ok(()),
                };
                if let Err(help) = named {
                    self.problems.add(
                        path,
                        format!("the name {shown:?}"),
                        "the name of a header field",
                        Some(help),
                    );
                    return None;
                }
                Some((name.clone(), value.given()?.0.clone()))
            })
            .collect();
        checked.into_iter().collect()
    }

    fn subprotocols(&self, list: &List<Subprotocol>, path: &str) -> Option<Vec<String>> {
        if list.0.is_empty() {
            let help = "leave `subprotocols` out to offer none".to_owned();
            self.problems
                .add(path, "an empty array", "at least one name", Some(help));
            return None;
        }
        let mut seen = HashMap::new();
        let mut twice = false;
        for (index, Subprotocol(name)) in list.given() {
            if let Some(first) = seen.insert(name.as_str(), index) {
                twice = true;
                self.problems.add(
                    format!("{path}[{index}]"),
                    format!("`{name}`, which stands at {first} too"),
                    "each subprotocol once",
                    None,
                );
            }
        }
        list.all(|name| name.0.clone()).filter(|_| !twice)
    }
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
        let replies = [
            ("reply", !raw.reply.is_absent()),
            ("match_id", !raw.match_id.is_absent()),
        ];
        for (field, given) in replies {
            let (found, help) = match (sends, pings, streams) {
                (_, true, _) => ("beside `ping`", Some("a pong answers each ping")),
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
        let binary = raw
            .binary
            .given()
            .map(|bytes| Payload::Binary(bytes.0.clone()));
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
        })
    }

    /// What comes back where no stream does.
    fn answer(&self) -> Option<Answer> {
        let match_id = self.raw.match_id.or(None, |field| Some(field.0.clone()))?;
        Some(match (&self.raw.reply, match_id) {
            (Entry::Broken, _) => return None,
            (Entry::Given(RawReply::Marked(mark)), match_id) => {
                let (field, equals) = (mark.field.given(), mark.equals.given());
                let mark = ReplyMark {
                    field: field?.0.clone(),
                    equals: equals?.0.clone(),
                };
                Answer::Marked { mark, match_id }
            }
            // Refused with an id.
            (Entry::Given(RawReply::None), _) => Answer::None,
            (Entry::Absent | Entry::Given(RawReply::One), Some(field)) => Answer::ById(field),
            (Entry::Absent | Entry::Given(RawReply::One), None) => Answer::InOrder,
        })
    }
}
