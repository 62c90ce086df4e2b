//! What somebody wants changed of a run, and how that is written.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::nearest::did_you_mean;
use crate::text;
use crate::units::Rate;

/// The longest note, in characters.
pub const LONGEST_NOTE: usize = 200;

/// What is to be changed of a run while it is under way. As JSON, which [`FromStr`] and serde read:
///
/// ```
/// use loadgen_core::engine::Change;
///
/// let change: Change = r#"{"change": "rate", "scenario": "checkout", "rate": "500/s"}"#.parse()?;
/// let all: Change = r#"{"change": "pause"}"#.parse()?;
/// assert_eq!(all, Change::Pause { scenario: None });
/// let wrong = r#"{"change": "paus"}"#.parse::<Change>().unwrap_err();
/// assert!(wrong.to_string().contains("did you mean `pause`?"));
/// # Ok::<(), loadgen_core::engine::Refused>(())
/// ```
///
/// Without a `scenario` it is about each that it can be done to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", try_from = "Value")]
#[non_exhaustive]
pub enum Change {
    /// Nothing new starts. What is under way goes on to its end.
    Pause {
        /// Of this scenario.
        #[serde(skip_serializing_if = "Option::is_none")]
        scenario: Option<String>,
    },
    /// After a pause: it goes on by the plan as it is by now.
    Resume {
        /// Of this scenario.
        #[serde(skip_serializing_if = "Option::is_none")]
        scenario: Option<String>,
    },
    /// Arrivals have this rate from now on, or users with a rate limit this limit.
    Rate {
        /// Of this scenario.
        #[serde(skip_serializing_if = "Option::is_none")]
        scenario: Option<String>,
        /// Iterations a second.
        rate: Rate,
    },
    /// So many users of a closed model go on, the others rest.
    Users {
        /// Of this scenario.
        #[serde(skip_serializing_if = "Option::is_none")]
        scenario: Option<String>,
        /// From 1 to the most that the plan has.
        users: u32,
    },
    /// Nothing new is sent to a target, or is again.
    Target {
        /// Of this scenario.
        #[serde(skip_serializing_if = "Option::is_none")]
        scenario: Option<String>,
        /// As the plan writes it.
        target: String,
        /// Whether it is sent to.
        on: bool,
    },
    /// Nothing changes: a moment that somebody wants to remember.
    Note {
        /// In this scenario.
        #[serde(skip_serializing_if = "Option::is_none")]
        scenario: Option<String>,
        /// Why. What has more than [`LONGEST_NOTE`] characters is cut, and what cannot be shown replaced.
        text: String,
    },
    /// The whole run ends: nothing new starts, and what is under way has its graceful stop.
    Stop {
        /// Whether what is under way is cut off.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        at_once: bool,
    },
}

impl Change {
    /// Whether it ends the run, or what somebody told before.
    pub(super) fn ends_something(&self) -> bool {
        match self {
            Self::Resume { .. } | Self::Stop { .. } => true,
            Self::Target { on, .. } => *on,
            Self::Pause { .. } | Self::Rate { .. } | Self::Users { .. } | Self::Note { .. } => {
                false
            }
        }
    }
}

/// Why something is not changed, in words for whoever asked for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub(super) String);

impl Refused {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// What a change is.
const OBJECT: &str = "an object of JSON, such as {\"change\": \"pause\"}";

/// What each kind of change has beside `scenario`.
const KINDS: [(&str, &[&str]); 7] = [
    ("pause", &["scenario"]),
    ("resume", &["scenario"]),
    ("rate", &["rate", "scenario"]),
    ("users", &["users", "scenario"]),
    ("target", &["target", "on", "scenario"]),
    ("note", &["text", "scenario"]),
    ("stop", &["at_once"]),
];

impl FromStr for Change {
    type Err = Refused;

    fn from_str(json: &str) -> Result<Self, Refused> {
        let value: Value = serde_json::from_str(json)
            .map_err(|error| Refused::new(format!("expected {OBJECT}: {error}")))?;
        value.try_into()
    }
}

impl TryFrom<Value> for Change {
    type Error = Refused;

    fn try_from(value: Value) -> Result<Self, Refused> {
        let Value::Object(fields) = value else {
            return Err(Refused::new(format!("expected {OBJECT}")));
        };
        let kinds = || KINDS.iter().map(|(name, _)| *name);
        let kind = match fields.get("change") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(_) | None => {
                return Err(Refused::new(format!(
                    "`change` is missing or not a text; expected one of {}",
                    listed(kinds())
                )));
            }
        };
        let Some((kind, known)) = KINDS.iter().find(|(name, _)| *name == kind) else {
            return Err(Refused::new(format!(
                "there is no change `{}`; {}",
                text::short(kind),
                did_you_mean(kind, kinds())
                    .unwrap_or_else(|| format!("expected one of {}", listed(kinds()))),
            )));
        };
        let of = Fields { kind, fields };
        let unknown = of
            .fields
            .keys()
            .find(|name| *name != "change" && !known.contains(&name.as_str()));
        if let Some(unknown) = unknown {
            let names = || known.iter().copied();
            return Err(Refused::new(format!(
                "`{kind}` has no `{}`; {}",
                text::short(unknown),
                did_you_mean(unknown, names())
                    .unwrap_or_else(|| format!("it takes {}", listed(names()))),
            )));
        }
        let scenario = of.text("scenario")?;
        Ok(match *kind {
            "pause" => Self::Pause { scenario },
            "resume" => Self::Resume { scenario },
            "rate" => {
                let rate = of.needed("rate", of.text("rate")?)?;
                Self::Rate {
                    scenario,
                    rate: rate.parse().map_err(|error| {
                        let instead = match rate.trim_start().starts_with('0') {
                            true => "; to have nothing start, pause it",
                            false => "",
                        };
                        Refused::new(format!("`rate`: {error}{instead}"))
                    })?,
                }
            }
            "users" => {
                let users = of.needed("users", of.fields.get("users"))?;
                let users = users.as_u64().and_then(|it| u32::try_from(it).ok());
                Self::Users {
                    scenario,
                    users: users
                        .ok_or_else(|| of.is_no("users", "a whole number from 1 on, such as 20"))?,
                }
            }
            "target" => Self::Target {
                scenario,
                target: of.needed("target", of.text("target")?)?,
                on: of.needed("on", of.truth("on")?)?,
            },
            "note" => Self::Note {
                scenario,
                text: of.needed("text", of.text("text")?)?,
            },
            _ => Self::Stop {
                at_once: of.truth("at_once")?.unwrap_or(false),
            },
        })
    }
}

/// The fields of a change of one kind.
struct Fields<'a> {
    kind: &'a str,
    fields: serde_json::Map<String, Value>,
}

impl Fields<'_> {
    fn is_no(&self, name: &str, expected: &str) -> Refused {
        let kind = self.kind;
        Refused::new(format!("`{name}` of `{kind}`: expected {expected}"))
    }

    fn needed<T>(&self, name: &str, value: Option<T>) -> Result<T, Refused> {
        value.ok_or_else(|| Refused::new(format!("`{}` needs the field `{name}`", self.kind)))
    }

    fn text(&self, name: &str) -> Result<Option<String>, Refused> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.is_no(name, "a text")),
        }
    }

    fn truth(&self, name: &str) -> Result<Option<bool>, Refused> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(*truth)),
            Some(_) => Err(self.is_no(name, "true or false")),
        }
    }
}

pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|it| format!("`{it}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

impl Change {
    /// The scenario that it is about, where it is about one only.
    #[must_use]
    pub fn scenario(&self) -> Option<&str> {
        match self {
            Self::Pause { scenario }
            | Self::Resume { scenario }
            | Self::Rate { scenario, .. }
            | Self::Users { scenario, .. }
            | Self::Target { scenario, .. }
            | Self::Note { scenario, .. } => scenario.as_deref(),
            Self::Stop { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(r#"{"change":"pause"}"#)]
    #[test_case(r#"{"change":"resume","scenario":"a"}"#)]
    #[test_case(r#"{"change":"rate","scenario":"a","rate":"500/s"}"#)]
    #[test_case(r#"{"change":"users","users":20}"#)]
    #[test_case(r#"{"change":"target","target":"b:1","on":false}"#)]
    #[test_case(r#"{"change":"note","text":"deployed"}"#)]
    #[test_case(r#"{"change":"stop"}"#)]
    #[test_case(r#"{"change":"stop","at_once":true}"#)]
    fn what_is_written_is_read(json: &str) {
        let change: Change = json.parse().unwrap();
        assert_eq!(serde_json::to_string(&change).unwrap(), json);
        assert_eq!(serde_json::from_str::<Change>(json).unwrap(), change);
    }

    #[test_case(r#"{"change":"stop","at_once":null}"#, None; "nothing is what is left out")]
    #[test_case(
        r#"{"change":7}"#,
        Some(
            "`change` is missing or not a text; expected one of `pause`, `resume`, `rate`, `users`, `target`, `note`, `stop`"
        )
    )]
    #[test_case(
        r#"{"change":"users","users":-1}"#,
        Some("`users` of `users`: expected a whole number from 1 on, such as 20")
    )]
    #[test_case(
        r#"{"change":"users","users":5000000000}"#,
        Some("`users` of `users`: expected a whole number from 1 on, such as 20")
    )]
    #[test_case(
        r#"{"change":"pause","scenario":[]}"#,
        Some("`scenario` of `pause`: expected a text")
    )]
    #[test_case(
        r#"{"change":"note","txt":"a"}"#,
        Some("`note` has no `txt`; did you mean `text`?")
    )]
    #[test_case(
        "7",
        Some("expected an object of JSON, such as {\"change\": \"pause\"}")
    )]
    fn what_is_wrong_is_said_once(json: &str, expected: Option<&str>) {
        let said = json.parse::<Change>().err().map(|it| it.to_string());
        assert_eq!(said.as_deref(), expected);
    }
}
