//! Texts from outside, made fit for a terminal and a page.

/// Characters kept of a text that stands within a sentence.
const MOST_CHARS: usize = 300;

/// One line without anything that moves a cursor, turns the direction of a text or is not seen: such
/// characters come out as their escapes.
pub(crate) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            // Escaped in a literal only.
            '"' | '\'' | '\\' => line.push(c),
            c => line.extend(c.escape_debug()),
        }
    }
    line
}

/// As [`line`], and cut where it is long.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(MOST_CHARS) {
        Some((end, _)) => line(&text[..end]) + "…",
        None => line(text),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("Grüße \"x\"" => "Grüße \"x\"")]
    #[test_case("a\u{1b}[31mb" => "a\\u{1b}[31mb"; "an escape sequence")]
    #[test_case("a\nb" => "a\\nb"; "a new line")]
    #[test_case("a\u{9b}b" => "a\\u{9b}b"; "a C1 control")]
    #[test_case("a\u{202e}b" => "a\\u{202e}b"; "right to left")]
    #[test_case("a\u{200b}\u{feff}b" => "a\\u{200b}\\u{feff}b"; "zero width")]
    fn cleaned(text: &str) -> String {
        line(text)
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(short(&"x".repeat(1000)).chars().count(), MOST_CHARS + 1);
    }
}
