//! YAML to JSON value: YAML 1.2, core schema.
//!
//! Owns what of YAML is taken: one document of mappings with text keys, sequences and scalars, anchors
//! and aliases within bounds. Not taken, each with its own sentence: tags, merge keys, several documents,
//! and what JSON has no value for. Numbers stay as they are written, and what stands twice is a problem,
//! as in JSON.

mod fault;
mod scalar;

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Value};

pub(super) use self::fault::Fault;
use self::scalar::plain;
use super::json::join;
use super::problem::Problems;

/// The most levels of lists and objects in one another, as the JSON parser has it.
const MOST_DEPTH: usize = 127;
/// The most bytes, about, that anchors and aliases may repeat of a file.
const MOST_REPEATED: usize = 64 << 20;

/// Reads the text; keys that stand twice become problems, and the first one counts.
pub(super) fn parse(text: &str, problems: &Problems) -> Result<Value, Fault> {
    // The parser takes a NUL for the end of the text.
    let is_odd = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some(at) = text.find(is_odd) {
        return Err(Fault::new(
            at,
            "a control character; write it as an escape in double quotes",
        ));
    }
    let mut reader = Yaml {
        parser: Parser::new_from_str(text),
        anchors: HashMap::new(),
        repeated: 0,
        path: String::new(),
        problems,
    };
    reader.document().map_err(|stop| stop.in_text(text))
}

/// Whether a scalar without quotes stands for the text that it is.
pub(in crate::scenario) fn is_text(scalar: &str) -> bool {
    matches!(plain(scalar), Ok(Value::String(_)))
}

/// Where reading ends before the text does: at a character, and why.
struct Stop {
    at: usize,
    message: String,
}

impl Stop {
    fn new<T>(span: &Span, message: impl Into<String>) -> Result<T, Self> {
        Err(Self {
            at: span.start.index(),
            message: message.into(),
        })
    }

    fn in_text(self, text: &str) -> Fault {
        let at = text.char_indices().nth(self.at);
        Fault::new(at.map_or(text.len(), |(at, _)| at), self.message)
    }
}

/// What an anchor stands for.
struct Anchored {
    value: Value,
    weight: usize,
    depth: usize,
}

struct Yaml<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Anchored>,
    /// What anchors and aliases have repeated so far.
    repeated: usize,
    path: String,
    problems: &'a Problems,
}

impl<'a> Yaml<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(Stop {
                at: error.marker().index(),
                message: fault::plainly(error.info()),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(&mut self) -> Result<Value, Stop> {
        let value = loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                Event::StreamEnd | Event::DocumentEnd => return Stop::new(&span, fault::EMPTY),
                event => break self.value(event, &span, 0)?,
            }
        };
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(value),
                Event::DocumentEnd | Event::Nothing => {}
                _ => return Stop::new(&span, "a second document begins; one file is one document"),
            }
        }
    }

    /// A value within so many lists and objects.
    fn value(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Value, Stop> {
        let is_deep = depth >= MOST_DEPTH;
        let (value, anchor) = match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Stop::new(
                    span,
                    "a tag (`!…`); write the value without, a text in quotes",
                );
            }
            Event::Scalar(text, ScalarStyle::Plain, anchor, None) => match plain(&text) {
                Ok(value) => (value, anchor),
                Err(message) => return Stop::new(span, message),
            },
            Event::Scalar(text, _, anchor, None) => (Value::String(text.into_owned()), anchor),
            Event::SequenceStart(..) | Event::MappingStart(..) if is_deep => {
                return Stop::new(span, fault::TOO_DEEP);
            }
            Event::SequenceStart(anchor, None) => (self.sequence(depth)?, anchor),
            Event::MappingStart(anchor, None) => (self.mapping(depth)?, anchor),
            Event::Alias(anchor) => return self.alias(anchor, span, depth),
            _ => return Stop::new(span, "nothing; expected a value"),
        };
        if anchor > 0 {
            let (weight, depth) = measure(&value);
            self.repeat(weight, span)?;
            let value = value.clone();
            self.anchors.insert(
                anchor,
                Anchored {
                    value,
                    weight,
                    depth,
                },
            );
        }
        Ok(value)
    }

    fn alias(&mut self, anchor: usize, span: &Span, depth: usize) -> Result<Value, Stop> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Stop::new(span, "an alias of what it is a part of");
        };
        let weight = anchored.weight;
        if depth + anchored.depth > MOST_DEPTH {
            return Stop::new(span, fault::TOO_DEEP);
        }
        self.repeat(weight, span)?;
        let anchored = self.anchors.get(&anchor);
        Ok(anchored.map_or(Value::Null, |it| it.value.clone()))
    }

    /// Counts what is about to be repeated.
    fn repeat(&mut self, weight: usize, span: &Span) -> Result<(), Stop> {
        self.repeated += weight;
        if self.repeated > MOST_REPEATED {
            return Stop::new(
                span,
                "anchors and aliases repeat more than 64 MiB of the file",
            );
        }
        Ok(())
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::Array(items));
            }
            let part = format!("[{}]", items.len());
            items.push(self.below(&part, |yaml| yaml.value(event, &span, depth + 1))?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut fields = Map::new();
        loop {
            let (event, span) = self.next()?;
            let Some(key) = key(event, &span)? else {
                return Ok(Value::Object(fields));
            };
            let part = join(&self.path, &key);
            let (event, span) = self.next()?;
            let value = self.below(&part, |yaml| yaml.value(event, &span, depth + 1))?;
            if fields.contains_key(&key) {
                self.problems.add_repeated(format!("{}{part}", self.path));
            } else {
                fields.insert(key, value);
            }
        }
    }

    /// Runs `read` one level down and comes back up.
    fn below<T>(&mut self, part: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push_str(part);
        let result = read(self);
        self.path.truncate(length);
        result
    }
}

/// The key that a mapping goes on with; `None` at its end.
fn key(event: Event<'_>, span: &Span) -> Result<Option<String>, Stop> {
    match event {
        Event::MappingEnd => Ok(None),
        Event::Scalar(text, ScalarStyle::Plain, 0, None) if text == "<<" => Stop::new(
            span,
            "a merge key (`<<`); `defaults` and `include` hold what several scenarios share",
        ),
        Event::Scalar(text, ScalarStyle::Plain, 0, None) if matches!(&*text, "" | "~") => {
            Stop::new(span, "nothing before the `:`; expected a key")
        }
        Event::Scalar(text, _, 0, None) => Ok(Some(text.into_owned())),
        Event::MappingStart(..) => Stop::new(
            span,
            "a mapping in place of a key; a template stands in quotes: \"{{ … }}\"",
        ),
        Event::SequenceStart(..) => Stop::new(span, "a list in place of a key; a key is a text"),
        _ => Stop::new(
            span,
            "a key with an anchor, alias or tag; a key is a text by itself",
        ),
    }
}

/// About how many bytes a value takes, and how many lists and objects are in one another in it.
fn measure(value: &Value) -> (usize, usize) {
    const NODE: usize = 32;
    let inside = |parts: &mut dyn Iterator<Item = (usize, usize)>| {
        parts.fold((NODE, 1), |(weight, depth), (own, below)| {
            (weight + own, depth.max(below + 1))
        })
    };
    match value {
        Value::Array(items) => inside(&mut items.iter().map(measure)),
        Value::Object(fields) => inside(&mut fields.iter().map(|(key, value)| {
            let (weight, depth) = measure(value);
            (weight + key.len(), depth)
        })),
        Value::String(text) => (NODE + text.len(), 0),
        Value::Number(number) => (NODE + number.as_str().len(), 0),
        Value::Null | Value::Bool(_) => (NODE, 0),
    }
}

#[cfg(test)]
mod tests;
