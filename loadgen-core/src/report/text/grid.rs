//! Figures in columns, under headings, each row after its label.

use super::super::view::{Cell, Table};
use super::LABEL;
use crate::text;
use crate::text::flow::{columns, hanging, unglued};

/// Columns between two figures; a figure's mark stands in the first of them.
const GAP: usize = 2;
/// A column is at least this wide, so that most tables look alike.
const LEAST_WIDTH: usize = 7;

/// A table as lines.
#[derive(Debug)]
pub(super) struct Laid {
    /// The line of headings.
    pub(super) heading: String,
    /// The lines of each row: two or more where its label is too long to stand before the figures.
    pub(super) rows: Vec<Vec<String>>,
}

/// The table in this many columns of a terminal, what there is no room for left out.
pub(super) fn laid(table: &Table, width: usize) -> Laid {
    // Labels may be as wide as this before any column is left out for them.
    let most = if table.is_of_names { width / 4 } else { LABEL };
    let labels: Vec<String> = table
        .rows
        .iter()
        .map(|row| text::line(&format!("{:indent$}{}", "", row.label, indent = row.indent)))
        .collect();
    let widths = labels.iter().map(|it| columns(it));
    let longest = widths.clone().chain([columns(table.title)]).max();
    let longest = longest.unwrap_or(0);
    let shown = shown(table, width.saturating_sub(longest.min(most)));
    let figures: usize = shown.iter().map(|(_, width)| width + GAP).sum();
    // One more for the mark of the last.
    let room = width.saturating_sub(figures + 1);
    // A label that is longer than there is room for stands on a line of its own.
    let fitting = widths
        .chain([columns(table.title)])
        .filter(|it| *it <= room);
    let label = fitting.max().unwrap_or(0).max(LABEL.min(room));
    let line = |label_text: &str, cells: &[Cell]| {
        let blanks = label.saturating_sub(columns(label_text));
        let mut line = unglued(label_text) + &" ".repeat(blanks);
        let mut mark = None;
        for (index, width) in &shown {
            let cell = &cells[*index];
            let text = figure(cell);
            let blanks = (GAP - 1) + width.saturating_sub(columns(text));
            line.push(mark.unwrap_or(' '));
            line.push_str(&" ".repeat(blanks));
            line.push_str(text);
            mark = cell.mark;
        }
        line.extend(mark);
        line
    };
    let headings: Vec<Cell> = table
        .columns
        .iter()
        .map(|it| Cell::of(it.heading.clone()))
        .collect();
    let rows = table.rows.iter().zip(&labels).map(|(row, text)| {
        if columns(text) <= label {
            return vec![line(text, &row.cells)];
        }
        let indent = " ".repeat(row.indent);
        let mut lines = hanging(&indent, row.indent, text, width);
        lines.push(line("", &row.cells));
        lines
    });
    Laid {
        heading: line(table.title, &headings),
        rows: rows.collect(),
    }
}

/// The columns that there is room for, with their widths.
fn shown(table: &Table, room: usize) -> Vec<(usize, usize)> {
    let width = |index: usize| {
        let cells = table
            .rows
            .iter()
            .map(|row| columns(figure(&row.cells[index])));
        let heading = columns(&table.columns[index].heading);
        cells.max().unwrap_or(0).max(heading).max(LEAST_WIDTH)
    };
    let all = 0..table.columns.len();
    let mut shown: Vec<(usize, usize)> = all.map(|it| (it, width(it))).collect();
    while shown.len() > 1 && shown.iter().map(|(_, width)| width + GAP).sum::<usize>() + 1 > room {
        // A column without any figure goes first.
        let is_empty = |it: usize| table.rows.iter().all(|row| row.cells[it].text.is_none());
        let least = shown
            .iter()
            .enumerate()
            .max_by_key(|(_, (index, _))| (is_empty(*index), table.columns[*index].rank));
        let Some((at, _)) = least else { break };
        shown.remove(at);
    }
    shown
}

fn figure(cell: &Cell) -> &str {
    cell.text.as_deref().unwrap_or("-")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use test_case::test_case;

    use super::super::super::view::{Column, Row, Tone};
    use super::*;

    const COLUMNS: [Column; 3] = [column("p50", 0), column("p99", 1), column("p99.9", 0)];

    const fn column(heading: &'static str, rank: u8) -> Column {
        Column {
            heading: Cow::Borrowed(heading),
            rank,
        }
    }

    fn row(indent: usize, label: &str, cells: [Cell; 3]) -> Row {
        Row {
            label: label.to_owned(),
            indent,
            cells: cells.into(),
            tone: Tone::Plain,
        }
    }

    /// Three columns, of which one has no figure.
    fn table() -> Table {
        let marked = Cell {
            mark: Some('!'),
            ..Cell::of("609 µs")
        };
        let figures = [Cell::of("1"), Cell::of("2"), Cell::default()];
        Table {
            title: "",
            is_of_names: false,
            columns: COLUMNS.to_vec().into(),
            rows: vec![
                row(
                    0,
                    "response",
                    [marked, Cell::of("≥1.96 s"), Cell::default()],
                ),
                row(1, "a name that is long", figures),
            ],
            more: 0,
        }
    }

    #[test_case(60 => "
                          p50      p99    p99.9
response               609 µs! ≥1.96 s        -
 a name that is long        1        2        -"; "room for all")]
    #[test_case(40 => "
                  p50      p99    p99.9
response       609 µs! ≥1.96 s        -
 a name that is long
                    1        2        -"; "a name on its own")]
    #[test_case(31 => "
                  p50      p99
response       609 µs! ≥1.96 s
 a name that is long
                    1        2"; "what has no figures goes first")]
    #[test_case(25 => "
                  p50
response       609 µs!
 a name that is long
                    1"; "then by rank")]
    fn lays_out(width: usize) -> String {
        let laid = laid(&table(), width);
        let lines: Vec<&String> = laid.rows.iter().flatten().collect();
        for line in &lines {
            assert!(columns(line) <= width, "{line}");
        }
        let lines = lines
            .into_iter()
            .fold(laid.heading, |all, line| all + "\n" + line);
        format!("\n{lines}")
    }
}
