//! A run as manifests for Kubernetes: what a scenario needs in a cluster, as YAML.
//!
//! Owns what is in a pod and where, and which files go there. Nothing here speaks to a cluster: what is printed is
//! for `kubectl`. Whether the run makes sense is settled as `run` does.

mod error;
mod files;
mod flags;
mod imports;
mod manifests;
mod pod;

use loadgen_core::scenario::to_yaml;

use self::files::Files;
use self::manifests::Manifests;
use crate::args::KubernetesArgs;
use crate::error::Error;
use crate::screen;

pub(crate) use self::error::KubernetesError;

/// The manifests, one document after another.
///
/// # Errors
/// For a scenario that is not valid, flags that `run` does not take, and files that cannot be taken along.
pub(crate) fn print(args: &KubernetesArgs) -> Result<String, Error> {
    let run = flags::settle(args)?;
    let files = Files::of(args.suite_file(), &run)?;
    let manifests = Manifests::new(args, &run, &files)?;
    for note in &run.notes {
        screen::note(note);
    }
    let mut text = format!(
        "# Printed by `loadgen kubernetes`: the run `{name}` as {shards}. When its pods are over,\n\
         #   kubectl patch job {merge} --patch '{{\"spec\": {{\"suspend\": false}}}}'\n\
         # merges their results; `kubectl logs job/{merge}` shows what came of it.\n",
        name = manifests.name(),
        shards = crate::human::counted(args.shards, "shard"),
        merge = manifests.merge_name(),
    );
    for document in manifests.all() {
        text.push_str("---\n");
        text.push_str(&to_yaml(&document));
    }
    Ok(text)
}
