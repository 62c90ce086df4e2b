//! The part of a terminal that is drawn over again, and lines that must not be torn by it.

pub(crate) mod keys;
pub(crate) mod live;
pub(crate) mod shown;
pub(crate) mod stderr;

mod drawing;

use std::fmt;
use std::io::{self, IsTerminal};

use loadgen_core::text;

use self::drawing::redrawing;
use self::shown::shown;
use crate::paint::{self, Paint};
use crate::{flow, terminal};

/// One line of the redrawn part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The text, without control characters.
    pub(crate) text: String,
    /// How it looks.
    pub(crate) tone: Tone,
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    Plain,
    /// Bold.
    Strong,
    /// Red.
    Bad,
}

/// Standard error, shared by whoever has something to say during a run. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    terminal: bool,
    paint: Paint,
    is_quiet: bool,
}

impl Screen {
    /// Standard error; where quiet is asked for, nothing is said or drawn there.
    pub(crate) fn stderr(is_quiet: bool) -> Self {
        let paint = paint::for_stderr();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            terminal: io::stderr().is_terminal() && !dumb,
            paint,
            is_quiet,
        }
    }

    /// Whether nothing is said or drawn here.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_quiet
    }

    /// Whether anything can be drawn over again here.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Columns and rows that can be drawn over again. Some terminals wrap a line that fills all
    /// columns. Beyond the top nothing can be drawn, and one row is left for what scrolls.
    pub(crate) fn room(&self) -> (usize, usize) {
        let (columns, rows) = terminal::of_stderr();
        (
            columns.saturating_sub(1).max(1),
            rows.saturating_sub(1).max(1),
        )
    }

    /// Draws these lines in place of those drawn before.
    pub(crate) fn redraw(&self, lines: &[Line]) {
        let (columns, rows) = self.room();
        let shown = &lines[..lines.len().min(rows)];
        match shown {
            [] => stderr::clear(),
            shown => stderr::draw(redrawing(&painted(shown, columns, self.paint))),
        }
    }

    /// Prints a line that stays, above what is drawn over again, unless quiet was asked for.
    pub(crate) fn say(&self, line: &str) {
        if !self.is_quiet {
            note(line);
        }
    }

    /// Takes away what was drawn.
    pub(crate) fn clear(&self) {
        stderr::clear();
    }
}

/// Prints a line on standard error that stays, also for who asked for quiet. A terminal would wrap one that is too
/// long within words.
pub(crate) fn note(line: impl fmt::Display) {
    let shown = shown(&line.to_string());
    let columns = io::stderr().is_terminal().then(|| terminal::of_stderr().0);
    stderr::line(match columns {
        None => shown,
        Some(columns) => fitted(&shown, columns),
    });
}

/// Prints a command on a line of its own, as `note` does. A terminal may wrap it, which leaves it whole for whoever
/// copies it.
pub(crate) fn command(command: &str) {
    stderr::line(format!("  {}", shown(command)));
}

/// Each line of a text in so many columns.
fn fitted(text: &str, columns: usize) -> String {
    let lines = text
        .split('\n')
        .flat_map(|line| match flow::columns(line) > columns {
            true => flow::wrapped(line, columns),
            false => vec![line.to_owned()],
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Lines that do not wrap: each is cut to the width.
fn painted(lines: &[Line], columns: usize, paint: Paint) -> Vec<String> {
    let painted = lines.iter().map(|line| {
        let text = cut(&text::line(&line.text), columns);
        match line.tone {
            Tone::Plain => text,
            Tone::Strong => paint.strong(&text),
            Tone::Bad => paint.bad(&text),
        }
    });
    painted.collect()
}

/// A text in this many columns. It ends between two figures, not within one or before its unit.
fn cut(text: &str, columns: usize) -> String {
    if flow::columns(text) <= columns {
        return text.to_owned();
    }
    let end = |most: usize| flow::end(text, most);
    // Room for a blank and the ellipsis; what divides may itself lie beyond.
    let fits = |at: usize| at > 0 && at <= end(columns.saturating_sub(2));
    let divided = [" · ", ", ", "  "]
        .into_iter()
        .flat_map(|divider| text.match_indices(divider))
        .map(|(at, _)| at)
        .filter(|at| fits(*at))
        .max();
    match divided {
        Some(at) => format!("{} …", text[..at].trim_end()),
        None => format!("{}…", &text[..end(columns.saturating_sub(1))]),
    }
}

#[cfg(test)]
mod tests {
    use alacritty_terminal::event::VoidListener;
    use alacritty_terminal::grid::Dimensions;
    use alacritty_terminal::index::{Column, Line as AlacrittyLine};
    use alacritty_terminal::term::test::TermSize;
    use alacritty_terminal::term::{Config, Term};
    use alacritty_terminal::vte::ansi::Processor;
    use test_case::test_case;

    use super::drawing::noting;
    use super::*;

    #[test]
    fn lines_never_wrap() {
        let line = Line {
            text: "µ".repeat(100),
            tone: Tone::Plain,
        };
        let painted = painted(&[line], 79, Paint::OFF);
        assert_eq!(painted[0].chars().count(), 79);
    }

    /// A terminal of 40 columns and 8 rows that keeps what scrolls away.
    struct Emulator {
        term: Term<VoidListener>,
        parser: Processor,
    }

    impl Emulator {
        fn new() -> Self {
            let size = TermSize::new(40, 8);
            Self {
                term: Term::new(Config::default(), &size, VoidListener),
                parser: Processor::new(),
            }
        }

        fn write(&mut self, text: &str) {
            // As the system's driver of terminals does it.
            let text = text.replace('\n', "\r\n");
            self.parser.advance(&mut self.term, text.as_bytes());
        }

        fn resize(&mut self, columns: usize, rows: usize) {
            self.term.resize(TermSize::new(columns, rows));
        }

        /// All that can be seen, what has scrolled away included.
        fn seen(&self) -> Vec<String> {
            let grid = self.term.grid();
            let lines = (grid.topmost_line().0..=grid.bottommost_line().0).map(|line| {
                let row = &grid[AlacrittyLine(line)];
                let cells = (0..grid.columns()).map(|column| row[Column(column)].c);
                cells.collect::<String>().trim_end().to_owned()
            });
            lines.filter(|line| !line.is_empty()).collect()
        }
    }

    fn drawn(second: usize, columns: usize) -> String {
        let line = |text: String| Line {
            text,
            tone: Tone::Strong,
        };
        let lines = [
            line(format!("steady measuring {second} of 30 and more")),
            line(format!("{second} busy, {second} ok, p50 310 µs")),
        ];
        redrawing(&painted(&lines, columns - 1, Paint::OFF))
    }

    /// The size of the terminal, second by second.
    #[test_case(&[(40, 8); 20]; "as it is")]
    #[test_case(&[(40, 8), (40, 8), (20, 8), (20, 8), (13, 8), (13, 8)]; "narrower")]
    #[test_case(&[(40, 8), (20, 8), (30, 8), (40, 8), (24, 8), (24, 8)]; "narrower and wider")]
    #[test_case(&[(40, 8), (40, 4), (40, 3), (20, 8), (20, 3), (20, 3)]; "lower")]
    fn nothing_drawn_is_left_behind(sizes: &[(usize, usize)]) {
        let mut terminal = Emulator::new();
        let before: Vec<String> = (0..12).map(|it| format!("line {it}")).collect();
        terminal.write(&format!("{}\n", before.join("\n")));
        for (second, (columns, rows)) in sizes.iter().enumerate() {
            terminal.resize(*columns, *rows);
            terminal.write(&drawn(second, *columns));
            let seen = terminal.seen();
            let views = seen.iter().filter(|line| line.starts_with("steady"));
            assert_eq!(
                views.count(),
                1,
                "{columns} columns, {rows} rows: {seen:#?}"
            );
        }
        terminal.write(&redrawing(&[]));
        terminal.write("PASS\n");
        assert_eq!(terminal.seen(), [before, vec!["PASS".to_owned()]].concat());
    }

    /// Within words a terminal wraps by itself.
    #[test]
    fn what_stays_ends_its_lines_at_blanks() {
        let mut terminal = Emulator::new();
        terminal.write(&drawn(0, 40));
        let said =
            "not done: `checkout` cannot have 9 users: expected 1 to 4, the most that its plan has";
        terminal.write(&noting(&fitted(said, 40)));
        let expected = [
            "not done: `checkout` cannot have 9",
            "  users: expected 1 to 4, the most that",
            "  its plan has",
        ];
        assert_eq!(terminal.seen(), expected);
        assert_eq!(fitted("as it\n  is", 40), "as it\n  is");
    }

    #[test]
    fn what_stays_is_not_torn() {
        let mut terminal = Emulator::new();
        terminal.write(&drawn(0, 40));
        terminal.write(&noting("WARNING: something"));
        terminal.write(&drawn(1, 40));
        terminal.write(&noting("stopping"));
        assert_eq!(terminal.seen(), ["WARNING: something", "stopping"]);
    }

    const FIGURES: &str = "  9/s · 3 ok · p50 310 µs";

    #[test_case(FIGURES, 25 => FIGURES; "it fits")]
    #[test_case(FIGURES, 24 => "  9/s · 3 ok …"; "not before a unit")]
    #[test_case(FIGURES, 14 => "  9/s · 3 ok …"; "just enough")]
    #[test_case(FIGURES, 13 => "  9/s …")]
    #[test_case("one_endless_word", 4 => "one…"; "nowhere to cut")]
    #[test_case("x", 0 => "…"; "no columns")]
    fn cuts(text: &str, columns: usize) -> String {
        cut(text, columns)
    }
}
