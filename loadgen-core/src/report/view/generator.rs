//! How the generator itself fared.

use super::super::document::{Document, Generator, Grid, Status};
use super::{Fact, Tone};
use crate::units::human;

/// Below this share of its core a generator that did not keep up had nothing to do that kept it from
/// it: others had the processor, or the system did not wake it.
const IDLE: f64 = 0.25;
/// Above this share of the time without a processor, that is what kept it from it.
const STARVED: f64 = 0.1;

/// What its workers did, and whether it was the limit.
pub(super) fn fact(document: &Document) -> Fact {
    let generator = &document.run.generator;
    let plural = if generator.workers == 1 { "" } else { "s" };
    let busy = human::percent(generator.cpu_busy);
    let waiting = generator.per_worker.iter().filter_map(|it| it.cpu_waiting);
    let waiting = waiting.reduce(f64::max).map_or_else(String::new, |share| {
        format!(" and waited awake for up to {}", human::percent(share))
    });
    let grid = generator.grid().map_or_else(String::new, |grid| {
        let part = match grid.share {
            share if share < Grid::NEARLY_ALL => {
                format!(" for {} of the time", human::percent(share))
            }
            _ => String::new(),
        };
        let has_saved = grid.cpu_saved.is_some_and(|it| it >= 0.01);
        let saved = grid.saved().filter(|_| has_saved);
        let saved = saved.map_or_else(String::new, |it| format!(", which saved {it} of a core"));
        let ticks = human::micros(grid.ticks_us);
        format!(" on a grid of {ticks}{part}{saved}")
    });
    let facts = format!(
        "{} worker{plural}, the busiest used {busy} of its core{waiting}{grid}: ",
        generator.workers
    );
    let (judgement, is_doubtful) = if generator.saturated && generator.cpu_busy < 0.9 {
        ("it had to wait for more", true)
    } else if generator.saturated {
        ("it was the limit", true)
    } else if document.verdict.status == Status::Invalid && was_kept_off(generator) {
        ("it was kept off the processor", true)
    } else if document.verdict.status == Status::Invalid {
        ("it did not keep up", true)
    } else if was_late(document) {
        ("it started some late", true)
    } else {
        ("not the limit", false)
    };
    let tone = if is_doubtful {
        Tone::Doubtful
    } else {
        Tone::Plain
    };
    Fact::new("generator", facts + judgement).toned(tone)
}

/// Whether it had little to do, or stood ready and had no processor.
fn was_kept_off(generator: &Generator) -> bool {
    let starved = generator.per_worker.iter().map(|it| it.cpu_starved);
    generator.cpu_busy < IDLE || starved.fold(0.0, f64::max) > STARVED
}

/// Whether arrivals were not started in time by the generator's doing.
fn was_late(document: &Document) -> bool {
    document.scenarios.iter().any(|it| it.ledger.late > 0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use test_case::test_case;

    use super::super::super::sample::document;
    use super::*;

    fn fact_of(grids: &[serde_json::Value]) -> String {
        let workers: Vec<_> = grids
            .iter()
            .map(|grid| {
                let mut worker =
                    json!({"cpu_busy": 0.4, "cpu_starved": 0.0, "longest_stall_us": 0.0});
                if !grid.is_null() {
                    worker["grid"] = grid.clone();
                }
                worker
            })
            .collect();
        let document = document(|json| json["run"]["generator"]["per_worker"] = json!(workers));
        let text = fact(&document).text;
        text.split_once("core ")
            .map_or(text.clone(), |it| it.1.to_owned())
    }

    #[test_case(&[json!({"ticks_us": 100, "share": 0.99, "cpu_saved": 0.2}), json!({"ticks_us": 100, "share": 0.99, "cpu_saved": -0.05})]
        => "on a grid of 100 µs, which saved 15% of a core: not the limit"; "all workers saved it")]
    #[test_case(&[json!({"ticks_us": 100, "share": 0.99, "cpu_saved": 0.2}), json!({"ticks_us": 150, "share": 0.99})]
        => "on a grid of 150 µs: not the limit"; "one cannot tell")]
    #[test_case(&[json!({"ticks_us": 100, "share": 0.99, "cpu_saved": 0.2}), json!(null)]
        => "on a grid of 100 µs for 49.5% of the time, which saved 20% of a core: not the limit"; "one had none")]
    fn grids_of_several_workers(grids: &[serde_json::Value]) -> String {
        fact_of(grids)
    }

    #[test_case(250, Some(0.306) => "on a grid of 250 µs, which saved 31% of a core: not the limit"; "and what that saved")]
    #[test_case(100, None => "on a grid of 100 µs: not the limit"; "and too few to tell")]
    #[test_case(100, Some(-0.01) => "on a grid of 100 µs: not the limit"; "and nothing saved")]
    fn a_grid_is_told(ticks_us: u32, cpu_saved: Option<f64>) -> String {
        let mut grid = json!({"ticks_us": ticks_us, "share": 0.99});
        if let Some(saved) = cpu_saved {
            grid["cpu_saved"] = saved.into();
        }
        fact_of(&[grid])
    }
}
