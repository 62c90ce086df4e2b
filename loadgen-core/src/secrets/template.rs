//! Templates in a secret's place: what of them is a secret before anything is evaluated.
//!
//! What is evaluated says of itself where a value comes from, as in `Bearer {{ saved.token }}`, and no value.
//! What stands around it as it is, and texts in quotes, are parts of the secret.

use super::{MASK, SCHEMES, SHORTEST_WORD};

/// What begins and what ends that which is evaluated.
const BLOCKS: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), ("{#", "#}")];

/// Whether something in this text is evaluated.
pub(super) fn is_one(text: &str) -> bool {
    next(text).is_some()
}

/// The template without its secrets, each of which is told.
pub(super) fn masked(text: &str, mut tell: impl FnMut(&str)) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((begin, end)) = next(rest) {
        masked.push_str(&as_it_is(&rest[..begin], &mut tell));
        masked.push_str(&evaluated(&rest[begin..end], &mut tell));
        rest = &rest[end..];
    }
    masked + &as_it_is(rest, &mut tell)
}

/// Where the next part that is evaluated begins and ends.
fn next(text: &str) -> Option<(usize, usize)> {
    let begins = BLOCKS.iter().filter_map(|(open, close)| {
        let begin = text.find(open)?;
        let inner = begin + open.len();
        let end = inner + text[inner..].find(close)? + close.len();
        Some((begin, end))
    });
    begins.min()
}

/// What stands there as it is. A scheme is no secret, nor is what is too short to be one.
fn as_it_is(text: &str, tell: &mut impl FnMut(&str)) -> String {
    let word = text.trim();
    let is_scheme = SCHEMES.iter().any(|it| it.eq_ignore_ascii_case(word));
    if is_scheme || word.len() < SHORTEST_WORD {
        return text.to_owned();
    }
    let (scheme, secret) = match word.split_once(' ') {
        Some((scheme, rest)) if SCHEMES.iter().any(|it| it.eq_ignore_ascii_case(scheme)) => {
            (format!("{scheme} "), rest)
        }
        _ => (String::new(), word),
    };
    tell(secret);
    text.replace(word, &format!("{scheme}{MASK}"))
}

/// What is evaluated, without the texts in it. What stands behind a `[` is a name.
fn evaluated(text: &str, tell: &mut impl FnMut(&str)) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(open);
        let quote = &quoted[..1];
        let Some(close) = quoted[1..].find(quote) else {
            break;
        };
        let (inner, after) = (&quoted[1..=close], &quoted[close + 2..]);
        masked.push_str(before);
        masked.push_str(quote);
        if before.trim_end().ends_with('[') || inner.len() < SHORTEST_WORD {
            masked.push_str(inner);
        } else {
            tell(inner);
            masked.push_str(MASK);
        }
        masked.push_str(quote);
        rest = after;
    }
    masked + rest
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("Bearer {{ saved.token }}", "Bearer {{ saved.token }}", &[]; "a name alone")]
    #[test_case("Bearer tick-{{ user }}-zz77abc", "Bearer ***{{ user }}***", &["tick-", "-zz77abc"]; "what stands around it")]
    #[test_case("{{ row['password'] ~ 'hunter2' }}", "{{ row['password'] ~ '***' }}", &["hunter2"]; "a text in quotes")]
    #[test_case("{% if user %}abcdef{% endif %}", "{% if user %}***{% endif %}", &["abcdef"]; "within a condition")]
    #[test_case("{{ user }}:{{ row.pin }}", "{{ user }}:{{ row.pin }}", &[]; "too short for a secret")]
    #[test_case("{{ 'open", "{{ 'open", &[]; "no template")]
    fn of_a_template(text: &str, shown: &str, secrets: &[&str]) {
        let mut told = Vec::new();
        if is_one(text) {
            assert_eq!(masked(text, |it| told.push(it.to_owned())), shown);
        }
        assert_eq!(told, secrets);
    }
}
