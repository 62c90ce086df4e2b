//! Figures in columns, under headings, each row after its label.

use loadgen_core::text;

use super::LABEL;
use crate::flow::{columns, hanging, unglued};

/// Columns between two figures; a figure's mark stands in the first of them.
const GAP: usize = 2;
/// A column is at least this wide, so that most tables look alike.
const LEAST_WIDTH: usize = 7;

/// A table that leaves out what a narrow terminal has no room for.
#[derive(Debug)]
pub(super) struct Grid {
    title: String,
    /// Labels may be as wide as this before any column is left out for them.
    label: usize,
    columns: Vec<Column>,
    rows: Vec<(String, Vec<Cell>)>,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    /// What stands above it.
    pub(super) heading: &'static str,
    /// Of several, the one with the highest is left out first.
    pub(super) rank: u8,
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

    fn shown(&self) -> &str {
        self.text.as_deref().unwrap_or("-")
    }
}

/// A table as lines.
#[derive(Debug)]
pub(super) struct Laid {
    /// The line of headings.
    pub(super) heading: String,
    /// The lines of each row: two or more where its label is too long to stand before the figures.
    pub(super) rows: Vec<Vec<String>>,
}

impl Grid {
    /// A table without rows.
    pub(super) fn new(title: &str, label: usize, columns: &[Column]) -> Self {
        Self {
            title: title.to_owned(),
            label,
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// A row, a cell for each column.
    pub(super) fn row(&mut self, label: impl AsRef<str>, cells: impl IntoIterator<Item = Cell>) {
        let label = text::line(label.as_ref());
        self.rows.push((label, cells.into_iter().collect()));
    }

    /// Whether any figure has a mark.
    pub(super) fn has_marks(&self) -> bool {
        let mut cells = self.rows.iter().flat_map(|(_, cells)| cells);
        cells.any(|cell| cell.mark.is_some())
    }

    /// The table in this many columns of a terminal.
    pub(super) fn laid(&self, width: usize) -> Laid {
        let labels = self.rows.iter().map(|(label, _)| label);
        let longest = labels.chain([&self.title]).map(|it| columns(it)).max();
        let longest = longest.unwrap_or(0);
        let shown = self.shown(width.saturating_sub(longest.min(self.label)));
        let figures: usize = shown.iter().map(|(_, width)| width + GAP).sum();
        // One more for the mark of the last.
        let room = width.saturating_sub(figures + 1);
        // A label that is longer than there is room for stands on a line of its own.
        let fitting = self.rows.iter().map(|(label, _)| columns(label));
        let fitting = fitting
            .chain([columns(&self.title)])
            .filter(|it| *it <= room);
        let label = fitting.max().unwrap_or(0).max(LABEL.min(room));
        let line = |label_text: &str, cells: &[Cell]| {
            let blanks = label.saturating_sub(columns(label_text));
            let mut line = unglued(label_text) + &" ".repeat(blanks);
            let mut mark = None;
            for (index, width) in &shown {
                let cell = &cells[*index];
                let text = cell.shown();
                let blanks = (GAP - 1) + width.saturating_sub(columns(text));
                line.push(mark.unwrap_or(' '));
                line.push_str(&" ".repeat(blanks));
                line.push_str(text);
                mark = cell.mark;
            }
            line.extend(mark);
            line
        };
        let headings: Vec<Cell> = self.columns.iter().map(|it| Cell::of(it.heading)).collect();
        let rows = self.rows.iter().map(|(text, cells)| {
            if columns(text) <= label {
                return vec![line(text, cells)];
            }
            let indent = text.len() - text.trim_start().len();
            let indent = " ".repeat(indent);
            let mut lines = hanging(&indent, indent.len(), text, width);
            lines.push(line("", cells));
            lines
        });
        Laid {
            heading: line(&self.title, &headings),
            rows: rows.collect(),
        }
    }

    /// The columns that there is room for, with their widths.
    fn shown(&self, room: usize) -> Vec<(usize, usize)> {
        let width = |index: usize| {
            let cells = self
                .rows
                .iter()
                .map(|(_, cells)| columns(cells[index].shown()));
            let heading = columns(self.columns[index].heading);
            cells.max().unwrap_or(0).max(heading).max(LEAST_WIDTH)
        };
        let mut shown: Vec<(usize, usize)> =
            (0..self.columns.len()).map(|it| (it, width(it))).collect();
        while shown.len() > 1
            && shown.iter().map(|(_, width)| width + GAP).sum::<usize>() + 1 > room
        {
            // A column without any figure goes first.
            let is_empty = |it: usize| self.rows.iter().all(|(_, cells)| cells[it].text.is_none());
            let least = shown
                .iter()
                .enumerate()
                .max_by_key(|(_, (index, _))| (is_empty(*index), self.columns[*index].rank));
            let Some((at, _)) = least else { break };
            shown.remove(at);
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    fn column(heading: &'static str, rank: u8) -> Column {
        Column { heading, rank }
    }

    /// Three columns, of which one has no figure.
    fn grid() -> Grid {
        let columns = [column("p50", 0), column("p99", 1), column("p99.9", 0)];
        let mut grid = Grid::new("", 12, &columns);
        let marked = Cell {
            mark: Some('!'),
            ..Cell::of("609 µs")
        };
        grid.row("response", [marked, Cell::of("≥1.96 s"), Cell::default()]);
        grid.row(
            " a name that is long",
            [Cell::of("1"), Cell::of("2"), Cell::default()],
        );
        grid
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
        let laid = grid().laid(width);
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
