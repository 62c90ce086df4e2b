//! Whether runs may be compared at all: of the same plan, on the same machine, and valid.

use std::fmt;

use serde_json::Value;

use super::super::document::{Document, Host, Status};
use super::NamedRun;
use crate::units::human::counted;

/// Why runs should not be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unlike {
    /// They are of other plans.
    Plan,
    /// They are of other machines.
    Machine,
    /// One of them is invalid: its figures do not describe the service.
    Invalid,
    /// Somebody changed the load of one of them while it was under way: it is not what its plan says.
    Changed,
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plan => "plan",
            Self::Machine => "machine",
            Self::Invalid => "invalid",
            Self::Changed => "changed",
        })
    }
}

/// So many differences of plans are named.
const NAMED: usize = 5;
/// Characters of a value that are shown.
const SHOWN: usize = 60;
/// What the embedded backend calls itself.
const EMBEDDED: &str = "embedded";
/// Parts of a plan that change nothing of the load.
const WITHOUT_EFFECT: [&str; 3] = ["$schema", "description", "thresholds"];
/// Memory is the same up to this part of it: a kernel keeps some for itself, and how much differs.
const MEMORY_WITHIN: f64 = 0.02;

/// All reasons not to compare these runs, each with what it is about.
pub(super) fn differences(runs: &[&NamedRun<'_>]) -> Vec<(Unlike, String)> {
    let mut found = Vec::new();
    let Some((first, others)) = runs.split_first() else {
        return found;
    };
    let mut plans: Vec<(String, String)> = Vec::new();
    let mut hosts: Vec<(String, String)> = Vec::new();
    for other in others {
        for difference in plan_differences(first.document, other.document) {
            note(&mut plans, difference, first, other);
        }
        let (a, b) = (&first.document.run.host, &other.document.run.host);
        for difference in host_differences(a, b) {
            note(&mut hosts, difference, first, other);
        }
    }
    let more = plans.len().saturating_sub(NAMED);
    let named = plans.into_iter().take(NAMED).map(|(_, text)| text);
    found.extend(named.map(|text| (Unlike::Plan, text)));
    if more > 0 {
        found.push((Unlike::Plan, format!("and {more} more differences")));
    }
    found.extend(hosts.into_iter().map(|(_, text)| (Unlike::Machine, text)));
    let invalid = runs.iter().filter_map(|run| {
        let verdict = &run.document.verdict;
        let why = verdict.reasons.first().map(|it| format!(": {it}"));
        let text = || {
            format!(
                "{} is an invalid run{}",
                run.source,
                why.unwrap_or_default()
            )
        };
        (verdict.status == Status::Invalid).then(|| (Unlike::Invalid, text()))
    });
    found.extend(invalid);
    let changed = runs.iter().filter_map(|run| {
        let scenarios = run.document.scenarios.iter();
        let mut changes = scenarios.flat_map(|scenario| {
            let events = scenario.events.iter();
            let changes = events.filter(|it| it.action.changes_load());
            changes.map(move |it| (&scenario.name, &it.event))
        });
        let (scenario, first) = changes.next()?;
        let more = match changes.count() {
            0 => String::new(),
            more => format!(" and by {}", counted(more as u64, "more change")),
        };
        let source = &run.source;
        let text = format!("{source} was changed by hand: `{first}` in `{scenario}`{more}");
        Some((Unlike::Changed, text))
    });
    found.extend(changed);
    found
}

/// A place where two documents differ, and what stands there in each.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    path: String,
    values: [String; 2],
}

/// Notes a difference, unless the same place was noted of runs before.
fn note(
    noted: &mut Vec<(String, String)>,
    difference: Difference,
    first: &NamedRun<'_>,
    other: &NamedRun<'_>,
) {
    let Difference { path, values } = difference;
    if noted.iter().any(|(it, _)| *it == path) {
        return;
    }
    let [of_first, of_other] = values;
    let text = format!(
        "`{path}` is {of_first} in {} and {of_other} in {}",
        first.source, other.source
    );
    noted.push((path, text));
}

fn host_differences(a: &Host, b: &Host) -> Vec<Difference> {
    let number = |value: Option<u64>| value.map(|it| it.to_string());
    let same_memory = match (a.memory_bytes, b.memory_bytes) {
        (Some(a), Some(b)) => a.abs_diff(b) as f64 <= a as f64 * MEMORY_WITHIN,
        (a, b) => a == b,
    };
    let memory = if same_memory { a } else { b };
    let facts = [
        ("os", Some(a.os.clone()), Some(b.os.clone())),
        ("arch", Some(a.arch.clone()), Some(b.arch.clone())),
        ("cores", number(a.cores), number(b.cores)),
        (
            "memory_bytes",
            number(a.memory_bytes),
            number(memory.memory_bytes),
        ),
        ("hostname", a.hostname.clone(), b.hostname.clone()),
    ];
    let differing = facts.into_iter().filter(|(_, a, b)| a != b);
    differing
        .map(|(name, a, b)| Difference {
            path: format!("host.{name}"),
            values: [a, b].map(|it| it.unwrap_or_else(|| NOTHING.to_owned())),
        })
        .collect()
}

/// What is said of what is not there.
const NOTHING: &str = "not there";

fn plan_differences(a: &Document, b: &Document) -> Vec<Difference> {
    let mut walk = Walk {
        ports_may_differ: may_be_embedded(a) && may_be_embedded(b),
        found: Vec::new(),
    };
    walk.values("", Some(&a.run.plan), Some(&b.run.plan));
    walk.found
}

/// Whether nothing that answered says that it was any other than the embedded backend.
fn may_be_embedded(document: &Document) -> bool {
    let backends = document.scenarios.iter().flat_map(|it| &it.backends);
    let mut named = backends.filter(|it| !it.id.starts_with('('));
    named.all(|it| it.id == EMBEDDED)
}

/// Two plans, side by side.
struct Walk {
    /// Whether the ports of this machine's own addresses are no difference.
    ports_may_differ: bool,
    found: Vec<Difference>,
}

impl Walk {
    fn values(&mut self, path: &str, a: Option<&Value>, b: Option<&Value>) {
        match (a, b) {
            (Some(Value::Object(a)), Some(Value::Object(b))) => {
                let others = b.keys().filter(|key| !a.contains_key(*key));
                for key in a.keys().chain(others) {
                    if !WITHOUT_EFFECT.contains(&key.as_str()) {
                        self.values(&joined(path, key), a.get(key), b.get(key));
                    }
                }
            }
            (Some(Value::Array(a)), Some(Value::Array(b))) => self.lists(path, a, b),
            _ if a == b => {}
            (Some(a), Some(b)) if self.ports_may_differ && differ_by_port(a, b) => {}
            _ => self.found.push(Difference {
                path: path.to_owned(),
                values: [a, b].map(shown),
            }),
        }
    }

    /// Items that have names are held against those of the same name, wherever they stand.
    fn lists(&mut self, path: &str, a: &[Value], b: &[Value]) {
        if let (Some(names), Some(others)) = (names(a), names(b)) {
            let added = others.iter().filter(|it| !names.contains(it));
            for name in names.iter().chain(added) {
                let named = |list: &[&str]| list.iter().position(|it| it == name);
                let of_a = named(&names).map(|at| &a[at]);
                let of_b = named(&others).map(|at| &b[at]);
                self.values(&joined(path, name), of_a, of_b);
            }
            return;
        }
        for at in 0..a.len().max(b.len()) {
            self.values(&format!("{path}[{at}]"), a.get(at), b.get(at));
        }
    }
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
    let is_plain = name
        .chars()
        .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match (path.is_empty(), is_plain && !name.is_empty()) {
        (true, _) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (false, false) => format!("{path}[{}]", Value::from(name)),
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
    use test_case::test_case;

    use super::super::sample::run;
    use super::*;

    /// What is said of two runs, the second changed.
    fn said(change: impl FnOnce(&mut Value)) -> Vec<(Unlike, String)> {
        let (a, b) = (run(1, |_| {}), run(2, change));
        let runs = [("a.json", &a), ("b.json", &b)].map(|(source, document)| NamedRun {
            source: source.to_owned(),
            document,
        });
        differences(&[&runs[0], &runs[1]])
    }

    #[test]
    fn what_is_alike() {
        assert_eq!(said(|_| {}), []);
        let moved = |it: &mut Value| {
            it["run"]["plan"]["scenarios"][0]["targets"] = json!(["127.0.0.1:40002"]);
        };
        assert_eq!(said(moved), [], "an embedded backend's port");
        let judged = |it: &mut Value| {
            it["run"]["plan"]["scenarios"][0]["thresholds"] = json!(["error_rate < 2%"]);
            it["run"]["host"]["memory_bytes"] = json!(8_000_001_000_u64);
        };
        assert_eq!(said(judged), [], "what changes nothing of the load");
    }

    #[test]
    fn a_servers_own_port_is_a_difference() {
        let other = said(|it| {
            it["run"]["plan"]["scenarios"][0]["targets"] = json!(["127.0.0.1:40002"]);
            it["scenarios"][0]["backends"][0]["id"] = json!("canary");
        });
        let expected = "`scenarios.hello_high.targets[0]` is \"127.0.0.1:40001\" in a.json and \
                        \"127.0.0.1:40002\" in b.json";
        assert_eq!(other, [(Unlike::Plan, expected.to_owned())]);
    }

    #[test]
    fn plans_are_told_apart_by_where_they_differ() {
        let load = said(|it| {
            it["run"]["plan"]["scenarios"][0]["load"]["closed"]["users"] = json!(200);
            it["run"]["plan"]["scenarios"][0]["warm_up"] = json!("2s");
        });
        let texts: Vec<&str> = load.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "`scenarios.hello_high.load.closed.users` is 100 in a.json and 200 in b.json",
                "`scenarios.hello_high.warm_up` is not there in a.json and \"2s\" in b.json",
            ]
        );
    }

    #[test]
    fn few_differences_are_named_and_the_rest_is_counted() {
        let many = said(|it| {
            for nth in 0..9 {
                it["run"]["plan"]["scenarios"][0][format!("field {nth}")] = json!(nth);
            }
        });
        assert_eq!(many.len(), NAMED + 1);
        assert!(
            many[0]
                .1
                .starts_with("`scenarios.hello_high[\"field 0\"]` is"),
            "{many:?}"
        );
        assert_eq!(many[NAMED].1, "and 4 more differences");
    }

    #[test_case("cores", json!(8) => "`host.cores` is 2 in a.json and 8 in b.json")]
    #[test_case("arch", json!("aarch64") => "`host.arch` is x86_64 in a.json and aarch64 in b.json")]
    #[test_case("hostname", json!("other") => "`host.hostname` is here in a.json and other in b.json")]
    #[test_case("memory_bytes", json!(16_000_000_000_u64) => "`host.memory_bytes` is 8000000000 in a.json and 16000000000 in b.json")]
    fn other_machines(fact: &str, value: Value) -> String {
        let told = said(|it| it["run"]["host"][fact] = value);
        let [(Unlike::Machine, text)] = told.as_slice() else {
            panic!("{told:?}");
        };
        text.clone()
    }

    #[test]
    fn an_invalid_run_is_told_with_its_reason() {
        let told = said(|it| {
            it["verdict"] =
                json!({"status": "invalid", "reasons": ["it stood still"], "warnings": []});
        });
        let expected = "b.json is an invalid run: it stood still".to_owned();
        assert_eq!(told, [(Unlike::Invalid, expected)]);
    }
}
