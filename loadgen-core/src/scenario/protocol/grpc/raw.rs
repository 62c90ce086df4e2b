//! What a gRPC step may say.

use super::plan::Codec;
use super::value::{HealthService, Lasting, Message, Method};
use crate::scenario::reader::{Entries, choice, object};
use crate::scenario::value::{FieldPath, Messages, MessagesOrNone, PositiveSpan, RawSource};

object! {
    /// A gRPC call of any of the four kinds; the method decides which.
    #[schemars(extend("oneOf" = [{ "required": ["method"] }, { "required": ["health"] }]))]
    RawGrpc is "a gRPC call" {
        /// What to call.
        "method" method: Method,
        /// Instead of a method: ask whether this service is in health (`grpc.health.v1`); the server
        /// as a whole where it is empty.
        "health" health: HealthService,
        /// The request message; `{}` unless given. Several, in an array, are sent one after the
        /// other on a client or bidirectional stream.
        "message" message: Message,
        /// How many messages are sent on a client or bidirectional stream; where there are more than
        /// `message` has, the last is sent again. Unless given, as many as `message` has; on a stream that
        /// lasts for the load and has `every`, as many as there is time for.
        "repeat" repeat: Messages,
        /// Time between two messages sent on a stream; as fast as allowed unless given.
        "every" every: PositiveSpan,
        /// The most unanswered messages on a bidirectional stream. 1 unless given.
        "in_flight" in_flight: Messages,
        /// The field of message and reply on a bidirectional stream that says which reply belongs to
        /// which message; it is filled in. In the order of the messages unless given.
        "match_id" match_id: FieldPath,
        /// When we end the stream of answers that the server does not end, and all is well; by the
        /// server alone unless given.
        "stream" stream: RawStreamEnd,
        /// Which messages of a stream the step's `check` looks at; the last unless given.
        "checked" checked: RawChecked,
        /// Metadata of this call beside the scenario's.
        "metadata" metadata: Entries<RawSource>,
        /// How messages are compressed; not at all unless given.
        "compression" compression: RawCompression,
    }
    hints {
        "service" => "a call names its `method`, `package.Service/Method`; whether a service is in health is asked by `health`",
        "wait_for_ready" => "whether calls wait for a connection is for the scenario to say: `wait_for_ready`",
    }
}

object! {
    /// When we end a stream of answers.
    #[schemars(extend("oneOf" = [{ "required": ["messages"] }, { "required": ["for"] }]))]
    RawStreamEnd is "the end of a stream" {
        /// After so many messages.
        "messages" messages: Messages,
        /// After this time; or `load`: when the load is over.
        "for" duration: Lasting,
        /// Beside `for`: how many messages must have come by then. Unless given, the head of the answer or
        /// a message must have.
        "at_least" at_least: MessagesOrNone,
    }
    hints {
        "count" => "it is over after so many `messages`",
        "duration" => "it is over after a time: `for`",
        "until" => "it is over after `messages`, or after a time: `for`",
        "sequence" => "gRPC's messages are not looked into",
    }
}

choice! {
    /// Who speaks HTTP/2.
    RawCodec {
        /// loadgen's own code, where it makes all of the scenario's calls: unary ones that compress nothing and whose
        /// metadata are not templated.
        Own = "own",
        /// The library `h2`.
        H2 = "h2",
    }
}

impl RawCodec {
    pub(in crate::scenario::protocol) fn of(codec: Codec) -> Self {
        match codec {
            Codec::Own => Self::Own,
            Codec::H2 => Self::H2,
        }
    }

    pub(in crate::scenario::protocol) fn plan(&self) -> Codec {
        match self {
            Self::Own => Codec::Own,
            Self::H2 => Codec::H2,
        }
    }
}

choice! {
    /// How messages are compressed.
    RawCompression {
        /// With gzip.
        Gzip = "gzip",
        /// With zstd.
        Zstd = "zstd",
    }
}

choice! {
    /// Which messages of a stream are checked.
    RawChecked {
        /// The last.
        Last = "last",
        /// Each, when it comes.
        Each = "each",
    }
}
