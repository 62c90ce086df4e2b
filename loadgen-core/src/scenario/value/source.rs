//! Where a value of metadata or of a header field comes from: the scenario itself, the environment or a
//! file. What stands elsewhere is read when a run is prepared; a plan keeps the place, and no value.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::template::{is_header_value, is_template, template};
use super::{FilePath, checked_text, text_schema};
use crate::scenario::reader::{Check, Decode, Entry, Place, Reader, Refusal, Rule, object};

/// Where a value that is sent as metadata, or as a header field, comes from.
///
/// Values from elsewhere are secrets: they are masked in whatever others say. A text is itself a source:
///
/// ```
/// use loadgen_core::scenario::Source;
///
/// let metadata = [
///     ("x-tenant", Source::from("blue")),
///     ("authorization", Source::env("TOKEN").prefixed("Bearer ")),
///     ("x-api-key", Source::file("/run/secrets/key")),
/// ];
/// # assert_eq!(metadata.len(), 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The value itself, or a template of it: `Bearer {{ saved.token }}`.
    Literal(String),
    /// A variable of the environment, as it is when the run is prepared.
    Env {
        /// Its name.
        variable: String,
        /// The value where the variable is not set, or empty; `None` lets no run begin then.
        default: Option<String>,
        /// What is sent before it.
        prefix: String,
    },
    /// A file, without the line's end that stands last. It is read again when it changes.
    File {
        /// Its path.
        path: PathBuf,
        /// What is sent before it.
        prefix: String,
    },
}

impl Source {
    /// This variable of the environment, which must be set.
    #[must_use]
    pub fn env(variable: impl Into<String>) -> Self {
        Self::Env {
            variable: variable.into(),
            default: None,
            prefix: String::new(),
        }
    }

    /// The contents of this file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File {
            path: path.into(),
            prefix: String::new(),
        }
    }

    /// This before the value. A value that stands here already gets it at once.
    #[must_use]
    pub fn prefixed(mut self, with: &str) -> Self {
        match &mut self {
            Self::Literal(text) => text.insert_str(0, with),
            Self::Env { prefix, .. } | Self::File { prefix, .. } => with.clone_into(prefix),
        }
        self
    }

    /// The text, where it is no value from elsewhere.
    #[must_use]
    pub fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Env { .. } | Self::File { .. } => None,
        }
    }
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        Self::Literal(text.to_owned())
    }
}

impl From<String> for Source {
    fn from(text: String) -> Self {
        Self::Literal(text)
    }
}

/// A text that is sent in a header: of metadata, or a header field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scenario) struct SentText(pub(in crate::scenario) String);

impl SentText {
    const EXPECTED: &str = "a text of printable ASCII without space at either end, or a template such \
                            as \"Bearer {{ saved.token }}\"";
}

impl Decode for SentText {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        reader.keep(Self(reader.text(Self::EXPECTED)?.to_owned()))
    }
}

impl Rule for SentText {
    fn rule(&self) -> Result<(), Refusal> {
        if is_header_value(&self.0) {
            return Ok(());
        }
        let help = "a value from the environment is {\"env\": \"TOKEN\"}, with what stands before it \
                    as `prefix`";
        let help = match (self.0.contains("${"), is_template(&self.0)) {
            (true, false) => Some(help.to_owned()),
            (_, true) => template(&self.0).err().and_then(|refusal| refusal.help),
            _ => None,
        };
        Refusal::with_help(Self::EXPECTED, help)
    }
}

impl Serialize for SentText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

text_schema!(SentText, "SentText", {
    "description": SentText::EXPECTED,
    "pattern": "^([!-~]([ -~]*[!-~])?)?$",
});

checked_text! {
    /// The name of a variable.
    Variable, "Variable",
    "the name of a variable: 1 to 200 characters of printable ASCII, none of them `=`, `$` or a blank",
    is_variable, "^[!-#%-<>-~]{1,200}$"
}

fn is_variable(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"=$".contains(&byte))
}

checked_text! {
    /// What is sent before a value.
    Prefix, "Prefix",
    "a text of printable ASCII without space in front, such as \"Bearer \", and no `{{` or `${…}`",
    is_prefix, "^([!-~][ -~]*)?$"
}

fn is_prefix(text: &str) -> bool {
    !text.starts_with(' ')
        && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && !is_template(text)
}

object! {
    /// A value that stands in the environment or in a file.
    #[schemars(extend("oneOf" = [{ "required": ["env"] }, { "required": ["file"] }]))]
    RawReference is "a value from elsewhere" {
        /// The variable of the environment that holds it, as it is when the run is prepared.
        "env" env: Variable,
        /// The value where the variable is not set, or empty.
        "default" default: SentText,
        /// The file that holds it, relative to this file; a line's end that stands last is cut. It is
        /// read again when it changes.
        "file" file: FilePath,
        /// What is sent before it, such as `"Bearer "`.
        "prefix" prefix: Prefix,
    }
    hints {
        "variable" => "a variable of the environment is `env`",
        "path" => "a file is `file`",
        "value" => "a value that stands here is a text, without an object around it",
        "suffix" => "only a `prefix` can be put to it",
    }
}

impl RawReference {
    /// Whether its fields go together; notes it where they do not.
    fn agrees(&self, at: &Place<'_>) -> bool {
        let refuse = |path: String, found: &str, expected: &str| {
            // What it has instead has been named already.
            if !at.problems.any_below(&at.path) {
                at.problems.add(path, found, expected, None);
            }
            false
        };
        let here = || at.path.clone();
        match (self.env.is_absent(), self.file.is_absent()) {
            (true, true) => refuse(here(), "neither", "where the value is: `env` or `file`"),
            (false, false) => refuse(here(), "both", "one place: `env` or `file`"),
            (true, false) if !self.default.is_absent() => refuse(
                at.field("default").path,
                "a `default` beside `file`",
                "a `default` beside `env` only: a file has to be there",
            ),
            _ if self
                .default
                .given()
                .is_some_and(|text| is_template(&text.0)) =>
            {
                refuse(at.field("default").path, "a template", "a constant")
            }
            _ => true,
        }
    }
}

/// Where a value comes from, as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::scenario) enum RawSource {
    Literal(SentText),
    Elsewhere(RawReference),
}

impl RawSource {
    pub(in crate::scenario) fn of(source: Source) -> Self {
        let prefix_of = |prefix: String| match prefix.is_empty() {
            true => Entry::Absent,
            false => Entry::Given(Prefix(prefix)),
        };
        match source {
            Source::Literal(text) => Self::Literal(SentText(text)),
            Source::Env {
                variable,
                default,
                prefix,
            } => Self::Elsewhere(RawReference {
                env: Entry::Given(Variable(variable)),
                default: Entry::from_option(default.map(SentText)),
                prefix: prefix_of(prefix),
                ..RawReference::default()
            }),
            Source::File { path, prefix } => Self::Elsewhere(RawReference {
                file: Entry::Given(FilePath::of(path)),
                prefix: prefix_of(prefix),
                ..RawReference::default()
            }),
        }
    }

    /// The source; `None` where a part could not be read. `resolve` makes paths of those of the file.
    pub(in crate::scenario) fn source(
        &self,
        resolve: impl Fn(&FilePath) -> PathBuf,
    ) -> Option<Source> {
        let raw = match self {
            Self::Literal(text) => return Some(Source::Literal(text.0.clone())),
            Self::Elsewhere(raw) => raw,
        };
        let prefix = raw.prefix.or(String::new(), |prefix| prefix.0.clone())?;
        let default = raw.default.or(None, |text| Some(text.0.clone()))?;
        if let Some(file) = raw.file.given() {
            let path = resolve(file);
            return Some(Source::File { path, prefix });
        }
        Some(Source::Env {
            variable: raw.env.given()?.0.clone(),
            default,
            prefix,
        })
    }
}

impl Decode for RawSource {
    fn decode(reader: &Reader<'_>) -> Option<Self> {
        if !reader.value.is_object() {
            return SentText::decode(reader).map(Self::Literal);
        }
        let raw = RawReference::decode(reader)?;
        raw.agrees(&reader.at).then_some(Self::Elsewhere(raw))
    }
}

impl Check for RawSource {
    fn check(&mut self, at: &Place<'_>) -> bool {
        match self {
            Self::Literal(text) => text.check(at),
            Self::Elsewhere(raw) => raw.check(at) && raw.agrees(at),
        }
    }
}

impl Serialize for RawSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Literal(text) => text.serialize(serializer),
            Self::Elsewhere(raw) => raw.serialize(serializer),
        }
    }
}

impl JsonSchema for RawSource {
    fn schema_name() -> Cow<'static, str> {
        "Source".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                generator.subschema_for::<SentText>(),
                generator.subschema_for::<RawReference>(),
            ],
        })
    }
}
