//! What is said of a text that is no YAML, or none that is taken.

/// Where a text is not what it should be, in bytes from its beginning, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario::reader) struct Fault {
    pub(in crate::scenario::reader) at: usize,
    pub(in crate::scenario::reader) message: String,
}

impl Fault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { at, message }
    }
}

pub(super) const EMPTY: &str = "it is empty; a suite is JSON or YAML";
pub(super) const TOO_DEEP: &str = "it is nested more than 127 levels deep";

/// What the parser says of frequent slips, and what a person wants to know of them.
const PLAINLY: [(&str, &str); 15] = [
    ("tab", "a tab; YAML is indented with blanks"),
    (
        "mapping values are not allowed",
        "a `:` where none can be; a text with `: ` in it stands in quotes, and a key under the one it belongs to",
    ),
    (
        "did not find expected node content",
        "no value where one is expected",
    ),
    ("unexpected end of stream", "a quote that is never closed"),
    (
        "invalid indentation in quoted scalar",
        "a quote that is not closed before the next key",
    ),
    (
        "invalid trailing content after double-quoted scalar",
        "something behind a text in quotes",
    ),
    (
        "simple key expect",
        "a line before this one has no `:`; expected `key: value`",
    ),
    (
        "found unknown anchor",
        "an alias of an anchor that is not above it; a text that begins with `*` stands in quotes",
    ),
    (
        "while scanning an anchor or alias",
        "no name behind it; a text that begins with `*` or `&` stands in quotes",
    ),
    (
        "did not find expected key",
        "something that is no key of the mapping above; does its indentation fit?",
    ),
    (
        "did not find expected '-' indicator",
        "something that is no item of the list above; does its indentation fit?",
    ),
    (
        "block sequence entries are not allowed",
        "a `-` where no list can begin; a list begins on a line of its own",
    ),
    (
        "expected ',' or ']'",
        "a `[` that is not closed; expected `,` or `]`",
    ),
    (
        "expected ',' or '}'",
        "a `{` that is not closed; expected `,` or `}`",
    ),
    (
        "unexpected character",
        "a character that no text begins with; put it in quotes",
    ),
];

/// What the parser said, in words for whoever wrote the file.
pub(super) fn plainly(said: &str) -> String {
    let known = PLAINLY.iter().find(|(part, _)| said.contains(part));
    match known {
        Some((_, plainly)) => (*plainly).to_owned(),
        None => match said.split_once(", ") {
            Some((during, rest)) if during.starts_with("while ") => rest.to_owned(),
            _ => said.to_owned(),
        },
    }
}
