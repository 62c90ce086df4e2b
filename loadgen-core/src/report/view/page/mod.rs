//! A document as a page shows it: what the summary says, in full, and where its charts are.
//!
//! Owns which chapters there are and in which order. A page has room: nothing is left out because it
//! would not fit on a screen, and what is capped says so.

mod balance;
mod capacity;
mod failures;
mod judged;
mod machine;
mod peers;
mod progress;
mod times;

use serde::Serialize;

use super::super::document::{Capacity, Document, LoadModel, Scenario, Status};
use super::{Fact, Headline, Table, Tone, by_hand, overview};
use crate::units::human;

pub(crate) use self::capacity::purpose;
pub(crate) use self::progress::Progress;

/// With more scenarios than this, each is folded up: they can be compared in the table before them.
const MOST_UNFOLDED: usize = 4;
/// Rows of one table. Whoever needs more reads the document.
const MOST_ROWS: usize = 1_000;

/// All that a page shows of a document.
#[derive(Debug, Serialize)]
pub(in crate::report) struct Page {
    pub(in crate::report) title: String,
    /// When the run began; nothing where it has not.
    begun: String,
    verdict: Verdict,
    /// What is to be seen first.
    figures: Vec<Figure>,
    pub(in crate::report) chapters: Vec<Chapter>,
}

/// The verdict and why; of a run that is under way, how far it is.
#[derive(Debug, Serialize)]
struct Verdict {
    word: &'static str,
    /// A word for it that layout goes by.
    class: &'static str,
    what: String,
    reasons: Vec<String>,
    /// What stands before the reasons, or instead of any.
    sentence: &'static str,
    /// How all shards of a run do that is under way.
    whole: Option<String>,
    warnings: Vec<String>,
}

/// A figure to be seen first.
#[derive(Debug, Serialize)]
struct Figure {
    label: &'static str,
    text: String,
    tone: Tone,
}

/// What has an entry of its own in the table of contents.
#[derive(Debug, Serialize)]
pub(in crate::report) struct Chapter {
    /// Names it within the page.
    pub(in crate::report) id: String,
    pub(in crate::report) title: String,
    /// What belongs to the title and is no part of the name.
    about: String,
    is_folded: bool,
    sections: Vec<Section>,
}

/// What belongs together; without a title where it is all of a chapter.
#[derive(Debug, Default, Serialize)]
struct Section {
    title: &'static str,
    blocks: Vec<Block>,
}

/// Something to say or to show.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Block {
    Facts {
        facts: Vec<Fact>,
    },
    Sentence {
        text: String,
    },
    Grid(Grid),
    Chart(Chart),
    /// A text as it is, folded up.
    Text {
        title: &'static str,
        text: String,
    },
}

/// A table.
#[derive(Debug, Serialize)]
struct Grid {
    caption: String,
    /// What stands above the labels.
    label: &'static str,
    headings: Vec<Heading>,
    rows: Vec<Row>,
    /// What is to be known of it, a sentence each.
    notes: Vec<String>,
}

/// What stands above a column.
#[derive(Debug, Serialize)]
struct Heading {
    text: String,
    column: Column,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Column {
    Figure,
    /// A few words.
    Text,
    /// A sentence.
    Remark,
    /// What somebody else said or wrote, as it is.
    Code,
}

/// What there is to say of one thing.
#[derive(Debug, Serialize)]
struct Row {
    label: String,
    /// Whether it belongs to a row above.
    indent: bool,
    tone: Tone,
    /// One for each column.
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    text: String,
    tone: Tone,
    /// A part of one that is drawn beside it.
    bar: Option<f64>,
}

/// Where a chart goes. What is drawn in it the page's script takes from the document.
#[derive(Debug, Serialize)]
struct Chart {
    chart: &'static str,
    /// The place of its scenario in the document.
    scenario: usize,
    caption: String,
    /// What it shows, for those who do not see it.
    about: String,
}

impl Page {
    /// All of a document that a page shows.
    pub(in crate::report) fn of(document: &Document) -> Self {
        let verdict = Verdict::of(Headline::of(document));
        Self::with(
            document,
            verdict,
            judged::Stand::Final,
            Some(Self::plan(document)),
        )
    }

    /// What a page shows of a run that has come so far: all that can be said without a verdict, and without the
    /// plan, which does not change.
    pub(in crate::report) fn so_far(document: &Document, progress: &Progress) -> Self {
        let verdict = Verdict::so_far(document, progress);
        Self::with(document, verdict, judged::Stand::SoFar, None)
    }

    /// What was run, which [`so_far`](Self::so_far) leaves out.
    pub(in crate::report) fn plan(document: &Document) -> Chapter {
        Chapter::new("plan", "Plan", vec![machine::plan(document)])
    }

    /// What a page shows of a run that there are no figures of.
    pub(in crate::report) fn before(progress: &Progress) -> Self {
        let verdict = Verdict::before(progress);
        Self {
            title: verdict.title(),
            begun: String::new(),
            verdict,
            figures: Vec::new(),
            chapters: Vec::new(),
        }
    }

    /// What a page shows of a search for a capacity that goes on, but for its trials' own figures; `now` says what is
    /// being done.
    pub(in crate::report) fn searching(progress: &Progress, known: &Capacity, now: String) -> Self {
        Self {
            figures: capacity::figures(known),
            chapters: vec![capacity::so_far(known, now)],
            ..Self::before(progress)
        }
    }

    /// What there is to see of the trial of a search that is under way, which is called so: all of a run's but for what
    /// the search says itself.
    pub(in crate::report) fn trial(document: &Document, called: &str) -> Vec<Chapter> {
        let verdict = Verdict::before(&Progress::waiting(""));
        let mut chapters = Self::with(document, verdict, judged::Stand::SoFar, None).chapters;
        for chapter in &mut chapters {
            chapter.about = match &*chapter.about {
                "" => called.to_owned(),
                about => format!("{called}, {about}"),
            };
        }
        chapters
    }

    fn with(
        document: &Document,
        verdict: Verdict,
        stand: judged::Stand,
        plan: Option<Chapter>,
    ) -> Self {
        let scenarios = &document.scenarios;
        let found = capacity::chapter(document);
        let judged = judged::chapter(document, stand);
        let mut chapters: Vec<Chapter> = found.into_iter().chain(judged).collect();
        if scenarios.len() > 1 {
            chapters.push(Chapter::new(
                "scenarios",
                "Scenarios",
                overview_of(document),
            ));
        }
        let of_each = scenarios.iter().enumerate();
        chapters.extend(of_each.map(|(place, it)| of_scenario(document, place, it, stand)));
        chapters.push(Chapter::new(
            "generator",
            "Generator",
            machine::generator(document),
        ));
        chapters.extend(plan);
        chapters.push(Chapter::new(
            "machine",
            "Machine and version",
            vec![machine::host(document)],
        ));
        Self {
            title: verdict.title(),
            begun: to_the_second(&document.run.started_at),
            figures: figures(document),
            verdict,
            chapters,
        }
    }
}

impl Verdict {
    fn of(headline: Headline) -> Self {
        Self {
            word: headline.word(),
            class: match headline.status {
                Status::Pass if headline.is_stopped || headline.is_part => "doubtful",
                Status::Pass => "good",
                Status::Fail => "bad",
                Status::Invalid => "doubtful",
            },
            sentence: match headline.status {
                Status::Pass if headline.is_part => {
                    "A shard's part of a run. Conditions are judged when all shards are merged."
                }
                Status::Pass if headline.is_stopped => "Every condition holds, as far as it went.",
                Status::Pass => "Every condition holds.",
                Status::Fail | Status::Invalid => "",
            },
            whole: None,
            what: headline.text,
            reasons: headline.reasons,
            warnings: headline.warnings,
        }
    }

    /// How far a run is, and what of it a verdict would count: none is told before the end.
    fn so_far(document: &Document, progress: &Progress) -> Self {
        let verdict = &document.verdict;
        let sentence = match verdict.reasons.is_empty() {
            true => "There is no verdict before the end. So far nothing speaks against a pass.",
            false => "There is no verdict before the end. So far these speak against a pass:",
        };
        Self {
            sentence,
            reasons: verdict.reasons.clone(),
            warnings: verdict.warnings.clone(),
            ..Self::before(progress)
        }
    }

    fn before(progress: &Progress) -> Self {
        Self {
            word: progress.word,
            class: progress.class,
            what: progress.what.clone(),
            reasons: Vec::new(),
            sentence: progress.sentence,
            whole: progress.whole.clone(),
            warnings: Vec::new(),
        }
    }

    /// What stands on the browser's tab.
    fn title(&self) -> String {
        format!("{}: {}", self.what, self.word)
    }
}

impl Chapter {
    fn new(id: &str, title: &str, sections: Vec<Section>) -> Self {
        Self {
            id: id.to_owned(),
            title: title.to_owned(),
            about: String::new(),
            is_folded: false,
            sections,
        }
    }
}

impl Section {
    fn new(title: &'static str, blocks: Vec<Block>) -> Self {
        Self { title, blocks }
    }
}

impl Block {
    /// Facts, where there are any.
    fn facts(facts: impl IntoIterator<Item = Fact>) -> Option<Self> {
        let facts: Vec<Fact> = facts.into_iter().collect();
        (!facts.is_empty()).then_some(Self::Facts { facts })
    }

    fn sentence(text: impl Into<String>) -> Self {
        Self::Sentence { text: text.into() }
    }

    fn chart(
        chart: &'static str,
        scenario: usize,
        caption: impl Into<String>,
        about: String,
    ) -> Self {
        Self::Chart(Chart {
            chart,
            scenario,
            caption: caption.into(),
            about,
        })
    }
}

impl Grid {
    /// A table without rows, its columns being of figures.
    fn of_figures(caption: impl Into<String>, label: &'static str, headings: &[&str]) -> Self {
        let headings: Vec<_> = headings.iter().map(|it| (*it, Column::Figure)).collect();
        Self::new(caption, label, &headings)
    }

    /// A table without rows.
    fn new(caption: impl Into<String>, label: &'static str, headings: &[(&str, Column)]) -> Self {
        let headings = headings.iter().map(|(text, column)| Heading {
            text: (*text).to_owned(),
            column: *column,
        });
        Self {
            caption: caption.into(),
            label,
            headings: headings.collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A row, a cell for each column.
    fn row(&mut self, label: impl Into<String>, cells: impl Into<Vec<Cell>>) -> &mut Row {
        self.rows.push(Row {
            label: label.into(),
            indent: false,
            tone: Tone::Plain,
            cells: cells.into(),
        });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    /// The same without the rows that are too many, and with a sentence that says so.
    fn capped(mut self) -> Self {
        let more = self.rows.len().saturating_sub(MOST_ROWS);
        if more > 0 {
            self.rows.truncate(MOST_ROWS);
            self.notes.push(format!(
                "{} more are not shown; the document that this page carries has them.",
                human::count(more as u64)
            ));
        }
        self
    }

    /// The same without columns that have nothing to say.
    fn without_empty_columns(mut self) -> Self {
        let is_kept: Vec<bool> = (0..self.headings.len())
            .map(|column| {
                self.rows
                    .iter()
                    .any(|row| !row.cells[column].text.is_empty())
            })
            .collect();
        let mut kept = is_kept.iter();
        self.headings.retain(|_| kept.next() == Some(&true));
        for row in &mut self.rows {
            let mut kept = is_kept.iter();
            row.cells.retain(|_| kept.next() == Some(&true));
        }
        self
    }

    /// As a block, where it has rows.
    fn block(self) -> Option<Block> {
        (!self.rows.is_empty()).then(|| Block::Grid(self.capped()))
    }
}

impl Cell {
    fn of(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Plain,
            bar: None,
        }
    }

    /// Nothing, where there is nothing to say.
    fn or_nothing(text: Option<impl Into<String>>) -> Self {
        Self::of(text.map(Into::into).unwrap_or_default())
    }

    fn count(count: u64) -> Self {
        Self::of(human::count(count))
    }

    /// A count of what should not be.
    fn count_of_bad(count: u64) -> Self {
        let tone = if count > 0 { Tone::Bad } else { Tone::Plain };
        Self {
            tone,
            ..Self::count(count)
        }
    }

    /// A time in microseconds, where there is one.
    fn time(us: Option<f64>) -> Self {
        Self::or_nothing(us.map(human::micros))
    }

    fn seconds(s: Option<f64>) -> Self {
        Self::time(s.map(|s| s * 1e6))
    }

    fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    fn with_bar(self, part: f64) -> Self {
        Self {
            bar: Some(part.clamp(0.0, 1.0)),
            ..self
        }
    }
}

/// A table of the summary.
impl From<&Table> for Grid {
    fn from(table: &Table) -> Self {
        let headings: Vec<&str> = table.columns.iter().map(|it| &*it.heading).collect();
        let mut grid = Self::of_figures(table.title, "", &headings);
        for row in &table.rows {
            let cells = row.cells.iter().map(|cell| {
                let text = cell.text.clone().unwrap_or_default();
                let mark = cell.mark.map(String::from).unwrap_or_default();
                Cell::of(text + &mark)
            });
            grid.row(&row.label, cells.collect::<Vec<_>>()).tone = row.tone;
        }
        grid
    }
}

/// A moment as a document has it, `2026-11-20T19:32:18.123456Z`, to be read: `2026-11-20 19:32:18 UTC`.
fn to_the_second(moment: &str) -> String {
    match (moment.get(..10), moment.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time} UTC"),
        _ => moment.to_owned(),
    }
}

/// What is to be seen first.
fn figures(document: &Document) -> Vec<Figure> {
    let total = &document.total;
    let ledger = &total.ledger;
    let times = &total.response_time_us;
    let figure = |label, text: String| Figure {
        label,
        text,
        tone: Tone::Plain,
    };
    let bad = |label, count: u64| Figure {
        tone: if count > 0 { Tone::Bad } else { Tone::Plain },
        ..figure(label, human::count(count))
    };
    let searched = document.capacity.as_ref().map(capacity::figures);
    let mut figures = searched.unwrap_or_default();
    figures.extend([
        figure("planned", human::count(ledger.planned)),
        figure("ok", human::count(ledger.completed)),
        bad("failed", ledger.failed),
    ]);
    let others = [
        ("unanswered", total.unanswered),
        ("dropped", ledger.missed()),
        ("interrupted", ledger.interrupted),
    ];
    figures.extend(
        others
            .into_iter()
            .filter(|it| it.1 > 0)
            .map(|(label, count)| bad(label, count)),
    );
    if ledger.withheld > 0 {
        figures.push(figure("withheld", human::count(ledger.withheld)));
    }
    let throughput = match by_hand::pauses(&document.scenarios) {
        Some(_) => "throughput, pauses included",
        None => "throughput",
    };
    figures.push(figure(throughput, human::rate(total.throughput_per_s)));
    let times = [
        ("p50", times.p50),
        ("p95", times.p95),
        ("p99", times.p99),
        ("max", times.max),
    ];
    figures.extend(
        times
            .into_iter()
            .filter_map(|(label, us)| Some(figure(label, human::micros(us?)))),
    );
    figures
}

/// A row for each scenario, all together, and who answered which.
fn overview_of(document: &Document) -> Vec<Section> {
    let mut grid = Grid::from(&overview::table(document));
    grid.caption = "Each scenario, and all together".to_owned();
    grid.label = "scenario";
    let grid = grid.without_empty_columns();
    let mut blocks: Vec<Block> = grid.block().into_iter().collect();
    blocks.extend(peers::matrix(document));
    vec![Section::new("", blocks)]
}

/// Everything of one scenario.
fn of_scenario(
    document: &Document,
    place: usize,
    scenario: &Scenario,
    stand: judged::Stand,
) -> Chapter {
    let sections = [
        Some(times::section(scenario)),
        Some(times::over_time(place, scenario)),
        times::curves(place, scenario),
        failures::section(scenario),
        times::steps(scenario),
        failures::checks(scenario),
        peers::backends(place, scenario),
        balance::expectations(scenario, stand),
        balance::events(place, scenario),
        peers::connections(document, place, scenario),
    ];
    let title = overview::title(scenario, &document.scenarios);
    let load = match scenario.load_model {
        LoadModel::Closed => "closed model",
        LoadModel::Open => "open model",
    };
    Chapter {
        id: format!("scenario-{place}"),
        about: match title == scenario.name {
            true => format!("{}, {load}", scenario.protocol),
            false => load.to_owned(),
        },
        title,
        is_folded: document.scenarios.len() > MOST_UNFOLDED,
        sections: sections.into_iter().flatten().collect(),
    }
}
