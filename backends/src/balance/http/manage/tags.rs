//! Entity tags, and requests that are only for who has seen the latest state (RFC 9110, section 13).

use std::fmt::Write as _;

use http::header::{self, HeaderMap, HeaderName};
use ring::digest;
use serde_json::Value;

/// The strong entity tag of a document: equal documents have equal ones.
pub(super) fn tag(value: &Value) -> String {
    let digest = digest::digest(&digest::SHA256, value.to_string().as_bytes());
    let mut tag = String::from('"');
    for byte in &digest.as_ref()[..16] {
        // Writing to a string cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

/// What a request says about the state that it is for.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    if_match: Option<Wanted>,
    if_none_match: Option<Wanted>,
}

#[derive(Debug, Clone)]
enum Wanted {
    Any,
    /// As they stand, `W/` included.
    Tags(Vec<String>),
}

impl Conditions {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self {
            if_match: wanted(headers, &header::IF_MATCH),
            if_none_match: wanted(headers, &header::IF_NONE_MATCH),
        }
    }

    /// Whether a change may be made of what has this tag, or of what is not there.
    pub(super) fn allow(&self, current: Option<&str>) -> bool {
        let matches = self
            .if_match
            .as_ref()
            .is_none_or(|it| it.has(current, false));
        matches && !self.is_known(current)
    }

    /// Whether the sender has this state already.
    pub(super) fn is_known(&self, current: Option<&str>) -> bool {
        self.if_none_match
            .as_ref()
            .is_some_and(|it| it.has(current, true))
    }
}

impl Wanted {
    fn has(&self, current: Option<&str>, weakly: bool) -> bool {
        match (self, current) {
            (_, None) => false,
            (Self::Any, Some(_)) => true,
            (Self::Tags(tags), Some(current)) => tags.iter().any(|tag| {
                let tag = match tag.strip_prefix("W/") {
                    Some(weak) if weakly => weak,
                    _ => tag,
                };
                tag == current
            }),
        }
    }
}

/// What is no list of tags has none that could be right.
fn wanted(headers: &HeaderMap, name: &HeaderName) -> Option<Wanted> {
    let mut tags = Vec::new();
    let mut is_there = false;
    for value in headers.get_all(name) {
        is_there = true;
        for tag in value.to_str().unwrap_or_default().split(',') {
            match tag.trim() {
                "*" => return Some(Wanted::Any),
                tag => tags.push(tag.to_owned()),
            }
        }
    }
    is_there.then_some(Wanted::Tags(tags))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;
    use test_case::test_case;

    use super::*;

    fn conditions(name: HeaderName, value: &'static str) -> Conditions {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        Conditions::of(&headers)
    }

    #[test_case("\"a\"", Some("\"a\"") => true; "the same")]
    #[test_case("\"b\", \"a\"", Some("\"a\"") => true; "one of several")]
    #[test_case("\"b\"", Some("\"a\"") => false; "another")]
    #[test_case("W/\"a\"", Some("\"a\"") => false; "a weak one is not strong enough")]
    #[test_case("*", Some("\"a\"") => true; "any")]
    #[test_case("*", None => false; "any of what is not there")]
    #[test_case("a", Some("\"a\"") => false; "no tag")]
    fn if_match(value: &'static str, current: Option<&str>) -> bool {
        conditions(header::IF_MATCH, value).allow(current)
    }

    #[test_case("*", None => true; "nothing there")]
    #[test_case("*", Some("\"a\"") => false; "something there")]
    #[test_case("W/\"a\"", Some("\"a\"") => false; "known, if weakly")]
    #[test_case("\"b\"", Some("\"a\"") => true; "another state is known")]
    fn if_none_match(value: &'static str, current: Option<&str>) -> bool {
        conditions(header::IF_NONE_MATCH, value).allow(current)
    }

    #[test]
    fn tags_are_of_contents() {
        assert_eq!(tag(&json!({ "a": 1 })), tag(&json!({ "a": 1 })));
        assert_ne!(tag(&json!({ "a": 1 })), tag(&json!({ "a": 2 })));
        assert_eq!(tag(&json!(1)).len(), 34);
    }
}
