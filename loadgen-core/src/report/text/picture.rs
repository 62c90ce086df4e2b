//! Requests over time as bars, a row for each server.

use super::super::view::{Picture, Tone};
use super::{LABEL, TextOptions};
use crate::text;
use crate::text::flow::{columns, hanging};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A piece of the document's timeline, in seconds.
const PIECE_S: f64 = 0.1;
/// More columns than this say no more.
const MOST: usize = 120;

/// The picture; what the marks are below it, and nothing but that where there is no room for bars.
pub(in crate::report) fn lines(picture: &Picture, options: TextOptions) -> Vec<String> {
    let TextOptions { width, paint, .. } = options;
    let legend = |label: &str| {
        let begin = format!("{label:LABEL$}");
        hanging(&begin, LABEL, &picture.legend, width)
    };
    let sums = picture.rows.iter().map(|it| columns(&it.sum));
    let sum = sums.max().unwrap_or(0);
    let room = width.saturating_sub(LABEL + 2 + sum).min(MOST);
    let length = picture.to_s - picture.from_s;
    let pieces = (length / PIECE_S).round().max(1.0);
    if room < 10 {
        return legend("failover");
    }
    // So many pieces of time to a column, so that all have as many.
    let each = (pieces / room as f64).ceil().max(1.0);
    let used = (pieces / each).ceil() as usize;
    let place = |t_s: f64| {
        // In the middle of a piece, so that no rounding moves it.
        let piece = ((t_s - picture.from_s) / PIECE_S + 0.01).floor().max(0.0);
        ((piece / each) as usize).min(used - 1)
    };
    let mut marks = vec![' '; used];
    for (t_s, mark) in picture.marks.iter().rev() {
        let is_shown = (picture.from_s..picture.to_s).contains(t_s);
        if is_shown {
            marks[place(*t_s)] = *mark;
        }
    }
    let marks: String = marks.into_iter().collect();
    let mut lines = vec![format!("{:LABEL$}{}", "failover", marks.trim_end())];
    let rows = picture.rows.iter().map(|row| {
        let mut sums = vec![0_u64; used];
        for (t_s, count) in &row.counts {
            sums[place(*t_s)] += count;
        }
        sums
    });
    let mut rows: Vec<Vec<u64>> = rows.collect();
    // The last column may have fewer pieces, and stands for as many.
    let last = pieces - each * (used - 1) as f64;
    for row in &mut rows {
        row[used - 1] = (row[used - 1] as f64 * each / last).round() as u64;
    }
    let most = rows.iter().flatten().copied().max().unwrap_or(0).max(1);
    for (row, sums) in picture.rows.iter().zip(&rows) {
        let bar = |count: &u64| match *count {
            0 => ' ',
            count => BARS[((count * 8).div_ceil(most) as usize).clamp(1, 8) - 1],
        };
        let bars: String = sums.iter().map(bar).collect();
        let name = shortened(&text::line(&row.label), LABEL - 3);
        let blanks = " ".repeat((LABEL - 2).saturating_sub(columns(&name)));
        let line = format!("  {name}{blanks}{bars}  {:>sum$}", row.sum);
        lines.push(match row.tone {
            Tone::Bad if sums.iter().any(|it| *it > 0) => paint.bad(&line),
            _ => line,
        });
    }
    lines.extend(legend(""));
    lines
}

/// As much of a name as there is room for.
fn shortened(name: &str, most: usize) -> String {
    if columns(name) <= most {
        return name.to_owned();
    }
    let mut kept = String::new();
    for c in name.chars() {
        if columns(&kept) + columns(&c.to_string()) + 1 > most {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::super::super::view::Bars;
    use super::*;
    use crate::text::Paint;

    /// Ten seconds of three servers, the second away from 4 s to 7 s.
    fn picture() -> Picture {
        let row = |label: &str, sum: &str, of: fn(u32) -> u64| Bars {
            label: label.to_owned(),
            counts: (0..100).map(|it| (f64::from(it) * 0.1, of(it))).collect(),
            sum: sum.to_owned(),
            tone: Tone::Plain,
        };
        Picture {
            from_s: 0.0,
            to_s: 10.0,
            marks: vec![(4.02, 'x'), (7.06, '^')],
            legend: "x 4.02 s kill b2, ^ 7.06 s back".to_owned(),
            rows: vec![
                row("b1", "1,666 ok", |it| {
                    16 + 8 * u64::from((40..70).contains(&it))
                }),
                row("a.name.that.is.long", "1,166 ok", |it| {
                    16 * u64::from(!(40..70).contains(&it))
                }),
                row("failed", "138", |it| 16 * u64::from((40..48).contains(&it))),
            ],
        }
    }

    #[test_case(60 => "
failover                 x         ^
  b1        ▆▆▆▆▆▆▆▆▆▆▆▆▆██████████▇▆▆▆▆▆▆▆▆▆▆  1,666 ok
  a.name.t… ▆▆▆▆▆▆▆▆▆▆▆▆▆▂         ▄▆▆▆▆▆▆▆▆▆▆  1,166 ok
  failed                 ▄▆▆                         138
            x 4.02 s kill b2, ^ 7.06 s back"; "narrow")]
    #[test_case(25 => "
failover    x 4.02 s kill
            b2, ^ 7.06 s
            back"; "no room for bars")]
    fn draws(width: usize) -> String {
        let options = TextOptions {
            width,
            paint: Paint::OFF,
            example_lines: None,
        };
        let lines = lines(&picture(), options);
        for line in &lines {
            assert!(columns(line) <= width, "{line}");
        }
        format!("\n{}", lines.join("\n"))
    }
}
