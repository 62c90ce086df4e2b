//! Text in so many columns: wrapped where it can be, cut where it must be.
//!
//! Owns how wide a character is and where a line may end. Knows nothing of colour: what is painted
//! is painted once it has its place.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::line as one_line;

/// Stands for a blank at which no line ends.
const GLUE: char = '\u{a0}';

/// Units that stay on the line of their number.
const UNITS: [&str; 14] = [
    "ns", "µs", "ms", "s", "min", "h", "d", "B", "KiB", "MiB", "GiB", "TiB", "MiB/s", "%",
];

/// Columns that a text takes.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.width()
}

/// A text whose blanks end no line.
#[must_use]
pub fn glued(text: &str) -> String {
    text.replace(' ', &GLUE.to_string())
}

/// A text with its blanks as they were before [`glued`].
#[must_use]
pub fn unglued(text: &str) -> String {
    text.replace(GLUE, " ")
}

/// A text after its label, in lines of at most `width` columns; its further lines are indented this
/// far. A line ends at a blank, and not between a number and its unit. A word that is longer than a
/// line goes on in the next.
#[must_use]
pub fn hanging(label: &str, indent: usize, text: &str, width: usize) -> Vec<String> {
    let further = " ".repeat(indent);
    let options = Options::new(width)
        .initial_indent(label)
        .subsequent_indent(&further)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    let text = with_units(&one_line(text));
    let lines = textwrap::wrap(text.trim(), options);
    lines.iter().map(|line| unglued(line.trim_end())).collect()
}

/// A line as it is, in lines of at most `width` columns that end at blanks; further ones are indented a little more.
/// A word that is longer, an address for instance, stays whole: it is for the terminal to wrap.
#[must_use]
pub fn wrapped(line: &str, width: usize) -> Vec<String> {
    let text = line.trim_start_matches(' ');
    let begin = &line[..line.len() - text.len()];
    let further = format!("{begin}  ");
    let options = Options::new(width)
        .initial_indent(begin)
        .subsequent_indent(&further)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .break_words(false);
    let lines = textwrap::wrap(&with_units(text), options)
        .iter()
        .map(|line| unglued(line.trim_end()))
        .collect::<Vec<_>>();
    match lines.is_empty() {
        true => vec![String::new()],
        false => lines,
    }
}

fn with_units(text: &str) -> String {
    let mut glued = String::with_capacity(text.len());
    for word in text.split(' ') {
        let unit = word.trim_end_matches([',', '.', ';', ':', ')', '`']);
        let is_of_number = glued.ends_with(|c: char| c.is_ascii_digit()) && UNITS.contains(&unit);
        if !glued.is_empty() {
            glued.push(if is_of_number { GLUE } else { ' ' });
        }
        glued.push_str(word);
    }
    glued
}

/// A text of at most this many columns, `…` in place of its end.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let kept = &text[..end(text, most.saturating_sub(1))];
    format!("{kept}…")
}

/// A name of at most this many columns, `…` in place of its middle: names that differ mostly do so
/// at one of their ends.
#[must_use]
pub fn shortened(name: &str, most: usize) -> String {
    if columns(name) <= most {
        return name.to_owned();
    }
    let kept = most.saturating_sub(1);
    let head = &name[..end(name, kept.div_ceil(2))];
    let mut tail = String::new();
    for c in name.chars().rev() {
        if columns(&tail) + c.width().unwrap_or(0) > kept / 2 {
            break;
        }
        tail.insert(0, c);
    }
    format!("{head}…{tail}")
}

/// Where the first so many columns of a text end.
#[must_use]
pub fn end(text: &str, columns: usize) -> usize {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.width().unwrap_or(0);
        if taken > columns {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("one two three", 14 => vec!["label one two", "      three"]; "at a blank")]
    #[test_case("took 12 ms", 14 => vec!["label took", "      12 ms"]; "not before a unit")]
    #[test_case("took 12 ms, then 3", 17 => vec!["label took 12 ms,", "      then 3"]; "a unit before a comma")]
    #[test_case("an endless_word", 14 => vec!["label an", "      endless_", "      word"]; "longer than a line")]
    #[test_case("日本 日本", 12 => vec!["label 日本", "      日本"]; "characters of two columns")]
    #[test_case("", 14 => vec!["label"]; "nothing")]
    fn hangs(text: &str, width: usize) -> Vec<String> {
        hanging("label ", 6, text, width)
    }

    #[test_case("one two three", 9 => vec!["one two", "  three"]; "at a blank")]
    #[test_case("  one two three", 11 => vec!["  one two", "    three"]; "as far in as it was")]
    #[test_case("it took 12 ms", 10 => vec!["it took", "  12 ms"]; "not before a unit")]
    #[test_case("at http://127.0.0.1:8089/?token=1 or", 12 => vec!["at", "  http://127.0.0.1:8089/?token=1", "  or"]; "an address")]
    #[test_case("\u{1b}[31merror:\u{1b}[0m a b", 10 => vec!["\u{1b}[31merror:\u{1b}[0m a b"]; "colours have no width")]
    #[test_case("", 10 => vec![""]; "nothing")]
    fn wraps(line: &str, width: usize) -> Vec<String> {
        wrapped(line, width)
    }

    #[test]
    fn what_is_glued_stays_together() {
        let text = format!("a {}", glued("b c d"));
        assert_eq!(hanging("", 0, &text, 6), ["a", "b c d"]);
    }

    #[test_case("a name", 6 => "a name"; "it fits")]
    #[test_case("checkout_first", 7 => "che…rst")]
    #[test_case("checkout_first", 8 => "chec…rst"; "the beginning has more")]
    #[test_case("日本日本", 6 => "日…本"; "characters of two columns")]
    #[test_case("abc", 0 => "…"; "no room")]
    fn shortens(name: &str, most: usize) -> String {
        shortened(name, most)
    }

    #[test_case("a tale", 6 => "a tale")]
    #[test_case("a long tale", 6 => "a lon…")]
    #[test_case("日本日本", 4 => "日…"; "characters of two columns")]
    fn cuts(text: &str, most: usize) -> String {
        cut(text, most)
    }
}
