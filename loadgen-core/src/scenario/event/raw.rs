//! What a scenario may say of its events.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::scenario::backend::value::{BackendName, span_between};
use crate::scenario::fault::raw::with_faults;
use crate::scenario::reader::{Check, Decode, Entries, List, Place, Reader, Refusal, Rule, object};
use crate::scenario::value::{PositiveSpan, RawSource, Span, checked_text, text_schema};
use crate::units::{format_duration, parse_duration};

span_between! {
    /// How long something elsewhere may take.
    DeedSpan, "EventDuration",
    std::time::Duration::from_millis(1), std::time::Duration::from_secs(600),
    "a duration from 1ms to 10m"
}

checked_text! {
    /// A note.
    MarkText, "EventMark",
    "a text of 1 to 200 characters, none of them a control character",
    is_mark, "^[^\\x00-\\x1f\\x7f]{1,200}$"
}

fn is_mark(text: &str) -> bool {
    (1..=200).contains(&text.chars().count()) && !text.chars().any(|c| c.is_control())
}

checked_text! {
    /// Where a request goes.
    UrlText, "EventUrl",
    "a URL such as \"http://127.0.0.1:8001/drain\", without user name and `#`",
    is_url, "^https?://[^\\s@#]+$"
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"));
    let host = rest
        .and_then(|it| it.split(['/', '?']).next())
        .unwrap_or_default();
    !host.is_empty()
        && !host.starts_with(':')
        && text.len() <= 2000
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && !host.contains('@')
}

checked_text! {
    /// The program of a command, or an argument of its.
    Word, "CommandWord",
    "a text without a NUL",
    is_word, "^[^\\x00]*$"
}

fn is_word(text: &str) -> bool {
    !text.contains('\0')
}

with_faults! {
    /// Something that is done during the run.
    #[schemars(extend("oneOf" = [
        { "required": ["kill"] },
        { "required": ["restart"] },
        { "required": ["freeze"] },
        { "required": ["drain"] },
        { "required": ["fault"] },
        { "required": ["http"] },
        { "required": ["exec"] },
        { "required": ["mark"] },
    ]))]
    RawEvent is "an event, such as {\"at\": \"5s\", \"kill\": \"b2\", \"for\": \"3s\"}" {
        /// When, from where the scenario's measuring begins.
        "at" [required] at: Span,
        /// The server of the suite whose process is killed.
        "kill" kill: BackendName,
        /// The server of the suite that is told to end and started again.
        "restart" restart: BackendName,
        /// The server of the suite whose process is stopped: its connections stay open, nothing is answered.
        "freeze" freeze: BackendName,
        /// The server of the suite that is told to end in good order.
        "drain" drain: BackendName,
        /// The fault proxy of the suite at which something goes wrong: what, stands beside it.
        "fault" fault: BackendName,
        /// A request to somebody else; only with `--allow-events`.
        "http" http: RawHttpDeed,
        /// A program to run and its arguments; only with `--allow-events`.
        "exec" exec: List<Word>,
        /// A note.
        "mark" mark: MarkText,
        /// After which time the server is back, or nothing goes wrong any more; never unless given (`kill`, `freeze`,
        /// `drain`, `fault`).
        "for" back_after: PositiveSpan,
        /// The longest that it may take (`http`, `exec`). 10s unless given.
        "timeout" timeout: DeedSpan,
    }
    hints {
        "stop" => "a process is stopped by `freeze`, and told to end by `drain`",
        "pause" => "a process is stopped by `freeze`",
        "delay" => "how long a fault proxy holds bytes up is `latency`",
        "reset" => "that is `reset_open` for connections that are open, or `reset_new`",
        "cut" => "that is `cut_after` so many bytes",
        "duration" => "after which time a server is back is `for`",
        "after" => "when it is done is `at`, counted from where measuring begins",
        "run" => "a command is `exec`",
        "command" => "a command is `exec`",
        "backend" => "the server is named by what is done to it: `\"kill\": \"b2\"`",
    }
}

object! {
    /// A request that is sent once. It is done when it is answered with a status of 200 to 299.
    #[schemars(extend("oneOf" = [
        { "required": ["get"] },
        { "required": ["post"] },
        { "required": ["put"] },
        { "required": ["patch"] },
        { "required": ["delete"] },
    ]))]
    RawHttpDeed is "a request, such as {\"post\": \"http://127.0.0.1:8001/drain\"}" {
        /// Where to send a GET.
        "get" get: UrlText,
        /// Where to send a POST.
        "post" post: UrlText,
        /// Where to send a PUT.
        "put" put: UrlText,
        /// Where to send a PATCH.
        "patch" patch: UrlText,
        /// Where to send a DELETE.
        "delete" delete: UrlText,
        /// Its header fields.
        "headers" headers: Entries<RawSource>,
        /// A JSON value to send.
        "json" json: RawJson,
        /// A text to send.
        "text" text: String,
    }
    hints {
        "url" => "the URL belongs to the method: `\"post\": \"http://…\"`",
        "path" => "the URL belongs to the method: `\"post\": \"http://…\"`",
        "method" => "the method is the field: `\"post\": \"http://…\"`",
        "body" => "what is sent is `json` or `text`",
        "timeout" => "it belongs to the event, beside `http`",
    }
}

/// Any JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) struct RawJson(pub(in crate::scenario) Value);

impl Decode for RawJson {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        Some(Self(reader.value.clone()))
    }
}

impl Check for RawJson {
    fn check(&mut self, _: &Place<'_>) -> bool {
        true
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl JsonSchema for RawJson {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "EventJson".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}
