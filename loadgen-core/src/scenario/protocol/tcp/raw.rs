//! What a TCP step may say.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::value::{ByteCount, Delimiter, Hex, Pattern, PrefixBytes};
use crate::nearest::did_you_mean;
use crate::scenario::protocol::websocket::value::{Binary, MessageSize, TextMessage};
use crate::scenario::reader::{Check, Decode, Place, Reader, choice, object};
use crate::scenario::value::{Messages, PositiveSpan};

object! {
    /// What goes over a user's TCP connection: something sent, something received, or both.
    #[schemars(extend("anyOf" = [{ "required": ["send"] }, { "required": ["receive"] }]))]
    RawTcp is "a TCP exchange" {
        /// What is sent. Nothing unless given.
        "send" send: RawTcpSend,
        /// Where the reply to each message ends, or what comes by itself where nothing is sent. Nothing
        /// is waited for unless given.
        "receive" receive: RawReceive,
        /// End our side of the connection once all is sent (a half-close). `false` unless given.
        "shutdown" shutdown: bool,
        /// How many times it is sent, and received. 1 unless given.
        "repeat" repeat: Messages,
        /// The longest the step may take; as long as the iteration unless given.
        "timeout" timeout: PositiveSpan,
        /// Time between two messages sent; as fast as `in_flight` allows unless given.
        "every" every: PositiveSpan,
        /// The most unanswered messages. 1 unless given.
        "in_flight" in_flight: Messages,
    }
    hints {
        "host" => "where to send are the scenario's `targets`",
        "port" => "where to send are the scenario's `targets`",
        "message" => "what is sent is `send`",
        "text" => "what is sent is `send.text`",
        "hex" => "what is sent is `send.hex`",
        "base64" => "what is sent is `send.base64`",
        "size" => "what is sent is `send.size`",
        "until" => "where a reply ends is `receive.until`",
        "regex" => "where a reply ends is `receive.regex`",
        "length_prefix" => "where a reply ends is `receive.length_prefix`",
        "half_close" => "our side ends with `\"shutdown\": true`",
        "close" => "our side ends with `\"shutdown\": true`; a server that closes is `\"receive\": \"end\"`",
        "count" => "it is sent `repeat` times",
        "messages" => "it is sent `repeat` times",
        "match" => "what a reply must hold to is `check`, beside `tcp`",
        "expect" => "what a reply must hold to is `check`, beside `tcp`",
    }
}

object! {
    /// What is sent over TCP.
    #[schemars(extend("oneOf" = [
        { "required": ["text"] },
        { "required": ["hex"] },
        { "required": ["base64"] },
        { "required": ["size"] },
    ]))]
    RawTcpSend is "something to send, such as {\"text\": \"PING\\r\\n\"}" {
        /// This text.
        "text" text: TextMessage,
        /// These bytes, in hexadecimal.
        "hex" hex: Hex,
        /// These bytes, in base64.
        "base64" base64: Binary,
        /// So many bytes that look like nothing in particular.
        "size" size: MessageSize,
    }
    hints {
        "json" => "JSON is a text here: `text`",
        "binary" => "bytes are `hex` or `base64`",
        "bytes" => "bytes are `hex` or `base64`, and so many of them a `size`",
    }
}

/// Where a reply ends.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawReceive {
    /// When the server ends its side.
    End,
    /// Where this says.
    Framed(RawFrame),
}

impl RawReceive {
    const WORDS: [&str; 1] = ["end"];
}

impl Decode for RawReceive {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        const EXPECTED: &str =
            "\"end\", or where a reply ends, such as {\"bytes\": 64} or {\"until\": \"\\n\"}";
        match reader.value {
            Value::Object(_) => RawFrame::decode(reader).map(Self::Framed),
            Value::String(word) if word == Self::WORDS[0] => Some(Self::End),
            Value::String(word) => reader.refuse(EXPECTED, did_you_mean(word, Self::WORDS)),
            _ => reader.refuse(EXPECTED, None),
        }
    }
}

impl Check for RawReceive {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::End => true,
            Self::Framed(frame) => frame.check(at),
        }
    }
}

impl Serialize for RawReceive {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::End => serializer.serialize_str(Self::WORDS[0]),
            Self::Framed(frame) => frame.serialize(serializer),
        }
    }
}

impl JsonSchema for RawReceive {
    fn schema_name() -> Cow<'static, str> {
        "RawReceive".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Where a reply ends: when the server ends its side of the connection, or \
                            where this says.",
            "anyOf": [{ "enum": Self::WORDS }, generator.subschema_for::<RawFrame>()],
        })
    }
}

object! {
    /// Where a reply ends.
    #[schemars(extend("oneOf" = [
        { "required": ["bytes"] },
        { "required": ["until"] },
        { "required": ["length_prefix"] },
        { "required": ["regex"] },
    ]))]
    RawFrame is "where a reply ends" {
        /// After so many bytes.
        "bytes" bytes: ByteCount,
        /// Where this stands: a text, or `{"hex": "0d0a"}`. It is no part of the reply.
        "until" until: Delimiter,
        /// After as many bytes as a number in front of it says, which is no part of the reply.
        "length_prefix" length_prefix: RawLengthPrefix,
        /// With the first match of this regular expression, within 1 MiB.
        "regex" regex: Pattern,
    }
    hints {
        "size" => "so many bytes are `bytes`",
        "delimiter" => "where a delimiter stands is `until`",
        "line" => "a line ends with `\"until\": \"\\n\"`",
        "end" => "until the server closes is `\"receive\": \"end\"`",
        "length" => "a number in front is `length_prefix`",
    }
}

object! {
    /// A number in front of a reply that says how long it is.
    RawLengthPrefix is "a length prefix, such as {\"bytes\": 4}" {
        /// How many bytes the number has: 1, 2, 4 or 8.
        "bytes" [required] bytes: PrefixBytes,
        /// Which of them comes first. `big` unless given.
        "endian" endian: RawEndian,
        /// Whether the number counts its own bytes, too. `false` unless given.
        "includes_itself" includes_itself: bool,
    }
}

choice! {
    /// Which byte of a number comes first.
    RawEndian {
        /// The most significant one.
        Big = "big",
        /// The least significant one.
        Little = "little",
    }
}
