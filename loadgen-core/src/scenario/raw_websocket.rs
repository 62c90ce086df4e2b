//! What a WebSocket step may say.

use super::elements::{Messages, PositiveSpan};
use super::exchange::{Bytes, FieldName, JsonMessage, MessageSize, Path, Ping, TextMessage};
use super::reader::{Decode, Reader, Slot, choice, object};

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
        /// What answers each message where there is no `stream`. `one` unless given.
        "reply" reply: RawReply,
        /// The field of message and reply, both JSON objects, that says which reply belongs to
        /// which message; it is filled in. In the order of the messages unless given.
        "match_id" match_id: FieldName,
        /// How many times it is sent. 1 unless given.
        "repeat" repeat: Messages,
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
    RawSend is "something to send" {
        /// This text.
        "text" text: TextMessage,
        /// This JSON value, as a text.
        "json" json: JsonMessage,
        /// These bytes, in base64.
        "binary" binary: Bytes,
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

choice! {
    /// What answers a message.
    RawReply {
        /// One message.
        One = "one",
        /// Nothing that is waited for.
        None = "none",
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
        "sequence" sequence: FieldName,
    }
    hints {
        "count" => "it is over after so many `messages`",
        "duration" => "it is over after a time: `for`",
        "until" => "it is over after `messages`, or after a time: `for`",
    }
}
