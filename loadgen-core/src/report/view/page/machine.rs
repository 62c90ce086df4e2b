//! The generator and its machine, and the plan that was run.

use std::collections::BTreeMap;

use super::super::super::document::{ClockOffset, Document, MergedShard, SinkKind};
use super::super::{Fact, generator as generator_in_short, overview, shards};
use super::{Block, Cell, Column, Grid, Section, times};
use crate::units::human;

/// How the generator itself fared: its workers, its lateness, where its figures went.
pub(super) fn generator(document: &Document) -> Vec<Section> {
    let generator = &document.run.generator;
    let throttled = generator.throttled_share.filter(|it| *it > 0.0);
    let throttled = throttled.map(|share| {
        Fact::new(
            "throttled",
            format!(
                "for {} of the time, by a control group's quota",
                human::percent(share)
            ),
        )
    });
    let facts = [
        shards::fact(document),
        Some(generator_in_short::fact(document)),
        Some(Fact::new("pacing", &*generator.pacing)),
        throttled,
    ];
    let headings = [
        "busy",
        "waited awake",
        "without a processor",
        "longest stall",
        "on a grid of",
        "for",
        "which saved",
    ];
    let mut grid = Grid::of_figures(
        "Workers: parts of their time on a processor",
        "worker",
        &headings,
    );
    let mut numbers: BTreeMap<Option<u32>, u64> = BTreeMap::new();
    for worker in &generator.per_worker {
        let number = numbers.entry(worker.shard).or_default();
        let label = match worker.shard {
            Some(shard) => format!("{number} of shard {shard}"),
            None => number.to_string(),
        };
        *number += 1;
        let saved = worker.grid.and_then(|it| it.saved());
        let cells = [
            Cell::of(human::percent(worker.cpu_busy)).with_bar(worker.cpu_busy),
            Cell::or_nothing(worker.cpu_waiting.map(human::percent)),
            Cell::of(human::percent(worker.cpu_starved)),
            Cell::time(Some(worker.longest_stall_us)),
            Cell::or_nothing(worker.grid.map(|it| human::micros(it.ticks_us))),
            Cell::or_nothing(worker.grid.map(|it| human::percent(it.share))),
            Cell::or_nothing(saved),
        ];
        grid.row(label, cells);
    }
    let blocks = [
        Block::facts(facts.into_iter().flatten()),
        merged(document),
        grid.without_empty_columns().block(),
        lateness(document),
        sinks(document),
    ];
    vec![Section::new("", blocks.into_iter().flatten().collect())]
}

/// Each of the shards that the run was merged of.
fn merged(document: &Document) -> Option<Block> {
    let columns = [
        ("machine", Column::Text),
        ("began", Column::Text),
        ("clock", Column::Text),
        ("took", Column::Figure),
        ("load", Column::Text),
        ("busiest worker", Column::Figure),
        ("longest stall", Column::Figure),
        ("throttled", Column::Figure),
    ];
    let caption = "Shards: each one's part of the load, and how its generator fared";
    let mut grid = Grid::new(caption, "shard", &columns);
    let shards = document.run.shards.as_ref();
    for shard in shards.into_iter().flat_map(|it| &it.merged) {
        let state = match (shard.cut_off, shard.stopped) {
            (true, _) => ", cut off",
            (false, true) => ", stopped",
            (false, false) => "",
        };
        let load: Vec<String> = shard.slices.iter().map(shards::planned).collect();
        let throttled = shard.generator.throttled_share;
        let cells = [
            Cell::of(shard.host.hostname.as_deref().unwrap_or_default()),
            Cell::of(&*shard.started_at),
            Cell::of(shard.clock.map_or_else(String::new, clock)),
            Cell::of(human::micros(shard.duration_s.max(0.0) * 1e6)),
            Cell::of(load.join(", ") + state),
            Cell::of(human::percent(shard.generator.cpu_busy)),
            Cell::time(longest_stall_us(shard)),
            Cell::or_nothing(throttled.filter(|it| *it > 0.0).map(human::percent)),
        ];
        grid.row(shard.index.to_string(), cells);
    }
    grid.without_empty_columns().block()
}

/// How a shard's clock was to the coordinator's.
fn clock(offset: ClockOffset) -> String {
    let side = match offset.offset_us > 0.0 {
        true => "behind",
        false => "ahead",
    };
    let by = human::micros(offset.offset_us.abs());
    format!("{by} {side}, ± {}", human::micros(offset.within_us))
}

/// The longest pause of a shard's workers, in microseconds.
fn longest_stall_us(shard: &MergedShard) -> Option<f64> {
    let workers = shard.generator.per_worker.iter();
    workers.map(|it| it.longest_stall_us).reduce(f64::max)
}

/// What of the times is the generator's own doing.
fn lateness(document: &Document) -> Option<Block> {
    let scenarios = &document.scenarios;
    let mut grid = times::grid("The generator's own part of the times", "scenario");
    for scenario in scenarios {
        let title = overview::title(scenario, scenarios);
        let parts = [
            ("start lag", &scenario.start_lag_us),
            ("send lag", &scenario.send_lag_us),
            ("read lag", &scenario.read_lag_us),
            ("all three of a request", &scenario.generator_us),
        ];
        for (label, statistics) in parts {
            if let Some(statistics) = statistics {
                grid.row(format!("{title}: {label}"), times::cells(statistics, None));
            }
        }
    }
    grid.without_empty_columns().block()
}

/// Where figures went while the run was under way.
fn sinks(document: &Document) -> Option<Block> {
    let columns = [
        ("to", Column::Text),
        ("failed", Column::Figure),
        ("rejected", Column::Figure),
        ("short", Column::Figure),
    ];
    let mut grid = Grid::new(
        "Where figures went while the run was under way",
        "sink",
        &columns,
    );
    let counted = |count: Option<u64>| count.map_or_else(|| Cell::of(""), Cell::count_of_bad);
    for it in &document.run.sinks {
        let cells = [
            Cell::of(&*it.to),
            counted(it.failed),
            counted(it.rejected),
            counted(it.short),
        ];
        grid.row(
            match it.kind {
                SinkKind::Statsd => "StatsD",
                SinkKind::Prometheus => "Prometheus",
                SinkKind::Otlp => "OTLP",
                SinkKind::Graphite => "Graphite",
            },
            cells,
        );
    }
    grid.without_empty_columns().block()
}

/// So many characters of a plan are shown: with bodies and data in it, it may be of any length.
const MOST_OF_PLAN: usize = 100_000;

/// The plan as it was run, or as much of it as a page has room for.
pub(super) fn plan(document: &Document) -> Section {
    // Fails only for maps whose keys are not text.
    let text = serde_json::to_string_pretty(&document.run.plan).unwrap_or_default();
    let title = "The plan as it was run: defaults, profiles and flags applied, secrets left out";
    let all = text.chars().count();
    let text: String = text.chars().take(MOST_OF_PLAN).collect();
    let mut blocks = vec![Block::Text { title, text }];
    if let more @ 1.. = all.saturating_sub(MOST_OF_PLAN) {
        blocks.push(Block::sentence(format!(
            "{} more characters of it are not shown; the document that this page carries has them.",
            human::count(more as u64),
        )));
    }
    Section::new("", blocks)
}

/// The machine that made the load, and the run's own name.
pub(super) fn host(document: &Document) -> Section {
    let run = &document.run;
    let host = &run.host;
    let system = [Some(&host.os), host.kernel.as_ref(), Some(&host.arch)];
    let system: Vec<&str> = system.into_iter().flatten().map(String::as_str).collect();
    let cores = host.cores.map(|it| human::counted(it, "core"));
    let memory = host.memory_bytes.map(human::bytes);
    let size: Vec<String> = cores.into_iter().chain(memory).collect();
    let took = human::micros(run.duration_s.max(0.0) * 1e6);
    let facts = [
        Some(Fact::new("run", &*run.id)),
        Some(Fact::new("began", &*run.started_at)),
        Some(Fact::new("took", took)),
        Some(Fact::new("loadgen", &*run.version)),
        host.hostname.as_deref().map(|it| Fact::new("machine", it)),
        Some(Fact::new("system", system.join(" "))),
        host.cpu.as_deref().map(|it| Fact::new("processor", it)),
        (!size.is_empty()).then(|| Fact::new("size", size.join(", "))),
    ];
    Section::new(
        "",
        Block::facts(facts.into_iter().flatten())
            .into_iter()
            .collect(),
    )
}
