//! What tells which server answered, where that is not the header of loadgen's own servers.

use regex::bytes::Regex;

use super::plan::ScenarioPlan;
use super::protocol::layers::{Layer, Layers};
use super::protocol::room::Room;
use super::protocol::tcp::compiled;
use super::protocol::websocket::value::is_token;
use super::reader::{Decode, Entry, Fields as _, Reader, Refusal, Rule, object};
use super::value::{FieldPath, checked_text, text_schema};

/// What tells which server answered. A server that names itself otherwise has no row of its own in
/// `backends`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identify {
    /// This header field of the answer (HTTP), of what comes before its messages (gRPC), or of the answer to
    /// the upgrade (WebSocket).
    Header(String),
    /// This field of what comes after the answer's body or messages (gRPC, HTTP).
    Trailer(String),
    /// This field of the reply, or one in nested objects: `meta.server`.
    Field(String),
    /// The one group of this regular expression, in the reply (WebSocket, HTTP, TCP).
    Pattern(String),
    /// The one group of this regular expression, in the line that the server says first (TCP).
    Greeting(String),
}

impl Identify {
    /// The word for it, and what it says.
    fn said(&self) -> (&'static str, &str) {
        match self {
            Self::Header(it) => ("header", it),
            Self::Trailer(it) => ("trailer", it),
            Self::Field(it) => ("field", it),
            Self::Pattern(it) => ("pattern", it),
            Self::Greeting(it) => ("greeting", it),
        }
    }
}

object! {
    /// What tells which server answered: one of these.
    #[schemars(extend("oneOf" = [
        { "required": ["header"] },
        { "required": ["trailer"] },
        { "required": ["field"] },
        { "required": ["pattern"] },
        { "required": ["greeting"] },
    ]))]
    RawIdentify is "a place for a server's name, such as {\"header\": \"x-served-by\"}" {
        /// A header field of the answer (HTTP), of what comes before its messages (gRPC), or of the answer to
        /// the upgrade (WebSocket).
        "header" header: FieldName,
        /// A field of what comes after the answer's body or messages (gRPC, HTTP).
        "trailer" trailer: FieldName,
        /// A field of the reply, or one in nested objects.
        "field" field: FieldPath,
        /// A regular expression with one group, which finds the name in the reply (WebSocket, HTTP, TCP).
        "pattern" pattern: GroupPattern,
        /// A regular expression with one group, which finds the name in the line that the server says as soon
        /// as it is connected to (TCP).
        "greeting" greeting: GroupPattern,
    }
    hints {
        "metadata" => "what comes before a gRPC answer's messages is found by its `header`",
        "headers" => "it is one field: `header`",
        "trailers" => "it is one field: `trailer`",
        "reply" => "the way to a field of the reply is `field`",
        "message" => "the way to a field of the reply is `field`",
        "path" => "the way to a field of the reply is `field`",
        "regex" => "a regular expression on the reply is `pattern`, one on the first line of a TCP server `greeting`",
        "connect" => "what a TCP server says as soon as it is connected to is `greeting`",
        "line" => "what a TCP server says as soon as it is connected to is `greeting`",
    }
}

checked_text! {
    /// The name of a header field, or of a trailer.
    FieldName, "FieldName",
    "the name of a header field, such as \"x-served-by\"",
    is_token, "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$"
}

/// A regular expression with one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct GroupPattern(String);

impl GroupPattern {
    const EXPECTED: &'static str =
        "a regular expression with one group, such as \"server=([a-z0-9]+)\"";
}

impl Decode for GroupPattern {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        reader.keep(Self(reader.text(Self::EXPECTED)?.to_owned()))
    }
}

impl Rule for GroupPattern {
    fn rule(&self) -> Result<(), Refusal> {
        match one_group(&self.0) {
            Ok(_) => Ok(()),
            Err(problem) => Refusal::with_help(Self::EXPECTED, Some(problem)),
        }
    }
}

impl serde::Serialize for GroupPattern {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_schema!(GroupPattern, "GroupPattern", {
    "description": "A regular expression on bytes with one group, in the syntax of the Rust crate `regex`.",
    "examples": ["server=([a-z0-9]+)"],
});

/// A regular expression with one group, within bounds of what it takes; else what is wrong with it.
pub(crate) fn one_group(pattern: &str) -> Result<Regex, String> {
    let regex = compiled(pattern)?;
    match regex.captures_len() - 1 {
        1 => Ok(regex),
        0 => Err(
            "it has no group, and so no name comes of it: put what is the name in ( )".to_owned(),
        ),
        groups => Err(format!(
            "it has {groups} groups, and only one can be the name: groups that are for something else are (?: )"
        )),
    }
}

impl Layers<'_> {
    /// What tells who answered, in the room of a protocol that is spoken. What `defaults` and profiles say is
    /// for whatever scenario it fits: the nearest that does counts.
    pub(in crate::scenario) fn identify<R: Room>(&self) -> Option<Option<Identify>> {
        let words = R::SPOKEN.map_or(RawIdentify::FIELDS, |it| it.identify);
        let given = |raw: &RawIdentify| {
            let given = RawIdentify::FIELDS.iter().filter(|it| raw.has(it));
            given.copied().collect::<Vec<&str>>()
        };
        // What is wrong by itself fits nothing, and is told.
        let fits = |layer: &&Layer<'_>| {
            let given = layer.raw.identify.given().map(given);
            let is_other = given.is_some_and(|it| it.len() == 1 && !words.contains(&it[0]));
            !is_other || layer.path == self.own_path
        };
        let fitting = Layers {
            layers: self.layers.iter().filter(fits).cloned().collect(),
            own_path: self.own_path.clone(),
            ..*self
        };
        let picked = fitting.pick("identify", |raw| &raw.identify);
        picked.entry.or(Some(None), |raw| {
            let given = given(raw);
            let one_of = format!("one of `{}`", words.join("`, `"));
            let [word] = given[..] else {
                let found = match given.is_empty() {
                    true => "nothing".to_owned(),
                    false => format!("`{}`", given.join("` and `")),
                };
                self.problems.add(&picked.path, found, one_of, None);
                return None;
            };
            if !words.contains(&word) {
                let name = R::SPOKEN.map_or("", |it| it.name);
                let found = format!("`{word}` in a {name} scenario");
                let path = format!("{}.{word}", picked.path);
                self.problems.add(path, found, one_of, None);
                return None;
            }
            let identify = match word {
                "header" => Identify::Header(raw.header.given()?.0.to_ascii_lowercase()),
                "trailer" => Identify::Trailer(raw.trailer.given()?.0.to_ascii_lowercase()),
                "field" => Identify::Field(raw.field.given()?.0.clone()),
                "pattern" => Identify::Pattern(raw.pattern.given()?.0.clone()),
                _ => Identify::Greeting(raw.greeting.given()?.0.clone()),
            };
            Some(Some(identify))
        })?
    }
}

/// As it is written.
pub(super) fn print(plan: &ScenarioPlan) -> Entry<RawIdentify> {
    let Some(identify) = &plan.identify else {
        return Entry::Absent;
    };
    let mut raw = RawIdentify::default();
    let (word, text) = identify.said();
    let text = text.to_owned();
    match word {
        "header" => raw.header = Entry::Given(FieldName(text)),
        "trailer" => raw.trailer = Entry::Given(FieldName(text)),
        "field" => raw.field = Entry::Given(FieldPath(text)),
        "pattern" => raw.pattern = Entry::Given(GroupPattern(text)),
        _ => raw.greeting = Entry::Given(GroupPattern(text)),
    }
    Entry::Given(raw)
}
