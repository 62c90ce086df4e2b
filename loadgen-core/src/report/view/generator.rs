//! How the generator itself fared.

use super::super::document::{Document, Generator, Status};
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
    let facts = format!(
        "{} worker{plural}, the busiest used {busy} of its core{waiting}: ",
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
