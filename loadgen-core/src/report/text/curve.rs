//! Response times by rate as dots, a line for each rate.

use super::super::view::Curve;
use super::{LABEL, TextOptions};
use crate::text;
use crate::text::flow::{columns, glued, hanging};
use crate::units::human;

/// What stands for p50, p95 and p99. Where two share a place, the later one is seen.
const DOTS: [(char, &str); 3] = [('·', "p50"), ('+', "p95"), ('x', "p99")];
/// From the first of them to the last.
const BETWEEN: char = '─';
/// A time that a goal allows.
const LIMIT: char = '|';
/// More columns than this say no more, and fewer nothing.
const MOST: usize = 100;
const FEWEST: usize = 16;

/// The picture, what its marks are below it; nothing where there is no room for it.
pub(in crate::report) fn lines(curve: &Curve, options: TextOptions) -> Vec<String> {
    let TextOptions { width, .. } = options;
    let beside = curve.rows.iter().map(|it| columns(&it.beside));
    let beside = beside.max().map_or(0, |it| it + 2);
    let room = width.saturating_sub(LABEL + beside).min(MOST);
    let Some(axis) = Axis::of(curve, room).filter(|_| room >= FEWEST) else {
        return Vec::new();
    };
    let mut lines = vec![format!("{:LABEL$}{}", "times", axis.labels())];
    for row in &curve.rows {
        let mut drawn = vec![' '; room];
        for (limit, _) in &curve.limits {
            drawn[axis.place(*limit)] = LIMIT;
        }
        let places = row.times_us.map(|it| it.map(|us| axis.place(us)));
        let known = || places.iter().flatten().copied();
        if let (Some(first), Some(last)) = (known().min(), known().max()) {
            for column in &mut drawn[first..=last] {
                if *column == ' ' {
                    *column = BETWEEN;
                }
            }
        }
        for (place, (dot, _)) in places.iter().zip(DOTS) {
            if let Some(place) = place {
                drawn[*place] = dot;
            }
        }
        let drawn: String = drawn.into_iter().collect();
        let label = text::line(&format!("  {}", row.label));
        let line = format!("{label:LABEL$}{drawn}  {}", row.beside);
        lines.push(super::toned(options.paint, row.tone, line.trim_end()));
    }
    let dots = DOTS.map(|(dot, what)| glued(&format!("{dot} {what}")));
    let mut parts = dots.to_vec();
    let limits = curve.limits.iter();
    parts.extend(limits.map(|(_, goal)| glued(&format!("{LIMIT} {goal}"))));
    let begin = " ".repeat(LABEL);
    lines.extend(hanging(&begin, LABEL, &parts.join(", "), width));
    lines
}

/// Times on a logarithmic scale.
struct Axis {
    /// The ends, in microseconds.
    from: f64,
    to: f64,
    columns: usize,
}

impl Axis {
    /// One that has room for all; nothing where there is no time.
    fn of(curve: &Curve, columns: usize) -> Option<Self> {
        let times = curve.rows.iter().flat_map(|it| it.times_us).flatten();
        let limits = curve.limits.iter().map(|(us, _)| *us);
        let all = times.chain(limits).filter(|it| *it > 0.0 && it.is_finite());
        let least = all.clone().reduce(f64::min)?;
        let most = all.reduce(f64::max)?;
        // From a round time to another.
        let from = round_times(least / 10.0).take_while(|it| *it <= least);
        let from = from.last().unwrap_or(least);
        let to = round_times(from).find(|it| *it >= most && *it > from)?;
        Some(Self { from, to, columns })
    }

    fn place(&self, us: f64) -> usize {
        let part = (us / self.from).ln() / (self.to / self.from).ln();
        let last = self.columns - 1;
        (part.clamp(0.0, 1.0) * last as f64).round() as usize
    }

    /// Round times, each beginning at its place, the last one ending there; those that there is no room for are left
    /// out, powers of ten last.
    fn labels(&self) -> String {
        let within = round_times(self.from).take_while(|it| *it <= self.to);
        let mut ticks: Vec<f64> = within.collect();
        let rank = |us: f64| match us {
            us if us == self.from || us == self.to => 0,
            us if (us.log10() - us.log10().round()).abs() < 1e-9 => 1,
            _ => 2,
        };
        ticks.sort_by(|a, b| rank(*a).cmp(&rank(*b)).then(a.total_cmp(b)));
        let mut line = vec![' '; self.columns];
        for us in ticks {
            let label: Vec<char> = human::micros(us).chars().collect();
            let most = self.columns.saturating_sub(label.len());
            let at = self.place(us).min(most);
            let around = at.saturating_sub(2)..(at + label.len() + 2).min(self.columns);
            if line[around].iter().all(|it| *it == ' ') {
                line[at..at + label.len()].copy_from_slice(&label);
            }
        }
        line.into_iter().collect::<String>().trim_end().to_owned()
    }
}

/// 1, 2 and 5 times each power of ten, in microseconds, from this one on.
fn round_times(from: f64) -> impl Iterator<Item = f64> {
    let decade = from.max(1e-3).log10().floor() as i32;
    let decades = decade..decade + 16;
    let all = decades.flat_map(|it| [1.0, 2.0, 5.0].map(|of| of * 10_f64.powi(it)));
    // What is no power of two is not quite what it is.
    all.filter(move |it| *it >= from * (1.0 - 1e-9))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::super::super::view::{Dots, Tone};
    use super::*;
    use crate::text::Paint;

    fn curve() -> Curve {
        let row = |label: &str, times_us, beside: &str| Dots {
            label: label.to_owned(),
            times_us,
            beside: beside.to_owned(),
            tone: Tone::Plain,
        };
        Curve {
            rows: vec![
                row("20,600/s", [Some(400.0), Some(800.0), Some(1_500.0)], ""),
                row(
                    "41,200/s",
                    [Some(900.0), Some(4_000.0), Some(18_000.0)],
                    "lower",
                ),
                row("42,000/s", [Some(2_000.0), None, None], "upper"),
                row(
                    "82,400/s",
                    [Some(80_000.0), Some(80_000.0), Some(95_000.0)],
                    "12.4% errors",
                ),
            ],
            limits: vec![(20_000.0, "response_time.p99 < 20ms".to_owned())],
        }
    }

    #[test_case(60 => "
times       200 µs   1 ms        10 ms  100 ms
  20,600/s      ·──+───x            |
  41,200/s          ·───────+───────x           lower
  42,000/s              ·           |           upper
  82,400/s                          |       +x  12.4% errors
            · p50, + p95, x p99, | response_time.p99 < 20ms"; "narrow")]
    fn draws(width: usize) -> String {
        let options = TextOptions {
            width,
            paint: Paint::OFF,
            example_lines: None,
        };
        let lines = lines(&curve(), options);
        for line in &lines {
            assert!(columns(line) <= width, "{line}");
        }
        format!("\n{}", lines.join("\n"))
    }

    #[test]
    fn without_room_there_is_nothing() {
        let options = TextOptions {
            width: 44,
            paint: Paint::OFF,
            example_lines: None,
        };
        let mut narrow = curve();
        assert!(!lines(&narrow, options).is_empty());
        narrow.rows[0].beside = "a remark of some length".to_owned();
        assert_eq!(lines(&narrow, options), Vec::<String>::new());
    }
}
