//! Whether two plans make the same load, and where they do not.

use serde_json::Value;

use super::super::document::{Document, Scenario};
use super::alike::{Difference, NOTHING, Traits};
use super::searched;

/// Characters of a value that are shown.
const SHOWN: usize = 60;
/// What the embedded backend calls itself.
const EMBEDDED: &str = "embedded";
/// Fields of a plan and of its scenarios that change nothing of the load, or that ask for what may not be had: a
/// scenario says which codec it was.
const WITHOUT_EFFECT: [&str; 5] = [
    "$schema",
    "description",
    "thresholds",
    "capacity",
    CODECS[0],
];
/// The fields of a scenario that say so, and which codec it was before there were any.
const CODECS: [&str; 2] = ["codec", "codec_elsewhere"];
const BEFORE: &str = "h2";
/// The list of a plan's scenarios.
const SCENARIOS: &str = "scenarios";
/// Lists of a plan in which order says nothing: what is in them is there at the same time.
const WITHOUT_ORDER: [&str; 2] = [SCENARIOS, "backends"];

/// What the figures of a scenario depend on of the plan of its run.
#[derive(Debug, Clone)]
pub struct ScenarioPlan {
    plan: Value,
    codecs: [Option<String>; 2],
    may_be_embedded: bool,
    is_search: bool,
}

impl ScenarioPlan {
    /// That of a scenario of this document.
    #[must_use]
    pub fn of(document: &Document, scenario: &Scenario) -> Self {
        let scenarios = document.run.plan[SCENARIOS].as_array();
        let mut scenarios = scenarios.into_iter().flatten();
        let planned = scenarios.find(|it| is_of(it, scenario));
        let is_search = document.capacity.is_some();
        let mut plan = planned.cloned().unwrap_or_default();
        if is_search {
            searched::of_scenario(&mut plan);
        }
        Self {
            plan,
            is_search,
            codecs: codecs(scenario).map(|it| it.map(str::to_owned)),
            may_be_embedded: may_be_embedded(scenario),
        }
    }

    /// Whether the other one makes another load, as [`compare`](super::compare()) tells plans apart.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> bool {
        let mut walk = Walk {
            ports_may_differ: self.may_be_embedded && other.may_be_embedded,
            without: &WITHOUT_EFFECT,
            found: Vec::new(),
        };
        let [mut own, mut others] = [self, other].map(|it| it.plan.clone());
        if self.is_search && other.is_search {
            searched::level(&mut own, &mut others);
        }
        walk.fields("", &own, &others);
        self.is_search != other.is_search || self.codecs != other.codecs || !walk.found.is_empty()
    }
}

/// Who spoke for a scenario, where that is a choice, and who for its steps elsewhere. Before results told, there was
/// none.
fn codecs(scenario: &Scenario) -> [Option<&str>; 2] {
    let only = (scenario.protocol == "grpc").then_some(BEFORE);
    let elsewhere = scenario.codec_elsewhere.as_deref();
    [
        scenario.codec.as_deref().or(only),
        elsewhere.or(Some(BEFORE)),
    ]
}

/// Whether a scenario of a plan is this one.
fn is_of(planned: &Value, scenario: &Scenario) -> bool {
    let speaks = |step: &Value| step.get(&scenario.protocol).is_some();
    let steps = planned["steps"].as_array();
    planned["name"] == *scenario.name && steps.is_none_or(|steps| steps.iter().any(speaks))
}

/// Whether nothing that answered says that it was any other than the embedded backend.
fn may_be_embedded(scenario: &Scenario) -> bool {
    let mut named = scenario
        .backends
        .iter()
        .filter(|it| !it.id.starts_with('('));
    named.all(|it| it.id == EMBEDDED)
}

/// All places where the plans of two runs differ, or of two searches but for what each trial has of its own.
pub(super) fn differences(a: &Traits<'_>, b: &Traits<'_>) -> Vec<Difference> {
    if !(a.is_search && b.is_search) {
        return of_two(a, b);
    }
    let [mut of_a, mut of_b] = [a, b].map(|it| searched::without_trial(it.plan));
    let lists = [&mut of_a, &mut of_b].map(|it| it.get_mut(SCENARIOS)?.as_array_mut());
    if let [Some(of_a), Some(of_b)] = lists {
        for planned in of_a {
            let other = of_b.iter_mut().find(|it| it["name"] == planned["name"]);
            if let Some(other) = other {
                searched::level(planned, other);
            }
        }
    }
    let [a, b] = [(a, &of_a), (b, &of_b)].map(|(it, plan)| Traits { plan, ..*it });
    of_two(&a, &b)
}

fn of_two(a: &Traits<'_>, b: &Traits<'_>) -> Vec<Difference> {
    let mut walk = Walk {
        ports_may_differ: false,
        without: &WITHOUT_EFFECT,
        found: Vec::new(),
    };
    walk.plans(a, b);
    for of_a in a.scenarios {
        let same = |it: &&Scenario| it.name == of_a.name && it.protocol == of_a.protocol;
        let Some(of_b) = b.scenarios.iter().find(same) else {
            continue;
        };
        for ((field, a), b) in CODECS.into_iter().zip(codecs(of_a)).zip(codecs(of_b)) {
            if a != b {
                walk.found.push(Difference {
                    path: format!("{SCENARIOS}.{}.{field}", of_a.name),
                    values: [a, b].map(|it| shown(it.map(Value::from).as_ref())),
                });
            }
        }
    }
    walk.found
}

/// All places where the plans of two runs differ, those that change nothing of the load as well.
pub(super) fn all_differences(a: &Traits<'_>, b: &Traits<'_>) -> Vec<Difference> {
    let mut walk = Walk {
        ports_may_differ: false,
        without: &[],
        found: Vec::new(),
    };
    walk.plans(a, b);
    walk.found
}

/// Two plans, side by side.
struct Walk {
    /// Fields that are passed over.
    without: &'static [&'static str],
    /// Whether the ports of this machine's own addresses are no difference.
    ports_may_differ: bool,
    found: Vec<Difference>,
}

impl Walk {
    fn plans(&mut self, a: &Traits<'_>, b: &Traits<'_>) {
        if !a.plan.is_object() || !b.plan.is_object() {
            return self.values("", Some(a.plan), Some(b.plan));
        }
        let [of_a, of_b] = [a.scenarios, b.scenarios];
        let is_embedded = |planned: &Value| {
            let mut scenarios = of_a.iter().chain(of_b);
            scenarios.all(|it| may_be_embedded(it) || !is_of(planned, it))
        };
        for (key, parts) in both(a.plan, b.plan, self.without) {
            let [Some(Value::Array(a)), Some(Value::Array(b))] = parts else {
                self.values(key, parts[0], parts[1]);
                continue;
            };
            for (name, items) in side_by_side(a, b) {
                let path = format!("{key}{name}");
                self.ports_may_differ = items.into_iter().flatten().all(is_embedded);
                match items {
                    [Some(a), Some(b)] if key == SCENARIOS => self.fields(&path, a, b),
                    [a, b] => self.values(&path, a, b),
                }
            }
            self.ports_may_differ = false;
            if !WITHOUT_ORDER.contains(&key) {
                self.order(key, a, b);
            }
        }
    }

    /// All fields of a scenario.
    fn fields(&mut self, path: &str, a: &Value, b: &Value) {
        if !a.is_object() || !b.is_object() {
            return self.values(path, Some(a), Some(b));
        }
        for (key, [a, b]) in both(a, b, self.without) {
            self.values(&joined(path, key), a, b);
        }
    }

    fn values(&mut self, path: &str, a: Option<&Value>, b: Option<&Value>) {
        match (a, b) {
            (Some(Value::Object(of_a)), Some(Value::Object(of_b))) => {
                let others = of_b.keys().filter(|key| !of_a.contains_key(*key));
                for key in of_a.keys().chain(others) {
                    self.values(&joined(path, key), of_a.get(key), of_b.get(key));
                }
            }
            (Some(Value::Array(a)), Some(Value::Array(b))) => {
                for (name, [a, b]) in side_by_side(a, b) {
                    self.values(&format!("{path}{name}"), a, b);
                }
                self.order(path, a, b);
            }
            _ if a == b => {}
            (Some(a), Some(b)) if self.ports_may_differ && differ_by_port(a, b) => {}
            _ => self.found.push(Difference {
                path: path.to_owned(),
                values: [a, b].map(shown),
            }),
        }
    }

    /// What both have, in another order.
    fn order(&mut self, path: &str, a: &[Value], b: &[Value]) {
        let (Some(of_a), Some(of_b)) = (names(a), names(b)) else {
            return;
        };
        let common = |names: &[&str], others: &[&str]| -> Vec<Value> {
            let names = names.iter().filter(|it| others.contains(it));
            names.map(|it| Value::from(*it)).collect()
        };
        let orders = [common(&of_a, &of_b), common(&of_b, &of_a)];
        if orders[0] != orders[1] {
            self.found.push(Difference {
                path: path.to_owned(),
                values: orders.map(|it| shown(Some(&Value::Array(it)))),
            });
        }
    }
}

/// The fields of both but for these, by their names.
fn both<'a>(
    a: &'a Value,
    b: &'a Value,
    without: &'static [&'static str],
) -> impl Iterator<Item = (&'a str, [Option<&'a Value>; 2])> {
    let keys = |it: &'a Value| it.as_object().into_iter().flat_map(|it| it.keys());
    let others = keys(b).filter(|key| a.get(key.as_str()).is_none());
    let keys = keys(a).chain(others).map(String::as_str);
    keys.filter(|key| !without.contains(key))
        .map(|key| (key, [a.get(key), b.get(key)]))
}

/// The items of two lists, and how each is called within its list. Those that have names are held against those
/// of the same name, wherever they stand.
fn side_by_side<'a>(a: &'a [Value], b: &'a [Value]) -> Vec<(String, [Option<&'a Value>; 2])> {
    let (Some(of_a), Some(of_b)) = (names(a), names(b)) else {
        let all = 0..a.len().max(b.len());
        return all
            .map(|at| (format!("[{at}]"), [a.get(at), b.get(at)]))
            .collect();
    };
    let added = of_b.iter().filter(|it| !of_a.contains(it));
    let items = of_a.iter().chain(added).map(|name| {
        let named = |list: &'a [Value], names: &[&str]| {
            let at = names.iter().position(|it| it == name);
            at.map(|at| &list[at])
        };
        (within(name), [named(a, &of_a), named(b, &of_b)])
    });
    items.collect()
}

/// The names of all items, where each has one of its own.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    let names = list.iter().map(|it| it.get("name")?.as_str());
    let names: Vec<&str> = names.collect::<Option<_>>()?;
    let is_first = |(at, name): (usize, &&str)| !names[..at].contains(name);
    (!names.is_empty() && names.iter().enumerate().all(is_first)).then_some(names)
}

/// As `--set` writes places.
fn joined(path: &str, name: &str) -> String {
    match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}{}", within(name)),
    }
}

/// The end of a place's path.
fn within(name: &str) -> String {
    let is_plain = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match is_plain && !name.is_empty() {
        true => format!(".{name}"),
        false => format!("[{}]", Value::from(name)),
    }
}

/// A value as it stands in the plan, its beginning where it is long.
fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return NOTHING.to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether two targets are the same address of this machine but for the port.
fn differ_by_port(a: &Value, b: &Value) -> bool {
    let (Some(a), Some(b)) = (a.as_str(), b.as_str()) else {
        return false;
    };
    match (without_port(a), without_port(b)) {
        (Some(a), Some(b)) => a == b && is_loopback(a),
        _ => false,
    }
}

fn without_port(target: &str) -> Option<&str> {
    let (host, port) = target.rsplit_once(':')?;
    port.parse::<u16>().is_ok().then_some(host)
}

fn is_loopback(host: &str) -> bool {
    let host = host.split_once("://").map_or(host, |(_, host)| host);
    matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample::run;
    use super::*;

    /// Two runs, the plan of the first and the document of the second changed.
    fn found(
        before: impl FnOnce(&mut Value),
        change: impl FnOnce(&mut Value),
    ) -> Vec<(String, [String; 2])> {
        let a = run(1, |it| before(&mut it["run"]["plan"]));
        let b = run(2, |it| {
            it["run"]["plan"] = a.run.plan.clone();
            change(it);
        });
        let found = differences(&Traits::of("a", &a), &Traits::of("b", &b));
        found.into_iter().map(|it| (it.path, it.values)).collect()
    }

    fn one(path: &str, a: &str, b: &str) -> Vec<(String, [String; 2])> {
        vec![(path.to_owned(), [a.to_owned(), b.to_owned()])]
    }

    /// A message may have fields of any name.
    #[test]
    fn what_is_sent_is_looked_at_whatever_it_is_called() {
        let message = json!({"description": "a", "thresholds": [1]});
        let first = "scenarios.hello_high.steps.hello.grpc.message";
        let differ = found(
            |it| it["scenarios"][0]["steps"][0]["grpc"]["message"] = message,
            |it| {
                let step = &mut it["run"]["plan"]["scenarios"][0]["steps"][0];
                step["grpc"]["message"]["description"] = json!("b");
                step["grpc"]["message"]["thresholds"][0] = json!(2);
            },
        );
        let paths: Vec<String> = differ.into_iter().map(|(path, _)| path).collect();
        let expected = ["description", "thresholds[0]"].map(|it| format!("{first}.{it}"));
        assert_eq!(paths, expected);
    }

    #[test]
    fn steps_are_taken_in_their_order_and_scenarios_together() {
        let two = |it: &mut Value| {
            let scenarios = it["scenarios"].as_array_mut().unwrap();
            scenarios[0]["steps"] = json!([
                {"name": "hello", "grpc": {}},
                {"name": "compute", "grpc": {}},
            ]);
            let mut other = scenarios[0].clone();
            other["name"] = json!("other");
            scenarios.push(other);
        };
        let turned = |it: &mut Value| {
            it["run"]["plan"]["scenarios"]
                .as_array_mut()
                .unwrap()
                .reverse();
        };
        assert_eq!(found(two, turned), []);
        let other_order = |it: &mut Value| {
            let steps = &mut it["run"]["plan"]["scenarios"][0]["steps"];
            steps.as_array_mut().unwrap().reverse();
        };
        assert_eq!(
            found(two, other_order),
            one(
                "scenarios.hello_high.steps",
                r#"["hello","compute"]"#,
                r#"["compute","hello"]"#
            )
        );
        let added = |it: &mut Value| {
            let steps = &mut it["run"]["plan"]["scenarios"][0]["steps"];
            let first = json!({"name": "login", "grpc": {}});
            steps.as_array_mut().unwrap().insert(0, first);
        };
        assert_eq!(
            found(two, added),
            one(
                "scenarios.hello_high.steps.login",
                "not there",
                r#"{"name":"login","grpc":{}}"#
            )
        );
    }

    /// Of two scenarios, one with servers of its own.
    #[test]
    fn each_scenario_has_its_own_backend() {
        let two = |it: &mut Value| {
            let scenarios = it["scenarios"].as_array_mut().unwrap();
            let mut other = scenarios[0].clone();
            other["name"] = json!("other");
            scenarios.push(other);
        };
        let differ = found(two, |it| {
            let mut other = it["scenarios"][0].clone();
            other["name"] = json!("other");
            other["backends"][0]["id"] = json!("canary");
            it["scenarios"].as_array_mut().unwrap().push(other);
            for scenario in it["run"]["plan"]["scenarios"].as_array_mut().unwrap() {
                scenario["targets"] = json!(["127.0.0.1:9"]);
            }
        });
        assert_eq!(
            differ,
            one(
                "scenarios.other.targets[0]",
                r#""127.0.0.1:40001""#,
                r#""127.0.0.1:9""#
            )
        );
    }

    /// A document's plan is whatever whoever made the run wrote.
    #[test]
    fn plans_of_another_form_are_compared_all_the_same() {
        let custom = |it: &mut Value| *it = json!({"scenarios": {"a": 1}, "rate": 5});
        let differ = found(custom, |it| {
            it["run"]["plan"] = json!({"scenarios": {"a": 2}, "rate": 5});
        });
        assert_eq!(differ, one("scenarios.a", "1", "2"));
        let none = found(|_| {}, |it| it["run"]["plan"] = json!([1]));
        assert_eq!(none.len(), 1, "{none:?}");
    }
}
