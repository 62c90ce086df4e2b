//! What is shown of a document and in which order: the one model that whatever people look at is
//! written from.
//!
//! Owns which facts, tables and sentences there are, what is left out because it says nothing, and how
//! figures are written. Computes nothing that the document does not say, and knows neither widths nor
//! colours: how it is laid out is for [the writer](super::text) to say.

use std::borrow::Cow;

use serde::Serialize;

mod balance;
mod by_hand;
mod capacity;
mod checks;
mod comparison;
mod curve;
mod generator;
mod lives;
mod names;
mod overview;
#[cfg(feature = "page")]
mod page;
mod peers;
mod scenario;
mod shards;
mod times;

#[cfg(test)]
pub(super) use self::balance::Bars;
pub(super) use self::balance::Picture;
pub(super) use self::capacity::goal;
pub(super) use self::checks::Checks;
pub(super) use self::comparison::{ComparisonView, of_spread};
pub(super) use self::curve::Curve;
#[cfg(test)]
pub(super) use self::curve::Dots;
pub(super) use self::overview::spoken;
#[cfg(feature = "page")]
pub(super) use self::page::{Chapter, Page};
#[cfg(feature = "page")]
pub(crate) use self::page::{Progress, purpose};
#[cfg(feature = "text")]
pub(super) use self::times::{confidence, percentiles};
use super::document::{
    Answer, Document, Expectation, FailureClass, Scenario, Status, ThresholdResult,
};
use crate::text::flow::glued;
use crate::units::human;

/// With more scenarios than this, each gets a row instead of a section with everything.
const MOST_SECTIONS: usize = 2;
/// Classes of failure that are named.
const CLASSES: usize = 4;

/// A document as it is shown.
#[derive(Debug)]
pub(super) struct View {
    /// The verdict and why.
    pub(super) headline: Headline,
    /// A row for each scenario, and all together; where they are too many for a section each.
    pub(super) overview: Option<Table>,
    /// What there is to say of each scenario, and of all together.
    pub(super) sections: Vec<Section>,
    /// What is of the run as a whole: what was changed by hand, and how the generator itself fared.
    pub(super) run: Vec<Fact>,
}

/// The verdict and why.
#[derive(Debug)]
pub(super) struct Headline {
    pub(super) status: Status,
    /// Whether it was stopped: whatever holds of a part is no pass.
    pub(super) is_stopped: bool,
    /// Whether it is of a part that nobody chose: no verdict is more than that.
    pub(super) is_cut_off: bool,
    /// Whether it is of a shard, of which no condition is judged: that nothing speaks against its generator is no
    /// pass.
    pub(super) is_part: bool,
    /// What was run and how long that took; of a search, what was found.
    pub(super) text: String,
    /// Why it is no pass.
    pub(super) reasons: Vec<String>,
    /// What a reader should know.
    pub(super) warnings: Vec<String>,
}

/// What belongs together, under a title.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) items: Vec<Item>,
}

/// Something to say.
#[derive(Debug)]
pub(super) enum Item {
    Fact(Fact),
    Table(Table),
    Failures(Failures),
    Checks(Vec<Checks>),
    /// What they are, and each of them.
    Conditions(&'static str, Vec<Condition>),
    Picture(Picture),
    Curve(Curve),
}

/// A sentence and what it is about.
#[derive(Debug, Serialize)]
pub(super) struct Fact {
    /// A word or two; empty where it belongs to what stands before it.
    pub(super) label: String,
    /// Blanks that do not break keep together what belongs together.
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Fact {
    fn new(label: &str, text: impl Into<String>) -> Self {
        Self {
            label: label.to_owned(),
            text: text.into(),
            tone: Tone::Plain,
        }
    }

    /// A sentence of parts, each of which is kept together.
    fn of_parts(label: &str, parts: &[String]) -> Self {
        let parts: Vec<String> = parts.iter().map(|it| glued(it)).collect();
        Self::new(label, parts.join(", "))
    }

    fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// What a reader is to make of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tone {
    Plain,
    Good,
    /// To be looked at first.
    Strong,
    Bad,
    Doubtful,
}

/// Figures under headings, a row for each thing that has them.
#[derive(Debug)]
pub(super) struct Table {
    /// What stands above the labels.
    pub(super) title: &'static str,
    /// Whether labels are names, which may be long.
    pub(super) is_of_names: bool,
    pub(super) columns: Cow<'static, [Column]>,
    pub(super) rows: Vec<Row>,
    /// So many further rows are not shown.
    pub(super) more: usize,
}

impl Table {
    /// A table without rows.
    fn new(
        title: &'static str,
        is_of_names: bool,
        columns: impl Into<Cow<'static, [Column]>>,
    ) -> Self {
        Self {
            title,
            is_of_names,
            columns: columns.into(),
            rows: Vec::new(),
            more: 0,
        }
    }

    /// A row, a cell for each column, its label so many blanks in.
    fn row(&mut self, indent: usize, label: &str, cells: impl Into<Vec<Cell>>) {
        self.rows.push(Row {
            label: label.to_owned(),
            indent,
            cells: cells.into(),
            tone: Tone::Plain,
        });
    }
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// What stands above it.
    pub(super) heading: Cow<'static, str>,
    /// Where there is no room for all, the one with the highest is left out first.
    pub(super) rank: u8,
}

const fn column(heading: &'static str, rank: u8) -> Column {
    Column {
        heading: Cow::Borrowed(heading),
        rank,
    }
}

/// The figures of one thing.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) label: String,
    /// Blanks before the label: it belongs to a row above.
    pub(super) indent: usize,
    /// One for each column.
    pub(super) cells: Vec<Cell>,
    pub(super) tone: Tone,
}

/// A figure.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    /// The figure, or nothing where there is none.
    pub(super) text: Option<String>,
    /// What stands right after it.
    pub(super) mark: Option<char>,
}

impl Cell {
    /// A figure without a mark.
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            mark: None,
        }
    }

    /// A time in microseconds, where there is one.
    fn of_time(us: Option<f64>) -> Self {
        us.map_or_else(Self::default, |us| Self::of(human::micros(us)))
    }
}

/// What failed and why.
#[derive(Debug)]
pub(super) struct Failures {
    /// A word that stands before all; empty where they belong to what stands before them.
    pub(super) label: &'static str,
    /// The step whose they are, where that is to be told.
    pub(super) step: Option<String>,
    /// The most frequent first.
    pub(super) named: Vec<Failure>,
    /// What there is beside these.
    pub(super) others: Option<String>,
}

/// One class of failure.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) count: String,
    pub(super) outcome: String,
    pub(super) example: Option<String>,
}

impl Failures {
    fn of(label: &'static str, step: Option<&str>, classes: &[FailureClass]) -> Self {
        let named = classes.iter().take(CLASSES).map(|class| Failure {
            count: human::count(class.count),
            outcome: class.outcome.clone(),
            example: class.example.clone(),
        });
        let unnamed = classes.iter().skip(CLASSES);
        let (kinds, count) =
            unnamed.fold((0, 0), |(kinds, count), it| (kinds + 1, count + it.count));
        Self {
            label,
            step: step.map(str::to_owned),
            named: named.collect(),
            others: (kinds > 0).then(|| format!("{} of {kinds} more kinds", human::count(count))),
        }
    }
}

/// A condition and what became of it.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) pass: bool,
    pub(super) expression: String,
    /// `was 7.2 ms`.
    pub(super) observed: String,
}

impl Condition {
    pub(super) fn of(result: &ThresholdResult) -> Self {
        let observed = match observed(result) {
            (Some(value), remark) => format!("was {value}{remark}"),
            (None, remark) => remark,
        };
        Self {
            pass: result.pass,
            expression: result.expression.clone(),
            observed,
        }
    }

    pub(super) fn of_expectation(expectation: &Expectation) -> Self {
        let more = expectation.needed;
        let more = more.map(|more| format!("; {} more would tell", human::count(more)));
        let undecided = match expectation.verdict {
            Answer::Undecided => "undecided: ",
            Answer::Holds | Answer::Fails => "",
        };
        let observed = &expectation.observed;
        Self {
            pass: expectation.verdict == Answer::Holds,
            expression: expectation.expression.clone(),
            observed: format!(
                "{undecided}{observed}{}{}",
                more.unwrap_or_default(),
                spanned(expectation.spans_changes),
            ),
        }
    }
}

/// That a value is of a load that somebody changed.
fn spanned(changes: u64) -> String {
    match changes {
        0 => String::new(),
        changes => format!(", spans {} by hand", human::counted(changes, "change")),
    }
}

/// What was observed, where anything was, and what is to be known of that.
fn observed(result: &ThresholdResult) -> (Option<String>, String) {
    let unit = result.unit.as_deref().unwrap_or_default();
    if let Some(ended) = result.ended_run {
        let at = human::micros(ended.at_s * 1e6);
        let value = in_unit(unit, ended.observed);
        return (Some(value), format!(" after {at}, and ended the run"));
    }
    match (result.observed, &result.unjudged) {
        (Some(value), _) => {
            let window = result.window.map(|it| {
                let most = if it.is_bound { " at the worst" } else { "" };
                format!("{most} from {} s to {} s", it.from_s, it.to_s)
            });
            let doubt = match (result.few_samples, &window) {
                (false, _) => "",
                (true, None) => ", not given above: too few samples",
                (true, Some(_)) => ", of too few samples",
            };
            let changes = spanned(result.spans_changes);
            let remark = window.unwrap_or_default() + doubt + &changes;
            (Some(in_unit(unit, value)), remark)
        }
        (None, Some(why)) => (None, why.clone()),
        (None, None) => (None, "nothing was measured".to_owned()),
    }
}

impl View {
    /// All of a document that is shown.
    pub(super) fn of(document: &Document) -> Self {
        let scenarios = &document.scenarios;
        let (overview, sections) = if scenarios.len() > MOST_SECTIONS {
            let sections = scenarios
                .iter()
                .filter_map(|it| overview::section(it, scenarios));
            let sections = sections.chain(scenario::together(&document.total, scenarios));
            (Some(overview::table(document)), sections.collect())
        } else {
            let plan = &document.run.plan;
            let trial = document.shown_trial().map(capacity::of_trial);
            let trial = trial.as_deref();
            let sections = scenarios
                .iter()
                .map(|it| scenario::section(it, plan, trial));
            let mut sections: Vec<Section> = sections.collect();
            sections.splice(0..0, document.capacity.as_ref().map(capacity::section));
            sections.extend(match scenarios.len() {
                0 | 1 => scenario::together(&document.total, scenarios),
                _ => Some(scenario::total(&document.total, scenarios)),
            });
            (None, sections)
        };
        Self {
            headline: Headline::of(document),
            run: overview
                .as_ref()
                .and_then(|_| by_hand::pauses_of_each(scenarios))
                .into_iter()
                .chain(by_hand::list(document))
                .chain(shards::fact(document))
                .chain([generator::fact(document)])
                .collect(),
            overview,
            sections,
        }
    }
}

impl Headline {
    /// The verdict in a word.
    pub(super) fn word(&self) -> &'static str {
        match self.status {
            Status::Pass | Status::Invalid if self.is_cut_off => "CUT OFF",
            Status::Pass if self.is_stopped => "STOPPED",
            Status::Pass if self.is_part => "PART",
            Status::Pass => "PASS",
            Status::Fail => "FAIL",
            Status::Invalid => "INVALID",
        }
    }

    fn of(document: &Document) -> Self {
        let what = match document.scenarios.as_slice() {
            [only] => only.name.clone(),
            several => format!("{} scenarios", several.len()),
        };
        let is_cut_off = document.run.cut_off;
        let stopped = match (document.run.stopped, document.verdict.status) {
            // The word before it says that it was cut off, or stopped.
            (_, Status::Fail) if is_cut_off => ", CUT OFF before all was done",
            _ if is_cut_off => ", before all was done",
            (false, _) => "",
            (true, Status::Pass) => ", before all was done",
            (true, _) => ", stopped early",
        };
        let took = human::micros(document.run.duration_s.max(0.0) * 1e6);
        let summary = document.capacity.as_ref().map(|it| it.summary.as_str());
        // Where it is the first thing that is said, it is not said again.
        let sentences = |all: &[String]| -> Vec<String> {
            let others = all.iter().filter(|it| Some(it.as_str()) != summary);
            others.cloned().collect()
        };
        Self {
            status: document.verdict.status,
            is_stopped: document.run.stopped,
            is_cut_off,
            is_part: document.run.shard.is_some(),
            text: match summary {
                Some(summary) => format!("{what}: {summary}"),
                None => format!("{what} {}", glued(&format!("in {took}{stopped}"))),
            },
            reasons: sentences(&document.verdict.reasons),
            warnings: sentences(&document.verdict.warnings),
        }
    }
}

/// Whether each user has connections of its own, so that connecting is part of what is measured.
fn keeps_own_connections(scenario: &Scenario) -> bool {
    matches!(scenario.protocol.as_str(), "websocket" | "http" | "tcp")
}

/// A value in a condition's unit; times are shown as everywhere else.
fn in_unit(unit: &str, value: f64) -> String {
    if unit.is_empty() && value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        return human::count(value as u64);
    }
    match unit {
        "ns" => human::micros(value / 1e3),
        "us" => human::micros(value),
        "ms" => human::micros(value * 1e3),
        "s" => human::micros(value * 1e6),
        "m" => human::micros(value * 6e7),
        "h" => human::micros(value * 3.6e9),
        "%" => human::percent(value / 100.0),
        "/s" => human::rate(value),
        _ => format!("{}{unit}", human::significant(value)),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("%", 0.25 => "0.25%")]
    #[test_case("%", 24.329 => "24.33%"; "as in the verdict")]
    #[test_case("ms", 7.234 => "7.23 ms")]
    #[test_case("m", 0.0005 => "30 ms"; "it was 0m")]
    #[test_case("/s", 812.0 => "812/s")]
    #[test_case("/s", 48_211.4 => "48,211/s"; "as above the table")]
    #[test_case("", 12_345.0 => "12,345")]
    fn in_its_unit(unit: &str, value: f64) -> String {
        in_unit(unit, value)
    }
}
