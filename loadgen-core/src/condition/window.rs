//! `over any 10s`: that a condition holds for every window of a length.

use std::time::Duration;

use super::cursor::Cursor;
use super::error::ThresholdError;
use crate::units::parse_duration;

/// The longest window. Each second of it is kept while a run is under way.
const LONGEST: Duration = Duration::from_hours(1);

/// The window's length, where there is one; nothing may come after it.
pub(super) fn length(cursor: &mut Cursor<'_>) -> Result<Option<Duration>, ThresholdError> {
    cursor.skip_space();
    if cursor.rest().is_empty() {
        return Ok(None);
    }
    let start = cursor.at;
    if cursor.word() != "over" {
        return Err(cursor.unexpected_at(
            start,
            "the end of the condition, or windows such as `over any 10s`",
        ));
    }
    cursor.skip_space();
    let start = cursor.at;
    if cursor.word() != "any" {
        return Err(cursor.unexpected_at(start, "`any` and a time, as in `over any 10s`"));
    }
    cursor.skip_space();
    let start = cursor.at;
    let text = cursor.take_while(|c| !c.is_whitespace());
    let length = parse_duration(text).ok().filter(|it| is_length(*it));
    let Some(length) = length else {
        return Err(cursor.unexpected_at(start, "whole seconds from 1s to 1h such as `10s`"));
    };
    cursor.skip_space();
    if !cursor.rest().is_empty() {
        return Err(cursor.unexpected_at(cursor.at, "the end of the condition"));
    }
    Ok(Some(length))
}

fn is_length(length: Duration) -> bool {
    length.subsec_nanos() == 0 && !length.is_zero() && length <= LONGEST
}
