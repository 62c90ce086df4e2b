//! What stands behind the `?`.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::serve::limits;

/// The parts of a query. What is not asked for is ignored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a>(pub(super) &'a str);

impl<'a> Query<'a> {
    fn raw(self, name: &str) -> Option<&'a str> {
        self.0.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then_some(value)
        })
    }

    /// A text, if it is there.
    ///
    /// # Errors
    /// What is wrong with it, for whoever sent it.
    pub(super) fn text(self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        if !raw.contains(['+', '%']) {
            return Ok(Some(Cow::Borrowed(raw)));
        }
        let spaced = raw.replace('+', " ");
        percent_decode_str(&spaced)
            .decode_utf8()
            .map(|text| Some(Cow::Owned(text.into_owned())))
            .map_err(|_| format!("{name} is no UTF-8"))
    }

    /// A number up to `most`, if it is there.
    ///
    /// # Errors
    /// What is wrong with it, for whoever sent it.
    pub(super) fn number(self, name: &str, most: u32) -> Result<Option<u32>, String> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        let asked = raw
            .parse()
            .map_err(|_| format!("{name} is a number from 0 to {most}, such as {name}=1"))?;
        limits::within(name, asked, most).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("name=you" => Ok(Some("you".to_owned())); "plain")]
    #[test_case("a=b&name=you+and%20me&name=x" => Ok(Some("you and me".to_owned())); "encoded, the first of two")]
    #[test_case("name=" => Ok(Some(String::new())); "empty")]
    #[test_case("name" => Ok(None); "without a value")]
    #[test_case("" => Ok(None); "no query")]
    #[test_case("name=%ff" => Err("name is no UTF-8".to_owned()); "not UTF-8")]
    fn texts(query: &str) -> Result<Option<String>, String> {
        Query(query).text("name").map(|it| it.map(Cow::into_owned))
    }

    #[test_case("count=5" => Ok(Some(5)))]
    #[test_case("counts=5" => Ok(None); "another name")]
    #[test_case("count=11" => Err("count is 11, at most 10 is allowed".to_owned()))]
    #[test_case("count=-1" => Err("count is a number from 0 to 10, such as count=1".to_owned()); "negative")]
    #[test_case("count=" => Err("count is a number from 0 to 10, such as count=1".to_owned()); "empty")]
    fn numbers(query: &str) -> Result<Option<u32>, String> {
        Query(query).number("count", 10)
    }
}
