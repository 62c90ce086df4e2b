//! Text from outside, made fit to be shown.
//!
//! What a server says ends up on terminals, in pages and in files. There it may not move a cursor,
//! turn the direction of writing, hide anything or begin a line of its own. Owns which characters
//! do, how wide they are and where a line may end ([`flow`]), and the colours of terminals
//! ([`Paint`]). Knows nothing of where a text is shown.

#[cfg(feature = "text")]
pub mod flow;
mod paint;

use std::cmp::Ordering;

pub use paint::Paint;

/// Stands for a character that is not shown.
const REPLACEMENT: char = '\u{fffd}';

/// Whether a character does something other than being seen: controls (C0, DEL and C1), what divides
/// lines, what turns the direction of writing, what has no width, and what is no character.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    // The general categories Cc, Cf, Zl and Zp of Unicode 16, the fillers that look like nothing,
    // variation selectors, and noncharacters.
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// What sentences call a scenario: its name, and its protocol where several of `all` have that name.
pub(crate) fn title<'a>(
    name: &str,
    protocol: &str,
    all: impl IntoIterator<Item = &'a str>,
) -> String {
    let alike = all.into_iter().filter(|it| *it == name);
    match alike.count() {
        0 | 1 => name.to_owned(),
        _ => format!("{name} {protocol}"),
    }
}

/// A text in one line: what would end the line, or is a tab, becomes a blank, and whatever else is
/// hidden the replacement character.
///
/// ```
/// use loadgen_core::text::line;
///
/// assert_eq!(line("no\r\nroom \u{1b}[2J\u{202e}!"), "no room \u{fffd}[2J\u{fffd}!");
/// ```
#[must_use]
pub fn line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' if rest.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => {
                shown.push(' ');
            }
            c if is_hidden(c) => shown.push(REPLACEMENT),
            c => shown.push(c),
        }
    }
    shown
}

/// As [`line()`], and cut with `…` where it has more than 300 characters: for a name within a sentence.
#[must_use]
pub fn short(text: &str) -> String {
    const MOST_CHARS: usize = 300;
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => line(&text[..end]) + "…",
        None => line(text),
    }
}

/// A text of several lines, each as [`line()`] makes it.
#[must_use]
pub fn lines(text: &str) -> String {
    let each = text.split('\n').map(line);
    each.collect::<Vec<_>>().join("\n")
}

/// The order in which people list names: runs of digits count as the numbers that they are, `b2` before `b10`.
#[must_use]
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let number_len = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit());
        end.unwrap_or(text.len())
    };
    let (mut left, mut right) = (a, b);
    while let (Some(one), Some(other)) = (left.chars().next(), right.chars().next()) {
        if one.is_ascii_digit() && other.is_ascii_digit() {
            let (these, rest) = left.split_at(number_len(left));
            let (those, other_rest) = right.split_at(number_len(right));
            let these = these.trim_start_matches('0');
            let those = those.trim_start_matches('0');
            let order = these.len().cmp(&those.len()).then_with(|| these.cmp(those));
            if order != Ordering::Equal {
                return order;
            }
            (left, right) = (rest, other_rest);
        } else if one == other {
            (left, right) = (&left[one.len_utf8()..], &right[one.len_utf8()..]);
        } else {
            return one.cmp(&other);
        }
    }
    // Names that differ stay apart: `b2` and `b02`.
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("plain, µs, 日本, é, 🚀" => "plain, µs, 日本, é, 🚀"; "what is seen stays")]
    #[test_case("a\tb\nc\r\nd\re" => "a b c d e"; "one line")]
    #[test_case("\u{1b}]0;PWNED\u{7}" => "\u{fffd}]0;PWNED\u{fffd}"; "an escape")]
    #[test_case("\u{9b}31m\u{7f}" => "\u{fffd}31m\u{fffd}"; "C1 and DEL")]
    #[test_case("\u{202e}\u{2066}\u{200f}\u{61c}" => "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"; "direction")]
    #[test_case("a\u{200b}\u{feff}\u{ad}\u{2060}b" => "a\u{fffd}\u{fffd}\u{fffd}\u{fffd}b"; "no width")]
    #[test_case("a\u{2028}b\u{2029}c\u{85}d" => "a b c d"; "dividers of lines")]
    #[test_case("\u{e0041}\u{ffff}\u{1fffe}\u{fdd0}" => "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"; "tags and noncharacters")]
    fn one_line(text: &str) -> String {
        line(text)
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(short(&"é".repeat(1000)), "é".repeat(300) + "…");
        assert_eq!(short(&"é".repeat(300)), "é".repeat(300));
    }

    #[test]
    fn lines_keep_their_ends_and_nothing_else() {
        assert_eq!(lines("a\nb\u{1b}[A\rc\n"), "a\nb\u{fffd}[A c\n");
    }

    #[test]
    fn numbers_in_names_are_numbers() {
        let wanted = [
            "10.0.0.2:80",
            "10.0.0.10:80",
            "b",
            "b1",
            "b02",
            "b2",
            "b2-a",
            "b10",
            "b10-2",
            "c",
        ];
        let mut names = wanted;
        names.reverse();
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, wanted);
    }

    proptest! {
        /// Sorting needs an order in which nothing contradicts another.
        #[test]
        fn names_have_one_order(a in "[ab0-2]{0,4}", b in "[ab0-2]{0,4}", c in "[ab0-2]{0,4}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b).is_lt() && natural(&b, &c).is_lt() {
                prop_assert!(natural(&a, &c).is_lt());
            }
        }
    }
}
