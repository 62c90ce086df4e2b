//! What was done to servers, what became of the load then, and what was expected of a balancer.

use super::super::super::document::{Answer, Failover, Scenario};
use super::super::{Fact, Tone, balance, by_hand};
use super::judged::Stand;
use super::{Block, Cell, Column, Grid, Section};
use crate::units::human;

/// The expectations and what became of each.
pub(super) fn expectations(scenario: &Scenario, stand: Stand) -> Option<Section> {
    let (title, heading) = match stand {
        Stand::Final => ("Expectations", "verdict"),
        Stand::SoFar => ("Expectations as they stand so far", "so far"),
    };
    let columns = [
        (heading, Column::Text),
        ("seen", Column::Remark),
        ("more answers that would tell", Column::Figure),
    ];
    let caption = format!("What {} expects of the balancer", scenario.name);
    let mut grid = Grid::new(caption, "expectation", &columns);
    for it in &scenario.expectations {
        let (word, tone) = match it.verdict {
            Answer::Holds => ("holds", Tone::Good),
            Answer::Fails if stand == Stand::SoFar => ("does not hold", Tone::Bad),
            Answer::Fails => ("fails", Tone::Bad),
            Answer::Undecided => ("undecided", Tone::Doubtful),
        };
        let cells = [
            Cell::of(word).toned(tone),
            Cell::of(&*it.observed),
            Cell::or_nothing(it.needed.map(human::count)),
        ];
        grid.row(&*it.expression, cells);
    }
    let block = grid.without_empty_columns().block()?;
    Some(Section::new(title, vec![block]))
}

/// Events, what became of the load around them, and servers that got nothing although they were up.
pub(super) fn events(place: usize, scenario: &Scenario) -> Option<Section> {
    let mut blocks: Vec<Block> = list(scenario).into_iter().collect();
    if !scenario.timeline.is_empty() {
        let caption = "Requests around the events, by when they were due, a tenth of a second each";
        let about =
            "Requests that each server ended around the events; the table below has its figures.";
        blocks.push(Block::chart("timeline", place, caption, about.to_owned()));
    }
    blocks.extend(failovers(&scenario.failovers));
    let with_more = scenario.failovers.iter().filter(|it| has_more(it));
    let words = with_more.map(|it| Fact::new(&it.backend, balance::in_words(it)));
    blocks.extend(Block::facts(words));
    blocks.extend(ejections(scenario));
    (!blocks.is_empty()).then(|| Section::new("Events and failover", blocks))
}

/// Whether there is something to say of it that the table has no column for.
fn has_more(failover: &Failover) -> bool {
    let relapses = failover.relapses.unwrap_or_default();
    let in_flight = failover.lost_in_flight.unwrap_or_default();
    let is_told =
        failover.switched.is_none() && failover.farewell.is_none() && failover.survivors.is_none();
    !is_told || failover.untold.is_some() || relapses + in_flight > 0
}

fn list(scenario: &Scenario) -> Option<Block> {
    let columns = [
        ("by hand", Column::Text),
        ("server", Column::Text),
        ("planned for", Column::Figure),
        ("done at", Column::Figure),
        ("ready again at", Column::Figure),
        ("problem", Column::Remark),
    ];
    let mut grid = Grid::new(format!("Events of {}", scenario.name), "event", &columns);
    for event in &scenario.events {
        let cells = [
            Cell::or_nothing(by_hand::kind(event)),
            Cell::or_nothing(event.backend.as_deref()),
            Cell::seconds(event.at_s),
            Cell::or_nothing(by_hand::when(event)),
            Cell::seconds(event.ready_s),
            Cell::or_nothing(event.failure.as_deref()).toned(Tone::Bad),
        ];
        grid.row(&*event.event, cells);
    }
    grid.without_empty_columns().block()
}

fn failovers(failovers: &[Failover]) -> Option<Block> {
    let mut grid = Grid::of_figures(
        "What became of the load",
        "event",
        &[
            "at",
            "detected",
            "lost",
            "slow",
            "recovered",
            "longest silence",
            "first answer",
            "its share as before",
        ],
    );
    for it in failovers {
        let timed = |name: &str, time: Option<f64>| match time {
            None if it.never.iter().any(|never| never == name) => {
                Cell::of("never").toned(Tone::Bad)
            }
            // Less than is told apart.
            Some(s) if s < 0.005 => Cell::of("at once"),
            time => Cell::seconds(time),
        };
        let cells = [
            Cell::seconds(it.at_s),
            timed("detected", it.detected_s),
            it.lost.map_or_else(|| Cell::of(""), Cell::count_of_bad),
            it.slow.map_or_else(|| Cell::of(""), Cell::count),
            timed("recovered", it.recovered_s),
            Cell::seconds(it.silence_s),
            timed("returned", it.returned_s),
            timed("rebalanced", it.rebalanced_s),
        ];
        grid.row(&*it.event, cells);
    }
    grid.notes.push(
        "Times count from the event, those of a server's return from when it was ready again."
            .to_owned(),
    );
    grid.without_empty_columns().block()
}

fn ejections(scenario: &Scenario) -> Option<Block> {
    let columns = [
        ("from", Column::Figure),
        ("until", Column::Figure),
        ("bad in the 5 s before", Column::Figure),
        ("remark", Column::Remark),
    ];
    let mut grid = Grid::new(
        "Servers that got nothing although they were up",
        "server",
        &columns,
    );
    for it in &scenario.ejections {
        let cells = [
            Cell::seconds(Some(it.from_s)),
            it.until_s
                .map_or_else(|| Cell::of("not back"), |s| Cell::seconds(Some(s))),
            Cell::count(it.bad),
            Cell::of(if it.healthy {
                "though it was healthy"
            } else {
                ""
            }),
        ];
        grid.row(&*it.backend, cells);
    }
    grid.without_empty_columns().block()
}
