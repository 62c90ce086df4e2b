//! By which header fields a request is for a service that its path does not name.
//!
//! Owns patterns of their values. A field that stands several times fits where one of its values does.

use http::{HeaderMap, HeaderName};

use crate::balance::config::reader::Field;

/// What the pattern of a value should be, as messages have it.
const PATTERN: &str = "a pattern of 1 to 200 visible characters, like \"v1.*\"";
const NAME: &str = "the name of a header field in small letters, like \"agent-version\"";
const MOST: usize = 200;

/// A header field that a request must have, and what its value must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedHeader {
    name: HeaderName,
    pattern: String,
}

impl WantedHeader {
    /// The field `name` with a value like `pattern`, in which `*` stands for any number of characters and `?` for
    /// one. None if either is malformed.
    #[must_use]
    pub fn new(name: &str, pattern: &str) -> Option<Self> {
        let name = HeaderName::from_lowercase(name.as_bytes()).ok()?;
        is_pattern(pattern).then(|| Self {
            name,
            pattern: pattern.to_owned(),
        })
    }

    /// Reads an object of patterns by the names of fields.
    pub(super) fn read_all(field: &Field<'_>) -> Option<Vec<Self>> {
        let entries = field.entries()?;
        if entries.is_empty() {
            let help = "leave the field out where the path alone tells".to_owned();
            field.refuse("one header field or more", Some(help));
            return None;
        }
        let read: Vec<_> = entries
            .iter()
            .map(|(name, value)| {
                if HeaderName::from_lowercase(name.as_bytes()).is_err() {
                    value.refuse_as(
                        &format!("the name {name:?}"),
                        NAME,
                        "names are compared in small letters",
                    );
                    return None;
                }
                value.read(PATTERN, |pattern| Self::new(name, pattern))
            })
            .collect();
        read.into_iter().collect()
    }

    /// Whether a request with these fields has it.
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(&self.name).into_iter();
        values
            .into_iter()
            .any(|it| fits(self.pattern.as_bytes(), it.as_bytes()))
    }
}

fn is_pattern(pattern: &str) -> bool {
    (1..=MOST).contains(&pattern.len()) && pattern.bytes().all(|it| it.is_ascii_graphic())
}

/// Whether a value is like a pattern, in time that grows with the product of their lengths at the most.
fn fits(pattern: &[u8], value: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    // Where to go on from when it does not fit: behind the last `*`, with one byte more for that.
    let mut again: Option<(usize, usize)> = None;
    while read < value.len() {
        match (pattern.get(at), again) {
            (Some(b'*'), _) => {
                at += 1;
                again = Some((at, read));
            }
            (Some(&it), _) if it == b'?' || it == value[read] => {
                at += 1;
                read += 1;
            }
            (_, Some((behind, from))) => {
                at = behind;
                read = from + 1;
                again = Some((behind, read));
            }
            (_, None) => return false,
        }
    }
    pattern[at..].iter().all(|it| *it == b'*')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use test_case::test_case;

    use super::*;

    #[test_case("v1.*", "v1.2", true)]
    #[test_case("v1.*", "v1.", true; "nothing is any number")]
    #[test_case("v1.*", "v1", false; "too short")]
    #[test_case("v?.1", "v2.1", true)]
    #[test_case("v?.1", "v.1", false; "one is not none")]
    #[test_case("*a*b*", "xxaxxb", true; "several")]
    #[test_case("*a*b*", "xxbxxa", false; "in the other order")]
    #[test_case("*aab", "aaaab", true; "again from the next")]
    #[test_case("*", "", true; "all")]
    #[test_case("v1", "V1", false; "case")]
    fn values(pattern: &str, value: &str, does: bool) {
        assert_eq!(fits(pattern.as_bytes(), value.as_bytes()), does);
    }

    #[test]
    fn one_of_several_values_is_enough() {
        let wanted = WantedHeader::new("agent-version", "v1.*").unwrap();
        let mut headers = HeaderMap::new();
        assert!(!wanted.is_in(&headers));
        headers.append("agent-version", HeaderValue::from_static("v2.1"));
        assert!(!wanted.is_in(&headers));
        headers.append("Agent-Version", HeaderValue::from_static("v1.1"));
        assert!(wanted.is_in(&headers));
    }

    #[test_case("Agent", "v1"; "capitals")]
    #[test_case("a b", "v1"; "a blank")]
    #[test_case("a", ""; "nothing")]
    #[test_case("a", "v 1"; "a blank in the pattern")]
    fn malformed(name: &str, pattern: &str) {
        assert_eq!(WantedHeader::new(name, pattern), None);
    }
}
