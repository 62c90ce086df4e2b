//! Walking along a condition, and saying where and how it goes wrong.

use super::error::ThresholdError;
use crate::nearest::did_you_mean;

/// A place in the text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// What has been read since, and what stands here behind it.
    pub(super) fn since(&self, start: usize, behind: &str) -> &'a str {
        &self.text[start..self.at + behind.len()]
    }

    pub(super) fn skip_space(&mut self) {
        self.take_while(char::is_whitespace);
    }

    pub(super) fn take_while(&mut self, matches: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !matches(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    pub(super) fn word(&mut self) -> &'a str {
        self.take_while(|c| c.is_alphanumeric() || c == '_')
    }

    /// Whether a name needs no quotes for this character.
    pub(super) fn is_of_names(c: char) -> bool {
        c.is_alphanumeric() || c == '_' || c == '-'
    }

    /// A name that is not the grammar's own: letters, digits, `_` and `-`, or anything else in quotes.
    pub(super) fn name(&mut self, of: &str) -> Result<String, ThresholdError> {
        let start = self.at;
        let quote = self.rest().chars().next();
        let Some(quote) = quote.filter(|it| matches!(it, '\'' | '"')) else {
            return match self.take_while(Self::is_of_names) {
                "" => Err(self.unexpected_at(start, of)),
                name => Ok(name.to_owned()),
            };
        };
        self.at += quote.len_utf8();
        let name = self.take_while(|c| c != quote);
        if self.rest().is_empty() {
            return Err(self.unexpected_at(self.at, &format!("the closing {quote} of a name")));
        }
        self.at += quote.len_utf8();
        if name.is_empty() {
            return Err(self.unexpected_at(start, of));
        }
        Ok(name.to_owned())
    }

    pub(super) fn dot(&mut self) -> Result<(), ThresholdError> {
        if !self.rest().starts_with('.') {
            return Err(self.unexpected_at(self.at, "a point"));
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn known<T>(
        &mut self,
        what: &'static str,
        words: &[&'static str],
        from_word: impl Fn(&str) -> Option<T>,
    ) -> Result<T, ThresholdError> {
        let start = self.at;
        let word = self.word();
        from_word(word).ok_or_else(|| self.unknown(what, start, word, words))
    }

    pub(super) fn unknown<'w>(
        &self,
        what: &'static str,
        start: usize,
        found: &str,
        known: impl IntoIterator<Item = &'w &'w str>,
    ) -> ThresholdError {
        let known: Vec<&str> = known.into_iter().copied().collect();
        ThresholdError::Unknown {
            what,
            found: found.chars().take(60).collect(),
            column: self.column(start),
            expected: format!("one of {}", known.join(", ")),
            help: did_you_mean(found, known),
        }
    }

    /// There are too many metrics to list. `meant` is what was likely meant, where that is known.
    pub(super) fn unknown_metric<'w>(
        &self,
        start: usize,
        found: &str,
        meant: Option<String>,
        known: impl IntoIterator<Item = &'w &'w str>,
    ) -> ThresholdError {
        ThresholdError::Unknown {
            what: "metric",
            found: found.chars().take(60).collect(),
            column: self.column(start),
            expected: "a metric such as `response_time.p95`, `error_rate` or `throughput`"
                .to_owned(),
            help: meant.or_else(|| did_you_mean(found, known.into_iter().copied())),
        }
    }

    pub(super) fn unexpected_at(&self, at: usize, expected: &str) -> ThresholdError {
        let found: String = self.text[at..]
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect();
        ThresholdError::Unexpected {
            found: if found.is_empty() {
                "the end".to_owned()
            } else {
                format!("`{found}`")
            },
            column: self.column(at),
            expected: expected.to_owned(),
        }
    }

    fn column(&self, at: usize) -> usize {
        self.text[..at].chars().count() + 1
    }
}
