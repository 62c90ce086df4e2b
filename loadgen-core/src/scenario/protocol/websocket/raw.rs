//! What a WebSocket step may say.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::plan::ConnectionPer;
use crate::nearest::did_you_mean;
use crate::scenario::protocol::websocket::value::{
    Binary, FieldPath, JsonMessage, MessageSize, Path, Ping, Scalar, TextMessage, WindowBits,
};
use crate::scenario::reader::{Check, Decode, Place, Reader, choice, object};
use crate::scenario::value::{ExpressionText, Messages, PositiveSpan};

object! {
    /// An exchange of messages on a WebSocket connection. Each path is a connection of its own.
    #[schemars(extend(
        "anyOf" = [
            { "required": ["send"] },
            { "required": ["ping"] },
            { "required": ["stream"] },
        ],
        "not" = { "anyOf": [{ "required": ["send", "ping"] }, { "required": ["ping", "stream"] }] },
    ))]
    RawWebsocket is "a WebSocket exchange" {
        /// Path and query of the connection. `/` unless given.
        "path" path: Path,
        /// What is sent.
        "send" send: RawSend,
        /// Send pings of the protocol instead, each answered by a pong.
        "ping" ping: Ping,
        /// The messages that answer each one sent; or, where nothing is sent, that come by
        /// themselves.
        "stream" stream: RawMessageStream,
        /// What answers each message where there is no `stream`, `one` unless given; beside a
        /// `stream`, what marks its messages.
        "reply" reply: RawReply,
        /// An expression on the messages that come, `reply` in it: what it does not hold of is no reply,
        /// nor part of the `stream`, and left for other steps of the same path.
        "match" matches: ExpressionText,
        /// The field of message and reply, both JSON objects, that says which reply belongs to
        /// which message; it is filled in. In the order of the messages unless given.
        "match_id" match_id: FieldPath,
        /// Messages that the server sends by itself once the connection is open. None unless
        /// given here or by another step of the same path.
        "greeting" greeting: Messages,
        /// Whether messages that nobody asked for are normal on this connection. `false` unless
        /// given here or by another step of the same path.
        "pushes" pushes: bool,
        /// How many times it is sent. 1 unless given.
        "repeat" repeat: Messages,
        /// The longest the step may take; as long as the iteration unless given.
        "timeout" timeout: PositiveSpan,
        /// Time between two messages sent; as fast as `in_flight` allows unless given.
        "every" every: PositiveSpan,
        /// The most unanswered messages. 1 unless given.
        "in_flight" in_flight: Messages,
    }
    hints {
        "url" => "where to send are the scenario's `targets`; a step has only the `path`",
        "message" => "what is sent is `send`",
        "text" => "what is sent is `send.text`",
        "json" => "what is sent is `send.json`",
        "binary" => "what is sent is `send.binary`",
        "size" => "what is sent is `send.size`",
        "count" => "it is sent `repeat` times, and a stream has `stream.messages`",
        "messages" => "it is sent `repeat` times, and a stream has `stream.messages`",
        "sequence" => "the sequence belongs to the stream: `stream.sequence`",
        "headers" => "header fields belong to the scenario: `headers`",
        "metadata" => "header fields belong to the scenario: `headers`",
        "subprotocols" => "subprotocols belong to the scenario: `subprotocols`",
    }
}

object! {
    /// What a WebSocket message holds.
    #[schemars(extend(
        "oneOf" = [
            { "required": ["text"] },
            { "required": ["json"] },
            { "required": ["binary"] },
            { "required": ["size"] },
        ],
        "dependentRequired" = { "as": ["size"] },
    ))]
    RawSend is "something to send, such as {\"text\": \"hello\"}" {
        /// This text.
        "text" text: TextMessage,
        /// This JSON value, as a text.
        "json" json: JsonMessage,
        /// These bytes, in base64.
        "binary" binary: Binary,
        /// So many bytes.
        "size" size: MessageSize,
        /// What so many bytes are sent as. `binary` unless given.
        "as" send_as: RawSendAs,
    }
}

choice! {
    /// What so many bytes are sent as.
    RawSendAs {
        /// A text message.
        Text = "text",
        /// A binary message.
        Binary = "binary",
    }
}

/// What answers a message.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawReply {
    /// One message.
    One,
    /// Nothing that is waited for.
    None,
    /// One message that has this mark.
    Marked(RawMark),
}

impl RawReply {
    const WORDS: [&str; 2] = ["one", "none"];
}

impl Decode for RawReply {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "\"one\", \"none\", or what marks a reply, such as \
                                {\"field\": \"type\", \"equals\": \"echo\"}";
        match reader.value {
            Value::Object(_) => RawMark::decode(reader).map(Self::Marked),
            Value::String(word) => match word.as_str() {
                "one" => Some(Self::One),
                "none" => Some(Self::None),
                other => reader.refuse(EXPECTED, did_you_mean(other, Self::WORDS)),
            },
            _ => reader.refuse(EXPECTED, None),
        }
    }
}

impl Check for RawReply {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::One | Self::None => true,
            Self::Marked(mark) => mark.check(at),
        }
    }
}

impl Serialize for RawReply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::One => serializer.serialize_str("one"),
            Self::None => serializer.serialize_str("none"),
            Self::Marked(mark) => mark.serialize(serializer),
        }
    }
}

impl JsonSchema for RawReply {
    fn schema_name() -> Cow<'static, str> {
        "RawReply".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What answers a message: one message, nothing that is waited for, or \
                            one message that has a mark.",
            "anyOf": [{ "enum": Self::WORDS }, generator.subschema_for::<RawMark>()],
        })
    }
}

object! {
    /// What marks a reply: a field of it that has a certain value.
    RawMark is "the mark of a reply" {
        /// The field of the reply, a JSON object.
        "field" [required] field: FieldPath,
        /// The value that only replies have there.
        "equals" [required] equals: Scalar,
    }
    hints {
        "path" => "the way to the field is `field`",
        "name" => "the field's name is `field`",
        "value" => "the value is `equals`",
        "is" => "the value is `equals`",
    }
}

object! {
    /// Messages that come one after another.
    #[schemars(extend("oneOf" = [{ "required": ["messages"] }, { "required": ["for"] }]))]
    RawMessageStream is "a stream of messages" {
        /// It is over after so many messages.
        "messages" messages: Messages,
        /// It is over after this time.
        "for" duration: PositiveSpan,
        /// The field of each message, a JSON object, that holds its sequence number.
        "sequence" sequence: FieldPath,
    }
    hints {
        "count" => "it is over after so many `messages`",
        "duration" => "it is over after a time: `for`",
        "until" => "it is over after `messages`, or after a time: `for`",
    }
}

/// How messages are compressed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawMessageCompression {
    /// With `permessage-deflate`, offered as browsers do.
    Deflate,
    /// With `permessage-deflate`, and these parameters are offered.
    With(RawDeflate),
}

impl RawMessageCompression {
    const WORDS: [&str; 1] = ["deflate"];
}

impl Decode for RawMessageCompression {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str = "\"deflate\", or the parameters of permessage-deflate to offer, such \
                                as {\"server_no_context_takeover\": true}";
        match reader.value {
            Value::Object(_) => RawDeflate::decode(reader).map(Self::With),
            Value::String(word) if word == Self::WORDS[0] => Some(Self::Deflate),
            Value::String(word) => reader.refuse(EXPECTED, did_you_mean(word, Self::WORDS)),
            _ => reader.refuse(EXPECTED, None),
        }
    }
}

impl Check for RawMessageCompression {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::Deflate => true,
            Self::With(parameters) => parameters.check(at),
        }
    }
}

impl Serialize for RawMessageCompression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Deflate => serializer.serialize_str(Self::WORDS[0]),
            Self::With(parameters) => parameters.serialize(serializer),
        }
    }
}

impl JsonSchema for RawMessageCompression {
    fn schema_name() -> Cow<'static, str> {
        "RawMessageCompression".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How messages are compressed: with permessage-deflate as browsers offer \
                            it, or with these parameters.",
            "anyOf": [{ "enum": Self::WORDS }, generator.subschema_for::<RawDeflate>()],
        })
    }
}

object! {
    /// The parameters of permessage-deflate that are offered.
    RawDeflate is "the parameters of permessage-deflate" {
        /// Ask the server to compress each message for itself. `false` unless given.
        "server_no_context_takeover" server_no_context_takeover: bool,
        /// Tell the server that each of our messages is compressed for itself, as it always is.
        /// `false` unless given.
        "client_no_context_takeover" client_no_context_takeover: bool,
        /// Ask the server for a window of so many bits at the most. Up to it unless given.
        "server_max_window_bits" server_max_window_bits: WindowBits,
        /// Our window has so many bits at the most. 15 unless given, or the server asks for less.
        "client_max_window_bits" client_max_window_bits: WindowBits,
    }
    hints {
        "level" => "how hard it is tried is not for the two sides to agree on; it is zlib's level 6",
        "deflate" => "the parameters stand by themselves",
    }
}

choice! {
    /// How long a user keeps its connections.
    RawConnectionPer {
        /// From its first iteration to its last.
        User = "user",
        /// For one iteration, which opens and closes them.
        Iteration = "iteration",
    }
}

impl RawConnectionPer {
    pub(in crate::scenario) fn of(per: ConnectionPer) -> Self {
        match per {
            ConnectionPer::User => Self::User,
            ConnectionPer::Iteration => Self::Iteration,
        }
    }

    pub(in crate::scenario) fn plan(&self) -> ConnectionPer {
        match self {
            Self::User => ConnectionPer::User,
            Self::Iteration => ConnectionPer::Iteration,
        }
    }
}
