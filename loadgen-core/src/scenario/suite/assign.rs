//! Assignments put into a suite's values.
//!
//! Owns what a path leads to, and that what is assigned to a scenario counts more than a profile and the
//! defaults do. Whether the values are any good is for validation to say.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::Suite;
use super::assignment::{Assignment, Part};
use crate::nearest::did_you_mean;
use crate::scenario::protocol::{GrpcCall, HttpRequest, TcpExchange, WebsocketExchange};
use crate::scenario::reader::json::join;
use crate::scenario::reader::origin::{Origin, Origins};
use crate::scenario::reader::problem::Problem;
use crate::scenario::shipped;

/// How problems call what is assigned.
const FLAG: &str = "--set";

/// What assignments make of a suite, beside what they change in it.
#[derive(Default)]
pub(super) struct Assigned {
    /// By the number of a scenario, fields that count more than the chosen profile's.
    pub(super) layers: BTreeMap<usize, Value>,
    pub(super) problems: Vec<Problem>,
}

/// Where the fields of such a layer are, for problems.
pub(super) fn layer_path(index: usize) -> String {
    format!("set[{index}]")
}

/// Puts the values into the suite, one after the other.
pub(super) fn apply(
    suite: &mut Value,
    origins: &mut Origins,
    set: &[Assignment],
    profile: Option<&str>,
) -> Assigned {
    let mut assigned = Assigned::default();
    for assignment in set {
        let mut assigning = Assigning {
            origins,
            assignment,
            profile,
            layers: &mut assigned.layers,
        };
        if let Err(wrong) = assigning.run(suite) {
            assigned.problems.push(wrong.of(assignment));
        }
    }
    assigned
}

/// Why a path leads nowhere: at which of its parts, what is there, and what should be.
struct Wrong {
    parts: usize,
    found: String,
    expected: String,
    help: Option<String>,
}

impl Wrong {
    fn at<T>(
        parts: usize,
        found: impl Into<String>,
        expected: impl Into<String>,
        help: Option<String>,
    ) -> Result<T, Self> {
        Err(Self {
            parts,
            found: found.into(),
            expected: expected.into(),
            help,
        })
    }

    fn of(self, assignment: &Assignment) -> Problem {
        Problem {
            file: Some(FLAG.to_owned()),
            path: assignment.path_to(self.parts),
            found: self.found,
            expected: self.expected,
            help: self.help,
        }
    }
}

impl Assignment {
    /// Whether it is to a shipped scenario whose name no scenario of this suite has.
    pub(super) fn is_for_shipped(&self, suite: &Value) -> bool {
        let [Part::Name(first), Part::Name(name), ..] = self.parts.as_slice() else {
            return false;
        };
        let own = suite.get("scenarios").and_then(Value::as_array);
        let is_own = |it: &Value| name_of(it).as_ref() == Some(name);
        first == "scenarios"
            && !own.is_some_and(|list| list.iter().any(is_own))
            && shipped().names().any(|it| it == name)
    }
}

impl Assignment {
    /// Whether it is to each scenario of a suite, whatever its name.
    pub(in crate::scenario) fn is_for_all(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Name(first)) if first == "defaults")
    }

    /// Whether it is to a scenario or a server of this suite.
    pub(in crate::scenario) fn is_of(&self, suite: &Suite) -> bool {
        let [Part::Name(first), Part::Name(name), ..] = self.parts.as_slice() else {
            return false;
        };
        match first.as_str() {
            "scenarios" => suite.names().any(|it| it == name),
            "backends" => suite.backends().iter().any(|it| it.name == *name),
            _ => false,
        }
    }

    /// Whether it is to servers, whoever has them.
    pub(in crate::scenario) fn is_of_servers(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Name(first)) if first == "backends")
    }
}

struct Assigning<'a> {
    origins: &'a mut Origins,
    assignment: &'a Assignment,
    profile: Option<&'a str>,
    layers: &'a mut BTreeMap<usize, Value>,
}

impl Assigning<'_> {
    fn run(&mut self, suite: &mut Value) -> Result<(), Wrong> {
        const BEGINNINGS: [&str; 7] = [
            "scenarios",
            "thresholds",
            "defaults",
            "profiles",
            "backends",
            "grpc_scenarios",
            "websocket_scenarios",
        ];
        let parts = &self.assignment.parts;
        let Value::Object(fields) = suite else {
            return Ok(());
        };
        let Some(Part::Name(first)) = parts.first() else {
            return Ok(());
        };
        let needed = match first.as_str() {
            "defaults" | "backends" => 2,
            "thresholds" => 1,
            known if BEGINNINGS.contains(&known) => 3,
            unknown => {
                let help = did_you_mean(unknown, BEGINNINGS);
                let expected = "`scenarios`, `defaults`, `profiles`, `backends` or `thresholds`";
                return Wrong::at(1, "no part of a suite that can be set", expected, help);
            }
        };
        if parts.len() < needed {
            let expected = match needed {
                2 => format!("a field of them: `{first}.FIELD`"),
                _ => format!("a field of one of them: `{first}.NAME.FIELD`"),
            };
            return Wrong::at(parts.len(), "a path that ends here", expected, None);
        }
        match first.as_str() {
            "scenarios" => self.scenarios(fields),
            shared @ ("defaults" | "backends") => {
                let empty = || Value::Object(Map::new());
                let values = fields.entry(shared).or_insert_with(empty);
                self.put(values, shared.to_owned(), 1)
            }
            "thresholds" if parts.len() == 1 => {
                let thresholds = fields.entry("thresholds").or_insert(Value::Null);
                self.put(thresholds, "thresholds".to_owned(), 1)
            }
            "profiles" => {
                let names = fields.get("profiles").and_then(Value::as_object);
                let names = names.into_iter().flat_map(Map::keys).map(String::as_str);
                known_profile(&parts[1], names)?;
                let profiles = fields.get_mut("profiles");
                profiles.map_or(Ok(()), |it| self.put(it, "profiles".to_owned(), 1))
            }
            list => match fields.get_mut(list) {
                Some(value) => self.put(value, list.to_owned(), 1),
                None => Wrong::at(1, "nothing", "a field that the file has", None),
            },
        }
    }

    /// Puts the value into every scenario of the name.
    fn scenarios(&mut self, suite: &mut Map<String, Value>) -> Result<(), Wrong> {
        let parts = &self.assignment.parts;
        let Some(Value::Array(list)) = suite.get("scenarios") else {
            return Wrong::at(1, "no array", "an array of scenarios", None);
        };
        for index in find_all(list, &parts[1], 2)? {
            self.scenario(suite, index)?;
        }
        Ok(())
    }

    /// Puts the value into a scenario: over the profile's where that has the field, and into what the
    /// defaults have of it where the scenario has nothing.
    fn scenario(&mut self, suite: &mut Map<String, Value>, index: usize) -> Result<(), Wrong> {
        let own_path = format!("scenarios[{index}]");
        let Part::Name(field) = &self.assignment.parts[2] else {
            return Wrong::at(3, "a number", "a field of the scenario", None);
        };
        let of_profile = self.profile.and_then(|name| {
            let value = suite.get("profiles")?.get(name)?.get(field)?.clone();
            Some((format!("profiles{}", join("profiles", name)), value))
        });
        let of_defaults = || {
            let value = suite.get("defaults")?.get(field)?.clone();
            Some(("defaults".to_owned(), value))
        };
        let has_own = || suite["scenarios"][index].get(field).is_some();
        let (inherited, path) = match of_profile {
            Some(inherited) => (Some(inherited), layer_path(index)),
            None if has_own() => (None, own_path),
            None => (of_defaults(), own_path),
        };
        let is_layer = path != format!("scenarios[{index}]");
        let into = if is_layer {
            let empty = || Value::Object(Map::new());
            self.layers.entry(index).or_insert_with(empty)
        } else {
            &mut suite["scenarios"][index]
        };
        if let (Some((from, value)), Value::Object(fields)) = (inherited, &mut *into)
            && !fields.contains_key(field)
        {
            let origin = self.origins.of(&format!("{from}{}", join(&from, field)));
            self.origins
                .add(format!("{path}{}", join(&path, field)), origin);
            fields.insert(field.clone(), value);
        }
        put(into, path, self.assignment, 2, self.origins)
    }

    fn put(&mut self, value: &mut Value, path: String, parts: usize) -> Result<(), Wrong> {
        put(value, path, self.assignment, parts, self.origins)
    }
}

fn known_profile<'a>(part: &Part, names: impl Iterator<Item = &'a str>) -> Result<(), Wrong> {
    let names: Vec<&str> = names.collect();
    match part {
        Part::Name(name) if names.contains(&name.as_str()) => Ok(()),
        Part::Name(name) => {
            let help = did_you_mean(name, names.iter().copied()).or_else(|| listed(&names));
            Wrong::at(2, "no such profile", "the name of a profile", help)
        }
        Part::Index(_) => Wrong::at(2, "a number", "the name of a profile", listed(&names)),
    }
}

/// Puts the value where the parts from this one on lead.
fn put(
    value: &mut Value,
    mut path: String,
    assignment: &Assignment,
    parts: usize,
    origins: &mut Origins,
) -> Result<(), Wrong> {
    let place = lead(value, &mut path, &assignment.parts, parts)?;
    *place = assignment.value.clone();
    origins.add(
        path,
        Origin {
            source: Some(FLAG.into()),
            path: assignment.path(),
            folder: Rc::from(Path::new("")),
        },
    );
    Ok(())
}

/// What the parts from `at` on lead to; objects on the way are made where they are not there.
fn lead<'a>(
    value: &'a mut Value,
    path: &mut String,
    parts: &[Part],
    at: usize,
) -> Result<&'a mut Value, Wrong> {
    let Some(part) = parts.get(at) else {
        return Ok(value);
    };
    match value {
        Value::Object(fields) => {
            let Part::Name(name) = part else {
                return Wrong::at(at, "an object", "an array, whose items have numbers", None);
            };
            let part = join(path, name);
            path.push_str(&part);
            let below = match (fields.contains_key(name), parts.get(at + 1)) {
                (false, Some(Part::Index(_))) => {
                    let help = "set all of it, as JSON: [ … ]".to_owned();
                    return Wrong::at(at + 1, "nothing", "an array to set an item of", Some(help));
                }
                _ => fields
                    .entry(name.clone())
                    .or_insert_with(|| Value::Object(Map::new())),
            };
            lead(below, path, parts, at + 1)
        }
        Value::Array(items) => {
            let index = find_all(items, part, at + 1)?[0];
            path.push_str(&format!("[{index}]"));
            lead(&mut items[index], path, parts, at + 1)
        }
        // Not what it is: it may be a secret.
        Value::String(_) => Wrong::at(at, "a text", "an object or an array to go on in", None),
        _ => Wrong::at(
            at,
            "a single value",
            "an object or an array to go on in",
            None,
        ),
    }
}

/// The items that the part of a path may mean, one at least; two scenarios may have one name.
fn find_all(items: &[Value], part: &Part, parts: usize) -> Result<Vec<usize>, Wrong> {
    let names: Vec<Option<String>> = items.iter().map(name_of).collect();
    let number = match part {
        Part::Index(index) => Some(*index),
        Part::Name(name) => {
            let is_it = |it: &Option<String>| it.as_ref() == Some(name);
            let found: Vec<usize> = (0..names.len()).filter(|at| is_it(&names[*at])).collect();
            if !found.is_empty() {
                return Ok(found);
            }
            name.parse().ok()
        }
    };
    if let Some(index) = number.filter(|index| *index < items.len()) {
        return Ok(vec![index]);
    }
    let names: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
    let help = match part {
        Part::Name(name) => one_of_several(items, name)
            .map(|whole| format!("set it for all of `{whole}`"))
            .or_else(|| did_you_mean(name, names.iter().copied())),
        Part::Index(_) => None,
    };
    let expected = match (items.len(), names.is_empty()) {
        (0, _) => "an array with items".to_owned(),
        (count, true) => format!("the number of an item, below {count}"),
        (count, false) => format!("the name of an item, or its number, below {count}"),
    };
    Wrong::at(
        parts,
        format!("no {part}"),
        expected,
        help.or_else(|| listed(&names)),
    )
}

/// What the scenario is written as that one of this name may be of, where that is written for several.
fn one_of_several(items: &[Value], name: &str) -> Option<String> {
    let written = items.iter().filter(|it| it.get("for_each").is_some());
    let is_of = |whole: &String| {
        let rest = name.strip_prefix(whole.as_str());
        rest.is_some_and(|rest| rest.starts_with('-'))
    };
    written.filter_map(name_of).find(is_of)
}

fn listed(names: &[&str]) -> Option<String> {
    /// More of them are no help.
    const MOST: usize = 12;
    let more = if names.len() > MOST { ", …" } else { "" };
    let shown = names[..names.len().min(MOST)].join(", ");
    (!names.is_empty()).then(|| format!("the names are {shown}{more}"))
}

/// What an item of a list is called: by its name, or as reports call a step without one.
fn name_of(item: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(name) = item.get("name") {
        return text(name);
    }
    if let Some(call) = item.get("grpc") {
        let method = call.get("method")?.as_str()?;
        return Some(GrpcCall::new(method, Value::Null).short_name());
    }
    if let Some(request) = item.get("http") {
        let text = |field: &str| request.get(field).and_then(Value::as_str);
        let (method, path) = (text("method").unwrap_or("GET"), text("path").unwrap_or("/"));
        return Some(HttpRequest::new(method, path).short_name());
    }
    if item.get("tcp").is_some() {
        return Some(TcpExchange::SHORT_NAME.to_owned());
    }
    let path = item.get("websocket")?.get("path").and_then(Value::as_str);
    Some(WebsocketExchange::ping(path.unwrap_or("/")).short_name())
}
