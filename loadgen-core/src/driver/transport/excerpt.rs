//! The beginning of what a server sent in place of what was expected, for messages to people.

use std::time::Duration;

/// The most of a body that a message to people repeats.
const MOST_CHARS: usize = 80;
/// How long the rest of such a body is waited for. It mostly comes with its head.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);
/// The most of what a body says is wrong, where it says so by itself.
const MOST_DETAIL_CHARS: usize = 200;
/// So many bytes hold that many characters, and what other fields stand before them.
pub(crate) const ENOUGH_BYTES: usize = 1 << 10;

/// The beginning of a body, as far as it is text; with dots where there is more. Of problem details (RFC 9457)
/// it is what they say is wrong.
pub(crate) fn of(body: &[u8]) -> String {
    // The rest is nothing to an excerpt, however much of a body is kept.
    let start = body.len() - body.trim_ascii_start().len();
    let body = &body[start..];
    let body = String::from_utf8_lossy(body.get(..ENOUGH_BYTES).unwrap_or(body));
    let body = body.trim();
    match detail_of(body) {
        Some(detail) => beginning_of(detail.trim(), MOST_DETAIL_CHARS),
        None => beginning_of(body, MOST_CHARS),
    }
}

/// The text of the field `detail` in the beginning of a JSON object, which may break off behind it.
fn detail_of(body: &str) -> Option<String> {
    let (_, rest) = body.strip_prefix('{')?.split_once("\"detail\"")?;
    let text = rest.trim_start().strip_prefix(':')?;
    let mut text = serde_json::Deserializer::from_str(text).into_iter::<String>();
    text.next()?.ok().filter(|it| !it.trim().is_empty())
}

fn beginning_of(body: &str, most: usize) -> String {
    let is_text = |c: &char| !c.is_control() || c.is_ascii_whitespace();
    let mut beginning: String = body.chars().take(most).take_while(is_text).collect();
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
    #[test_case(br#"{"type":"about:blank","title":"Bad Gateway","status":502,"instance":"/shop/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","detail":"no server of `shop` answered"}"# => "no server of `shop` answered"; "problem details")]
    #[test_case(br#"{"detail": "cut off behind it", "mor"# => "cut off behind it"; "a beginning of them")]
    #[test_case(br#"{"detail": "cut off within"# => r#"{"detail": "cut off within"#; "a beginning of what is wrong")]
    #[test_case(br#"{"detail": [{"msg": "field required"}]}"# => r#"{"detail": [{"msg": "field required"}]}"#; "no text")]
    #[test_case(br#"the "detail": "is elsewhere""# => r#"the "detail": "is elsewhere""#; "no JSON")]
    #[test_case(b"" => ""; "nothing")]
    fn beginnings(body: &[u8]) -> String {
        super::of(body)
    }

    /// So that it is the same whether somebody looks at all of it or not.
    #[test]
    fn what_comes_late_in_a_body_is_not_looked_for() {
        let late = format!(
            r#"{{"a":"{}","detail":"late"}}"#,
            "a".repeat(super::ENOUGH_BYTES)
        );
        let told = super::of(late.as_bytes());
        assert_eq!(told, format!(r#"{{"a":"{}…"#, "a".repeat(74)));
    }
}
