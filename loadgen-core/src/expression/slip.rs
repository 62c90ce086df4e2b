//! Slips of the pen in expressions, and what is to be written instead. The compiler tells where it stopped
//! to understand; this tells what was meant.

/// A byte of an expression outside of the texts in it, and how deep in brackets it is.
#[derive(Debug, Clone, Copy)]
struct Bare {
    at: usize,
    byte: u8,
    depth: i64,
}

/// The bytes outside of texts.
fn bare(source: &str) -> impl Iterator<Item = Bare> {
    let bytes = source.as_bytes();
    let (mut at, mut depth) = (0, 0);
    std::iter::from_fn(move || {
        while let Some(quote @ (b'"' | b'\'')) = bytes.get(at) {
            at += 1;
            while bytes.get(at).is_some_and(|it| it != quote) {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            at += 1;
        }
        let found = Bare {
            at,
            byte: *bytes.get(at)?,
            depth,
        };
        match found.byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
        Some(found)
    })
}

/// Whether `}}` stands outside of texts and brackets, which the compiler has no answer to: it panics.
pub(super) fn closes_what_is_not_open(source: &str) -> bool {
    let bytes = source.as_bytes();
    bare(source).any(|it| it.byte == b'}' && it.depth == 0 && bytes.get(it.at + 1) == Some(&b'}'))
}

/// What to write for an expression that stands in the braces of templates.
pub(super) fn braces(source: &str) -> Option<String> {
    let inner = source.trim().strip_prefix("{{")?;
    Some(match inner.strip_suffix("}}") {
        Some(inner) if !inner.contains(['{', '}']) => format!(
            "an expression stands here as it is, without braces: `{}`",
            inner.trim()
        ),
        _ => "an expression stands here as it is: leave `{{` and `}}` out".to_owned(),
    })
}

/// What to write for a sign of another language, in an expression that does not compile.
pub(super) fn advice(source: &str) -> Option<&'static str> {
    let bytes = source.as_bytes();
    let byte = |at: Option<usize>| at.and_then(|at| bytes.get(at));
    bare(source).find_map(|it| {
        let before = byte(it.at.checked_sub(1));
        let after = byte(it.at.checked_add(1));
        match it.byte {
            // Deeper in brackets it may name an argument.
            b'=' if it.depth == 0
                && after != Some(&b'=')
                && !before.is_some_and(|it| b"=!<>".contains(it)) =>
            {
                Some("a lone `=` compares nothing; write `==`")
            }
            b'=' if before == Some(&b'=') && after == Some(&b'=') => {
                Some("there is no `===`; write `==`")
            }
            b'&' => Some("there is no `&`; write `and`"),
            b'|' if after == Some(&b'|') => Some("there is no `||`; write `or`"),
            b'!' if after != Some(&b'=') => Some("there is no `!`; write `not`"),
            b'?' => Some("there is no `?`; write `A if CONDITION else B`"),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::super::Expression;

    #[test_case("{{ reply.total == 3 }}" => "an expression stands here as it is, without braces: `reply.total == 3`")]
    #[test_case("{{ iteration }} == 3" => "an expression stands here as it is: leave `{{` and `}}` out")]
    #[test_case("{{ a }} == {{ b }}" => "an expression stands here as it is: leave `{{` and `}}` out"; "two of them")]
    #[test_case("status = 'OK'" => "a lone `=` compares nothing; write `==`")]
    #[test_case("a === b" => "there is no `===`; write `==`")]
    #[test_case("a == 1 && b == 2" => "there is no `&`; write `and`")]
    #[test_case("a == 1 || b == 2" => "there is no `||`; write `or`")]
    #[test_case("!a" => "there is no `!`; write `not`")]
    #[test_case("a ? 1 : 2" => "there is no `?`; write `A if CONDITION else B`")]
    fn is_told_what_to_write(source: &str) -> String {
        Expression::parse(source).unwrap_err().to_string()
    }

    #[test_case("a == '=' and b != '&&'"; "in texts")]
    #[test_case("dict(a=1).a <= 2"; "an argument by name")]
    #[test_case("a|upper == 'X' or b >= 1"; "a filter")]
    #[test_case("a == '\\'=' "; "a quote in a text")]
    fn is_no_slip(source: &str) {
        Expression::parse(source).unwrap();
    }
}
