//! Values of a configuration, asked for by what they should be; what they are not becomes a problem.
//!
//! Owns the words of such problems. Nothing is guessed and nothing passed over: a field that nobody asks
//! for, or that stands twice, is a problem as well.

use std::collections::HashSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Problems;
use crate::serve::faults::Probability;

/// A value, where it stands, and who is to know what is wrong with it.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    path: String,
    raw: &'a RawValue,
    problems: &'a Problems,
}

/// An object's fields, in their order.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    path: String,
    fields: Vec<(String, &'a RawValue)>,
    problems: &'a Problems,
}

impl<'a> Field<'a> {
    pub(crate) fn top(raw: &'a RawValue, problems: &'a Problems) -> Self {
        Self {
            path: String::new(),
            raw,
            problems,
        }
    }

    /// The field of this name, where this is an object whose other fields are somebody else's to read.
    pub(crate) fn part(&self, name: &str) -> Option<Field<'a>> {
        let Entries(entries) = serde_json::from_str(self.raw.get()).ok()?;
        let (_, raw) = entries.into_iter().find(|(it, _)| it == name)?;
        Some(Field {
            path: join(&self.path, name),
            raw,
            problems: self.problems,
        })
    }

    /// Where it stands.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Complains about it.
    pub(crate) fn refuse(&self, expected: impl Into<String>, help: Option<String>) {
        self.problems
            .add(&self.path, describe(self.raw.get()), expected, help);
    }

    /// Complains about what it is as a whole.
    pub(crate) fn refuse_as(&self, found: &str, expected: &str, help: &str) {
        self.problems
            .add(&self.path, found, expected, Some(help.to_owned()));
    }

    fn refused<T>(&self, expected: impl Into<String>) -> Option<T> {
        self.refuse(expected, None);
        None
    }

    /// An object that has these fields and no others.
    pub(crate) fn object(&self, known: &[&str]) -> Option<Object<'a>> {
        let Ok(Entries(entries)) = serde_json::from_str(self.raw.get()) else {
            return self.refused("an object");
        };
        let mut fields: Vec<(String, &'a RawValue)> = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let path = join(&self.path, &name);
            if fields.iter().any(|(it, _)| *it == name) {
                let found = "the field a second time";
                self.problems.add(path, found, "each field once", None);
            } else if known.contains(&name.as_str()) {
                fields.push((name, value));
            } else {
                let help = nearest(&name, known).map_or_else(
                    || format!("fields here are {}", known.join(", ")),
                    |near| format!("did you mean `{near}`?"),
                );
                let (found, expected) = ("an unknown field", "a field that has a meaning here");
                self.problems.add(path, found, expected, Some(help));
            }
        }
        Some(Object {
            path: self.path.clone(),
            fields,
            problems: self.problems,
        })
    }

    /// Complains about every field that stands twice in one object, here or below.
    pub(crate) fn refuse_duplicates(&self) {
        if let Ok(Entries(entries)) = serde_json::from_str(self.raw.get()) {
            let mut seen = HashSet::with_capacity(entries.len());
            for (name, value) in &entries {
                let path = join(&self.path, name);
                if !seen.insert(name.as_str()) {
                    let found = "the field a second time";
                    self.problems.add(path, found, "each field once", None);
                    continue;
                }
                self.at(path, value).refuse_duplicates();
            }
        } else if let Ok(elements) = serde_json::from_str::<Vec<&'a RawValue>>(self.raw.get()) {
            for (at, value) in elements.iter().enumerate() {
                let path = format!("{}[{at}]", self.path);
                self.at(path, value).refuse_duplicates();
            }
        }
    }

    /// An object whose fields may have any names, each once.
    pub(crate) fn entries(&self) -> Option<Vec<(String, Field<'a>)>> {
        let Ok(Entries(entries)) = serde_json::from_str(self.raw.get()) else {
            return self.refused("an object");
        };
        let mut fields: Vec<(String, Field<'a>)> = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let path = join(&self.path, &name);
            if fields.iter().any(|(it, _)| *it == name) {
                let found = "the field a second time";
                self.problems.add(path, found, "each field once", None);
                return None;
            }
            fields.push((name, self.at(path, value)));
        }
        Some(fields)
    }

    fn at(&self, path: String, raw: &'a RawValue) -> Self {
        Self {
            path,
            raw,
            problems: self.problems,
        }
    }

    /// Whether it is an array, whatever is in it.
    pub(crate) fn is_list(&self) -> bool {
        self.raw.get().starts_with('[')
    }

    /// An array's elements.
    pub(crate) fn list(&self) -> Option<Vec<Field<'a>>> {
        let Ok(elements) = serde_json::from_str::<Vec<&'a RawValue>>(self.raw.get()) else {
            return self.refused("an array");
        };
        let place = |(at, raw)| Field {
            path: format!("{}[{at}]", self.path),
            raw,
            problems: self.problems,
        };
        Some(elements.into_iter().enumerate().map(place).collect())
    }

    /// A text that `read` can make something of.
    pub(crate) fn read<T>(
        &self,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = serde_json::from_str::<String>(self.raw.get()).ok();
        match text.and_then(|text| read(&text)) {
            Some(read) => Some(read),
            None => self.refused(expected),
        }
    }

    /// A text, whatever it is; no complaint where it is none.
    pub(crate) fn text(&self) -> Option<String> {
        serde_json::from_str(self.raw.get()).ok()
    }

    /// One of several words.
    pub(crate) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        self.word_known_as(words, &[])
    }

    /// The same; `others` are words that somebody else has for some of them.
    pub(crate) fn word_known_as<T: Copy>(
        &self,
        words: &[(&str, T)],
        others: &[(&str, &str)],
    ) -> Option<T> {
        let text = serde_json::from_str::<String>(self.raw.get()).ok();
        let found = words
            .iter()
            .find(|(word, _)| Some(*word) == text.as_deref());
        if let Some((_, value)) = found {
            return Some(*value);
        }
        let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let near = text.and_then(|text| {
            let mut others = others.iter();
            let meant = others.find(|(other, _)| text.eq_ignore_ascii_case(other));
            meant
                .map(|(_, word)| *word)
                .or_else(|| nearest(&text, &names))
        });
        let quoted: Vec<_> = names.iter().map(|it| format!("\"{it}\"")).collect();
        self.refuse(
            format!("one of {}", quoted.join(", ")),
            near.map(|near| format!("did you mean \"{near}\"?")),
        );
        None
    }

    /// Whether it is this very text.
    pub(crate) fn is_word(&self, word: &str) -> bool {
        serde_json::from_str::<String>(self.raw.get()).is_ok_and(|it| it == word)
    }

    /// Whether it is an object, whatever is in it.
    pub(crate) fn is_object(&self) -> bool {
        self.raw.get().starts_with('{')
    }

    /// A whole number in a range.
    pub(crate) fn whole(&self, range: RangeInclusive<u64>) -> Option<u64> {
        match self.raw.get().parse() {
            Ok(number) if range.contains(&number) => Some(number),
            _ => self.refused(format!(
                "a whole number from {} to {}",
                range.start(),
                range.end()
            )),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self.raw.get() {
            "true" => Some(true),
            "false" => Some(false),
            _ => self.refused("true or false"),
        }
    }

    /// A share of all cases, as a number or a percentage.
    pub(crate) fn share(&self) -> Option<Probability> {
        let text = serde_json::from_str::<String>(self.raw.get()).ok();
        let share = text.as_deref().unwrap_or(self.raw.get()).parse().ok();
        share.or_else(|| self.refused("a share from 0 to 1, like 0.1 or \"10%\""))
    }

    /// A duration in a range, as scenarios have them: `250ms`, `1.5s`, `1m30s`.
    pub(crate) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = serde_json::from_str::<String>(self.raw.get()).ok();
        let duration = text.and_then(|text| parse_duration(&text));
        duration.filter(|it| range.contains(it)).or_else(|| {
            self.refused(format!(
                "a duration from {} to {}, like \"2s\" or \"250ms\"",
                humantime::format_duration(*range.start()),
                humantime::format_duration(*range.end())
            ))
        })
    }
}

impl<'a> Object<'a> {
    /// The field of this name, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<Field<'a>> {
        let (_, raw) = self.fields.iter().find(|(it, _)| it == name)?;
        Some(Field {
            path: join(&self.path, name),
            raw,
            problems: self.problems,
        })
    }

    /// The field of this name as `read` has it, or the default where it is not there.
    pub(crate) fn or<T>(
        &self,
        name: &str,
        default: T,
        read: impl FnOnce(&Field<'_>) -> Option<T>,
    ) -> Option<T> {
        match self.get(name) {
            Some(field) => read(&field),
            None => Some(default),
        }
    }

    /// A field that has to be there; `expected` says what it is.
    pub(crate) fn require(&self, name: &str, expected: &str) -> Option<Field<'a>> {
        let field = self.get(name);
        if field.is_none() {
            let path = join(&self.path, name);
            self.problems.add(path, "nothing", expected, None);
        }
        field
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A value as a message shows it: short ones as they are, others by their kind.
fn describe(raw: &str) -> String {
    const MOST: usize = 60;
    match raw.as_bytes().first() {
        Some(b'{') => "an object".to_owned(),
        Some(b'[') => "an array".to_owned(),
        _ => match raw.char_indices().nth(MOST) {
            Some((end, _)) => format!("{}…", &raw[..end]),
            None => raw.to_owned(),
        },
    }
}

/// The candidate most like a name, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    // Comparing takes time with the product of the lengths, and nothing that long is a slip.
    if name.len() > 200 {
        return None;
    }
    let lower = name.to_lowercase();
    let far = |candidate: &str| strsim::damerau_levenshtein(&lower, candidate);
    let is_like = |candidate: &&&str| {
        far(candidate) <= 1.max(candidate.len() / 3)
            || strsim::jaro_winkler(&lower, candidate) > 0.85
    };
    let like = candidates.iter().filter(is_like);
    like.min_by_key(|candidate| far(candidate)).copied()
}

/// Parts with ever smaller units: `1m30s`, `1.5s`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, f64); 6] = [
        ("h", 3600.0),
        ("m", 60.0),
        ("s", 1.0),
        ("ms", 1e-3),
        ("us", 1e-6),
        ("ns", 1e-9),
    ];
    let mut rest = text;
    let mut seconds = 0.0;
    let mut units = &UNITS[..];
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
            return None;
        }
        let at = units.iter().position(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * units[at].1;
        units = &units[at + 1..];
        rest = after;
    }
    if text.is_empty() {
        return None;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// An object's fields as they stand, those that stand twice included.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("2s" => Some(2_000_000_000))]
    #[test_case("250ms" => Some(250_000_000))]
    #[test_case("1.5s" => Some(1_500_000_000))]
    #[test_case("1m30s" => Some(90_000_000_000))]
    #[test_case("0s" => Some(0))]
    #[test_case("" => None)]
    #[test_case("2" => None; "no unit")]
    #[test_case("s" => None; "no number")]
    #[test_case("1s1m" => None; "wrong order")]
    #[test_case("1s1s" => None; "twice")]
    #[test_case("-1s" => None; "negative")]
    #[test_case("1.s" => None; "half a number")]
    #[test_case("1.2.3s" => None; "two points")]
    #[test_case("99999999999999999999999h" => None; "too long")]
    fn durations(text: &str) -> Option<u128> {
        parse_duration(text).map(|it| it.as_nanos())
    }

    #[test_case("wieght" => Some("weight"))]
    #[test_case("WEIGHT" => Some("weight"))]
    #[test_case("something" => None)]
    fn names(name: &str) -> Option<&'static str> {
        nearest(name, &["address", "weight", "drain"])
    }
}
