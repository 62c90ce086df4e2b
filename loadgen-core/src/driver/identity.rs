//! Who answered: by the header with which loadgen's own servers name themselves, or by what a scenario says
//! in its place (`identify`).
//!
//! Owns where a name is looked for, and finding it there. What is done with it is the iteration's.

use std::collections::BTreeMap;

use http::HeaderName;
use regex::bytes::Regex;

use super::mistake::Mistake;
use super::steps::{Looks, Reply};
use crate::expression::{Expression, Known, Value};
use crate::scenario::{Identify, ScenarioPlan, one_group};

/// The header with which loadgen's own servers name themselves.
const OWN: HeaderName = HeaderName::from_static("x-loadgen-backend");

/// Where an answer says whose it is.
#[derive(Debug, Clone)]
pub(super) enum Identity {
    /// In this field of its head.
    Header(HeaderName),
    /// In this field of what comes after it.
    Trailer(String),
    /// In this field of the message, or of one within it.
    Field(Box<[String]>),
    /// In the group of this, in the message.
    Pattern(Regex),
    /// In the group of this, in what the server says first on a connection.
    Greeting(Regex),
}

impl Identity {
    /// That of loadgen's own servers.
    pub(super) fn own() -> Self {
        Self::Header(OWN)
    }

    /// That of a scenario's servers.
    ///
    /// # Errors
    /// What is wrong with it. A plan of a file has been told of that; one made in code may not have been.
    pub(super) fn of(scenario: &ScenarioPlan) -> Result<Self, Mistake> {
        let group = |word: &str, pattern: &str| {
            let wrong = |problem| Mistake::new(&format!("identify.{word}"), problem);
            one_group(pattern).map_err(wrong)
        };
        Ok(match &scenario.identify {
            None => Self::own(),
            Some(Identify::Header(name)) => {
                Self::Header(HeaderName::from_bytes(name.as_bytes()).map_err(|error| {
                    Mistake::new("identify.header", format!("{name:?}: {error}"))
                })?)
            }
            Some(Identify::Trailer(name)) => Self::Trailer(name.to_ascii_lowercase()),
            Some(Identify::Field(path)) => {
                Self::Field(path.split('.').map(str::to_owned).collect())
            }
            Some(Identify::Pattern(pattern)) => Self::Pattern(group("pattern", pattern)?),
            Some(Identify::Greeting(pattern)) => Self::Greeting(group("greeting", pattern)?),
        })
    }

    /// The field of an answer's head, where it is one.
    #[inline]
    pub(super) fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            _ => None,
        }
    }

    /// What is looked for in what a server says first, where that is to be waited for.
    pub(super) fn greeting(&self) -> Option<&Regex> {
        match self {
            Self::Greeting(pattern) => Some(pattern),
            _ => None,
        }
    }

    /// What of a reply has to be kept for it.
    pub(super) fn looks(&self) -> Looks {
        Looks {
            reply: matches!(self, Self::Field(_) | Self::Pattern(_)),
            trailers: matches!(self, Self::Trailer(_)),
            ..Looks::default()
        }
    }

    /// Who sent this reply, by what it says.
    pub(super) fn in_reply(&self, reply: &Reply) -> Option<String> {
        match self {
            Self::Header(_) | Self::Greeting(_) | Self::Pattern(_) => None,
            Self::Trailer(name) => text_of(&reply.trailers.get_attr(name).ok()?),
            Self::Field(path) => {
                let mut at = reply.value.clone();
                for name in path {
                    at = at.get_attr(name).ok()?;
                }
                text_of(&at)
            }
        }
    }

    /// Who sent this message, by its bytes as they came, before anything else is made of them.
    pub(super) fn in_bytes(&self, message: &[u8]) -> Option<String> {
        match self {
            Self::Pattern(pattern) => group_in(pattern, message),
            _ => None,
        }
    }

    /// Why a reply that offers these to expressions cannot say whose it is; nothing where it can.
    pub(super) fn lacks(&self, offered: &[(&'static str, Known)]) -> Option<Mistake> {
        let (word, path) = match self {
            Self::Header(_) | Self::Trailer(_) | Self::Greeting(_) => return None,
            Self::Field(path) => ("identify.field", &**path),
            Self::Pattern(_) => ("identify.pattern", &[][..]),
        };
        let known = offered
            .iter()
            .map(|(name, it)| ((*name).to_owned(), it.clone()));
        let known: BTreeMap<String, Known> = known.collect();
        if !known.contains_key("reply") {
            let problem = "no step waits for a reply, in which it could be";
            return Some(Mistake::new(word, problem.to_owned()));
        }
        let within: String = path.iter().map(|name| format!("[{name:?}]")).collect();
        let names = Expression::parse(&format!("reply{within}")).ok()?.names();
        let unknown = names.unknown(&known).into_iter().next()?;
        let problem = format!("`{}` {}", unknown.name, unknown.problem);
        Some(Mistake::new(word, problem))
    }
}

/// The group of a pattern in some text; nothing where that is empty.
pub(super) fn group_in(pattern: &Regex, text: &[u8]) -> Option<String> {
    let name = pattern.captures(text)?.get(1)?.as_bytes();
    let name = String::from_utf8_lossy(name);
    (!name.is_empty()).then(|| name.into_owned())
}

/// A value as a name; nothing where it can be none.
fn text_of(value: &Value) -> Option<String> {
    let text = match value.as_str() {
        Some(text) => text.to_owned(),
        None if value.is_number() => value.to_string(),
        None => return None,
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::expression::text_value;

    fn field(path: &str) -> Identity {
        Identity::Field(path.split('.').map(str::to_owned).collect())
    }

    fn pattern(pattern: &str) -> Identity {
        Identity::Pattern(one_group(pattern).unwrap())
    }

    #[test_case(&field("server"), r#"{"server": "b1"}"# => Some("b1".to_owned()); "a field")]
    #[test_case(&field("meta.server"), r#"{"meta": {"server": 7}}"# => Some("7".to_owned()); "a number in an object")]
    #[test_case(&field("server"), r#"{"server": ""}"# => None; "nothing in it")]
    #[test_case(&field("server"), r#"{"server": {"id": 1}}"# => None; "an object is no name")]
    #[test_case(&field("meta.server"), r#"{"meta": "b1"}"# => None; "no object on the way")]
    #[test_case(&field("server"), "b1" => None; "no JSON")]
    fn finds_a_name(identity: &Identity, text: &str) -> Option<String> {
        identity.in_reply(&Reply {
            value: text_value(text),
            ..Reply::default()
        })
    }

    #[test_case("server=([a-z0-9]+)", b"ok server=b1;" => Some("b1".to_owned()); "a group")]
    #[test_case("^b([0-9]*)$", b"b" => None; "a group with nothing in it")]
    #[test_case(r#""server": "([^"]+)""#, br#"{"text": "x", "server": "b1"}"# => Some("b1".to_owned()); "a group in JSON")]
    #[test_case(r#"^\["(b1)","#, br#"["b1",null]"# => Some("b1".to_owned()); "a group in a JSON array")]
    #[test_case(r"(?-u)^\xff(b[0-9])\x00", b"\xffb1\x00" => Some("b1".to_owned()); "a group beside bytes that are no text")]
    #[test_case("(b1)", b"b2" => None; "no match")]
    fn finds_a_name_in_bytes(text: &str, message: &[u8]) -> Option<String> {
        pattern(text).in_bytes(message)
    }

    #[test_case("b1" => "it has no group, and so no name comes of it: put what is the name in ( )"; "no group")]
    #[test_case("(a)(b)" => "it has 2 groups, and only one can be the name: groups that are for something else are (?: )"; "two groups")]
    fn one_group_is_the_name(pattern: &str) -> String {
        one_group(pattern).unwrap_err()
    }
}
