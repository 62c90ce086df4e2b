//! The beginning of what a server sent in place of what was expected, for messages to people.

use std::time::Duration;

/// The most of a body that a message to people repeats.
const MOST_CHARS: usize = 80;
/// How long the rest of such a body is waited for. It mostly comes with its head.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);
/// So many bytes hold that many characters.
pub(crate) const ENOUGH_BYTES: usize = 4 * MOST_CHARS;

/// The beginning of a body, as far as it is text; with dots where there is more.
pub(crate) fn of(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let body = body.trim();
    let is_text = |c: &char| !c.is_control() || c.is_ascii_whitespace();
    let mut beginning: String = body.chars().take(MOST_CHARS).take_while(is_text).collect();
    if beginning.len() < body.len() {
        beginning.push('…');
    }
    beginning
}

/// The same as part of a sentence; nothing where there is none.
pub(crate) fn said(body: &str) -> String {
    match body {
        "" => String::new(),
        body => format!(" (it says {body:?})"),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    #[test_case(b" no healthy upstream\n" => "no healthy upstream")]
    #[test_case(&[b'a'; 200] => "a".repeat(80) + "…"; "much")]
    #[test_case(&[b'a'; 80] => "a".repeat(80); "no more than is repeated")]
    #[test_case(b"one\x1btwo" => "one…"; "escapes")]
    #[test_case(b"\x1btwo" => "…"; "no text")]
    #[test_case(b"" => ""; "nothing")]
    fn beginnings(body: &[u8]) -> String {
        super::of(body)
    }
}
