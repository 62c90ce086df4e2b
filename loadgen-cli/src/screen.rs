//! The part of a terminal that is drawn over again, and lines that must not be torn by it.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use loadgen_core::text;
use rustix::termios::tcgetwinsize;

use crate::output;
use crate::paint::Paint;

/// Size assumed of a terminal that does not tell.
const USUAL_SIZE: (usize, usize) = (80, 24);

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
    /// Lines of the redrawn part that stand on the terminal now.
    drawn: Arc<Mutex<usize>>,
    terminal: bool,
    paint: Paint,
}

impl Screen {
    /// Standard error.
    pub(crate) fn stderr() -> Self {
        let paint = Paint::for_stderr();
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            drawn: Arc::default(),
            terminal: io::stderr().is_terminal() && !dumb,
            paint,
        }
    }

    /// Whether anything can be drawn over again here.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Rows that can be drawn over again: beyond the top of a terminal nothing can be, the cursor
    /// has a row of its own, and one is left for what scrolls.
    pub(crate) fn rows(&self) -> usize {
        size().1.saturating_sub(2).max(1)
    }

    /// Draws these lines in place of those drawn before.
    pub(crate) fn redraw(&self, lines: &[Line]) {
        let (columns, _) = size();
        let shown = &lines[..lines.len().min(self.rows())];
        self.replace(&paint(shown, columns, self.paint), shown.len());
    }

    /// Prints a line that stays, above what is drawn over again.
    pub(crate) fn note(&self, line: &str) {
        self.replace(&format!("{}\n", output::shown(line)), 0);
    }

    /// Takes away what was drawn.
    pub(crate) fn clear(&self) {
        self.replace("", 0);
    }

    fn replace(&self, text: &str, lines: usize) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        if *drawn > 0 {
            // Up to the first drawn line, and erase from there.
            out.push_str(&format!("\x1b[{drawn}A\r\x1b[J"));
        }
        out.push_str(text);
        *drawn = lines;
        let mut stderr = io::stderr().lock();
        // There is nowhere to say that this failed.
        let _ = stderr
            .write_all(out.as_bytes())
            .and_then(|()| stderr.flush());
    }
}

fn size() -> (usize, usize) {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
            (usize::from(size.ws_col), usize::from(size.ws_row))
        }
        _ => USUAL_SIZE,
    }
}

/// A line that wrapped would throw the count of lines out, so each is cut to the width.
fn paint(lines: &[Line], columns: usize, paint: Paint) -> String {
    let mut out = String::new();
    for line in lines {
        let text = cut(&text::line(&line.text), columns.saturating_sub(1));
        out.push_str(&match line.tone {
            Tone::Plain => text,
            Tone::Strong => paint.strong(&text),
            Tone::Bad => paint.bad(&text),
        });
        out.push('\n');
    }
    out
}

/// A text in this many columns. It ends between two figures, not within one or before its unit.
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let end = |most: usize| {
        text.char_indices()
            .nth(most)
            .map_or(text.len(), |(at, _)| at)
    };
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
    use test_case::test_case;

    use super::*;

    #[test]
    fn lines_never_wrap() {
        let line = Line {
            text: "µ".repeat(100),
            tone: Tone::Plain,
        };
        assert_eq!(paint(&[line], 80, Paint::OFF).chars().count(), 80);
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
