//! When a cookie is over, in whatever form a server writes it.
//!
//! Owns the reading of dates as RFC 6265, 5.1.1 has it: no form is told from another, their parts are.

use std::time::{Duration, SystemTime};

/// The moment that a date means; one before 1970 is 1970. `None` where it is none.
pub(super) fn parse(text: &str) -> Option<SystemTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in text.split(is_delimiter).filter(|it| !it.is_empty()) {
        if time.is_none()
            && let Some(found) = time_of(token)
        {
            time = Some(found);
        } else if day.is_none()
            && let Some(found) = number(token, 1..=2)
        {
            day = Some(found);
        } else if month.is_none()
            && let Some(found) = month_of(token)
        {
            month = Some(found);
        } else if year.is_none()
            && let Some(found) = number(token, 2..=4)
        {
            year = Some(found);
        }
    }
    let ((hour, minute, second), day, month) = (time?, day?, month?);
    let year = match year? {
        short @ 70..=99 => short + 1900,
        short @ 0..=69 => short + 2000,
        1601..1970 => return Some(SystemTime::UNIX_EPOCH),
        year => year,
    };
    let exists = year >= 1970 && (1..=days_in(year, month)).contains(&day);
    if !exists || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (hour, minute, second) = (u64::from(hour), u64::from(minute), u64::from(second));
    let seconds = days_before(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn days_in(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days from the beginning of 1970 to this one. Years are taken to begin in March, so that the day that
/// some have more is their last.
fn days_before(year: u32, month: u32, day: u32) -> u64 {
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let of_months = (153 * month + 2) / 5;
    u64::from(365 * year + leap_days + of_months + day - 1) - 719_468
}

fn is_delimiter(it: char) -> bool {
    matches!(it, '\t' | ' '..='/' | ';'..='@' | '['..='`' | '{'..='~')
}

/// The number that a token begins with, which has so many digits.
fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let end = token.find(|it: char| !it.is_ascii_digit());
    let found = &token[..end.unwrap_or(token.len())];
    let fits = digits.contains(&found.len());
    fits.then(|| found.parse().ok()).flatten()
}

fn time_of(token: &str) -> Option<(u32, u32, u32)> {
    let mut parts = token.splitn(3, ':');
    let hour = whole(parts.next()?)?;
    let minute = whole(parts.next()?)?;
    Some((hour, minute, number(parts.next()?, 1..=2)?))
}

/// One or two digits, and nothing else.
fn whole(text: &str) -> Option<u32> {
    let are_digits = text.bytes().all(|it| it.is_ascii_digit());
    number(text, 1..=2).filter(|_| are_digits)
}

/// A month's number, from 1.
fn month_of(token: &str) -> Option<u32> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let begin = token.get(..3)?.to_ascii_lowercase();
    let nth = MONTHS.iter().position(|it| *it == begin)?;
    u32::try_from(nth + 1).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("Sun, 06 Nov 1994 08:49:37 GMT" => Some(784_111_777))]
    #[test_case("Sunday, 06-Nov-94 08:49:37 GMT" => Some(784_111_777); "RFC 850")]
    #[test_case("Sun Nov  6 08:49:37 1994" => Some(784_111_777); "asctime")]
    #[test_case("Sun, 06-Nov-1994 08:49:37 GMT" => Some(784_111_777); "as many write it")]
    #[test_case("Mon, 6-nov-94 8:49:37" => Some(784_111_777); "another day of the week")]
    #[test_case("Thu, 01-Jan-70 00:00:10 GMT" => Some(10))]
    #[test_case("Wed, 21 Oct 37 07:28:00 GMT" => Some(2_139_722_880); "two digits of this century")]
    #[test_case("Mon, 01-Jan-1601 00:00:00 GMT" => Some(0); "long ago")]
    #[test_case("Sun, 31 Feb 2030 08:49:37 GMT" => None; "no such day")]
    #[test_case("Sun, 06 Nov 1994 24:49:37 GMT" => None; "no such hour")]
    #[test_case("Sun, 06 Nov 1994" => None; "no time")]
    #[test_case("Thu, 29 Feb 2024 00:00:00 GMT" => Some(1_709_164_800); "a leap day")]
    #[test_case("Wed, 29 Feb 2023 00:00:00 GMT" => None; "none that year")]
    #[test_case("Fri, 31 Dec 9999 23:59:59 GMT" => Some(253_402_300_799); "the last")]
    #[test_case("tomorrow" => None)]
    fn dates(text: &str) -> Option<u64> {
        let since = |it: SystemTime| it.duration_since(SystemTime::UNIX_EPOCH).ok();
        parse(text).and_then(since).map(|it| it.as_secs())
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_or_not(text in "\\PC{0,40}|[0-9:a-zé -]{0,30}") {
            parse(&text);
        }
    }
}
