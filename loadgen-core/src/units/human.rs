//! Numbers as people read them: grouped digits, times in the unit that fits, shares.

use std::time::Duration;

/// A count with its digits in groups of three.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count and what is counted.
#[must_use]
pub fn counted(value: u64, one: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {one}{plural}", count(value))
}

/// A rate per second.
#[must_use]
pub fn rate(per_second: f64) -> String {
    if per_second >= 100.0 {
        format!("{}/s", count(per_second.round() as u64))
    } else {
        format!("{}/s", significant(per_second))
    }
}

/// A time in microseconds, in the unit that fits, to three digits.
#[must_use]
pub fn micros(us: f64) -> String {
    if us < 1.0 {
        format!("{} ns", significant(us * 1e3))
    } else if us < 999.5 {
        format!("{} µs", significant(us))
    } else if us < 999_500.0 {
        format!("{} ms", significant(us / 1e3))
    } else {
        seconds(us / 1e6)
    }
}

/// A duration, in the unit that fits.
#[must_use]
pub fn duration(duration: Duration) -> String {
    micros(duration.as_secs_f64() * 1e6)
}

/// Seconds; from two minutes on in words.
fn seconds(s: f64) -> String {
    if s < 120.0 {
        return format!("{} s", significant(s));
    }
    let all = s.round() as u64;
    let parts = [(all / 3600, "h"), (all / 60 % 60, "min"), (all % 60, "s")];
    let words: Vec<String> = parts
        .into_iter()
        .filter(|(value, _)| *value > 0)
        .map(|(value, unit)| format!("{value} {unit}"))
        .collect();
    words.join(" ")
}

/// Minutes and seconds, `02:05`; hours where there are any, `1:02:05`.
#[must_use]
pub fn clock(duration: Duration) -> String {
    let all = duration.as_secs();
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

/// A share as a percentage to two decimals, as the verdict's sentences have it; it never rounds
/// something to nothing or to all.
#[must_use]
pub fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.0001 {
        "<0.01%".to_owned()
    } else if share < 1.0 && share > 0.9999 {
        ">99.99%".to_owned()
    } else {
        let text = format!("{:.2}", share * 100.0);
        format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A number of bytes.
#[must_use]
pub fn bytes(value: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value as f64;
    let mut unit = "B";
    for next in UNITS {
        if scaled < 1000.0 {
            break;
        }
        scaled /= 1024.0;
        unit = next;
    }
    format!("{} {unit}", significant(scaled))
}

/// Three significant digits below a thousand, without a fraction of nothing.
#[must_use]
pub fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0 => "0")]
    #[test_case(999 => "999")]
    #[test_case(1_000 => "1,000")]
    #[test_case(12_345_678 => "12,345,678")]
    fn counts(value: u64) -> String {
        count(value)
    }

    #[test_case(1, "user" => "1 user")]
    #[test_case(2_000, "user" => "2,000 users")]
    #[test_case(0, "user" => "0 users")]
    fn counted_things(value: u64, one: &str) -> String {
        counted(value, one)
    }

    #[test_case(0.25 => "250 ns")]
    #[test_case(1.0 => "1 µs"; "one microsecond")]
    #[test_case(12.34 => "12.3 µs"; "three digits")]
    #[test_case(999.4 => "999 µs"; "just below a millisecond")]
    #[test_case(999.6 => "1 ms")]
    #[test_case(1_234.0 => "1.23 ms")]
    #[test_case(900_000.0 => "900 ms")]
    #[test_case(999_600.0 => "1 s")]
    #[test_case(61_500_000.0 => "61.5 s")]
    #[test_case(125_000_000.0 => "2 min 5 s")]
    #[test_case(3_600_000_000.0 => "1 h")]
    fn times(us: f64) -> String {
        micros(us)
    }

    #[test_case(0.0 => "0%")]
    #[test_case(0.00001 => "<0.01%")]
    #[test_case(0.0123 => "1.23%")]
    #[test_case(0.99999 => ">99.99%")]
    #[test_case(0.535_49 => "53.55%"; "two decimals")]
    #[test_case(0.9995 => "99.95%"; "many nines")]
    #[test_case(1.0 => "100%")]
    fn percentages(share: f64) -> String {
        percent(share)
    }

    #[test_case(0.5 => "0.5/s")]
    #[test_case(99.96 => "100/s")]
    #[test_case(48_211.4 => "48,211/s")]
    fn rates(per_second: f64) -> String {
        rate(per_second)
    }

    #[test_case(0 => "0 B")]
    #[test_case(999 => "999 B")]
    #[test_case(1_536 => "1.5 KiB")]
    #[test_case(5_368_709_120 => "5 GiB")]
    fn sizes(value: u64) -> String {
        bytes(value)
    }

    #[test_case(65 => "01:05")]
    #[test_case(3_725 => "1:02:05")]
    fn clocks(seconds: u64) -> String {
        clock(Duration::from_secs(seconds))
    }
}
