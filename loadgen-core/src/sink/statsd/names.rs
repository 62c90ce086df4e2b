//! Names that StatsD and Graphite take: how they are cleaned, and when two would be one.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::record::Names;
use crate::sink::metric::{Metric, Part};

/// What every name begins with unless told.
pub const DEFAULT_PREFIX: &str = "loadgen";

/// The most characters of a name's part, and of a prefix: Graphite makes a folder of each part,
/// and a line must fit into a datagram.
pub(super) const LONGEST_PART: usize = 200;

/// What every name begins with: parts of letters, digits, `_` and `-`, joined by dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix(String);

impl Default for Prefix {
    fn default() -> Self {
        Self(DEFAULT_PREFIX.to_owned())
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is no prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected parts of letters, digits, `_` and `-`, joined by dots, of at most {LONGEST_PART} characters in all"
)]
pub struct PrefixError;

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let part = |part: &str| !part.is_empty() && part.chars().all(stays);
        if text.len() <= LONGEST_PART && text.split('.').all(part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(PrefixError)
        }
    }
}

/// Two names that StatsD could not tell apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{kind} `{first}` and `{second}` would both be `{cleaned}` in StatsD; rename one")]
pub struct NameError {
    place: String,
    kind: &'static str,
    first: String,
    second: String,
    cleaned: String,
}

fn stays(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// A name as one part of a metric's: every character but ASCII letters, digits, `_` and `-`
/// becomes `_`.
#[must_use]
pub fn clean(name: &str) -> String {
    if name.is_empty() {
        return "_".to_owned();
    }
    let cleaned = name.chars().map(|c| if stays(c) { c } else { '_' });
    cleaned.take(LONGEST_PART).collect()
}

/// An outcome's key: its class and, behind the first dot, what the class says.
fn outcome_key(key: &str) -> String {
    match key.split_once('.') {
        Some((class, detail)) => format!("{}.{}", clean(class), clean(detail)),
        None => clean(key),
    }
}

/// A metric's name below `scope`, for these values of its labels.
#[must_use]
pub fn name(scope: &str, metric: &Metric, labels: &[&str]) -> String {
    let mut values = labels.iter();
    let mut name = scope.to_owned();
    for part in metric.parts() {
        name.push('.');
        match part {
            Part::Word(word) => name.push_str(word),
            Part::Label(label, rest) => {
                let value = values.next().copied().unwrap_or_default();
                let value = match label {
                    "outcome" => outcome_key(value),
                    _ => clean(value),
                };
                name.push_str(&value);
                name.push_str(rest);
            }
        }
    }
    name
}

/// What is no scenario's: the generator's own metrics and the reference backends'.
const RESERVED: [&str; 2] = ["generator", "backend"];

/// What each scenario's names begin with.
///
/// # Errors
/// [`NameError`] for the first two names that would be one.
pub(super) fn scenarios(prefix: &Prefix, scenarios: &[Names]) -> Result<Vec<String>, NameError> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut names = Vec::new();
    for scenario in scenarios {
        let named_so = scenarios
            .iter()
            .filter(|it| it.scenario == scenario.scenario);
        let cleaned = clean(&scenario.scenario);
        let cleaned = if named_so.count() > 1 || RESERVED.contains(&cleaned.as_str()) {
            format!("{cleaned}_{}", clean(&scenario.protocol))
        } else {
            cleaned
        };
        if let Some(first) = taken.insert(cleaned.clone(), &scenario.scenario) {
            return Err(NameError {
                place: String::new(),
                kind: "scenarios",
                first: first.to_owned(),
                second: scenario.scenario.clone(),
                cleaned,
            });
        }
        apart(scenario, "steps", scenario.steps.iter().map(|it| &it.name))?;
        apart(scenario, "counters", &scenario.counters)?;
        apart(scenario, "gauges", &scenario.gauges)?;
        apart(scenario, "timings", &scenario.timings)?;
        names.push(format!("{prefix}.{cleaned}"));
    }
    Ok(names)
}

/// Whether different names stay different. The same name twice is one metric, and adds up.
fn apart<'a>(
    scenario: &Names,
    kind: &'static str,
    names: impl IntoIterator<Item = &'a String>,
) -> Result<(), NameError> {
    let mut taken: BTreeMap<String, &String> = BTreeMap::new();
    for name in names {
        let cleaned = clean(name);
        match taken.get(&cleaned) {
            Some(first) if *first != name => {
                return Err(NameError {
                    place: format!("scenario `{}`: ", scenario.scenario),
                    kind,
                    first: (*first).clone(),
                    second: name.clone(),
                    cleaned,
                });
            }
            _ => taken.insert(cleaned, name),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("hello_high-2" => "hello_high-2"; "stays")]
    #[test_case("a.b c/d:e|f@g#h" => "a_b_c_d_e_f_g_h"; "punctuation")]
    #[test_case("größe" => "gr__e"; "one for each character")]
    #[test_case("" => "_"; "empty")]
    fn cleaned(name: &str) -> String {
        clean(name)
    }

    #[test]
    fn a_part_is_cut() {
        assert_eq!(clean(&"x".repeat(300)).len(), LONGEST_PART);
    }

    #[test_case("ok" => "ok")]
    #[test_case("grpc.UNAVAILABLE" => "grpc.UNAVAILABLE")]
    #[test_case("custom.no.such thing" => "custom.no_such_thing")]
    fn outcomes(key: &str) -> String {
        outcome_key(key)
    }

    #[test_case("loadgen" => true)]
    #[test_case("team-a.load_1" => true)]
    #[test_case("" => false; "empty")]
    #[test_case("a..b" => false; "an empty part")]
    #[test_case("a." => false; "a dot at the end")]
    #[test_case("a b" => false; "a blank")]
    #[test_case("ä" => false; "not ASCII")]
    #[test_case("a:1|c" => false; "what StatsD would read")]
    fn prefixes(text: &str) -> bool {
        text.parse::<Prefix>().is_ok()
    }

    fn named(scenario: &str, protocol: &str, steps: &[&str]) -> Names {
        Names {
            scenario: scenario.to_owned(),
            protocol: protocol.to_owned(),
            open: false,
            steps: steps.iter().map(|&it| it.into()).collect(),
            counters: Vec::new(),
            gauges: Vec::new(),
            timings: Vec::new(),
            ..Names::default()
        }
    }

    fn all(names: &[Names]) -> Result<Vec<String>, String> {
        scenarios(&Prefix::default(), names).map_err(|error| error.to_string())
    }

    #[test]
    fn a_name_that_is_taken_carries_its_protocol() {
        let names = [
            named("generator", "grpc", &[]),
            named("backend", "websocket", &[]),
        ];
        let expected = ["loadgen.generator_grpc", "loadgen.backend_websocket"];
        assert_eq!(all(&names).unwrap(), expected);
    }

    #[test]
    fn two_of_one_name_carry_their_protocol() {
        let names = [
            named("a b", "grpc", &[]),
            named("a b", "websocket", &[]),
            named("c", "grpc", &[]),
        ];
        let expected = ["loadgen.a_b_grpc", "loadgen.a_b_websocket", "loadgen.c"];
        assert_eq!(all(&names).unwrap(), expected);
    }

    #[test_case(&[named("a.b", "grpc", &[]), named("a b", "grpc", &[])] => "scenarios `a.b` and `a b` would both be `a_b` in StatsD; rename one"; "scenarios")]
    #[test_case(&[named("a", "grpc", &[]), named("a", "grpc", &[])] => "scenarios `a` and `a` would both be `a_grpc` in StatsD; rename one"; "the same twice")]
    #[test_case(&[named("a", "grpc", &[]), named("a", "websocket", &[]), named("a_grpc", "grpc", &[])] => "scenarios `a` and `a_grpc` would both be `a_grpc` in StatsD; rename one"; "a name like an appended one")]
    #[test_case(&[named("s", "grpc", &["x/y", "x.y"])] => "scenario `s`: steps `x/y` and `x.y` would both be `x_y` in StatsD; rename one"; "steps")]
    fn collisions(names: &[Names]) -> String {
        all(names).unwrap_err()
    }
}
