//! Conditions as test cases, in the form of JUnit's reports that CI servers read.

use std::fmt::Write as _;

use super::super::document::{
    Answer, Capacity, Document, Expectation, Scenario, Status, ThresholdResult,
};
use super::super::view::{self, Condition, spoken};
use crate::text;
use crate::text::flow::unglued;

impl Document {
    /// What was judged, as a JUnit report: a suite for each scenario, with a test case for each of its
    /// thresholds and expectations, and a suite `loadgen` with a case for the run itself.
    ///
    /// What a suite has to say beside them are the percentiles of its response times with their confidence. A
    /// condition that does not hold is a failure with what was observed. A run that failed is a failure of
    /// its case too, whatever it failed by; one that is invalid, that was stopped or that was cut off is an
    /// error of it.
    ///
    /// Of a search for a capacity there is a test case for each goal in place of thresholds, which fails where it
    /// holds at no rate, and the case `search`; what the suite has to say is what was found.
    #[must_use]
    pub fn to_junit(&self) -> String {
        let mut suites = vec![Suite {
            name: "loadgen".to_owned(),
            duration_s: took_s(self),
            cases: vec![run(self)],
            said: Vec::new(),
        }];
        let scenarios = self.scenarios.iter();
        suites.extend(scenarios.map(|it| match &self.capacity {
            None => of_scenario(it, &self.scenarios),
            Some(capacity) => of_search(it, capacity),
        }));
        if !self.total.thresholds.is_empty() {
            suites.push(Suite {
                name: "tags".to_owned(),
                duration_s: self.run.duration_s,
                cases: self.total.thresholds.iter().map(threshold).collect(),
                said: Vec::new(),
            });
        }
        report(&suites, self)
    }
}

/// What belongs together.
struct Suite {
    name: String,
    duration_s: f64,
    cases: Vec<Case>,
    /// What is said beside the cases.
    said: Vec<String>,
}

/// Something that was judged.
struct Case {
    name: String,
    came: Came,
}

/// What came of it.
enum Came {
    /// It holds; with what was observed.
    Passed(String),
    /// It does not.
    Failed { kind: &'static str, why: String },
    /// It could not be judged.
    Erred { kind: &'static str, why: String },
}

fn run(document: &Document) -> Case {
    let why = || document.verdict.reasons.join("\n");
    let came = match document.verdict.status {
        Status::Invalid => Came::Erred {
            kind: "invalid",
            why: why(),
        },
        Status::Fail => Came::Failed {
            kind: "fail",
            why: why(),
        },
        Status::Pass if document.run.cut_off => Came::Erred {
            kind: "cut_off",
            why: "the run was cut off before all was done".to_owned(),
        },
        Status::Pass if document.run.stopped => Came::Erred {
            kind: "stopped",
            why: "the run was stopped before its plan was done".to_owned(),
        },
        Status::Pass => Came::Passed(match &document.run.shard {
            Some(it) => format!(
                "shard {} of {}: the run is judged when all are merged",
                it.index, it.count
            ),
            None => String::new(),
        }),
    };
    let name = match document.capacity {
        Some(_) => "search",
        None => "run",
    };
    Case {
        name: name.to_owned(),
        came,
    }
}

/// How long all of it took.
fn took_s(document: &Document) -> f64 {
    let search = document.capacity.as_ref();
    search.map_or(document.run.duration_s, |it| it.took_s)
}

fn of_search(scenario: &Scenario, capacity: &Capacity) -> Suite {
    let goals = capacity.goals.iter();
    let goals = goals.map(|it| case(view::goal(it), "goal"));
    let expectations = scenario.expectations.iter().map(expectation);
    let said = std::iter::once(&capacity.summary).chain(&capacity.notes);
    Suite {
        name: scenario.name.clone(),
        duration_s: capacity.took_s,
        cases: goals.chain(expectations).collect(),
        said: said.cloned().collect(),
    }
}

fn of_scenario(scenario: &Scenario, all: &[Scenario]) -> Suite {
    let thresholds = scenario.thresholds.iter().map(threshold);
    let expectations = scenario.expectations.iter().map(expectation);
    Suite {
        name: spoken(scenario, all),
        duration_s: scenario.duration_s,
        cases: thresholds.chain(expectations).collect(),
        said: percentiles(scenario),
    }
}

/// The percentiles of response times, and where they lie but for chance.
fn percentiles(scenario: &Scenario) -> Vec<String> {
    let texts = [
        view::percentiles(&scenario.response_time_us),
        view::confidence(scenario),
    ];
    let facts = texts.into_iter().flatten();
    facts
        .map(|it| unglued(&format!("{}: {}", it.label, it.text)))
        .collect()
}

fn threshold(result: &ThresholdResult) -> Case {
    case(Condition::of(result), "threshold")
}

fn expectation(expectation: &Expectation) -> Case {
    let kind = match expectation.verdict {
        Answer::Undecided => "undecided",
        Answer::Holds | Answer::Fails => "expectation",
    };
    case(Condition::of_expectation(expectation), kind)
}

fn case(condition: Condition, kind: &'static str) -> Case {
    let why = unglued(&condition.observed);
    Case {
        name: condition.expression,
        came: match condition.pass {
            true => Came::Passed(why),
            false => Came::Failed { kind, why },
        },
    }
}

/// All of it as XML.
fn report(suites: &[Suite], document: &Document) -> String {
    let all = || suites.iter().flat_map(|it| &it.cases);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"loadgen\" {} time=\"{}\">\n",
        counts(all()),
        took_s(document),
    );
    // A string takes all.
    for suite in suites {
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" {} skipped=\"0\" time=\"{}\" timestamp=\"{}\" hostname=\"{}\">",
            escaped(&suite.name),
            counts(suite.cases.iter()),
            suite.duration_s,
            escaped(&document.run.started_at),
            escaped(document.run.host.hostname.as_deref().unwrap_or_default()),
        );
        for case in &suite.cases {
            write_case(&mut xml, suite, case);
        }
        if !suite.said.is_empty() {
            let said = lines_escaped(&suite.said.join("\n"));
            let _ = writeln!(xml, "    <system-out>{said}</system-out>");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml + "</testsuites>\n"
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case> + Clone) -> String {
    let failures = cases
        .clone()
        .filter(|it| matches!(it.came, Came::Failed { .. }));
    let errors = cases
        .clone()
        .filter(|it| matches!(it.came, Came::Erred { .. }));
    format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        cases.count(),
        failures.count(),
        errors.count()
    )
}

fn write_case(xml: &mut String, suite: &Suite, case: &Case) {
    let begin = format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        escaped(&suite.name),
        escaped(&case.name),
        suite.duration_s
    );
    let bad = |element: &str, kind: &str, why: &str| {
        let (first, why) = (why.lines().next().unwrap_or_default(), lines_escaped(why));
        let first = escaped(first);
        format!(
            "{begin}>\n      <{element} type=\"{kind}\" message=\"{first}\">{why}</{element}>\n    </testcase>\n"
        )
    };
    xml.push_str(&match &case.came {
        Came::Passed(observed) if observed.is_empty() => format!("{begin}/>\n"),
        Came::Passed(observed) => format!(
            "{begin}>\n      <system-out>{}</system-out>\n    </testcase>\n",
            lines_escaped(observed)
        ),
        Came::Failed { kind, why } => bad("failure", kind, why),
        Came::Erred { kind, why } => bad("error", kind, why),
    });
}

/// A text as it stands in an attribute or between tags, in one line. What XML 1.0 has no place for is
/// hidden, too, and replaced.
fn escaped(said: &str) -> String {
    let mut out = String::with_capacity(said.len());
    for c in text::line(said).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            c => out.push(c),
        }
    }
    out
}

/// The same of several lines.
fn lines_escaped(said: &str) -> String {
    let lines: Vec<String> = said.lines().map(escaped).collect();
    lines.join("\n")
}
