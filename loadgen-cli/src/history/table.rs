//! A history for people: for each scenario its trend, and a row for each result.

use loadgen_core::report::compare::ScenarioPlan;
use loadgen_core::text;

use super::{Figures, History, Past, sparkline};
use crate::paint::Paint;
use crate::{flow, human};

/// Blanks between two columns.
const GAP: usize = 2;
/// A name of a file is shortened to this.
const LONGEST_FILE: usize = 40;
/// What a line of bars has beside them.
const BESIDE_BARS: usize = 36;
/// Stands behind the verdict where a scenario changed.
const CHANGED: &str = "*";

/// A column: its heading, how early it is left out where there is little room, and whether it is of figures,
/// which stand below each other by their ends.
struct Column {
    heading: &'static str,
    rank: u8,
    is_figure: bool,
    cell: fn(&Past, &Figures) -> String,
}

/// A column of text.
const fn text(heading: &'static str, rank: u8, cell: fn(&Past, &Figures) -> String) -> Column {
    Column {
        heading,
        rank,
        is_figure: false,
        cell,
    }
}

/// A column of figures.
const fn figure(heading: &'static str, rank: u8, cell: fn(&Past, &Figures) -> String) -> Column {
    Column {
        is_figure: true,
        ..text(heading, rank, cell)
    }
}

/// Shown where a result is of a search.
const CAPACITY: &str = "capacity";

static COLUMNS: [Column; 13] = [
    text("began (UTC)", 0, |past, _| minute(&past.started_at)),
    text("verdict", 0, |past, _| past.verdict.to_owned()),
    figure(CAPACITY, 0, |_, it| {
        let found = it.capacity.as_ref();
        found.map_or_else(none, |it| it.bounds.clone())
    }),
    figure("rate", 1, |_, it| human::rate(it.per_s)),
    figure("p50", 4, |_, it| time(it, 50.0, it.response_time_us.p50)),
    figure("p95", 8, |_, it| time(it, 95.0, it.response_time_us.p95)),
    figure("p99", 1, |_, it| time(it, 99.0, it.response_time_us.p99)),
    figure("p99.9", 9, |_, it| time(it, 99.9, it.response_time_us.p999)),
    figure("max", 10, |_, it| time(it, 100.0, it.response_time_us.max)),
    figure("errors", 2, |_, it| {
        it.error_rate().map_or_else(none, human::percent)
    }),
    figure("lasted", 7, |_, it| human::micros(it.duration_s * 1e6)),
    text("version", 5, |past, _| text::line(&past.version)),
    text("file", 6, |past, _| {
        flow::shortened(&text::line(&past.file), LONGEST_FILE)
    }),
];

fn none() -> String {
    "-".to_owned()
}

/// A moment to the minute, of its form in RFC 3339.
fn minute(at: &str) -> String {
    let at = text::line(at).replace('T', " ");
    at.chars().take(16).collect()
}

/// A percentile, which some samples only bound from below.
fn time(figures: &Figures, percentage: f64, us: Option<f64>) -> String {
    let from = figures.response_time_us.at_least_from;
    let mark = match from.is_some_and(|from| percentage > from) {
        true => "≥",
        false => "",
    };
    us.map_or_else(none, |us| format!("{mark}{}", human::micros(us)))
}

/// A scenario in all results that have it.
type Course<'a> = Vec<(&'a Past, &'a Figures)>;

impl History {
    /// The history in lines of so many columns.
    pub(crate) fn table(&self, columns: usize, paint: Paint) -> String {
        let mut lines = flow::hanging("", GAP, &self.title(), columns);
        let mut has_changed = false;
        for course in self.courses() {
            lines.push(String::new());
            lines.push(paint.strong(&flow::cut(&name(&course), columns)));
            lines.extend(trends(&course, columns));
            lines.extend(rows(&course, columns, paint, &mut has_changed));
        }
        if has_changed {
            let legend = "not the scenario that it was in the run before";
            lines.push(String::new());
            lines.extend(flow::hanging(&format!("{CHANGED} "), GAP, legend, columns));
        }
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn title(&self) -> String {
        let number = human::counted(self.results.len() as u64, "result");
        let others = match self.others {
            0 => String::new(),
            1 => "; 1 other file is no result".to_owned(),
            others => format!("; {} other files are no results", human::count(others)),
        };
        format!("{number} in {}{others}", self.folder.display())
    }

    /// Each scenario, as the newest results have them.
    fn courses(&self) -> Vec<Course<'_>> {
        let mut courses: Vec<Course<'_>> = Vec::new();
        for past in self.results.iter().rev() {
            for figures in &past.scenarios {
                let is_it = |course: &&mut Course<'_>| {
                    let (_, known) = course[0];
                    known.name == figures.name && known.protocol == figures.protocol
                };
                match courses.iter_mut().find(is_it) {
                    Some(course) => course.push((past, figures)),
                    None => courses.push(vec![(past, figures)]),
                }
            }
        }
        courses.iter_mut().for_each(|it| it.reverse());
        courses
    }
}

fn name(course: &Course<'_>) -> String {
    let (_, figures) = course[0];
    text::line(&format!("{} ({})", figures.name, figures.protocol))
}

/// The latest values as bars; nothing where there is one only.
fn trends(course: &Course<'_>, columns: usize) -> Vec<String> {
    if course.len() < 2 {
        return Vec::new();
    }
    let latest = course
        .len()
        .saturating_sub(columns.saturating_sub(BESIDE_BARS));
    let trend = |label: &str, of: fn(&Figures) -> Option<f64>, said: fn(f64) -> String| {
        let values: Vec<Option<f64>> = course[latest..].iter().map(|(_, it)| of(it)).collect();
        let known = || values.iter().flatten().copied();
        let (least, largest) = (known().reduce(f64::min)?, known().reduce(f64::max)?);
        let (least, largest) = (said(least), said(largest));
        let range = match least == largest {
            true => least,
            false => format!("{least} to {largest}"),
        };
        Some(format!("  {label:8}{}  {range}", sparkline::of(&values)))
    };
    // What a search has else is of one trial, at a rate of its own.
    fn of_run(it: &Figures) -> Option<&Figures> {
        Some(it).filter(|it| it.capacity.is_none())
    }
    let trends = [
        trend("holds", |it| it.capacity.as_ref()?.lower_per_s, human::rate),
        trend("rate", |it| Some(of_run(it)?.per_s), human::rate),
        trend("p99", |it| of_run(it)?.response_time_us.p99, human::micros),
        trend("errors", |it| of_run(it)?.error_rate(), human::percent),
    ];
    trends.into_iter().flatten().collect()
}

fn rows(course: &Course<'_>, columns: usize, paint: Paint, has_changed: &mut bool) -> Vec<String> {
    let mut cells: Vec<Vec<String>> =
        vec![COLUMNS.iter().map(|it| it.heading.to_owned()).collect()];
    let mut before: Option<&ScenarioPlan> = None;
    for (past, figures) in course {
        let mut row: Vec<String> = COLUMNS.iter().map(|it| (it.cell)(past, figures)).collect();
        if before.is_some_and(|it| it.differs_from(&figures.plan)) {
            row[1].push_str(CHANGED);
            *has_changed = true;
        }
        before = Some(&figures.plan);
        cells.push(row);
    }
    let shown = shown(&cells, columns);
    let lines = cells.iter().enumerate().map(|(place, row)| {
        let texts = shown.iter().map(|(column, width)| {
            let blanks = " ".repeat(width.saturating_sub(flow::columns(&row[*column])));
            match COLUMNS[*column].is_figure {
                true => format!("{blanks}{}", row[*column]),
                false => format!("{}{blanks}", row[*column]),
            }
        });
        let texts: Vec<String> = texts.collect();
        let line = format!("  {}", texts.join("  "));
        let line = line.trim_end();
        match place {
            0 => paint.faint(line),
            place => toned(course[place - 1].0.verdict, line, paint),
        }
    });
    lines.collect()
}

fn toned(verdict: &str, line: &str, paint: Paint) -> String {
    match verdict {
        "PASS" | "PART" => line.to_owned(),
        "FAIL" => paint.bad(line),
        _ => paint.doubtful(line),
    }
}

/// The columns that there is room for, with their widths.
fn shown(cells: &[Vec<String>], columns: usize) -> Vec<(usize, usize)> {
    let width = |column: usize| {
        let widths = cells.iter().map(|row| flow::columns(&row[column]));
        widths.max().unwrap_or_default()
    };
    let is_of_none = |column: usize| {
        COLUMNS[column].heading == CAPACITY && cells[1..].iter().all(|row| row[column] == none())
    };
    let columns_of_some = (0..COLUMNS.len()).filter(|it| !is_of_none(*it));
    let mut shown: Vec<(usize, usize)> = columns_of_some.map(|it| (it, width(it))).collect();
    let taken = |shown: &[(usize, usize)]| shown.iter().map(|(_, it)| it + GAP).sum::<usize>();
    while shown.len() > 2 && taken(&shown) > columns {
        let last = shown
            .iter()
            .enumerate()
            .max_by_key(|(_, (it, _))| COLUMNS[*it].rank);
        let Some((place, _)) = last else { break };
        shown.remove(place);
    }
    shown
}
