//! Whether runs may be compared at all: of the same plan, on the same machine, and valid.

use std::fmt;

use serde_json::Value;

use super::super::document::{Document, Host, Scenario, ShardPart, Shards, Status, Verdict};
use super::{CompareError, CompareOptions, plan};
use crate::record::outlasts_warm_up;
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
/// Memory is the same up to this part of it: a kernel keeps some for itself, and how much differs.
const MEMORY_WITHIN: f64 = 0.02;

/// What decides of a run whether it may be held against others, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traits<'a> {
    /// What it is called.
    pub(super) source: &'a str,
    pub(super) plan: &'a Value,
    pub(super) parts: Parts<'a>,
    pub(super) host: &'a Host,
    /// Who answered; none of a run that is still to come.
    pub(super) scenarios: &'a [Scenario],
    pub(super) verdict: Option<&'a Verdict>,
    /// Whether it is a search for a capacity: its plan is of one trial.
    pub(super) is_search: bool,
}

/// Whether it is a part of a run, or was merged of several.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Parts<'a> {
    pub(super) shard: Option<&'a ShardPart>,
    pub(super) shards: Option<&'a Shards>,
}

impl Parts<'_> {
    /// Which part of a load it is: one of another makes another load.
    fn load(&self) -> String {
        let shard = self.shard.map(|it| format!("{} of {}", it.index, it.count));
        shard.unwrap_or_else(|| NOTHING.to_owned())
    }

    /// How many machines made it.
    fn machines(&self) -> String {
        let shards = self.shards.map(|it| it.merged.len().to_string());
        shards.unwrap_or_else(|| NOTHING.to_owned())
    }
}

impl<'a> Traits<'a> {
    /// Those of a run that is over.
    pub(super) fn of(source: &'a str, document: &'a Document) -> Self {
        Self {
            source,
            plan: &document.run.plan,
            parts: Parts {
                shard: document.run.shard.as_ref(),
                shards: document.run.shards.as_ref(),
            },
            host: &document.run.host,
            scenarios: &document.scenarios,
            verdict: Some(&document.verdict),
            is_search: document.capacity.is_some(),
        }
    }
}

/// Makes sure that these runs may be compared. Returns why they should not be, as far as that is overlooked.
pub(super) fn refuse(
    runs: &[Traits<'_>],
    options: &CompareOptions,
) -> Result<Vec<(Unlike, String)>, CompareError> {
    let is_overlooked = |(ground, _): &(Unlike, String)| options.overlook.contains(ground);
    let (unlike, differences): (Vec<_>, Vec<_>) =
        differences(runs).into_iter().partition(is_overlooked);
    match differences.is_empty() {
        true => Ok(unlike),
        false => Err(CompareError::Unlike { differences }),
    }
}

/// All places where the plans of two runs differ, in words, and be it in what changes nothing of the load. The ports of
/// embedded backends are none.
pub(super) fn plan_differences(a: (&str, &Document), b: (&str, &Document)) -> Vec<String> {
    let [first, other] = [a, b].map(|(source, document)| Traits::of(source, document));
    all_differences(first, other)
}

/// The same of two runs that are still to come.
pub(super) fn differences_to_come(a: (&str, &Value), b: (&str, &Value)) -> Vec<String> {
    let host = Host::default();
    let [first, other] = [a, b].map(|(source, plan)| Traits {
        source,
        plan,
        parts: Parts::default(),
        host: &host,
        scenarios: &[],
        verdict: None,
        is_search: false,
    });
    all_differences(first, other)
}

fn all_differences(first: Traits<'_>, other: Traits<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for difference in plan::all_differences(&first, &other) {
        note(&mut found, difference, &first, &other);
    }
    found.into_iter().map(|(_, text)| text).collect()
}

/// All reasons not to compare these runs, each with what it is about.
fn differences(runs: &[Traits<'_>]) -> Vec<(Unlike, String)> {
    let mut found = Vec::new();
    let Some((first, others)) = runs.split_first() else {
        return found;
    };
    let mut plans: Vec<(String, String)> = Vec::new();
    let mut hosts: Vec<(String, String)> = Vec::new();
    for other in others {
        let parts = [first, other].map(|it| it.parts);
        let shard = differing("shard", parts.map(|it| it.load()));
        for difference in plan::differences(first, other).into_iter().chain(shard) {
            note(&mut plans, difference, first, other);
        }
        let shards = differing("shards", parts.map(|it| it.machines()));
        let differences = host_differences(first.host, other.host);
        for difference in differences.into_iter().chain(shards) {
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
        let verdict = run.verdict?;
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
        let scenarios = run.scenarios.iter();
        let mut changes = scenarios.flat_map(|scenario| {
            let events = scenario.events.iter().enumerate();
            let changes = events.filter(|(_, it)| it.action.changes_load());
            let held = changes.filter(|(place, it)| {
                let later = scenario.events[place + 1..].iter();
                let later =
                    later.filter(|it| it.done_before_s.is_some() && it.action.changes_load());
                let later = later.map(|it| (it.action, it.switched.as_ref()));
                it.done_before_s.is_none()
                    || outlasts_warm_up((it.action, it.switched.as_ref()), later)
            });
            held.map(move |(_, it)| (&scenario.name, &it.event))
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
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) values: [String; 2],
}

/// A place with these values, where they differ.
fn differing(path: &str, values: [String; 2]) -> Option<Difference> {
    (values[0] != values[1]).then(|| Difference {
        path: path.to_owned(),
        values,
    })
}

/// Notes a difference, unless the same place was noted of runs before.
fn note(
    noted: &mut Vec<(String, String)>,
    difference: Difference,
    first: &Traits<'_>,
    other: &Traits<'_>,
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
    // Whoever hires machines has one of another name each time: the name decides only where nothing says
    // what they are.
    let (cpus, names) = match (&a.cpu, &b.cpu) {
        (Some(a), Some(b)) => ([Some(a), Some(b)], [None; 2]),
        _ => ([None; 2], [a.hostname.as_ref(), b.hostname.as_ref()]),
    };
    let facts = [
        ("os", Some(a.os.clone()), Some(b.os.clone())),
        ("arch", Some(a.arch.clone()), Some(b.arch.clone())),
        ("cpu", cpus[0].cloned(), cpus[1].cloned()),
        ("cores", number(a.cores), number(b.cores)),
        (
            "memory_bytes",
            number(a.memory_bytes),
            number(memory.memory_bytes),
        ),
        ("hostname", names[0].cloned(), names[1].cloned()),
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
pub(super) const NOTHING: &str = "not there";

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::super::sample::run;
    use super::*;

    /// What is said of two runs, the second changed.
    fn said(change: impl FnOnce(&mut Value)) -> Vec<(Unlike, String)> {
        let (a, b) = (run(1, |_| {}), run(2, change));
        let runs = [("a.json", &a), ("b.json", &b)];
        differences(&runs.map(|(source, document)| Traits::of(source, document)))
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

    /// What was asked for is nothing that figures depend on, and what is not told was the library.
    #[test]
    fn who_spoke_is_a_difference() {
        let asked = |it: &mut Value| {
            it["run"]["plan"]["scenarios"][0]["codec"] = json!("own");
        };
        assert_eq!(said(asked), []);
        let told = |it: &mut Value| it["scenarios"][0]["codec"] = json!("h2");
        assert_eq!(said(told), []);
        let spoke = said(|it| it["scenarios"][0]["codec"] = json!("own"));
        let expected = "`scenarios.hello_high.codec` is \"h2\" in a.json and \"own\" in b.json";
        assert_eq!(spoke, [(Unlike::Plan, expected.to_owned())]);
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

    #[test_case("cpu", json!("EPYC") => "`host.cpu` is Xeon in a.json and EPYC in b.json")]
    #[test_case("cores", json!(8) => "`host.cores` is 2 in a.json and 8 in b.json")]
    #[test_case("arch", json!("aarch64") => "`host.arch` is x86_64 in a.json and aarch64 in b.json")]
    #[test_case("memory_bytes", json!(16_000_000_000_u64) => "`host.memory_bytes` is 8000000000 in a.json and 16000000000 in b.json")]
    fn other_machines(fact: &str, value: Value) -> String {
        let told = said(|it| it["run"]["host"][fact] = value);
        let [(Unlike::Machine, text)] = told.as_slice() else {
            panic!("{told:?}");
        };
        text.clone()
    }

    /// Hosted machines have another name each time.
    #[test]
    fn a_name_decides_only_where_the_processor_is_not_known() {
        let renamed = |cpu: Option<&str>| {
            let cpu = cpu.map(|it| json!(it));
            said(|it| {
                let host = it["run"]["host"].as_object_mut().unwrap();
                host.insert("hostname".to_owned(), json!("other"));
                match cpu {
                    Some(cpu) => host.insert("cpu".to_owned(), cpu),
                    None => host.remove("cpu"),
                };
            })
        };
        assert_eq!(renamed(Some("Xeon")), []);
        let expected = "`host.hostname` is here in a.json and other in b.json".to_owned();
        assert_eq!(renamed(None), [(Unlike::Machine, expected)]);
    }

    /// What was taken back before anything was measured is no change.
    #[test]
    fn changes_count_where_they_hold_while_it_is_measured() {
        let told = |events: &Value| {
            let told = said(|it| it["scenarios"][0]["events"] = events.clone());
            told.into_iter().map(|(_, text)| text).collect::<Vec<_>>()
        };
        let pause = json!({"action": "pause", "event": "pause", "done_before_s": 2.0});
        let resume = json!({"action": "resume", "event": "resume", "done_before_s": 1.0});
        assert!(told(&json!([pause, resume])).is_empty());
        let resume = json!({"action": "resume", "event": "resume", "done_s": 1.0});
        let expected = "b.json was changed by hand: `pause` in `hello_high` and by 1 more change";
        assert_eq!(told(&json!([pause, resume])), [expected]);
        // By the target that is in it, not by its words.
        let switch = |target: &str, on: bool| {
            let switched = json!({"target": target, "on": on});
            json!({"action": "target", "event": "x", "switched": switched, "done_before_s": 1.0})
        };
        assert!(told(&json!([switch("a", false), switch("a", true)])).is_empty());
        let expected = "b.json was changed by hand: `x` in `hello_high`";
        assert_eq!(
            told(&json!([switch("a", false), switch("b", true)])),
            [expected]
        );
    }

    /// A part is no smaller load of the same plan, and several machines are another one.
    #[test]
    fn parts_and_what_was_merged_are_told_apart() {
        let part = json!({"index": 1, "count": 4, "seed": 0, "slices": []});
        let expected = "`shard` is not there in a.json and 1 of 4 in b.json".to_owned();
        let told = said(|it| it["run"]["shard"] = part);
        assert_eq!(told, [(Unlike::Plan, expected)]);
        let merged = json!({"count": 4, "seed": 0, "missing_share": 1.0, "merged": []});
        let expected = "`shards` is not there in a.json and 0 in b.json".to_owned();
        let told = said(|it| it["run"]["shards"] = merged);
        assert_eq!(told, [(Unlike::Machine, expected)]);
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
