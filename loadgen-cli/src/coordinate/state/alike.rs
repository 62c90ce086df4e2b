//! Whether a shard is of a run: by what the results of shards are told apart when they are merged.

use loadgen_core::merge::{data_differences, plan_differences};
use loadgen_core::report::DataDigest;
use serde_json::Value;

use super::NAMED;
use crate::coordinate::proto::Hello;

/// Whether a shard is of the run that has this name, and whose first shard has said this.
///
/// # Errors
/// In what it is not.
pub(super) fn check(
    shard: &str,
    hello: &Hello,
    run_id: Option<&str>,
    first: Option<&(Hello, Value)>,
) -> Result<(), String> {
    let version = env!("CARGO_PKG_VERSION");
    if hello.version != version {
        return Err(format!(
            "{shard} is loadgen {}, and the coordinator {version}; use one version for all",
            hello.version
        ));
    }
    if let Some(run_id) = run_id
        && !hello.run_id.is_empty()
        && hello.run_id != run_id
    {
        return Err(format!(
            "{shard} is of the run `{}`, and the coordinator of `{run_id}`: name the address of its own, or one \
                 `--run-id` for all",
            hello.run_id
        ));
    }
    let Some((first, plan)) = first else {
        return Ok(());
    };
    let mut differences = Vec::new();
    if hello.seed != first.seed {
        differences.push(format!(
            "`--seed` is {} in shard {} and {} in {shard}",
            first.seed, first.index, hello.seed
        ));
    }
    let own = serde_json::from_str(&hello.plan).unwrap_or_default();
    let of_first = format!("shard {}", first.index);
    differences.extend(plan_differences((&of_first, plan), (shard, &own)));
    differences.extend(data_differences(
        (&of_first, &data(first)),
        (shard, &data(hello)),
    ));
    if differences.is_empty() {
        return Ok(());
    }
    let more = differences.len().saturating_sub(NAMED);
    differences.truncate(NAMED);
    if more > 0 {
        differences.push(format!("and {more} more differences"));
    }
    Err(format!(
        "{shard} has another plan than the shards that are here:\n  {}",
        differences.join("\n  ")
    ))
}

fn data(of: &Hello) -> Vec<DataDigest> {
    let all = of.data.iter();
    all.map(|it| DataDigest::new(&it.scenario, &it.source, &it.sha256))
        .collect()
}
