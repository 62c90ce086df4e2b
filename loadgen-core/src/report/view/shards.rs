//! Which part of a run a document is of, or which parts it was merged of.

use super::super::document::{Document, ShardPart, Shards};
use super::Fact;
use crate::schedule::Slice;
use crate::units::human;

/// So many machines are named.
const NAMED: usize = 4;

/// That, in a sentence; nothing of a run of one process.
pub(super) fn fact(document: &Document) -> Option<Fact> {
    let run = &document.run;
    let of_part = run
        .shard
        .as_ref()
        .map(|it| Fact::of_parts("shard", &part(it)));
    of_part.or_else(|| {
        run.shards
            .as_ref()
            .map(|it| Fact::of_parts("shards", &parts(it)))
    })
}

fn part(shard: &ShardPart) -> Vec<String> {
    let mut told = vec![format!("{} of {}", shard.index, shard.count)];
    match shard.slices.as_slice() {
        [only] => told.push(planned(only)),
        several => told.extend(
            several
                .iter()
                .map(|it| format!("`{}` {}", it.scenario, planned(it))),
        ),
    }
    told.push("judged when all are merged".to_owned());
    told
}

fn parts(shards: &Shards) -> Vec<String> {
    let merged = shards.merged.len() as u64;
    let mut told = vec![match shards.missing.is_empty() {
        true => format!("all {} merged", human::count(merged)),
        false => format!(
            "{} of {} merged",
            human::count(merged),
            human::count(shards.count)
        ),
    }];
    let mut machines: Vec<&str> = Vec::new();
    for name in shards
        .merged
        .iter()
        .filter_map(|it| it.host.hostname.as_deref())
    {
        if !machines.contains(&name) {
            machines.push(name);
        }
    }
    if !machines.is_empty() {
        let more = machines.len().saturating_sub(NAMED);
        machines.truncate(NAMED);
        let more = match more {
            0 => String::new(),
            more => format!(" and {}", human::counted(more as u64, "more machine")),
        };
        told.push(format!("on {}{more}", machines.join(", ")));
    }
    told
}

/// How much of a scenario's load is a shard's.
pub(super) fn planned(slice: &Slice) -> String {
    let of =
        |part, all: u64, noun| format!("{} of {}", human::count(part), human::counted(all, noun));
    match (slice.planned, slice.planned_of_all) {
        (Some(part), Some(all)) => of(part, all, "iteration"),
        _ => of(slice.users, slice.users_of_all, "user"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::sample::document;
    use super::*;

    fn told(of: impl FnOnce(&mut serde_json::Value)) -> (String, String) {
        let fact = fact(&document(of)).unwrap();
        (fact.label, fact.text.replace('\u{a0}', " "))
    }

    #[test]
    fn a_part_says_how_much_it_is() {
        let told = told(|it| {
            it["run"]["shard"] = json!({"index": 1, "count": 4, "seed": 0, "slices": [{
                "scenario": "hello_high", "users": 25, "users_of_all": 100, "planned": 1250, "planned_of_all": 5000,
            }]});
        });
        let text = "1 of 4, 1,250 of 5,000 iterations, judged when all are merged";
        assert_eq!(told, ("shard".to_owned(), text.to_owned()));
    }

    #[test]
    fn the_whole_says_what_it_was_merged_of() {
        let shard = |index: u64, host: &str| {
            json!({
                "index": index, "id": "r", "started_at": "2026-11-20T19:32:18.123Z", "duration_s": 1.0,
                "stopped": false, "host": {"os": "linux", "arch": "x86_64", "hostname": host}, "slices": [],
                "generator": {"workers": 1, "cpu_busy": 0.1, "saturated": false, "pacing": "exact", "per_worker": []},
            })
        };
        let told = told(|it| {
            let merged = [shard(0, "a"), shard(1, "b"), shard(3, "a")];
            it["run"]["shards"] = json!({"count": 4, "seed": 0, "missing": [2], "missing_share": 0.25, "merged": merged});
        });
        let text = "3 of 4 merged, on a, b";
        assert_eq!(told, ("shards".to_owned(), text.to_owned()));
    }

    #[test]
    fn one_process_has_no_parts() {
        assert!(fact(&document(|_| {})).is_none());
    }
}
