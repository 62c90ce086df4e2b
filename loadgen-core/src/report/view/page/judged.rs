//! Thresholds: what was wanted, what was measured, and how far apart these are.

use super::super::super::document::{Document, ThresholdResult};
use super::super::{Tone, observed, overview};
use super::{Cell, Chapter, Column, Grid, Section};
use crate::condition::{Limit, Threshold};
use crate::units::human;

/// Whether what became of conditions is the last word on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// The run is over.
    Final,
    /// It is as it stands, and may change.
    SoFar,
}

/// All thresholds of a run; nothing where it has none.
pub(super) fn chapter(document: &Document, stand: Stand) -> Option<Chapter> {
    let scenarios = &document.scenarios;
    let of_each = scenarios.iter().flat_map(|scenario| {
        let title = overview::title(scenario, scenarios);
        scenario
            .thresholds
            .iter()
            .map(move |it| (title.clone(), it))
    });
    let of_tags = document.total.thresholds.iter();
    let all: Vec<(String, &ThresholdResult)> = of_each
        .chain(of_tags.map(|it| ("by tag".to_owned(), it)))
        .collect();
    if all.is_empty() {
        return None;
    }
    let (title, heading) = match stand {
        Stand::Final => ("Thresholds", "verdict"),
        Stand::SoFar => ("Thresholds as they stand so far", "so far"),
    };
    let mut grid = Grid::new(
        "Thresholds, each with what was measured and how far that is from its limit",
        "threshold",
        &[
            (heading, Column::Text),
            ("scenario", Column::Text),
            ("measured", Column::Figure),
            ("of the limit", Column::Figure),
            ("margin", Column::Text),
            ("remark", Column::Remark),
        ],
    );
    for (scenario, result) in all {
        let (word, tone, if_bad) = match (result.pass, stand) {
            (true, _) => ("holds", Tone::Good, Tone::Plain),
            (false, Stand::Final) => ("fails", Tone::Bad, Tone::Bad),
            (false, Stand::SoFar) => ("does not hold", Tone::Bad, Tone::Bad),
        };
        let (value, remark) = observed(result);
        let margin = Margin::of(result);
        let part = margin.as_ref().map(|it| it.part);
        let cells = [
            Cell::of(word).toned(tone),
            Cell::of(scenario),
            Cell::or_nothing(value),
            match part {
                Some(part) => Cell::of(human::percent(part)).with_bar(part).toned(if_bad),
                None => Cell::of(""),
            },
            Cell::or_nothing(margin.map(|it| it.words)),
            Cell::of(remark.trim_start_matches([',', ' '])),
        ];
        grid.row(&result.expression, cells);
    }
    let block = grid.without_empty_columns().block();
    let sections = vec![Section::new("", block.into_iter().collect())];
    Some(Chapter::new("thresholds", title, sections))
}

/// How far what was measured is from its limit.
struct Margin {
    words: String,
    /// What was measured, as a part of the limit.
    part: f64,
}

impl Margin {
    /// Nothing where the limit is nothing, or one that is met or not with nothing between.
    fn of(result: &ThresholdResult) -> Option<Self> {
        let threshold: Threshold = result.expression.parse().ok()?;
        let observed = result
            .ended_run
            .map_or(result.observed, |it| Some(it.observed))?;
        let (limit, is_most) = match threshold.limit()? {
            Limit::Most(limit) => (limit, true),
            Limit::Least(limit) => (limit, false),
        };
        if limit <= 0.0 {
            return None;
        }
        let part = observed / limit;
        let apart = human::percent((part - 1.0).abs());
        let words = match (result.pass, is_most) {
            _ if part == 1.0 => "at the limit".to_owned(),
            (true, true) => format!("{apart} below it"),
            (true, false) => format!("{apart} above it"),
            (false, true) => format!("{apart} over it"),
            (false, false) => format!("{apart} short of it"),
        };
        Some(Self { words, part })
    }
}
