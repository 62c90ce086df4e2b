//! What an HTTP step may say.

use super::value::Method;
use crate::scenario::protocol::websocket::value::{JsonMessage, MessageSize, Path, TextMessage};
use crate::scenario::reader::{Entries, choice, object};
use crate::scenario::value::{Messages, PositiveSpan, RawSource};

object! {
    /// An HTTP request, and what is made of its answer.
    RawHttp is "an HTTP request" {
        /// The method. `GET` unless given.
        "method" method: Method,
        /// The path, maybe with a query. `/` unless given.
        "path" path: Path,
        /// The query's parts by name; they are encoded, and come after what the path has of a query.
        "query" query: Entries<TextMessage>,
        /// Header fields of this request; one takes the place of the scenario's of the same name.
        "headers" headers: Entries<RawSource>,
        /// What is sent with it. Nothing unless given.
        "body" body: RawBody,
        /// When we end an answer of server-sent events that the server does not end, and all is well.
        /// By the server alone unless given.
        "stream" stream: RawEventsEnd,
        /// The longest the step may take; as long as the iteration unless given.
        "timeout" timeout: PositiveSpan,
    }
    hints {
        "url" => "where to send are the scenario's `targets`; a step has only the `path`",
        "params" => "the query's parts are `query`",
        "json" => "what is sent is `body.json`",
        "form" => "what is sent is `body.form`",
        "text" => "what is sent is `body.text`",
        "data" => "what is sent is `body`",
        "events" => "server-sent events are told by the answer's content type; when we end them is `stream`",
        "status" => "4xx and 5xx fail by themselves; another status is judged by a `check`, such as `status == 404`",
        "cookies" => "cookies belong to the scenario: `cookies`",
        "redirects" => "redirections belong to the scenario: `redirects`",
        "metadata" => "what HTTP sends beside a body is `headers`",
    }
}

object! {
    /// What is sent with an HTTP request.
    #[schemars(extend("oneOf" = [
        { "required": ["json"] },
        { "required": ["form"] },
        { "required": ["text"] },
        { "required": ["size"] },
    ]))]
    RawBody is "a body, such as {\"json\": {...}}" {
        /// A JSON value.
        "json" json: JsonMessage,
        /// The fields of a form, percent-encoded (a blank is `%20`).
        "form" form: Entries<TextMessage>,
        /// A text.
        "text" text: TextMessage,
        /// So many bytes that look like nothing in particular.
        "size" size: MessageSize,
    }
    hints {
        "binary" => "bytes come as `size`, or as a `text`",
        "bytes" => "so many bytes are a `size`, such as \"1KiB\"",
    }
}

object! {
    /// When we end server-sent events.
    #[schemars(extend("oneOf" = [{ "required": ["messages"] }, { "required": ["for"] }]))]
    RawEventsEnd is "the end of the events" {
        /// After so many events.
        "messages" messages: Messages,
        /// After this time.
        "for" duration: PositiveSpan,
    }
    hints {
        "count" => "it is over after so many `messages`",
        "events" => "it is over after so many `messages`",
        "duration" => "it is over after a time: `for`",
        "until" => "it is over after `messages`, or after a time: `for`",
    }
}

choice! {
    /// A version of HTTP.
    RawHttpVersion {
        /// HTTP/1.1: each user has a connection of its own, and one request on it at a time.
        Http1 = "1.1",
        /// HTTP/2: users share connections, each request is a stream on one.
        Http2 = "2",
    }
}
