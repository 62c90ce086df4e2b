//! What goes wrong on purpose at a fault proxy that a run starts: raw form and plan.
//!
//! Owns what may be said of it. What comes of it is the proxy's to know: it is told as JSON, in the form that
//! `loadgen serve proxy` takes over HTTP.

pub(in crate::scenario) mod raw;

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use self::raw::RawFaults;
use super::reader::problem::{Problems, SuiteError};
use super::reader::{Decode, Place, Reader, json};
use crate::units::{format_duration, parse_duration};

/// What is done once, when it is said, to the connections that are open then.
const ONCE: [&str; 2] = ["reset_open", "half_open"];

/// What a fault proxy does wrong; nothing by default.
///
/// ```
/// use loadgen_core::scenario::Faults;
///
/// let faults = Faults::parse(r#"{ "latency": "200ms", "rate": { "down": "1MiB/s" } }"#)?;
/// assert_eq!(faults.to_string(), "latency 200ms, rate down 1MiB/s");
/// assert!(Faults::parse(r#"{ "jitter": "1ms" }"#).is_err());
/// # Ok::<(), loadgen_core::scenario::SuiteError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults(Map<String, Value>);

impl Faults {
    /// Reads what `PUT /faults` of a proxy takes, but for shares, which are texts: `"10%"`.
    ///
    /// # Errors
    /// [`SuiteError`] with everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SuiteError> {
        let problems = Problems::default();
        let value = json::parse("faults", text, &problems)?;
        let at = Place {
            path: String::new(),
            problems: &problems,
        };
        let raw = RawFaults::decode(&Reader { value: &value, at });
        let faults = raw.and_then(|it| it.faults("", &problems));
        match (faults, problems.into_vec()) {
            (Some(faults), found) if found.is_empty() => Ok(faults),
            (_, problems) => Err(SuiteError::Invalid {
                source_name: "faults".to_owned(),
                problems,
            }),
        }
    }

    /// As a proxy takes them.
    #[must_use]
    pub fn to_json(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Whether nothing goes wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether nothing of it lasts: it is done to the connections that are open when it is said.
    #[must_use]
    pub fn is_done_once(&self) -> bool {
        self.0.keys().all(|it| ONCE.contains(&it.as_str()))
    }

    /// Whether nothing goes wrong of what it names: a latency of 0, or a refusal that is off.
    ///
    /// ```
    /// use loadgen_core::scenario::Faults;
    ///
    /// assert!(Faults::parse(r#"{ "latency": "0s", "refuse": false }"#)?.is_harmless());
    /// # Ok::<(), loadgen_core::scenario::SuiteError>(())
    /// ```
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        self.0.values().all(is_nothing)
    }

    /// Whether something of it is done once.
    pub(in crate::scenario) fn once(&self) -> Option<&str> {
        let mut fields = self.0.keys();
        fields
            .find(|it| ONCE.contains(&it.as_str()))
            .map(String::as_str)
    }

    /// On which way jitter is above latency, and what it is and may be.
    fn jitter_above(&self) -> Option<(&'static str, Duration, Duration)> {
        let time = |field: &str, way: &str| {
            let value = self.0.get(field)?;
            let text = value.get(way).unwrap_or(value).as_str();
            text.and_then(|it| parse_duration(it).ok())
        };
        ["up", "down"].into_iter().find_map(|way| {
            let jitter = time("jitter", way)?;
            let latency = time("latency", way).unwrap_or_default();
            (jitter > latency).then_some((way, jitter, latency))
        })
    }

    fn check(self, path: &str, problems: &Problems) -> Option<Self> {
        let Some((way, jitter, latency)) = self.jitter_above() else {
            return Some(self);
        };
        let found = format!("{} on the way {way}", format_duration(jitter));
        let latency = format_duration(latency);
        let expected = format!("at most the latency of that way, which is {latency}");
        problems.add(
            format!("{path}{}", json::join(path, "jitter")),
            found,
            expected,
            None,
        );
        None
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Bool(is_on) => !is_on,
        Value::String(text) => {
            let share = text.strip_suffix('%').unwrap_or(text).parse::<f64>();
            share == Ok(0.0) || parse_duration(text).is_ok_and(|it| it.is_zero())
        }
        // Of half-open connections the share tells, of everything else both ways do.
        Value::Object(parts) if parts.contains_key("closed") => {
            parts.get("share").is_some_and(is_nothing)
        }
        Value::Object(ways) => ways.values().all(is_nothing),
        _ => false,
    }
}

/// In words: `latency 200ms, blackhole down, half_open client 50%`.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (field, value)) in self.0.iter().enumerate() {
            let between = if index == 0 { "" } else { ", " };
            write!(f, "{between}{field}")?;
            match value {
                Value::String(text) => write!(f, " {text}")?,
                Value::Object(parts) => {
                    for (name, part) in parts {
                        match (name.as_str(), part) {
                            ("closed" | "share", Value::String(text)) => write!(f, " {text}")?,
                            (way, Value::String(text)) => write!(f, " {way} {text}")?,
                            (way, Value::Bool(true)) => write!(f, " {way}")?,
                            _ => {}
                        }
                    }
                }
                Value::Bool(false) => f.write_str(" off")?,
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(
        r#"{"latency": "50ms", "jitter": {"down": "10ms"}}"#,
        "latency 50ms, jitter down 10ms"
    )]
    #[test_case(r#"{"blackhole": true, "refuse": true}"#, "blackhole, refuse"; "flags")]
    #[test_case(r#"{"blackhole": {"down": true}}"#, "blackhole down"; "one way")]
    #[test_case(r#"{"rate": {"up": "1KiB/s", "down": "2KiB/s"}}"#, "rate up 1KiB/s down 2KiB/s"; "both ways")]
    #[test_case(r#"{"half_open": {"closed": "client", "share": "50%"}, "reset_open": "10%"}"#, "reset_open 10%, half_open client 50%"; "in their order")]
    #[test_case("{}", ""; "nothing")]
    fn said(text: &str, words: &str) {
        let faults = Faults::parse(text).unwrap();
        assert_eq!(faults.to_string(), words);
        assert_eq!(
            Faults::parse(&faults.to_json().to_string()).unwrap(),
            faults
        );
    }

    #[test_case(r#"{"latency": "0s"}"# => true; "no latency")]
    #[test_case(r#"{"latency": {"up": "0ms", "down": "0s"}, "refuse": false, "reset_new": "0%"}"# => true; "several")]
    #[test_case(r#"{"blackhole": {"down": false}}"# => true; "a way that is off")]
    #[test_case(r#"{"half_open": {"closed": "client", "share": "0.0"}}"# => true; "no share")]
    #[test_case("{}" => true; "nothing at all")]
    #[test_case(r#"{"half_open": {"closed": "client"}}"# => false; "half open")]
    #[test_case(r#"{"latency": {"up": "0s", "down": "1ms"}}"# => false; "one way")]
    #[test_case(r#"{"refuse": false, "reset_open": "1%"}"# => false; "once")]
    #[test_case(r#"{"rate": "1B/s"}"# => false; "a rate")]
    fn harmless(text: &str) -> bool {
        Faults::parse(text).unwrap().is_harmless()
    }

    #[test_case(r#"{"latency": "2h"}"#, "latency: found \"2h\", expected a duration from 0s to 1h"; "long")]
    #[test_case(r#"{"jitter": {"down": "1ms"}}"#, "jitter: found 1ms on the way down, expected at most the latency of that way, which is 0s"; "jitter alone")]
    #[test_case(r#"{"latency": {"up": "1ms"}, "jitter": "1ms"}"#, "jitter: found 1ms on the way down, expected at most the latency of that way, which is 0s"; "jitter of the other way")]
    #[test_case(r#"{"latency": {"upp": "1s"}}"#, "latency.upp: found an unknown field, expected a field of one value for each way; did you mean `up`?"; "no way")]
    #[test_case(r#"{"latency": {}}"#, "latency: found an object, expected `up`, `down` or both"; "no way at all")]
    #[test_case(r#"{"rate": "1MiB"}"#, "rate: found \"1MiB\", expected bytes a second from 1B/s to 1024GiB/s, such as \"1MiB/s\""; "a size")]
    #[test_case(r#"{"rate": "0B/s"}"#, "rate: found \"0B/s\", expected bytes a second from 1B/s to 1024GiB/s, such as \"1MiB/s\""; "no rate")]
    #[test_case(r#"{"cut_after": "1.5B"}"#, "cut_after: found \"1.5B\", expected a size from 1B to 1024GiB, such as \"64KiB\""; "half a byte")]
    #[test_case(r#"{"reset_new": 0.5}"#, "reset_new: found 0.5, expected a share such as \"5%\" or \"0.05\", from 0 to 1"; "a number")]
    #[test_case(r#"{"half_open": {}}"#, "half_open.closed: found nothing, expected the connections of which one side is closed to have this field"; "whose")]
    #[test_case(r#"{"half_open": {"closed": "clinet"}}"#, "half_open.closed: found \"clinet\", expected one of \"client\", \"server\"; did you mean `client`?"; "misspelt")]
    fn one_message_each(text: &str, problem: &str) {
        let error = Faults::parse(text).unwrap_err();
        let told: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
        assert_eq!(told, [problem]);
    }

    #[test]
    fn some_of_it_is_done_once() {
        let of = |text: &str| Faults::parse(text).unwrap();
        assert!(of(r#"{"reset_open": "10%"}"#).is_done_once());
        let both = of(r#"{"reset_open": "10%", "latency": "1s"}"#);
        assert!(!both.is_done_once());
        assert_eq!(both.once(), Some("reset_open"));
        assert_eq!(of(r#"{"latency": "1s"}"#).once(), None);
    }
}
